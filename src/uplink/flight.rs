//! Which acknowledgement of a broker is for what.
//!
//! The MQTT library gives a publish its packet id when it writes it. It writes in the order in
//! which it was handed publishes, and tells of each: the n-th it tells of is the n-th handed over.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::id::Sequence;

/// Publishes of one connection that are not acknowledged: as many as it has places.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// Handed to the library, in order; with what the acknowledgement confirms.
    handed: VecDeque<Option<Sequence>>,
    /// On the wire, by packet id.
    written: BTreeMap<u16, Option<Sequence>>,
}

impl Flight {
    /// A publish is handed over.
    pub(super) fn hand(&mut self, confirms: Option<Sequence>) {
        self.handed.push_back(confirms);
    }

    /// The library wrote the next one under this packet id.
    pub(super) fn write(&mut self, id: u16) {
        if let Some(confirms) = self.handed.pop_front() {
            self.written.insert(id, confirms);
        }
    }

    /// The broker has it; what that confirms. An id comes back into use after its acknowledgement.
    pub(super) fn acknowledge(&mut self, id: u16) -> Option<Sequence> {
        self.written.remove(&id).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_in_any_order_confirm_what_was_written_under_their_id() {
        let mut flight = Flight::default();
        for confirms in [Some(Sequence(7)), None, Some(Sequence(9))] {
            flight.hand(confirms);
        }
        flight.write(1);
        assert_eq!(flight.acknowledge(2), None, "not on the wire yet");
        flight.write(2);
        flight.write(3);
        assert_eq!(flight.acknowledge(3), Some(Sequence(9)));
        assert_eq!(flight.acknowledge(2), None, "confirms nothing");
        assert_eq!(flight.acknowledge(1), Some(Sequence(7)));
        assert_eq!(flight.acknowledge(1), None, "once");
        flight.hand(Some(Sequence(11)));
        flight.write(1);
        assert_eq!(flight.acknowledge(1), Some(Sequence(11)), "the id is used again");
    }
}
