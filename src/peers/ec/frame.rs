//! Frames of EC TCP as the simulated server reads them; shares nothing with the gate's codec.

use bytes::Bytes;

/// What every frame begins with.
const MARK: [u8; 2] = *b"EC";

/// Mark and length.
const HEADER: usize = 4;

/// The command, which the length counts in.
const COMMAND: usize = 2;

/// A heartbeat, whole.
pub(super) const HEARTBEAT: [u8; 6] = [b'E', b'C', 0, 2, 0, 101];

/// A frame that has come whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Command.
    pub command: u16,
    /// All of it, from the mark on.
    pub bytes: Bytes,
}

impl Frame {
    /// What follows the command.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.bytes[HEADER + COMMAND..]
    }
}

/// Cuts a stream into frames. It never holds more than one frame of the greatest length and what
/// was read at once.
#[derive(Debug, Default)]
pub struct Reader {
    inlet: Vec<u8>,
    skipped: usize,
}

impl Reader {
    /// Takes in what has come.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.inlet.extend_from_slice(bytes);
    }

    /// The next whole frame; what stands before its mark is skipped.
    pub fn take(&mut self) -> Option<Frame> {
        loop {
            self.seek();
            let [_, _, high, low] = *self.inlet.first_chunk::<HEADER>()?;
            // The length is read as a signed number. What is none of a frame is no mark either.
            let length = usize::try_from(i16::from_be_bytes([high, low])).unwrap_or(0);
            if length < COMMAND {
                self.skip(MARK.len());
                continue;
            }
            if self.inlet.len() < HEADER + length {
                return None;
            }
            let bytes: Bytes = self.inlet.drain(..HEADER + length).collect();
            let command = u16::from_be_bytes([bytes[HEADER], bytes[HEADER + 1]]);
            return Some(Frame { command, bytes });
        }
    }

    /// Bytes skipped since it was asked last.
    pub fn skipped(&mut self) -> usize {
        std::mem::take(&mut self.skipped)
    }

    /// Goes to the mark, or to what may become one.
    fn seek(&mut self) {
        let found = self.inlet.windows(MARK.len()).position(|pair| pair == MARK);
        let half = usize::from(self.inlet.last() == Some(&MARK[0]));
        self.skip(found.unwrap_or(self.inlet.len() - half));
    }

    fn skip(&mut self, count: usize) {
        self.inlet.drain(..count);
        self.skipped += count;
    }
}
