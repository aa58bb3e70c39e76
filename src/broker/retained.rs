//! Retained messages: one per topic, bounded in number and size, in all and for each publisher.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

/// A retained message.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub payload: Bytes,
    pub qos: u8,
    owner: Arc<str>,
}

/// There are too many already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRoom;

/// What is held, or may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Room {
    pub topics: usize,
    /// Of topics and payloads.
    pub bytes: usize,
}

impl Room {
    fn holds(self, held: Self, bytes: usize) -> bool {
        held.topics < self.topics && held.bytes + bytes <= self.bytes
    }
}

/// All retained messages.
#[derive(Debug)]
pub(super) struct Retained {
    messages: BTreeMap<String, Kept>,
    held: Room,
    /// By the name of the publisher.
    owners: BTreeMap<Arc<str>, Room>,
    in_all: Room,
    of_one: Room,
}

impl Retained {
    pub fn new(in_all: Room, of_one: Room) -> Self {
        let (messages, owners) = (BTreeMap::new(), BTreeMap::new());
        Self { messages, held: Room::default(), owners, in_all, of_one }
    }

    /// Keeps a message in the place of the topic's last one; an empty payload only clears. Without
    /// room the last one goes all the same: it is no longer true.
    pub fn keep(
        &mut self,
        owner: &Arc<str>,
        topic: &str,
        payload: &Bytes,
        qos: u8,
    ) -> Result<(), NoRoom> {
        self.clear(topic);
        if payload.is_empty() {
            return Ok(());
        }
        let bytes = topic.len() + payload.len();
        let own = self.owners.get(owner).copied().unwrap_or_default();
        if !self.in_all.holds(self.held, bytes) || !self.of_one.holds(own, bytes) {
            return Err(NoRoom);
        }
        for held in [&mut self.held, self.owners.entry(Arc::clone(owner)).or_default()] {
            held.topics += 1;
            held.bytes += bytes;
        }
        // A copy, for the payload may be a slice of a much larger read buffer.
        let payload = Bytes::copy_from_slice(payload);
        let kept = Kept { payload, qos, owner: Arc::clone(owner) };
        self.messages.insert(topic.to_owned(), kept);
        Ok(())
    }

    fn clear(&mut self, topic: &str) {
        let Some(old) = self.messages.remove(topic) else { return };
        let bytes = topic.len() + old.payload.len();
        let own = self.owners.get_mut(&old.owner).expect("counted when it was kept");
        for held in [&mut self.held, &mut *own] {
            held.topics -= 1;
            held.bytes -= bytes;
        }
        if own.topics == 0 {
            self.owners.remove(&old.owner);
        }
    }

    /// Topics and messages, by topic.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Kept)> {
        self.messages.iter().map(|(topic, kept)| (topic.as_str(), kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(retained: &mut Retained, owner: &str, topic: &str, payload: &str) -> bool {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        retained.keep(&owner.into(), topic, &payload, 0).is_ok()
    }

    #[test]
    fn keeps_within_its_limits_and_counts_what_it_gives_back() {
        let room = Room { topics: 2, bytes: 10 };
        let mut retained = Retained::new(room, room);
        let steps = [
            ("a", "1234", true),
            ("b", "12345", false),
            ("b", "1234", true),
            ("c", "1", false),
            ("a", "12345", false),
        ];
        for (topic, payload, want) in steps {
            assert_eq!(keep(&mut retained, "P1", topic, payload), want, "{topic} {payload}");
        }
        assert_eq!(retained.iter().map(|(topic, _)| topic).collect::<Vec<_>>(), ["b"]);
        assert!(keep(&mut retained, "P1", "b", ""));
        assert_eq!(retained.held, Room::default());
        assert!(retained.owners.is_empty());
    }

    #[test]
    fn one_publisher_leaves_room_for_others() {
        let mut retained =
            Retained::new(Room { topics: 10, bytes: 100 }, Room { topics: 2, bytes: 20 });
        assert!(keep(&mut retained, "P1", "a", "1234567890"));
        assert!(!keep(&mut retained, "P1", "b", "1234567890"), "too many bytes");
        assert!(keep(&mut retained, "P1", "b", "1"));
        assert!(!keep(&mut retained, "P1", "c", "1"), "too many topics");
        assert!(keep(&mut retained, "P2", "c", "1234567890"));
        // A topic belongs to whoever published there last.
        assert!(keep(&mut retained, "P2", "b", "1"));
        assert!(keep(&mut retained, "P1", "d", "1"));
        assert_eq!(retained.owners.values().map(|own| own.topics).sum::<usize>(), 4);
    }
}
