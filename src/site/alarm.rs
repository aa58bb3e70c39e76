//! Alarms: what somebody has to look at.

use std::collections::BTreeMap;

use crate::domain::{
    id::{ConnectorNo, MeterName, OrderId, PileCode, UplinkName},
    time::Stamp,
};

/// Alarms shown at the same time: more than there are piles and uplinks to have one. Above it the
/// oldest disputed order gives way, so that a pile that disputes hides nothing else.
const ALARMS_LIMIT: usize = 512;

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
    /// A backend answers nothing on a link that is up.
    Silent(UplinkName),
    /// The calendar jumped.
    ClockStepped,
    /// The calendar is not set.
    ClockUnset,
    /// The store is full: no new charging.
    StorageFull,
    /// The ledger was found damaged, or without rows it had; stands until the next start.
    LedgerDamaged,
    /// A remote start ran late or after a failure was reported; it was stopped.
    LateStart(PileCode),
    /// A meter has given no good reading for too long.
    MeterSilent(MeterName),
    /// A meter's newest energy cannot be: it fell, or grew too fast. It was replaced, or is broken.
    MeterImplausible(MeterName),
    /// A pile's energy of an order is too far off the meter's; the meter's is billed.
    MeterDisagrees(ConnectorNo),
    /// An order at a connector with a meter is billed by the pile's values.
    MeterUnused(ConnectorNo),
    /// Something is the matter with the piles' doors; stands until it is over.
    Doors(DoorsTrouble),
}

/// What is the matter with the piles' doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DoorsTrouble {
    /// Logins fail all the time: a guesser, or a wrong password.
    Logins,
    /// A client sends more than it may, all the time.
    Flood,
    /// Their certificate comes to its end.
    CertificateEnds,
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
            Self::Silent(_) => "uplink_silent",
            Self::ClockStepped => "clock_stepped",
            Self::ClockUnset => "clock_unset",
            Self::StorageFull => "storage_full",
            Self::LedgerDamaged => "ledger_damaged",
            Self::LateStart(_) => "late_remote_start",
            Self::MeterSilent(_) => "meter_silent",
            Self::MeterImplausible(_) => "meter_implausible",
            Self::MeterDisagrees(_) => "meter_disagrees",
            Self::MeterUnused(_) => "meter_unused",
            Self::Doors(DoorsTrouble::Logins) => "doors_logins_refused",
            Self::Doors(DoorsTrouble::Flood) => "doors_flooded",
            Self::Doors(DoorsTrouble::CertificateEnds) => "certificate_ends",
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
        if self.0.len() >= ALARMS_LIMIT {
            self.forget_oldest_dispute();
        }
        if self.0.len() < ALARMS_LIMIT {
            self.0.insert(kind, Alarm { since: at, text, count: 1 });
        }
    }

    fn forget_oldest_dispute(&mut self) {
        let disputes = self.0.iter().filter(|(kind, _)| matches!(kind, AlarmKind::Disputed(_)));
        let oldest = disputes.min_by_key(|(_, alarm)| (alarm.since.boot, alarm.since.mono));
        if let Some(kind) = oldest.map(|(kind, _)| kind.clone()) {
            self.0.remove(&kind);
        }
    }

    pub(super) fn clear(&mut self, kind: &AlarmKind) {
        if self.0.remove(kind).is_some() {
            tracing::info!(alarm = kind.name(), about = ?kind, "over");
        }
    }

    pub(super) fn stands(&self, kind: &AlarmKind) -> bool {
        self.0.contains_key(kind)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&AlarmKind, &Alarm)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn disputes_hide_no_other_alarm() {
        let mut alarms = Alarms::default();
        for number in 0..2 * ALARMS_LIMIT {
            let order = OrderId::new(&format!("{number:032}")).unwrap();
            alarms.raise(AlarmKind::Disputed(order), Stamp::default(), String::new());
        }
        alarms.raise(AlarmKind::StorageFull, Stamp::default(), String::new());
        assert!(alarms.iter().any(|(kind, _)| *kind == AlarmKind::StorageFull));
        assert_eq!(alarms.iter().count(), ALARMS_LIMIT);
    }
}
