//! The state of the site in a line.

use crate::{
    domain::order::OrderState,
    site::snapshot::{Snapshot, UplinkStatus},
    status::Health,
};

/// Uplinks that are named; a line is no table.
const MAX_UPLINKS: usize = 4;

/// Alarms that are named.
const MAX_ALARMS: usize = 3;

/// The site as somebody wants to see it who has one line for it: rooms that are stuck, piles,
/// uplinks, alarms. `None`: the site has not turned yet.
#[must_use]
pub(super) fn line(site: Option<&Snapshot>, health: &Health) -> String {
    let mut parts = Vec::new();
    if !health.is_good() {
        let rooms: Vec<_> = health.stuck.keys().copied().collect();
        parts.push(format!("NO PROGRESS: {}", rooms.join(", ")));
    }
    match site {
        Some(site) => {
            parts.push(piles(site));
            parts.extend(uplinks(site));
            parts.extend(alarms(site));
        }
        None => parts.push("not looked at yet".to_owned()),
    }
    parts.join("; ")
}

fn piles(site: &Snapshot) -> String {
    let connected = site.piles.iter().filter(|pile| pile.is_connected).count();
    let charging = |state| matches!(state, OrderState::Charging | OrderState::Stopping);
    let charging = site.open.iter().filter(|order| charging(order.state)).count();
    format!("{connected} of {} connected, {charging} charging", counted(site.piles.len(), "pile"))
}

fn uplinks(site: &Snapshot) -> Vec<String> {
    let mut parts: Vec<_> = site.uplinks.iter().take(MAX_UPLINKS).map(uplink).collect();
    let more = site.uplinks.len().saturating_sub(MAX_UPLINKS);
    if more > 0 {
        parts.push(format!("{more} more uplinks"));
    }
    parts
}

fn uplink(uplink: &UplinkStatus) -> String {
    let UplinkStatus { name, state, backlog, .. } = uplink;
    match *backlog {
        0 => format!("{name} {state}"),
        1 => format!("{name} {state}, 1 order to deliver"),
        more => format!("{name} {state}, {more} orders to deliver"),
    }
}

fn alarms(site: &Snapshot) -> Option<String> {
    let mut names: Vec<_> = site.alarms.iter().map(|(kind, _)| kind.name()).collect();
    names.dedup();
    let more = names.len().saturating_sub(MAX_ALARMS);
    names.truncate(MAX_ALARMS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let number = counted(site.alarms.len(), "alarm");
    (!names.is_empty()).then(|| format!("{number}: {}{more}", names.join(", ")))
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{
        domain::{
            id::{PileCode, UplinkName},
            time::{BootId, ClockQuality, Mono, Now, Stamp, Wall},
        },
        site::{
            alarm::{Alarm, AlarmKind},
            snapshot::{Counters, PileStatus},
        },
    };

    const WALL: Wall = Wall { unix_ms: 0, quality: ClockQuality::Unset };
    const AT: Stamp = Stamp { boot: BootId(1), mono: Mono(0), wall: WALL };

    fn site() -> Snapshot {
        Snapshot {
            now: Now { mono: Mono(0), wall: WALL },
            uplinks: Vec::new(),
            piles: Vec::new(),
            meters: Vec::new(),
            open: Vec::new(),
            orders: 0,
            unsettled: 0,
            orders_in_memory: 0,
            is_storage_full: false,
            alarms: Vec::new(),
            counters: Counters::default(),
        }
    }

    fn pile(number: u8, is_connected: bool) -> PileStatus {
        PileStatus {
            code: PileCode::new(&format!("31011500120000{number:02}")).unwrap(),
            is_connected,
            is_booted: is_connected,
            since: None,
            reason: String::new(),
            firmware: String::new(),
            connectors: Vec::new(),
        }
    }

    fn uplink(name: &str, state: &'static str, backlog: u64) -> UplinkStatus {
        UplinkStatus {
            name: UplinkName::new(name).unwrap(),
            kind: "charger".to_owned(),
            required: true,
            state,
            since: AT,
            reason: String::new(),
            backlog,
            oldest_unix_ms: None,
            in_flight: 0,
            in_memory: 0,
            rate_per_min: None,
            eta_s: None,
            strays: 0,
        }
    }

    fn alarm(kind: AlarmKind) -> (AlarmKind, Alarm) {
        (kind, Alarm { since: AT, text: "text".to_owned(), count: 1 })
    }

    fn said(site: &Snapshot) -> String {
        line(Some(site), &Health::default())
    }

    #[test]
    fn a_line_tells_of_piles_uplinks_and_alarms() {
        let mut site = site();
        assert_eq!(said(&site), "0 of 0 piles connected, 0 charging");
        site.piles = vec![pile(1, true), pile(2, false), pile(3, true)];
        site.uplinks = vec![uplink("cloud", "online", 0), uplink("regulator", "offline", 12)];
        site.alarms = vec![alarm(AlarmKind::StorageFull)];
        let wanted = "2 of 3 piles connected, 0 charging; cloud online; \
            regulator offline, 12 orders to deliver; 1 alarm: storage_full";
        assert_eq!(said(&site), wanted);
        site.piles.truncate(1);
        site.uplinks = vec![uplink("cloud", "booting", 1)];
        site.alarms.clear();
        let wanted = "1 of 1 pile connected, 0 charging; cloud booting, 1 order to deliver";
        assert_eq!(said(&site), wanted);
    }

    #[test]
    fn a_line_names_few_uplinks_and_each_kind_of_alarm_once() {
        let mut site = site();
        let name = |number| format!("u{number}");
        site.uplinks = (0..6).map(|number| uplink(&name(number), "online", 0)).collect();
        let silent = |name| alarm(AlarmKind::Silent(UplinkName::new(name).unwrap()));
        site.alarms = vec![silent("u1"), silent("u2")];
        for kind in [AlarmKind::ClockStepped, AlarmKind::ClockUnset, AlarmKind::StorageFull] {
            site.alarms.push(alarm(kind));
        }
        let wanted = "0 of 0 piles connected, 0 charging; u0 online; u1 online; u2 online; \
            u3 online; 2 more uplinks; \
            5 alarms: uplink_silent, clock_stepped, clock_unset and 1 more";
        assert_eq!(said(&site), wanted);
    }

    #[test]
    fn a_stuck_room_comes_first() {
        let text = "a commit takes 20000 ms already".to_owned();
        let health = Health { stuck: [("ledger", text.clone()), ("doors", text)].into() };
        let told = line(Some(&site()), &health);
        assert_eq!(told, "NO PROGRESS: doors, ledger; 0 of 0 piles connected, 0 charging");
        assert_eq!(line(None, &health), "NO PROGRESS: doors, ledger; not looked at yet");
    }
}
