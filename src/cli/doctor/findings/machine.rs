//! Power, heat and memory of the board.

use super::{Topic, known};
use crate::cli::doctor::facts::{Facts, Machine};

/// What a Raspberry Pi's firmware says of now; the same bits 16 higher: since the start.
const UNDER_VOLTAGE: u32 = 1;
const CAPPED: u32 = 1 << 1;
const THROTTLED: u32 = 1 << 2;
const SOFT_LIMIT: u32 = 1 << 3;
const SINCE_START: u32 = 16;

/// With less, the kernel begins to kill.
const LITTLE_MEMORY_MB: u64 = 32;

/// Boards slow down from there.
const HOT_CELSIUS: i64 = 80;

pub(super) fn find(facts: &Facts, topic: &mut Topic) {
    let Some(machine) = known(&facts.machine) else { return };
    if let Some(bits) = machine.throttled {
        power(bits, topic);
    }
    memory(machine, topic);
    if let Some(celsius) = machine.celsius.filter(|celsius| *celsius >= HOT_CELSIUS) {
        topic.wrong(format!("the board is hot: {celsius} degrees"), "air, shade, a heat sink");
    }
}

fn power(bits: u32, topic: &mut Topic) {
    let hint = "a stronger supply and a shorter cable; what hangs on the board's USB?";
    if bits & UNDER_VOLTAGE != 0 {
        topic.severe(
            "the board has too little voltage now: it may stop, and its card be damaged",
            hint,
        );
    } else if bits >> SINCE_START & UNDER_VOLTAGE != 0 {
        topic.wrong("the board has had too little voltage since it was started", hint);
    }
    let slow = CAPPED | THROTTLED | SOFT_LIMIT;
    if bits & slow != 0 {
        topic.wrong("the board is slowed down by heat or voltage", "vcgencmd get_throttled");
    } else if bits >> SINCE_START & slow != 0 {
        let text = "the board was slowed down by heat or voltage since it was started";
        topic.note(text, "vcgencmd get_throttled");
    }
}

fn memory(machine: &Machine, topic: &mut Topic) {
    let Machine { available_mb, total_mb, oom_kills, .. } = machine;
    if *total_mb > 0 && *available_mb < LITTLE_MEMORY_MB {
        let text = format!("memory is low: {available_mb} MB of {total_mb} MB are left");
        topic.wrong(text, "ps aux --sort=-rss | head");
    }
    if *oom_kills > 0 {
        let text = format!("the kernel has killed programs for want of memory: {oom_kills}");
        topic.note(text, "journalctl -k | grep -i oom");
    }
}
