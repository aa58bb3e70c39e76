//! Frames: mark, length, command, body.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use crate::protocol::dialect::Unfit;

/// A frame begins with this.
pub const MARK: [u8; 2] = *b"EC";

/// Mark and length.
pub const HEADER_BYTES: usize = 4;

/// Bytes of a command, which the length counts.
const COMMAND_BYTES: usize = 2;

/// Largest length that there is: the far side reads it as a signed 16-bit number.
pub const LENGTH_LIMIT: usize = 0x7fff;

/// Largest length a gate takes from a server, which has nothing to say but heartbeats of 2 bytes:
/// room for what is not known yet, and little enough that noise which looks like a frame hides
/// few of them.
pub const FROM_SERVER_LIMIT: usize = 256;

/// A frame without mark and length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub command: u16,
    /// The rest.
    pub body: Bytes,
}

impl Frame {
    /// The frame as it is sent, mark included.
    ///
    /// # Errors
    ///
    /// If it is longer than a signed 16-bit number can say.
    pub fn encode(&self) -> Result<Bytes, Unfit> {
        let bytes = COMMAND_BYTES + self.body.len();
        let length = u16::try_from(bytes).ok().filter(|_| bytes <= LENGTH_LIMIT);
        let Some(length) = length else {
            return Err(Unfit::Range { field: "length", found: format!("{bytes} bytes") });
        };
        let mut frame = BytesMut::with_capacity(HEADER_BYTES + bytes);
        frame.put_slice(&MARK);
        frame.put_u16(length);
        frame.put_u16(self.command);
        frame.put_slice(&self.body);
        Ok(frame.freeze())
    }
}

/// Cuts a stream into frames. Out of step it discards until the next mark; so does a length that
/// no frame has. It holds less than one frame of its limit beside the bytes it was given last.
#[derive(Debug)]
pub struct Cutter {
    held: BytesMut,
    length_limit: usize,
    discarded: u64,
}

impl Cutter {
    /// A cutter at the begin of a stream, which takes frames up to this length;
    /// [`LENGTH_LIMIT`] takes all there are.
    #[must_use]
    pub fn new(length_limit: usize) -> Self {
        let length_limit = length_limit.min(LENGTH_LIMIT);
        Self { held: BytesMut::new(), length_limit, discarded: 0 }
    }

    /// Takes the next bytes of the stream. [`Cutter::cut`] is to be called until it has nothing
    /// more.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next whole frame.
    pub fn cut(&mut self) -> Option<Frame> {
        loop {
            self.find_mark();
            let length = self.length()?;
            if !(COMMAND_BYTES..=self.length_limit).contains(&length) {
                self.abandon();
                continue;
            }
            if self.held.len() < HEADER_BYTES + length {
                return None;
            }
            self.held.advance(HEADER_BYTES);
            let mut body = self.held.split_to(length).freeze();
            return Some(Frame { command: body.get_u16(), body });
        }
    }

    /// Takes the begun frame for none and looks for a mark behind its own, if one has begun.
    pub fn abandon(&mut self) {
        self.discard(MARK.len());
    }

    /// Whether a frame has begun and is not whole.
    #[must_use]
    pub fn is_amid(&self) -> bool {
        !self.held.is_empty()
    }

    /// Bytes that were in no frame so far.
    #[must_use]
    pub const fn discarded(&self) -> u64 {
        self.discarded
    }

    /// What the length field says, once it is there; a negative one is beyond every limit.
    fn length(&self) -> Option<usize> {
        let length = self.held.get(MARK.len()..HEADER_BYTES)?;
        Some(usize::from(u16::from_be_bytes([length[0], length[1]])))
    }

    /// Discards until a mark, or the first byte of one, stands first.
    fn find_mark(&mut self) {
        let is_mark = |at: usize| {
            let there = &self.held[at..];
            there.starts_with(&MARK) || there == &MARK[..1]
        };
        let at = (0..self.held.len()).find(|at| is_mark(*at));
        self.discard(at.unwrap_or(self.held.len()));
    }

    fn discard(&mut self, bytes: usize) {
        let bytes = bytes.min(self.held.len());
        self.held.advance(bytes);
        self.discarded = self.discarded.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn frame(command: u16, body: &'static [u8]) -> Frame {
        Frame { command, body: Bytes::from_static(body) }
    }

    fn cut(cutter: &mut Cutter, bytes: &[u8]) -> Vec<u16> {
        cutter.push(bytes);
        std::iter::from_fn(|| cutter.cut()).map(|frame| frame.command).collect()
    }

    #[test]
    fn a_frame_is_mark_length_command_and_body() {
        let bytes = frame(1005, b"abc").encode().unwrap();
        assert_eq!(bytes[..], *b"EC\x00\x05\x03\xedabc");
        let mut cutter = Cutter::new(LENGTH_LIMIT);
        cutter.push(&bytes);
        assert_eq!(cutter.cut(), Some(frame(1005, b"abc")));
        assert!(!cutter.is_amid() && cutter.discarded() == 0);
    }

    #[test]
    fn the_longest_frame_is_that_of_a_signed_number() {
        let longest = vec![0; LENGTH_LIMIT - 2];
        let whole = Frame { command: 7, body: longest.clone().into() }.encode().unwrap();
        assert_eq!(whole[2..4], [0x7f, 0xff]);
        assert_eq!(cut(&mut Cutter::new(LENGTH_LIMIT), &whole), [7]);
        let longer = Frame { command: 7, body: [longest, vec![0]].concat().into() };
        assert_eq!(
            longer.encode().unwrap_err().to_string(),
            "length cannot be carried: 32768 bytes"
        );
    }

    #[test]
    fn out_of_step_bytes_are_discarded_until_the_mark() {
        let mut cutter = Cutter::new(FROM_SERVER_LIMIT);
        assert_eq!(cut(&mut cutter, b"\x00E\x45xEC\x00\x02\x00\x65"), [101]);
        assert_eq!(cutter.discarded(), 4);
        assert_eq!(cut(&mut cutter, b"E"), [0; 0]);
        assert_eq!(cut(&mut cutter, b"C\x00\x02\x00\x65"), [101]);
        assert_eq!(cutter.discarded(), 4);
    }

    #[test]
    fn a_length_no_frame_has_hides_nothing_that_follows() {
        for length in [0x0000_u16, 0x0001, 0x0101, 0x7fff, 0x8000, 0xffff] {
            let mut cutter = Cutter::new(FROM_SERVER_LIMIT);
            let bytes = [&b"EC"[..], &length.to_be_bytes(), b"EC\x00\x02\x00\x65"].concat();
            assert_eq!(cut(&mut cutter, &bytes), [101], "{length:#06x}");
            assert_eq!(cutter.discarded(), 4, "{length:#06x}");
        }
    }

    #[test]
    fn a_frame_that_never_becomes_whole_can_be_abandoned() {
        let mut cutter = Cutter::new(FROM_SERVER_LIMIT);
        assert_eq!(cut(&mut cutter, b"EC\x00\x40EC\x00\x02\x00\x65"), [0; 0]);
        assert!(cutter.is_amid());
        cutter.abandon();
        assert_eq!(cutter.cut().unwrap().command, 101);
    }
}
