//! Time: what lasts ([`Mono`]) and what the calendar says ([`Wall`]) are different things.

/// Milliseconds since this run of the controller began; never steps, never crosses a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// This moment and `ms` milliseconds.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`; 0 if it is later.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// How far the calendar can be trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClockQuality {
    /// Nobody has set the clock; never given to a pile, never billed by.
    #[default]
    Unset,
    /// Set once, running on its own.
    Held,
    /// Kept by NTP or by a backend's time.
    Synced,
}

/// Calendar time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wall {
    /// Unix time in ms.
    pub unix_ms: i64,
    /// Whether to believe it.
    pub quality: ClockQuality,
}

impl Wall {
    /// Unix time in whole seconds, rounded down.
    #[must_use]
    pub const fn unix_s(self) -> i64 {
        self.unix_ms.div_euclid(1000)
    }

    /// Unix seconds if the clock has been set.
    #[must_use]
    pub fn known_s(self) -> Option<i64> {
        (self.quality != ClockQuality::Unset).then(|| self.unix_s())
    }
}

/// The moment of a step; passed in, never fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// For durations and deadlines.
    pub mono: Mono,
    /// For rows and people.
    pub wall: Wall,
}

/// Number of a run of the controller, counted in the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootId(pub u64);

/// A moment as a ledger row keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The run.
    pub boot: BootId,
    /// Within the run.
    pub mono: Mono,
    /// What the calendar said.
    pub wall: Wall,
}

impl Stamp {
    /// Milliseconds since `earlier`: by the running time within a run, by the calendar across
    /// runs; `None` where no clock knew, or where it was set back in between.
    #[must_use]
    pub fn since_ms(self, earlier: Self) -> Option<u64> {
        if self.boot == earlier.boot {
            return Some(self.mono.since_ms(earlier.mono));
        }
        let is_known = |stamp: Self| stamp.wall.quality != ClockQuality::Unset;
        let passed_ms = self.wall.unix_ms.checked_sub(earlier.wall.unix_ms)?;
        if is_known(self) && is_known(earlier) { u64::try_from(passed_ms).ok() } else { None }
    }

    /// Whether this moment lies before the other: by run, then within the run.
    #[must_use]
    pub fn is_before(self, other: Self) -> bool {
        (self.boot, self.mono) < (other.boot, other.mono)
    }
}

/// 2015-01-01T00:00:00Z: a pile's clock that shows less was never set.
pub const EARLIEST_S: i64 = 1_420_070_400;

/// A time reported by a pile, in unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PileTime {
    /// The pile's clock was set.
    Known(i64),
    /// Missing, or before 2015.
    Unknown,
}

impl PileTime {
    /// Classifies a time from the wire.
    #[must_use]
    pub const fn from_unix_s(unix_s: i64) -> Self {
        if unix_s >= EARLIEST_S { Self::Known(unix_s) } else { Self::Unknown }
    }

    /// Unix seconds, if known.
    #[must_use]
    pub const fn known(self) -> Option<i64> {
        match self {
            Self::Known(s) => Some(s),
            Self::Unknown => None,
        }
    }
}
