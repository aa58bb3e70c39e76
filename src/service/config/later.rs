//! Tables this version reads but does not serve: refused in words, never silently ignored.

use super::{
    fault::{Faults, Place},
    reader::Section,
};

/// What is said of them.
pub(super) const NOT_YET: &str = "not supported by this version yet";

fn refuse(at: &Place, faults: &mut Faults<'_>) {
    faults.add(at, NOT_YET, "leave it out for now");
}

/// `[[bus]]` and `[[meter]]`
pub(super) fn refuse_buses(root: &mut Section<'_>, faults: &mut Faults<'_>) {
    for mut bus in root.sections("bus", faults) {
        refuse(bus.place(), faults);
        bus.text("name", faults);
        bus.number("turnaround_ms", 0..=10_000, faults);
        bus.number("timeout_ms", 1..=60_000, faults);
        if let Some(mut serial) = bus.section("serial", faults) {
            serial.text("port", faults);
            serial.number("baud", 300..=4_000_000, faults);
            serial.text("parity", faults);
            serial.number("stop_bits", 1..=2, faults);
            serial.finish(faults);
        }
        if let Some(mut tcp) = bus.section("tcp", faults) {
            tcp.text("address", faults);
            tcp.text("framing", faults);
            tcp.finish(faults);
        }
        bus.finish(faults);
    }
    for mut meter in root.sections("meter", faults) {
        refuse(meter.place(), faults);
        for key in ["name", "bus", "profile"] {
            meter.text(key, faults);
        }
        meter.number("address", 1..=247, faults);
        meter.number("poll_interval_ms", 1..=3_600_000, faults);
        meter.any("measures");
        meter.finish(faults);
    }
}

/// An uplink of another kind; its name and role are read already.
pub(super) fn read_other_uplink(mut section: Section<'_>, kind: &str, faults: &mut Faults<'_>) {
    section.text("url", faults);
    section.flag("commands", faults);
    section.flag("required", faults);
    if kind == "ec" {
        section.number("organisation", 0..=u64::from(u32::MAX), faults);
        section.number("heartbeat_s", 1..=3600, faults);
        section.number("realtime_s", 1..=3600, faults);
        section.text("confirm", faults);
        section.number("resend_minutes", 0..=1440, faults);
        section.flag("amount_includes_service", faults);
    } else {
        for key in [
            "topic_prefix",
            "client_id",
            "username",
            "password_file",
            "password_credential",
            "ca_file",
        ] {
            section.text(key, faults);
        }
    }
    section.finish(faults);
}
