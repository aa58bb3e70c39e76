//! Alarms: what somebody has to look at.

use std::collections::BTreeMap;

use crate::domain::{
    id::{OrderId, PileCode, UplinkName},
    time::Stamp,
};

/// Alarms shown at the same time; above it new ones are only logged.
const ALARMS_LIMIT: usize = 256;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmKind {
    /// A pile reported an order again with other figures.
    Disputed(OrderId),
    /// An order's figures make no sense.
    Senseless(PileCode),
    /// A backend refused an order for good.
    Quarantine(UplinkName),
    /// A backend refuses one order after the other; draining stops for a while.
    Refusing(UplinkName),
    /// A backend's answer names something that was not asked about.
    WrongAnswer(UplinkName),
    /// A backend refuses the login.
    LoginRefused(UplinkName),
    /// A backend refuses the boot.
    BootRefused(UplinkName),
    /// The calendar jumped.
    ClockStepped,
    /// The calendar is not set.
    ClockUnset,
    /// The store is full: no new charging.
    StorageFull,
    /// A remote start ran late or after a failure was reported; it was stopped.
    LateStart(PileCode),
}

impl AlarmKind {
    /// A short name for machines.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Disputed(_) => "order_disputed",
            Self::Senseless(_) => "order_senseless",
            Self::Quarantine(_) => "order_quarantined",
            Self::Refusing(_) => "uplink_refusing",
            Self::WrongAnswer(_) => "uplink_wrong_answer",
            Self::LoginRefused(_) => "uplink_login_refused",
            Self::BootRefused(_) => "uplink_boot_refused",
            Self::ClockStepped => "clock_stepped",
            Self::ClockUnset => "clock_unset",
            Self::StorageFull => "storage_full",
            Self::LateStart(_) => "late_remote_start",
        }
    }
}

/// An alarm that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Since when.
    pub since: Stamp,
    /// Details for people, of the newest occurrence.
    pub text: String,
    /// Occurrences.
    pub count: u64,
}

#[derive(Debug, Default)]
pub(super) struct Alarms(BTreeMap<AlarmKind, Alarm>);

impl Alarms {
    pub(super) fn raise(&mut self, kind: AlarmKind, at: Stamp, text: String) {
        if let Some(alarm) = self.0.get_mut(&kind) {
            alarm.count += 1;
            alarm.text = text;
            return;
        }
        tracing::warn!(alarm = kind.name(), about = ?kind, "{text}");
        if self.0.len() < ALARMS_LIMIT {
            self.0.insert(kind, Alarm { since: at, text, count: 1 });
        }
    }

    pub(super) fn clear(&mut self, kind: &AlarmKind) {
        if self.0.remove(kind).is_some() {
            tracing::info!(alarm = kind.name(), about = ?kind, "over");
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&AlarmKind, &Alarm)> {
        self.0.iter()
    }
}
