//! Retained messages: one per topic, bounded in number and size.

use std::collections::BTreeMap;

use bytes::Bytes;

/// A retained message.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub payload: Bytes,
    pub qos: u8,
}

/// There are too many already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRoom;

/// All retained messages.
#[derive(Debug)]
pub(super) struct Retained {
    messages: BTreeMap<String, Kept>,
    bytes: usize,
    max_topics: usize,
    max_bytes: usize,
}

impl Retained {
    pub fn new(max_topics: usize, max_bytes: usize) -> Self {
        Self { messages: BTreeMap::new(), bytes: 0, max_topics, max_bytes }
    }

    /// Keeps a message in the place of the topic's last one; an empty payload only clears. Without
    /// room the last one goes all the same: it is no longer true.
    pub fn keep(&mut self, topic: &str, payload: &Bytes, qos: u8) -> Result<(), NoRoom> {
        if let Some(old) = self.messages.remove(topic) {
            self.bytes -= topic.len() + old.payload.len();
        }
        if payload.is_empty() {
            return Ok(());
        }
        let size = topic.len() + payload.len();
        if self.messages.len() >= self.max_topics || self.bytes + size > self.max_bytes {
            return Err(NoRoom);
        }
        self.bytes += size;
        // A copy, for the payload may be a slice of a much larger read buffer.
        let payload = Bytes::copy_from_slice(payload);
        self.messages.insert(topic.to_owned(), Kept { payload, qos });
        Ok(())
    }

    /// Topics and messages, by topic.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Kept)> {
        self.messages.iter().map(|(topic, kept)| (topic.as_str(), kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_within_its_limits_and_counts_what_it_gives_back() {
        let mut retained = Retained::new(2, 10);
        let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
        assert_eq!(retained.keep("a", &bytes("1234"), 0), Ok(()));
        assert_eq!(retained.keep("b", &bytes("12345"), 0), Err(NoRoom));
        assert_eq!(retained.keep("b", &bytes("1234"), 0), Ok(()));
        assert_eq!(retained.keep("c", &bytes("1"), 0), Err(NoRoom));
        assert_eq!(retained.keep("a", &bytes("12345"), 0), Err(NoRoom));
        assert_eq!(retained.iter().map(|(topic, _)| topic).collect::<Vec<_>>(), ["b"]);
        assert_eq!(retained.keep("b", &bytes(""), 0), Ok(()));
        assert_eq!(retained.bytes, 0);
    }
}
