//! The calendar.

use super::{Topic, known, lasting};
use crate::{cli::doctor::facts::Facts, domain::time::EARLIEST_S};

/// Somebody who corrects the clock by hand moves it by less.
const STEP_BACK_S: i64 = 600;

const HINT: &str = "timedatectl; is there a way to a time server, or a battery in the clock?";

pub(super) fn find(facts: &Facts, topic: &mut Topic) {
    let Some(time) = known(&facts.time) else { return };
    let back_s = time.last_good_s.map_or(0, |last| last.saturating_sub(time.unix_s));
    if time.unix_s < EARLIEST_S {
        topic.severe("the clock is not set", HINT);
    } else if back_s > STEP_BACK_S {
        let back = lasting(back_s.unsigned_abs());
        topic.severe(format!("the clock is behind what it has shown before: {back}"), HINT);
    } else if !time.is_synced {
        topic.wrong("the clock is not kept by NTP", "timedatectl set-ntp true; timedatectl status");
    }
    if !time.has_rtc {
        topic.note(
            "the machine has no clock of its own: after a power cut it waits for NTP",
            "a real-time clock with a battery, where the network may be away",
        );
    }
}
