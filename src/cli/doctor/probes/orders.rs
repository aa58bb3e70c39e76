//! The ledger in figures, whether or not its controller runs.

use std::path::Path;

use super::super::facts::{Known, Orders, Unknown};
use crate::ledger::{self, LedgerError};

pub(in crate::cli::doctor) fn look(data_dir: &Path) -> Known<Orders> {
    let dir = data_dir.display();
    match ledger::is_there(data_dir) {
        Ok(true) => count(data_dir).map_err(|error| Unknown(format!("{dir}: {error}"))),
        Ok(false) => Err(Unknown(format!("there is no ledger in {dir}"))),
        Err(error) => Err(Unknown(format!("{dir}: {error}"))),
    }
}

fn count(data_dir: &Path) -> Result<Orders, LedgerError> {
    let summary = ledger::look(data_dir)?.summary()?;
    Ok(Orders {
        orders: summary.counts.orders,
        unsettled: summary.counts.unsettled,
        open: summary.counts.open,
        oldest_unsettled_s: summary.oldest_unsettled_ms.map(|ms| ms.div_euclid(1000)),
        schema: summary.schema,
        bytes: summary.bytes,
        head: summary.head.to_string(),
    })
}
