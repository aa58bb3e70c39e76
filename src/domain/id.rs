//! Identities: who and which.

use std::fmt;

use sha2::{Digest, Sha256};

use super::time::{PileTime, Stamp};

/// Why a text is not an identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Too short or too long.
    #[error("{what} must have {} characters, found {found}", span(*.min, *.max))]
    Length {
        /// The kind of identity.
        what: &'static str,
        /// Least number of characters.
        min: usize,
        /// Greatest number of characters.
        max: usize,
        /// Number found.
        found: usize,
    },
    /// A character that is not allowed.
    #[error("{what} has a character that is not allowed: {found:?}")]
    Character {
        /// The kind of identity.
        what: &'static str,
        /// The first offending character.
        found: char,
    },
}

fn span(min: usize, max: usize) -> String {
    if min == max { min.to_string() } else { format!("{min} to {max}") }
}

fn check(
    what: &'static str,
    text: &str,
    min: usize,
    max: usize,
    allowed: fn(char) -> bool,
) -> Result<(), IdError> {
    let found = text.chars().count();
    if found < min || found > max {
        return Err(IdError::Length { what, min, max, found });
    }
    match text.chars().find(|c| !allowed(*c)) {
        Some(found) => Err(IdError::Character { what, found }),
        None => Ok(()),
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $min:literal..=$max:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks length and characters.
            pub fn new(text: &str) -> Result<Self, IdError> {
                check($what, text, $min, $max, $allowed)?;
                Ok(Self(text.to_owned()))
            }

            /// The identity as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn printable(c: char) -> bool {
    !c.is_control()
}

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

text_id! {
    /// The pile's own number of an order; a pile whose memory was cleared begins anew.
    RecordNo, "record number", 1..=64, printable
}
text_id! {
    /// The backend's id of an order.
    TransactionId, "transaction id", 1..=64, printable
}
text_id! {
    /// Number of a card, or whatever else identifies who pays: a public key in hexadecimal digits
    /// is the longest.
    CardNo, "card number", 1..=130, printable
}
/// Characters of a card that are shown.
const CARD_SHOWN: usize = 4;

impl CardNo {
    /// The last four characters: who pays is personal data, and a number is as good as the card.
    #[must_use]
    pub fn tail(&self) -> &str {
        let from = self.0.char_indices().rev().nth(CARD_SHOWN - 1);
        self.0.get(from.map_or(0, |(at, _)| at)..).unwrap_or_default()
    }

    /// What somebody said, with only the tail of this card where it is quoted.
    #[must_use]
    pub fn hide_in(&self, text: &str) -> String {
        if self.tail() == self.0 {
            return text.to_owned();
        }
        text.replace(&self.0, &format!("…{}", self.tail()))
    }
}

text_id! {
    /// Name of an uplink in the config.
    UplinkName, "uplink name", 1..=32, plain
}
text_id! {
    /// Name of a meter in the config.
    MeterName, "meter name", 1..=32, plain
}
text_id! {
    /// Name of a bus in the config: a serial line or a TCP converter with meters on it.
    BusName, "bus name", 1..=32, plain
}
text_id! {
    /// What the site gives a pile in a remote start in place of the backend's transaction id;
    /// the pile hands it back in its start.
    StartToken, "start token", 1..=64, printable
}

/// Code of a pile: 16 ASCII letters and digits; its device code at the doors, its pile code on
/// every uplink.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PileCode([u8; 16]);

impl PileCode {
    /// Checks length and characters.
    pub fn new(text: &str) -> Result<Self, IdError> {
        check("pile code", text, 16, 16, |c| c.is_ascii_alphanumeric())?;
        let mut code = [0; 16];
        code.copy_from_slice(text.as_bytes());
        Ok(Self(code))
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked ASCII when made")
    }
}

impl fmt::Display for PileCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PileCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PileCode({self})")
    }
}

/// Site-wide number of a connector, 1 to 9999; explicit in the config, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectorNo(u16);

impl ConnectorNo {
    /// `None` unless 1 to 9999.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        (1..=9999).contains(&number).then_some(Self(number))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for ConnectorNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The pile's own number of a connector, from 1, as the pile reported it; may be one it does not
/// have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlugNo(pub u16);

/// When an order began, as part of its key: unix seconds as the pile reported them, or, negative,
/// a mark made from the site's own stamp where the pile reported none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyTime(pub i64);

impl KeyTime {
    /// What the pile reported, else a mark that no other order of this site has: from the
    /// calendar if it is set, else from the run and the time within it; and from the order's
    /// position, because many may be first seen in the same moment.
    #[must_use]
    pub fn new(reported: PileTime, first_seen: Stamp, seq: OrderSeq) -> Self {
        // Calendar marks stay below 2^62; marks of a run lie above. Sign and size keep the three
        // kinds apart. A mark of a run has 20 bits for the run, 22 for the second in it.
        const RUN: u64 = 1 << 62;
        const SEQ_BITS: u32 = 20;
        let moment = match reported {
            PileTime::Known(unix_s) => return Self(unix_s),
            PileTime::Unknown if first_seen.wall.known_s().is_some() => {
                let ms = u64::try_from(first_seen.wall.unix_ms).unwrap_or(0);
                (ms << SEQ_BITS) & (RUN - 1)
            }
            PileTime::Unknown => {
                let (run, second) = (first_seen.boot.0 & 0xf_ffff, first_seen.mono.0 / 1000);
                RUN | run << 42 | (second & 0x3f_ffff) << SEQ_BITS
            }
        };
        let mark = moment | seq.0 & ((1 << SEQ_BITS) - 1);
        Self(-mark.cast_signed().max(1))
    }

    /// Whether the pile did not report it.
    #[must_use]
    pub const fn is_mark(self) -> bool {
        self.0 < 0
    }
}

/// Identity of an order, fixed when it is first seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    /// The pile that keeps the order.
    pub pile: PileCode,
    /// The pile's number of it.
    pub record: RecordNo,
    /// When it began.
    pub started: KeyTime,
}

impl OrderKey {
    /// The id everyone else sees; derived from the key alone, so it survives a lost ledger.
    #[must_use]
    pub fn id(&self) -> OrderId {
        let mut hash = Sha256::new();
        hash.update(self.pile.0);
        hash.update(self.record.as_str().as_bytes());
        // A separator no record number can contain keeps ("1", 23) and ("12", 3) apart.
        hash.update([0]);
        hash.update(self.started.0.to_be_bytes());
        // 10 bytes are 16 characters of base32.
        let tail = data_encoding::BASE32_NOPAD.encode(&hash.finalize()[..10]);
        let mut id = [0; 32];
        id[..16].copy_from_slice(&self.pile.0);
        id[16..].copy_from_slice(tail.as_bytes());
        OrderId(id)
    }
}

/// The order id everyone but the pile uses: pile code, then 16 characters of base32; 32 ASCII
/// characters, which every wire can carry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId([u8; 32]);

impl OrderId {
    /// Checks length and characters.
    pub fn new(text: &str) -> Result<Self, IdError> {
        check("order id", text, 32, 32, |c| c.is_ascii_alphanumeric())?;
        let mut id = [0; 32];
        id.copy_from_slice(text.as_bytes());
        Ok(Self(id))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked ASCII when made")
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderId({self})")
    }
}

/// Position of an order in the ledger, from 1: given when the site first hears of it, so in the
/// order of beginning. Sendings follow the [`Place`] instead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderSeq(pub u64);

/// Position of an order in the order of recording, from 1. An [`OrderSeq`] is given when an order
/// begins, a place when it ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u64);

/// One connection of a pile to the doors; never reused while the controller runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A pile's request that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId {
    /// The connection it came by; an answer is not sent by another.
    pub connection: ConnectionId,
    /// The sequence id to answer with.
    pub sequence: u64,
}

/// A request of the site to a pile; its sequence id on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Sequence id of a request towards a backend, or of a backend's request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn of_a_card_the_last_four_characters_are_shown_wherever_it_is_quoted() {
        let card = CardNo::new("62170012345678卡0").unwrap();
        assert_eq!(card.tail(), "78卡0");
        let said = "no such card: 62170012345678卡0, 62170012345678卡0";
        assert_eq!(card.hide_in(said), "no such card: …78卡0, …78卡0");
        let short = CardNo::new("12").unwrap();
        assert_eq!((short.tail(), short.hide_in("error 12").as_str()), ("12", "error 12"));
    }
}
