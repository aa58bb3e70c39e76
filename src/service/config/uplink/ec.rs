//! `kind = "ec"`: a server of EC TCP.

use super::{
    super::{
        fault::{Faults, Place},
        pile::MAX_CONNECTORS,
        reader::{At, Section},
    },
    endpoint::{self, Endpoint},
    role::Role,
};
use crate::{
    protocol::ec::{Confirm, Settings},
    service::roster::CONNECTORS_LIMIT,
};

/// A server of EC TCP.
#[derive(Debug, Clone)]
pub struct Ec {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Settings of the wire.
    pub settings: Settings,
}

/// A connector is a byte on the wire. Codes of piles and ids of orders have the lengths of the
/// wire by their types.
const _: () = assert!(MAX_CONNECTORS <= 255 && CONNECTORS_LIMIT <= 255);

/// The known server closes a link on which it has heard nothing for that long.
const SERVER_PATIENCE_S: u64 = 120;

pub(super) fn read(section: &mut Section<'_>, role: &Role, faults: &mut Faults<'_>) -> Option<Ec> {
    let endpoint = endpoint::server(section, faults);
    let organisation = section.number("organisation", 0..=u64::from(u32::MAX), faults);
    let hint = "the number that the server knows the station's operator by, such as 1000";
    let organisation = section.required("organisation", organisation, faults, hint);
    let heartbeat = section.number("heartbeat_s", 1..=3600, faults);
    let heartbeat_s = heartbeat.as_ref().map_or(60, |at| at.value);
    if let Some(at) = heartbeat.filter(|at| at.value >= SERVER_PATIENCE_S) {
        let text = format!("may be too long: {} s", at.value);
        let hint = format!("the known server closes a link after {SERVER_PATIENCE_S} s of silence");
        faults.warn(&at.place, text, hint);
    }
    let realtime_s = section.number_or("realtime_s", 1..=3600, 60, faults);
    let confirm = confirm(section, role, faults);
    // A day: what was confirmed longer ago and is not there has another cause than a broken link.
    let resend_minutes = section.number_or("resend_minutes", 0..=1440, 5, faults);
    let with_service = section.flag("amount_includes_service", faults).is_none_or(|at| at.value);
    Some(Ec {
        endpoint: endpoint?,
        settings: Settings {
            organisation: u32::try_from(organisation?.value).ok()?,
            heartbeat_ms: heartbeat_s * 1000,
            realtime_ms: realtime_s * 1000,
            confirm,
            resend_ms: resend_minutes * 60_000,
            amount_includes_service: with_service,
        },
    })
}

fn confirm(section: &mut Section<'_>, role: &Role, faults: &mut Faults<'_>) -> Confirm {
    let words = [("heartbeat", Confirm::Heartbeat), ("tcp", Confirm::Tcp)];
    let at = section.choice("confirm", &words, faults);
    match at {
        Some(At { value: Confirm::Tcp, place }) => {
            if role.required {
                warn_of_tcp(&place, faults);
            }
            Confirm::Tcp
        }
        Some(At { value: Confirm::Heartbeat, .. }) | None => Confirm::Heartbeat,
    }
}

fn warn_of_tcp(place: &Place, faults: &mut Faults<'_>) {
    let text = "an order counts as delivered as soon as the server's kernel has its bytes: a \
                server that hangs or is restarted before it reads them has lost it";
    faults.warn(
        place,
        text,
        "confirm = \"heartbeat\" waits for signs of life, or required = false",
    );
}
