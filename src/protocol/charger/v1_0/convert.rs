//! Values of one revision in the types of the other.
//!
//! Each type of a field says how it is carried, so that a table of field names is all that a
//! message needs (see [`super::messages`]).

use std::collections::BTreeMap;

use bytes::Bytes;

/// Says the same in the other revision.
pub trait Carry<To> {
    /// The same in the other revision.
    fn carry(self) -> To;
}

/// What both revisions write alike.
macro_rules! alike {
    ($($kind:ty),*) => {
        $(impl Carry<$kind> for $kind {
            fn carry(self) -> $kind {
                self
            }
        })*
    };
}

alike!(i32, u32, u64, bool, String, Bytes);

impl<A: Carry<B>, B> Carry<Option<B>> for Option<A> {
    fn carry(self) -> Option<B> {
        self.map(Carry::carry)
    }
}

impl<A: Carry<B>, B> Carry<Vec<B>> for Vec<A> {
    fn carry(self) -> Vec<B> {
        self.into_iter().map(Carry::carry).collect()
    }
}

impl<A: Carry<B>, B> Carry<BTreeMap<String, B>> for BTreeMap<String, A> {
    fn carry(self) -> BTreeMap<String, B> {
        self.into_iter().map(|(key, value)| (key, value.carry())).collect()
    }
}

impl Carry<i64> for i32 {
    fn carry(self) -> i64 {
        self.into()
    }
}

impl Carry<i32> for i64 {
    /// A time or an id that does not fit is left out: cut off, it would name another.
    fn carry(self) -> i32 {
        i32::try_from(self).unwrap_or(0)
    }
}

impl Carry<u64> for i32 {
    fn carry(self) -> u64 {
        u64::try_from(self).unwrap_or(0)
    }
}

impl Carry<i32> for u64 {
    fn carry(self) -> i32 {
        i32::try_from(self).unwrap_or(0)
    }
}

impl Carry<f64> for i32 {
    fn carry(self) -> f64 {
        self.into()
    }
}

impl Carry<i32> for f64 {
    /// Rounded half up; what is no number counts as 0, what is too great as the greatest.
    fn carry(self) -> i32 {
        // The standard library has no checked conversion; this one is exact within the range,
        // keeps to its ends beyond it, and makes 0 of what is no number.
        (self + 0.5).floor() as i32
    }
}

impl Carry<String> for i32 {
    /// A connector, or a time: nothing where the number is left out.
    fn carry(self) -> String {
        if self == 0 { String::new() } else { self.to_string() }
    }
}

impl Carry<i32> for String {
    /// A text that is no number, such as an order id or `all`, is left out.
    fn carry(self) -> i32 {
        self.trim().parse().unwrap_or(0)
    }
}

impl Carry<Vec<i32>> for i32 {
    /// One number of connectors of all kinds.
    fn carry(self) -> Vec<i32> {
        if self == 0 { Vec::new() } else { vec![self] }
    }
}

impl Carry<i32> for Vec<i32> {
    /// The sum of the connectors of each kind.
    fn carry(self) -> i32 {
        self.into_iter().fold(0, i32::saturating_add)
    }
}

/// An enum that is numbered differently.
pub struct Numbers {
    /// A number of 1.0 and that of 1.10 which says the same, or comes nearest.
    pairs: &'static [(i32, i32)],
}

impl Numbers {
    /// From 1.0. A number that is in no table is left as it is.
    pub fn lift(&self, number: i32) -> i32 {
        self.pairs.iter().find(|(old, _)| *old == number).map_or(number, |(_, new)| *new)
    }

    /// To 1.0. Where several of 1.0 are one of 1.10, the first of the table is meant.
    pub fn lower(&self, number: i32) -> i32 {
        self.pairs.iter().find(|(_, new)| *new == number).map_or(number, |(old, _)| *old)
    }
}

/// Stop reasons: but for one, 1.10 only adds to those of 1.0.
pub const STOP_REASON: Numbers = Numbers { pairs: &[(99_999_999, 999)] };

/// State of a connector in charging information: 1.10 knows fewer. Idle, or not said, is said as
/// available.
pub const CHARGER_STATUS: Numbers = Numbers {
    pairs: &[
        (1, 0),
        (2, 1),
        (3, 2),
        (5, 3),
        (4, 4),
        // Unavailable, which is also what a message says that says nothing: idle.
        (0, 0),
        // Finishing, waiting, occupied: a car is there. Reserved: none is.
        (6, 1),
        (9, 1),
        (10, 1),
        (7, 0),
        // Faulted: the pile does not deliver.
        (8, 4),
    ],
};

/// How an upgrade goes on: 1.10 knows fewer steps.
pub const FIRMWARE_STATUS: Numbers = Numbers {
    pairs: &[
        (1, 0),
        (3, 1),
        (9, 2),
        (10, 3),
        (20, 4),
        (22, 5),
        (25, 6),
        (9904, 7),
        (9902, 8),
        (9901, 9),
        // Idle and scheduled; verified; rebooting; wrong signature.
        (0, 0),
        (2, 0),
        (11, 3),
        (29, 5),
        (9903, 8),
    ],
};
