//! Alarms: what somebody has to look at.

use std::collections::{BTreeMap, BTreeSet};

use tracing::field;

use crate::domain::{
    id::{ConnectorNo, MeterName, OrderId, PileCode, UplinkName},
    time::{Mono, Stamp},
};

/// Alarms shown at the same time: more than there are piles and uplinks to have one. Above it the
/// oldest disputed order gives way, so that a pile that disputes hides nothing else.
const ALARMS_LIMIT: usize = 512;

/// What a meter has is written to the log once in this time at most: two meters at one address, or
/// a loose contact, change their minds with every reading, and a log is on a flash memory.
const LOG_PAUSE_MS: u64 = 10 * 60_000;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmKind {
    /// A pile reported an order again with other figures.
    Disputed(OrderId),
    /// An order's figures make no sense.
    Senseless(PileCode),
    /// A backend refused an order for good.
    Quarantine(UplinkName),
    /// An order that costs something is not sent, because the far side is known to drop it in
    /// silence: there it is missing; stands until the next start.
    Waived(UplinkName),
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
    /// An uplink was taken out of the config and is still owed orders.
    Removed(UplinkName),
    /// Tags of a tariff whose band the uplink's config does not say; stands until the next start.
    UnknownTag(UplinkName),
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

/// What an alarm is about, by the names of the log.
#[derive(Debug, Default, Clone, Copy)]
struct About<'a> {
    order: Option<&'a OrderId>,
    pile: Option<&'a PileCode>,
    connector: Option<&'a ConnectorNo>,
    uplink: Option<&'a UplinkName>,
    meter: Option<&'a MeterName>,
}

/// A line about an alarm.
macro_rules! log_alarm {
    ($level:ident, $kind:expr, $($text:tt)+) => {{
        let About { order, pile, connector, uplink, meter } = $kind.about();
        tracing::$level!(
            alarm = $kind.name(),
            order = order.map(field::display),
            pile = pile.map(field::display),
            connector = connector.map(field::display),
            uplink = uplink.map(field::display),
            meter = meter.map(field::display),
            $($text)+
        );
    }};
}

impl AlarmKind {
    /// A short name for machines.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Disputed(_) => "order_disputed",
            Self::Senseless(_) => "order_senseless",
            Self::Quarantine(_) => "order_quarantined",
            Self::Waived(_) => "order_waived",
            Self::Refusing(_) => "uplink_refusing",
            Self::WrongAnswer(_) => "uplink_wrong_answer",
            Self::LoginRefused(_) => "uplink_login_refused",
            Self::BootRefused(_) => "uplink_boot_refused",
            Self::Silent(_) => "uplink_silent",
            Self::Removed(_) => "uplink_removed",
            Self::UnknownTag(_) => "tariff_tag_unknown",
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

    /// What it is about; nothing: the site.
    fn about(&self) -> About<'_> {
        let about = About { uplink: self.uplink(), ..About::default() };
        match self {
            Self::Disputed(order) => About { order: Some(order), ..about },
            Self::Senseless(pile) | Self::LateStart(pile) => About { pile: Some(pile), ..about },
            Self::MeterSilent(meter) | Self::MeterImplausible(meter) => {
                About { meter: Some(meter), ..about }
            }
            Self::MeterDisagrees(connector) | Self::MeterUnused(connector) => {
                About { connector: Some(connector), ..about }
            }
            _ => about,
        }
    }

    const fn uplink(&self) -> Option<&UplinkName> {
        match self {
            Self::Quarantine(uplink)
            | Self::Waived(uplink)
            | Self::Refusing(uplink)
            | Self::WrongAnswer(uplink)
            | Self::LoginRefused(uplink)
            | Self::BootRefused(uplink)
            | Self::Silent(uplink)
            | Self::Removed(uplink)
            | Self::UnknownTag(uplink) => Some(uplink),
            Self::Disputed(_)
            | Self::Senseless(_)
            | Self::LateStart(_)
            | Self::MeterSilent(_)
            | Self::MeterImplausible(_)
            | Self::MeterDisagrees(_)
            | Self::MeterUnused(_)
            | Self::ClockStepped
            | Self::ClockUnset
            | Self::StorageFull
            | Self::LedgerDamaged
            | Self::Doors(_) => None,
        }
    }

    /// The text of such an alarm for people, who may have several uplinks: with the name of the
    /// one that it is about, where the text has none.
    #[must_use]
    pub fn told(&self, alarm: &Alarm) -> String {
        match (self, self.uplink()) {
            // Its text is an instruction that names it.
            (Self::Removed(_), _) | (_, None) => alarm.text.clone(),
            (_, Some(uplink)) => format!("{uplink}: {}", alarm.text),
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
pub(super) struct Alarms {
    standing: BTreeMap<AlarmKind, Alarm>,
    /// When those of meters were written to the log last.
    logged: BTreeMap<AlarmKind, Mono>,
    /// Those that stand and are not in the log yet.
    unlogged: BTreeSet<AlarmKind>,
}

impl Alarms {
    pub(super) fn raise(&mut self, kind: AlarmKind, at: Stamp, text: String) {
        if let Some(alarm) = self.standing.get_mut(&kind) {
            alarm.count += 1;
            alarm.text = text;
            return;
        }
        self.log(&kind, &text, at.mono);
        if self.standing.len() >= ALARMS_LIMIT {
            self.forget_oldest_dispute();
        }
        if self.standing.len() < ALARMS_LIMIT {
            self.standing.insert(kind, Alarm { since: at, text, count: 1 });
        }
    }

    fn log(&mut self, kind: &AlarmKind, text: &str, now: Mono) {
        if matches!(kind, AlarmKind::MeterSilent(_) | AlarmKind::MeterImplausible(_)) {
            if self.is_pausing(kind, now) {
                self.unlogged.insert(kind.clone());
                return;
            }
            self.logged.insert(kind.clone(), now);
        }
        log_alarm!(warn, kind, "{text}");
    }

    fn is_pausing(&self, kind: &AlarmKind, now: Mono) -> bool {
        self.logged.get(kind).is_some_and(|logged| now.since_ms(*logged) < LOG_PAUSE_MS)
    }

    /// Writes to the log what stands and was kept from it.
    pub(super) fn log_rest(&mut self, now: Mono) {
        let due = |kind: &&AlarmKind| !self.is_pausing(kind, now);
        let due: Vec<AlarmKind> = self.unlogged.iter().filter(due).cloned().collect();
        for kind in due {
            self.unlogged.remove(&kind);
            if let Some(text) = self.standing.get(&kind).map(|alarm| alarm.text.clone()) {
                self.log(&kind, &text, now);
            }
        }
    }

    fn forget_oldest_dispute(&mut self) {
        let disputes =
            self.standing.iter().filter(|(kind, _)| matches!(kind, AlarmKind::Disputed(_)));
        let oldest = disputes.min_by_key(|(_, alarm)| (alarm.since.boot, alarm.since.mono));
        if let Some(kind) = oldest.map(|(kind, _)| kind.clone()) {
            self.standing.remove(&kind);
        }
    }

    pub(super) fn clear(&mut self, kind: &AlarmKind) {
        if self.standing.remove(kind).is_some() && !self.unlogged.remove(kind) {
            log_alarm!(info, kind, "alarm is over");
        }
    }

    pub(super) fn stands(&self, kind: &AlarmKind) -> bool {
        self.standing.contains_key(kind)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&AlarmKind, &Alarm)> {
        self.standing.iter()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_alarm_about_an_uplink_is_told_with_its_name() {
        let text = "not authorised".to_owned();
        let alarm = Alarm { since: Stamp::default(), text, count: 1 };
        let platform = || UplinkName::new("platform").unwrap();
        assert_eq!(AlarmKind::LoginRefused(platform()).told(&alarm), "platform: not authorised");
        // Its text has the name already.
        assert_eq!(AlarmKind::Removed(platform()).told(&alarm), "not authorised");
        assert_eq!(AlarmKind::StorageFull.told(&alarm), "not authorised");
    }

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

    #[test]
    fn a_meter_that_changes_its_mind_is_in_the_log_once_in_ten_minutes() {
        let mut alarms = Alarms::default();
        let kind = AlarmKind::MeterImplausible(MeterName::new("main").unwrap());
        let at = |second: u64| Stamp { mono: Mono(second * 1000), ..Stamp::default() };
        let mut logged = BTreeSet::new();
        for second in 0..3600 {
            alarms.raise(kind.clone(), at(second), String::new());
            logged.extend(alarms.logged.get(&kind).copied());
            assert!(alarms.stands(&kind), "whatever is logged, it is shown");
            alarms.clear(&kind);
        }
        assert_eq!(logged.len(), 6);
        // One that stays is not forgotten over it.
        alarms.raise(kind.clone(), at(3600), String::new());
        alarms.raise(kind.clone(), at(3601), String::new());
        alarms.clear(&kind);
        alarms.raise(kind.clone(), at(3602), String::new());
        assert!(alarms.unlogged.contains(&kind));
        alarms.log_rest(at(4300).mono);
        assert!(alarms.unlogged.is_empty() && alarms.logged[&kind] == at(4300).mono);
    }
}
