//! What the backend's books make of copies of one order.

use super::{CODE, World};
use crate::{
    domain::wire::Revision,
    peers::{
        Machine as _,
        apdu::{self, Code, wire},
    },
};

/// Reports the first order of the pile once more, altered.
fn report_again(w: &mut World, alter: impl FnOnce(&mut wire::TransactionReq)) {
    let mut body = w.pile.reports(1).unwrap().transaction;
    alter(&mut body);
    let now = w.now();
    let apdu = apdu::seal(Revision::V1_10, Code::IdTransactionReq, 999, now, &body).unwrap();
    w.backend.receive(&format!("/U/C/{CODE}"), &apdu, now);
    while w.backend.take_effect().is_some() {}
}

fn world_with_an_order(charged_ms: u64) -> World {
    let mut w = World::new(Revision::V1_10, |_| {});
    w.connect();
    w.start(1);
    w.pass(charged_ms);
    w.stop(1);
    assert!(w.backend.books().doubled().is_empty());
    w
}

#[test]
fn an_order_under_a_second_record_is_doubled_by_its_mark() {
    // Without energy: the meter tells nothing.
    let mut w = world_with_an_order(0);
    report_again(&mut w, |body| body.record_id = "other".to_owned());
    assert_eq!(w.backend.books().doubled(), ["other"]);
}

#[test]
fn an_order_without_its_mark_is_doubled_by_its_meter() {
    let mut w = world_with_an_order(60_000);
    report_again(&mut w, |body| {
        body.record_id = "other".to_owned();
        body.tac.clear();
    });
    assert_eq!(w.backend.books().doubled(), ["other"]);
}

#[test]
fn a_whole_order_may_begin_at_another_reading_than_was_announced_and_says_so_once() {
    let mut w = World::new(Revision::V1_10, |_| {});
    w.connect();
    w.start(1);
    w.pass(60_000);
    let by_another_meter = |more: f64| {
        move |body: &mut wire::TransactionReq| {
            body.meter_start += 5_000.0 + more;
            body.meter_stop += 5_100.0;
        }
    };
    report_again(&mut w, by_another_meter(0.0));
    let books = w.backend.books();
    let booked = books.orders().next().unwrap();
    let whole = w.pile.reports(1).unwrap().transaction;
    let energy = whole.meter_stop - whole.meter_start + 100.0;
    assert_eq!((booked.figures.energy(), books.altered()), (Some(energy), vec![]));
    report_again(&mut w, by_another_meter(1.0));
    assert_eq!(
        w.backend.books().altered(),
        [w.backend.books().orders().next().unwrap().record.clone()]
    );
}

#[test]
fn another_order_is_not_doubled() {
    let mut w = world_with_an_order(60_000);
    report_again(&mut w, |body| {
        body.record_id = "other".to_owned();
        body.tac = "ANOTHER".to_owned();
        body.meter_start += 5_000.0;
        body.meter_stop += 5_000.0;
    });
    assert!(w.backend.books().doubled().is_empty());
}
