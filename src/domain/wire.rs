//! What a peer said, kept as it came.

use bytes::Bytes;

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
