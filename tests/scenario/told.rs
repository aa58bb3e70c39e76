//! What uplinks that listen are told, as one line each: what was not said is left out.

use std::fmt::Write;

use sitepilot::domain::{
    connector::{ConnectorImage, RunningOrder},
    gauge::Gauges,
    id::PlugNo,
    news::{Happening, News, SiteImage},
};

/// `connector 11 reachable Charging, warnings 300, 750.0 V, order of 8812 1000 Wh in 60 s`
pub fn image(image: &ConnectorImage) -> String {
    let reachable = if image.is_reachable { "reachable" } else { "away" };
    let mut line = format!("connector {} {reachable}", image.connector);
    if let Some(state) = image.state {
        let _ = write!(line, " {state:?}");
    }
    if !image.warnings.is_empty() {
        let _ = write!(line, ", warnings {:?}", image.warnings);
    }
    line.push_str(&gauges(&image.gauges));
    if let Some(energy) = image.meter.and_then(|meter| meter.energy_import) {
        let _ = write!(line, ", meter {} Wh", energy.wh());
    }
    if let Some(order) = &image.order {
        let _ = write!(line, ", order {}", running(order));
    }
    line
}

fn gauges(gauges: &Gauges) -> String {
    let mut line = String::new();
    if let Some(dv) = gauges.output_voltage_dv {
        let _ = write!(line, ", {dv} dV");
    }
    if let Some(soc) = gauges.soc_percent {
        let _ = write!(line, ", {soc} %");
    }
    if let Some(charged) = gauges.charged {
        let _ = write!(line, ", charged {} Wh", charged.wh());
    }
    if let Some(vin) = &gauges.vin {
        let _ = write!(line, ", vehicle {vin}");
    }
    if let Some(capacity) = gauges.battery.capacity_ah {
        let _ = write!(line, ", battery {capacity} Ah");
    }
    line
}

/// `#1 of 8812 1000 Wh, 5 fen in 60 s`
pub fn running(order: &RunningOrder) -> String {
    let mut line = format!("#{}", order.seq.0);
    if let Some(card) = &order.card {
        let _ = write!(line, " of {card}");
    }
    if let Some(energy) = order.energy {
        let _ = write!(line, " {} Wh", energy.wh());
    }
    if let Some(cost) = order.cost {
        let _ = write!(line, " {} fen", cost.fen());
    }
    let _ = write!(line, " in {} s", order.elapsed_s);
    line
}

pub fn news(news: &News) -> String {
    let session = news.session.map_or("-".to_owned(), |session| session.0.to_string());
    let cause = news.cause.as_ref().map(|cause| format!(", by message {}", cause.code));
    let cause = cause.unwrap_or_default();
    format!("news of session {session} {}: {}{cause}", news.address, happening(&news.what))
}

fn happening(what: &Happening) -> String {
    match what {
        Happening::Booted(nameplate) => format!("booted with {}", nameplate.firmware),
        Happening::Alive => "alive".to_owned(),
        Happening::Gone { parting, reason } => format!("gone {parting:?}: {reason}"),
        Happening::Connector(of) => image(of),
        Happening::Progress(of) => format!("progress, {}", image(of)),
        Happening::Battery(of) => format!("battery, {}", image(of)),
        Happening::CardShown { plug, card } => format!("card {card} shown at {}", at(*plug)),
        Happening::RemoteStart { plug, accepted, reason, .. } => {
            format!("remote start at {} {}", at(Some(*plug)), outcome(*accepted, reason))
        }
        Happening::RemoteStop { plug, order, accepted, reason } => {
            let which = if order.is_some() { "an order" } else { "nothing" };
            format!("remote stop of {which} at {} {}", at(*plug), outcome(*accepted, reason))
        }
        Happening::TariffWanted { tariff } => format!("tariff wanted, in force {tariff:?}"),
        Happening::TariffSet { tariff, accepted } => {
            format!("tariff {tariff} set {}", outcome(*accepted, ""))
        }
        Happening::TimeGiven { unix_s } => format!("time {unix_s} given"),
        Happening::Warning { plug, code, cleared } => {
            let comes = if *cleared { "goes" } else { "comes" };
            format!("warning {code} {comes} at {}", at(*plug))
        }
    }
}

fn at(plug: Option<PlugNo>) -> String {
    plug.map_or("the pile".to_owned(), |plug| format!("plug {}", plug.0))
}

pub fn outcome(accepted: bool, reason: &str) -> String {
    match reason {
        _ if accepted => "accepted".to_owned(),
        "" => "refused".to_owned(),
        reason => format!("refused: {reason}"),
    }
}

pub fn snapshot(site: &SiteImage) -> String {
    let connectors: Vec<String> = site.connectors.values().map(image).collect();
    let ended: Vec<String> = site.ended.iter().map(|order| format!("#{}", order.seq.0)).collect();
    let guest = |(card, order): &(_, Option<_>)| {
        format!("{card}{}", if order.is_some() { " (charging)" } else { "" })
    };
    let guests: Vec<String> = site.authorised.iter().map(guest).collect();
    format!(
        "snapshot [{}], ended [{}], let in [{}]",
        connectors.join("; "),
        ended.join(" "),
        guests.join(" ")
    )
}
