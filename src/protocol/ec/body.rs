//! Reads the body of a frame from front to back.

use super::message::Text;
use crate::protocol::dialect::NotOfWire;

/// What is left of a body.
pub(super) struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn u8(&mut self, at: &'static str) -> Result<u8, NotOfWire> {
        let [value] = self.take(at)?;
        Ok(value)
    }

    pub(super) fn u16(&mut self, at: &'static str) -> Result<u16, NotOfWire> {
        self.take(at).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, at: &'static str) -> Result<u32, NotOfWire> {
        self.take(at).map(u32::from_be_bytes)
    }

    /// A length of 2 bytes and that many characters.
    pub(super) fn text<const LIMIT: usize>(
        &mut self,
        at: &'static str,
    ) -> Result<Text<LIMIT>, NotOfWire> {
        let length = usize::from(self.u16(at)?);
        let Some((bytes, rest)) = self.0.split_at_checked(length) else {
            return Err(self.short(at));
        };
        self.0 = rest;
        let text = std::str::from_utf8(bytes).ok().and_then(|text| Text::new(at, text).ok());
        text.ok_or_else(|| NotOfWire {
            at,
            wanted: "printable ASCII within its limit",
            found: format!("{length} bytes"),
        })
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), NotOfWire> {
        if self.0.is_empty() {
            return Ok(());
        }
        let found = format!("{} bytes", self.0.len());
        Err(NotOfWire { at: "end", wanted: "nothing more", found })
    }

    fn take<const N: usize>(&mut self, at: &'static str) -> Result<[u8; N], NotOfWire> {
        let Some((bytes, rest)) = self.0.split_first_chunk() else { return Err(self.short(at)) };
        self.0 = rest;
        Ok(*bytes)
    }

    fn short(&self, at: &'static str) -> NotOfWire {
        NotOfWire { at, wanted: "a whole field", found: format!("{} bytes", self.0.len()) }
    }
}
