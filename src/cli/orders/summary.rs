//! `orders summary`

use serde_json::json;

use super::{
    super::{
        Common, Exit, Failure,
        table::{self, cell, print, time},
    },
    books::Shelf,
};
use crate::{
    ledger::{self, Life},
    status::view,
};

/// A ledger in figures, read from its file: so also that of a controller of another version, and
/// while it hangs.
pub(super) fn run(common: &Common, shelf: &Shelf) -> Result<Exit, Failure> {
    shelf.must_be_there()?;
    let summary = ledger::look(&shelf.ledger)?.summary()?;
    let oldest = summary.oldest_unsettled_ms;
    let document = json!({
        "orders": summary.counts.orders,
        "unsettled": summary.counts.unsettled,
        "open": summary.counts.open,
        "oldest_unsettled_at": oldest.and_then(|ms| view::seconds(ms.div_euclid(1000), &shelf.zone)),
        "schema": summary.schema,
        "bytes": summary.bytes,
        "head": summary.head.to_string(),
        "running": summary.life == Life::Running,
    });
    if common.json {
        table::json(&document);
        return Ok(Exit::Done);
    }
    for (name, value) in [
        ("orders", cell(&document["orders"])),
        ("running", cell(&document["open"])),
        ("unsettled", cell(&document["unsettled"])),
        ("the oldest of them", time(&document["oldest_unsettled_at"])),
        ("bytes", cell(&document["bytes"])),
        ("schema", cell(&document["schema"])),
        ("journal", cell(&document["head"])),
    ] {
        print(&format!("{name:20}{value}\n"));
    }
    Ok(Exit::Done)
}
