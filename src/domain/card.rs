//! Cards and what is said of them.

/// The verdict on a card or on a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// May charge.
    Accepted,
    /// The card is blocked.
    Blocked,
    /// The card has expired.
    Expired,
    /// Nobody knows the card.
    Invalid,
    /// The card is charging elsewhere.
    ConcurrentTransaction,
    /// Not enough money.
    Insufficient,
    /// Wrong password.
    WrongPassword,
    /// No credit left.
    NoCredit,
    /// Not on this pile, at this place or at this time.
    NotHere,
    /// The one who should decide has failed.
    SystemError,
    /// Anything else.
    Unknown,
}

impl Verdict {
    /// Whether charging may go on.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted)
    }
}
