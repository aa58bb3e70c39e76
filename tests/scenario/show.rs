//! Entries and commands as one line each.

#[path = "told.rs"]
mod told;

use std::fmt::Write;

use sitepilot::{
    domain::{
        event::Named,
        order::{Ending, Flags, Order},
        passing::Passed,
        quantity::Energy,
        reading::{Metering, Sample},
        reply::{MeteredPlace, PileCall, PileReply, ToPile, UplinkMessage, UplinkReply},
    },
    protocol::charger::wire::v1_10::MessageId,
    site::{command::Command, entry::Entry},
};

pub fn entry(entry: &Entry) -> String {
    match entry {
        Entry::OrderOpened(order) => format!("opened {}", order_line(order)),
        Entry::OrderRecorded(order) => format!("recorded {}", order_line(order)),
        Entry::ProgressKept { seq, progress } => {
            format!("progress kept #{} {} Wh", seq.0, progress.energy.wh())
        }
        Entry::OrderInterrupted { seq, reason, .. } => format!("interrupted #{}: {reason}", seq.0),
        Entry::OrderResumed { seq, .. } => format!("resumed #{}", seq.0),
        Entry::VersionKept { seq, kind, ending, .. } => {
            format!("version kept #{} {kind:?} {}", seq.0, ending_line(ending))
        }
        Entry::TransactionAssigned { seq, transaction, .. } => {
            format!("transaction #{} = {transaction}", seq.0)
        }
        Entry::PayloadFrozen { seq, uplink, .. } => {
            format!("payload frozen #{} for {uplink}", seq.0)
        }
        Entry::DeliveryConfirmed { seq, uplink, attempts, .. } => {
            format!("confirmed #{} by {uplink}, attempts {attempts}", seq.0)
        }
        Entry::DeliveryQuarantined { seq, uplink, reason, .. } => {
            format!("quarantined #{} by {uplink}: {reason}", seq.0)
        }
        Entry::DeliveryRequeued { seq, uplink, .. } => format!("requeued #{} for {uplink}", seq.0),
        Entry::DeliveryWaived { seq, uplink, reason, .. } => {
            format!("waived #{} by {uplink}: {reason}", seq.0)
        }
        Entry::UplinkEnlisted { uplink, kind, since_s, .. } => {
            format!("enlisted {uplink}, {kind}, since {since_s:?}")
        }
        Entry::RequiredChanged { uplinks, .. } => {
            let names: Vec<_> = uplinks.iter().map(|name| name.as_str()).collect();
            format!("required: {}", names.join(", "))
        }
        Entry::OrderSettled { seq, .. } => format!("settled #{}", seq.0),
        Entry::ClockLearned { boot, epoch_ms, .. } => {
            format!("clock learned: run {} began at {}", boot.0, epoch_ms / 1000)
        }
        Entry::ClockStepped { by_ms, .. } => format!("clock stepped by {} s", by_ms / 1000),
        Entry::CardJudged { card, verdict, .. } => format!("card {card} {verdict:?}"),
        Entry::CardsCleared => "cards cleared".to_owned(),
        Entry::TariffKept { id, .. } => format!("tariff {id} kept"),
        Entry::SequencesReserved { uplink, up_to } => {
            format!("sequences of {uplink} to {}", up_to.0)
        }
        Entry::RemoteOpened(open) => {
            let transaction = open.transaction.as_ref().map_or("-", |id| id.as_str());
            format!("remote start {} opened, transaction {transaction}", open.sequence.0)
        }
        Entry::RemoteClosed { sequence, .. } => format!("remote start {} closed", sequence.0),
        Entry::PassOpened { sequence, .. } => format!("message {} opened", sequence.0),
        Entry::PassClosed { sequence, .. } => format!("message {} closed", sequence.0),
        Entry::MeterKept { meter, reading } => {
            format!("meter {meter} kept at {}", register(reading.energy_import))
        }
        Entry::MeterReplaced { meter, old, .. } => {
            format!("meter {meter} replaced, ended with {}", register(*old))
        }
        Entry::MeterBegun { meter, reading } => {
            format!("meter {meter} begun with {}", register(reading.energy_import))
        }
        Entry::SampleKept { seq, part, sample } => {
            format!("{part:?} sample kept #{} {} Wh", seq.0, sample.energy.wh())
        }
        Entry::MeteringDropped { seq, reason, .. } => {
            format!("metering dropped #{}: {reason}", seq.0)
        }
        Entry::UplinkRetired { uplink, .. } => format!("uplink {uplink} retired"),
    }
}

fn register(energy: Option<Energy>) -> String {
    energy.map_or("no energy".to_owned(), |energy| format!("{} Wh", energy.wh()))
}

fn order_line(order: &Order) -> String {
    let mut line = format!("#{} record {}", order.seq.0, order.key.record);
    let connector = order.connector.map_or("none".to_owned(), |no| no.to_string());
    let _ = write!(line, " connector {connector}");
    if order.key.started.is_mark() {
        line.push_str(" (start unknown to the pile)");
    }
    if let Some(transaction) = &order.transaction {
        let _ = write!(line, " transaction {transaction}");
    }
    let _ = write!(line, " started {}", maybe(order.started_s));
    if let Some(ending) = &order.ending {
        let _ = write!(line, " {}", ending_line(ending));
    }
    if let Some(said) = &order.metering {
        let _ = write!(line, ", {}", metering(said));
    }
    line.push_str(&flags(order.flags));
    line
}

/// `meter M1 1000 to 2000 Wh, 3 between, pile 0 to 1000 Wh`
pub fn metering(metering: &Metering) -> String {
    let wh = |energy: Option<Energy>| energy.map_or("?".to_owned(), |e| e.wh().to_string());
    let at = |sample: Option<Sample>| wh(sample.map(|sample| sample.energy));
    let (start, stop) = (at(metering.start), at(metering.stop));
    let (pile_start, pile_stop) = (wh(metering.pile_start), wh(metering.pile_stop));
    format!(
        "meter {} {start} to {stop} Wh, {} between, pile {pile_start} to {pile_stop} Wh",
        metering.meter,
        metering.curve.len()
    )
}

fn ending_line(ending: &Ending) -> String {
    let cost = ending.cost.map_or("-".to_owned(), |cost| cost.fen().to_string());
    format!("ended {} {} Wh, {cost} fen", maybe(ending.ended_s), ending.energy.wh())
}

fn maybe(time: Option<i64>) -> String {
    time.map_or("undated".to_owned(), |s| s.to_string())
}

fn flags(flags: Flags) -> String {
    let named = [
        (flags.offline, " offline"),
        (flags.disputed, " disputed"),
        (flags.estimated, " estimated"),
        (flags.senseless, " senseless"),
    ];
    named.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name).collect()
}

pub fn command(command: &Command) -> String {
    match command {
        Command::Pile { message: ToPile::Answer { reply, .. }, .. } => {
            format!("pile: {}", pile_reply(reply))
        }
        Command::Pile { message: ToPile::Call { request, .. }, .. } => {
            format!("pile: call {}", pile_call(request))
        }
        Command::Uplink { uplink, message } => {
            format!("{uplink}: {}", uplink_message(&message.message))
        }
        Command::Load(query) => format!("load {query:?}"),
        Command::ReadMeter { meter } => format!("read meter {meter}"),
        Command::Time { unix_s } => format!("time {unix_s}"),
        Command::Operator { outcome, .. } => match outcome {
            Ok(text) => format!("operator: {text}"),
            Err(text) => format!("operator: refused: {text}"),
        },
    }
}

fn pile_reply(reply: &PileReply) -> String {
    match reply {
        PileReply::Boot { accepted, time_s, interval_s } => {
            format!("boot accepted={accepted} time={} interval={interval_s}", maybe(*time_s))
        }
        PileReply::Heartbeat => "heartbeat".to_owned(),
        PileReply::Authorize { verdict, backend } => {
            format!("card {verdict:?} by {}", whom(backend.is_some()))
        }
        PileReply::Start { record, verdict, backend, .. } => {
            format!("start {record} {verdict:?} by {}", whom(backend.is_some()))
        }
        PileReply::Stop { cost, .. } => {
            let cost = cost.map_or("-".to_owned(), |cost| cost.fen().to_string());
            format!("stop on record, {cost} fen")
        }
        PileReply::Transaction { record, .. } => format!("order {record} on record"),
        PileReply::Warning { code, .. } => format!("warning {code} heard"),
        PileReply::Status { plug } => format!("status of plug {} heard", plug.0),
        PileReply::Passed(passed) => passed_line(passed),
        PileReply::Error { code, text } => format!("error {code:?}: {text}"),
    }
}

fn whom(is_backend: bool) -> &'static str {
    if is_backend { "the backend" } else { "the site" }
}

fn pile_call(call: &PileCall) -> String {
    match call {
        PileCall::RemoteStart { plug, .. } => format!("remote start plug {}", plug.0),
        PileCall::RemoteStop { plug, .. } => {
            format!("remote stop plug {}", plug.map_or(0, |plug| plug.0))
        }
        PileCall::Tariff(_) => "tariff".to_owned(),
        PileCall::Pass(passed) => passed_line(passed),
    }
}

fn passed_line(passed: &Passed) -> String {
    let id = MessageId::try_from(i32::from(passed.original.code)).expect("a code of the table");
    format!("passed {}", id.as_str_name().trim_start_matches("ID_"))
}

fn uplink_message(message: &UplinkMessage) -> String {
    match message {
        UplinkMessage::Boot => "boot".to_owned(),
        UplinkMessage::Heartbeat => "heartbeat".to_owned(),
        UplinkMessage::TariffRequest => "tariff wanted".to_owned(),
        UplinkMessage::Authorize { .. } => "authorize".to_owned(),
        UplinkMessage::Start { order, offline, .. } => {
            let transaction = order.transaction.as_ref().map_or("-", |id| id.as_str());
            let meter = order.meter_start.map(|start| format!(", from {} Wh", start.wh()));
            let meter = meter.unwrap_or_default();
            let offline = if *offline { ", offline" } else { "" };
            format!("start, transaction {transaction}{meter}{offline}")
        }
        UplinkMessage::Progress { .. } => "progress".to_owned(),
        UplinkMessage::Stop { order } => format!("stop #{}", order.seq.0),
        UplinkMessage::Transaction { payload, .. } => {
            format!("transaction, {} bytes", payload.len())
        }
        UplinkMessage::Telemetry { .. } => "telemetry".to_owned(),
        UplinkMessage::Warning { .. } => "warning".to_owned(),
        UplinkMessage::Status { connector, state, .. } => format!("status {connector} {state}"),
        UplinkMessage::Metered { place, values } => {
            let place = match place {
                MeteredPlace::Site => "site".to_owned(),
                MeteredPlace::Connector { connector, order, .. } => {
                    let during = if order.is_some() { ", an order runs" } else { "" };
                    format!("connector {connector}{during}")
                }
            };
            format!("metered {place}: {}", register(values.energy_import))
        }
        UplinkMessage::Passed(passed) => passed_line(passed),
        UplinkMessage::Image(image) => told::image(image),
        UplinkMessage::News(news) => told::news(news),
        UplinkMessage::Snapshot(image) => told::snapshot(image),
        UplinkMessage::Answer(reply) => format!("answer {}", uplink_reply(reply)),
    }
}

fn uplink_reply(reply: &UplinkReply) -> String {
    match reply {
        UplinkReply::RemoteStart { accepted: true, .. } => "remote start accepted".to_owned(),
        UplinkReply::RemoteStart { reason, .. } => format!("remote start refused: {reason}"),
        UplinkReply::RemoteStop { accepted, order: None, .. } => {
            format!("remote stop accepted={accepted}")
        }
        UplinkReply::RemoteStop { accepted, reason, order: Some(order) } => {
            let outcome = told::outcome(*accepted, reason);
            format!("remote stop of {} {outcome}", told::running(order))
        }
        UplinkReply::Tariff { accepted } => format!("tariff accepted={accepted}"),
        UplinkReply::History { count } => format!("history: {count} follow"),
        UplinkReply::Trigger { accepted } => format!("trigger accepted={accepted}"),
        UplinkReply::Cards { .. } => "cards".to_owned(),
        UplinkReply::ClearCards => "cards cleared".to_owned(),
        UplinkReply::Authorize { accepted, reason } => {
            format!("card {}", told::outcome(*accepted, reason))
        }
        UplinkReply::Availability { available: true, .. } => "available".to_owned(),
        UplinkReply::Availability { reason, .. } => format!("not available: {reason}"),
        UplinkReply::Passed(passed) => passed_line(passed),
        UplinkReply::Error { code, text } => format!("error {code:?}: {text}"),
    }
}

pub fn named<T>(text: Option<&str>, right: T) -> Named<T> {
    match text {
        None | Some("right") => Named::This(right),
        Some("nothing") => Named::Nothing,
        Some("wrong") => Named::Foreign,
        Some(other) => panic!("an id is right, wrong or nothing, not {other}"),
    }
}
