//! What a peer said, kept as it came.

use bytes::Bytes;

use super::id::Sequence;

/// Revision of the charging-station protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// 1.0 (2018).
    V1_0,
    /// 1.10.
    V1_10,
}

impl Revision {
    /// As the protocol writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_10 => "1.10",
        }
    }

    /// What can be said in it.
    #[must_use]
    pub const fn abilities(self) -> Abilities {
        match self {
            Self::V1_0 => {
                Abilities { last_sequence: LAST_INT32, heartbeats: false, confirms_warnings: false }
            }
            Self::V1_10 => {
                Abilities { last_sequence: u64::MAX, heartbeats: true, confirms_warnings: true }
            }
        }
    }
}

/// Greatest number of the wire's `int32`.
const LAST_INT32: u64 = 0x7fff_ffff;

/// What can be said in a revision and not in every other; the site asks for this, and never which
/// revision it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Greatest sequence id; after it they begin again at 1.
    pub last_sequence: u64,
    /// There are heartbeats, which show that a backend is there.
    pub heartbeats: bool,
    /// A warning has an answer.
    pub confirms_warnings: bool,
}

impl Abilities {
    /// The sequence id of the request of this count, from 1.
    #[must_use]
    pub const fn sequence(self, count: u64) -> Sequence {
        Sequence(count.saturating_sub(1) % self.last_sequence + 1)
    }
}

/// A message as it came, so that a peer of the same revision gets every field of it, also those
/// the site has no use for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// The revision it is written in.
    pub revision: Revision,
    /// Message code on the wire.
    pub code: u8,
    /// The serialized inner message.
    pub body: Bytes,
}

/// Error codes of `MessageError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// 0
    Generic,
    /// 1
    NotSupported,
    /// 2
    Internal,
    /// 3: the payload cannot be parsed.
    Protocol,
    /// 4: a field has the wrong type.
    TypeViolation,
}

impl ErrorCode {
    /// Whether the peer may answer the same message differently another time.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Generic | Self::Internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_ids_of_1_0_stay_within_their_32_bits() {
        let sequence = |count| Revision::V1_0.abilities().sequence(count).0;
        assert_eq!([sequence(1), sequence(2)], [1, 2]);
        assert_eq!(sequence(LAST_INT32), LAST_INT32);
        assert_eq!([sequence(LAST_INT32 + 1), sequence(2 * LAST_INT32 + 3)], [1, 3]);
        assert_eq!(Revision::V1_10.abilities().sequence(LAST_INT32 + 1).0, LAST_INT32 + 1);
    }
}
