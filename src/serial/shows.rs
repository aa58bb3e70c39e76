//! Those who wait for a reading of their own.

use tokio::sync::oneshot;

use super::settings::Shown;
use crate::domain::id::MeterName;

/// A person waits for one, and seldom two people at once.
const MAX_WAITING: usize = 8;

/// Those who wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Shows(Vec<(MeterName, oneshot::Sender<Shown>)>);

impl Shows {
    /// One more; dropped, and so told, if there are too many.
    pub(super) fn push(&mut self, meter: MeterName, reply: oneshot::Sender<Shown>) {
        self.0.retain(|(_, reply)| !reply.is_closed());
        if self.0.len() < MAX_WAITING {
            self.0.push((meter, reply));
        }
    }

    /// Tells those who wait for this meter.
    pub(super) fn answer(&mut self, meter: &MeterName, shown: &Shown) {
        if self.0.is_empty() {
            return;
        }
        let (told, kept) =
            std::mem::take(&mut self.0).into_iter().partition(|(name, _)| name == meter);
        self.0 = kept;
        let told: Vec<_> = told;
        for (_, reply) in told {
            // Whoever waited may have gone.
            let _ = reply.send(shown.clone());
        }
    }
}
