//! CONNECT from bytes. Read here and not by the codec, which takes a password for text and does
//! not tell an absent user name from an empty one.

use std::fmt;

use bytes::{Buf, Bytes};

use super::frame::{Malformed, Publish, publish};

/// Protocol name and level of MQTT 3.1.1.
const PROTOCOL: (&[u8], u8) = (b"MQTT", 4);

/// What a client introduces itself with.
pub(super) struct Connect {
    /// May be empty.
    pub client_id: String,
    /// Whether a session shall not outlive the connection.
    pub clean: bool,
    /// Seconds; 0 is none.
    pub keep_alive: u16,
    /// User name, if the packet has one.
    pub username: Option<String>,
    /// Password, if the packet has one.
    pub password: Option<Bytes>,
    /// To be published when the connection ends without DISCONNECT.
    pub will: Option<Publish>,
}

impl fmt::Debug for Connect {
    /// Leaves password and will out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Connect");
        shown.field("client_id", &self.client_id).field("username", &self.username);
        shown.finish_non_exhaustive()
    }
}

/// The CONNECT whose variable header and payload these are (MQTT 3.1.1 §3.1.2 and §3.1.3).
pub(super) fn read(body: Bytes) -> Result<Connect, Malformed> {
    let mut fields = Fields(body);
    if (&*fields.bytes()?, fields.byte()?) != PROTOCOL {
        return Err(Malformed::Version);
    }
    let flags = Flags::new(fields.byte()?)?;
    let connect = Connect {
        clean: flags.has(Flags::CLEAN),
        keep_alive: fields.number()?,
        client_id: fields.text()?,
        will: flags.has(Flags::WILL).then(|| fields.will(flags)).transpose()?,
        username: flags.has(Flags::USERNAME).then(|| fields.text()).transpose()?,
        password: flags.has(Flags::PASSWORD).then(|| fields.bytes()).transpose()?,
    };
    if fields.0.is_empty() { Ok(connect) } else { Err(Malformed::Fields) }
}

/// The flags of a CONNECT (§3.1.2.3), free of contradictions.
#[derive(Clone, Copy)]
struct Flags(u8);

impl Flags {
    const RESERVED: u8 = 0x01;
    const CLEAN: u8 = 0x02;
    const WILL: u8 = 0x04;
    /// QoS and retain of the will.
    const WILL_KIND: u8 = 0x38;
    const RETAIN: u8 = 0x20;
    const PASSWORD: u8 = 0x40;
    const USERNAME: u8 = 0x80;

    fn new(bits: u8) -> Result<Self, Malformed> {
        let flags = Self(bits);
        let good = !flags.has(Self::RESERVED)
            && (flags.has(Self::WILL) || bits & Self::WILL_KIND == 0)
            && (flags.has(Self::USERNAME) || !flags.has(Self::PASSWORD))
            && flags.qos() <= 2;
        if good { Ok(flags) } else { Err(Malformed::ConnectFlags) }
    }

    fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    fn qos(self) -> u8 {
        self.0 >> 3 & 3
    }
}

/// What is left of the packet.
struct Fields(Bytes);

impl Fields {
    fn byte(&mut self) -> Result<u8, Malformed> {
        self.0.try_get_u8().map_err(|_| Malformed::Fields)
    }

    fn number(&mut self) -> Result<u16, Malformed> {
        self.0.try_get_u16().map_err(|_| Malformed::Fields)
    }

    fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let length = usize::from(self.number()?);
        if self.0.len() < length { Err(Malformed::Fields) } else { Ok(self.0.split_to(length)) }
    }

    /// U+0000 closes the connection, as bytes that are no text do (§1.5.3).
    fn text(&mut self) -> Result<String, Malformed> {
        let text = String::from_utf8(self.bytes()?.into()).map_err(|_| Malformed::Utf8)?;
        if text.contains('\0') { Err(Malformed::Utf8) } else { Ok(text) }
    }

    fn will(&mut self, flags: Flags) -> Result<Publish, Malformed> {
        let (topic, payload) = (self.bytes()?, self.bytes()?);
        publish(&topic, payload, flags.qos(), 0, flags.has(Flags::RETAIN))
    }
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
