//! Tables this version reads but does not serve: refused in words, never silently ignored.

use super::{fault::Faults, reader::Section};

/// What is said of them.
pub(super) const NOT_YET: &str = "not supported by this version yet";

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
