//! What uplinks are owed, confirm and confirmed lately, in the ledger.

#![allow(dead_code, reason = "each test uses a part of it")]

use sitepilot::{
    domain::{
        id::{OrderSeq, Place, UplinkName},
        order::Order,
        time::Stamp,
    },
    ledger::{Filter, Ledger},
    site::command::Query,
};

use crate::orders::{confirmed, ended, opened, record_entry, stamp, undated, uplink};

pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// An order that begins and ends at about this moment, for these uplinks.
pub fn record(ledger: &mut Ledger, seq: u64, at: Stamp, uplinks: &[&str]) -> Order {
    let names: Vec<UplinkName> = uplinks.iter().map(|name| uplink(name)).collect();
    let mut over = ended(&opened(seq, seq % 3, at), at, &names);
    over.deliveries.iter_mut().for_each(|delivery| delivery.place = Place(seq));
    ledger.record(&[record_entry(&over)]).unwrap();
    over
}

/// The same, at this ms of the first run.
pub fn at_ms(ledger: &mut Ledger, seq: u64, ms: u64, uplinks: &[&str]) -> Order {
    record(ledger, seq, stamp(ms), uplinks)
}

pub fn confirm(ledger: &mut Ledger, order: &Order, name: &str, at: Stamp) {
    ledger.record(&[confirmed(order, &uplink(name), at)]).unwrap();
}

/// Positions of what an uplink is owed, in the order it is to be sent, read in small pages.
pub fn backlog(ledger: &Ledger, name: &str) -> Vec<u64> {
    let reader = ledger.reader().unwrap();
    let (name, mut after, mut seqs) = (uplink(name), Place(0), Vec::new());
    loop {
        let query = Query::Backlog { uplink: name.clone(), after, limit: 3 };
        let (page, _) = reader.query(&query).unwrap();
        seqs.extend(page.iter().map(|order| order.seq.0));
        let Some(last) = page.last() else { return seqs };
        let place = last.delivery(&name).unwrap().place;
        assert!(place > after, "places rise");
        after = place;
    }
}

pub fn by_seq(ledger: &Ledger, seq: u64) -> Order {
    let orders = ledger.reader().unwrap().list(&Filter::default(), u16::MAX).unwrap();
    orders.into_iter().find(|order| order.seq == OrderSeq(seq)).unwrap()
}

pub const RECENT_MS: u64 = 600_000;

/// Positions of what an uplink confirmed lately.
pub fn recent_until(ledger: &Ledger, name: &str, until: Stamp) -> Vec<u64> {
    let (uplink, after) = (uplink(name), OrderSeq(0));
    let query = Query::Recent { uplink, within_ms: RECENT_MS, until, after, limit: 500 };
    let (orders, total) = ledger.reader().unwrap().query(&query).unwrap();
    assert_eq!(total, orders.len() as u64);
    orders.iter().map(|order| order.seq.0).collect()
}

pub fn recent(ledger: &Ledger, name: &str) -> Vec<u64> {
    recent_until(ledger, name, undated(99, 0))
}
