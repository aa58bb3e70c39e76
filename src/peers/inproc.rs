//! Runs a machine over anything that hands over topics and bytes: our own doors, or a test.

use bytes::Bytes;

use super::{Effect, Machine, Outgoing, handle::Handle};

/// A message for a machine.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Topic it was published to.
    pub topic: String,
    /// One serialized APDU.
    pub payload: Bytes,
}

/// Runs until the sender of `inlet` is gone; what the machine publishes goes to `outlet`, what it
/// does to its connection does not matter here.
pub async fn run<M: Machine>(
    handle: Handle<M>,
    inlet: flume::Receiver<Incoming>,
    mut outlet: impl FnMut(Outgoing),
) {
    handle.quietly(M::connected);
    loop {
        for effect in handle.drain() {
            if let Effect::Publish(outgoing) = effect {
                outlet(outgoing);
            }
        }
        tokio::select! {
            incoming = inlet.recv_async() => match incoming {
                Ok(Incoming { topic, payload }) => {
                    handle.quietly(|machine, now| machine.receive(&topic, &payload, now));
                }
                Err(_) => return handle.quietly(M::disconnected),
            },
            () = handle.due() => handle.quietly(M::tick),
        }
    }
}
