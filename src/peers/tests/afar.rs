//! What a backend asks of a pile.

use super::{CODE, World, in_both_revisions};
use crate::{
    domain::wire::Revision,
    peers::{
        apdu::Code,
        backend::{BackendNews, Span},
        pile::PileNews,
    },
};

in_both_revisions! {
    a_remote_start_repeated_starts_once_and_stops_by_its_id
    orders_are_listed_and_messages_triggered_on_request
    a_pile_is_configured_reset_and_updated_from_afar
}

fn a_remote_start_repeated_starts_once_and_stops_by_its_id(revision: Revision) {
    let mut w = World::new(revision, |_| {});
    w.connect();
    w.backend.faults.duplicate_commands = true;
    let (transaction, sequence) = w.backend.remote_start(CODE, CODE, "1", "CARD9", w.now());
    w.exchange();
    w.pass(2_000);
    assert!(w.backend.repeat_last_command());
    w.pass(20_000);
    assert_eq!(w.count(|n| matches!(n, PileNews::OrderStarted { .. })), 1);
    let code = i32::from(Code::IdRemoteStartTransactionReq);
    assert!(w.told.contains(&BackendNews::CommandAnswered { sequence, code, status: 0 }));
    assert_eq!(w.backend.books().order("1").unwrap().transaction_id, transaction);
    w.backend.remote_stop(CODE, "1", &transaction, w.now());
    w.exchange();
    assert_eq!(w.answered().len(), 1);
    assert_eq!(w.answered()[0].transaction_id, transaction);
}

fn orders_are_listed_and_messages_triggered_on_request(revision: Revision) {
    let mut w = World::new(revision, |_| {});
    w.connect();
    w.start(1);
    w.pass(10_000);
    w.stop(1);
    w.start(2);
    let all = Span { level: 2, ..Span::default() };
    let sequence = w.backend.get_transactions(CODE, &all, w.now());
    w.exchange();
    let code = i32::from(Code::IdGetTransactionsReq);
    assert!(w.told.contains(&BackendNews::CommandAnswered { sequence, code, status: 2 }));
    let heard = w.backend.telemetry();
    w.backend.trigger(CODE, Code::IdTelemetryReq, "2", w.now());
    w.exchange();
    assert_eq!(w.backend.telemetry(), heard + 1);
}

fn a_pile_is_configured_reset_and_updated_from_afar(revision: Revision) {
    let mut w = World::new(revision, |_| {});
    w.connect();
    w.start(1);
    let now = w.now();
    let taken = w.backend.change_setting(CODE, "TelemetryInterval", "7", now);
    let fixed = w.backend.change_setting(CODE, "NumberOfConnectors", "7", now);
    let unknown = w.backend.change_setting(CODE, "Colour", "red", now);
    w.backend.get_setting(CODE, "TelemetryInterval", now);
    w.backend.get_setting(CODE, "Colour", now);
    w.backend.get_log(CODE, "ftp://127.0.0.1/", now);
    w.exchange();
    let code = i32::from(Code::IdChangeConfigurationReq);
    for (sequence, status) in [(taken, 0), (fixed, 1), (unknown, 3)] {
        assert!(w.told.contains(&BackendNews::CommandAnswered { sequence, code, status }));
    }
    let told = [("TelemetryInterval", "7"), ("Colour", "")];
    assert_eq!(settings(&w), told.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let log = |n: &BackendNews| matches!(n, BackendNews::Log { filename, .. } if filename == "ZD240117001.log");
    assert!(w.told.iter().any(log));
    w.backend.update_firmware(CODE, "ftp://127.0.0.1/", now);
    w.exchange();
    w.pass(10_000);
    let boots: Vec<&str> = w.told.iter().filter_map(booted_with).collect();
    assert_eq!(boots, ["1.0.0", "1.0.1"]);
    let steps: Vec<i32> = w.told.iter().filter_map(step).collect();
    assert_eq!(steps, [1, 3, 5, 6]);
    assert_eq!(w.answered().len(), 1, "the order it was reset in is reported");
}

fn settings(w: &World) -> Vec<(String, String)> {
    let values = w.told.iter().filter_map(|n| match n {
        BackendNews::Settings { values, .. } => Some(values.clone()),
        _ => None,
    });
    values.flatten().collect()
}

fn booted_with(news: &BackendNews) -> Option<&str> {
    match news {
        BackendNews::Booted { firmware, .. } => Some(firmware),
        _ => None,
    }
}

fn step(news: &BackendNews) -> Option<i32> {
    match news {
        BackendNews::Updating { status, .. } => Some(*status),
        _ => None,
    }
}
