//! A bus of a running controller, borrowed for a scan.

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;

use super::super::super::client::Client;
use crate::{
    clock::Clock,
    domain::{id::BusName, time::Mono},
};

/// Longer than a request and the quarantine behind it take; a scan that dies keeps the bus no
/// longer than this.
const LENT_MS: u32 = 20_000;

/// Between two renewals.
const RENEW_MS: u64 = 5_000;

/// A borrowed bus; given back when it is dropped. Nothing to borrow where no controller runs.
pub(super) struct Loan {
    client: Option<Client>,
    path: String,
    clock: Arc<Clock>,
    renewed: Mono,
}

impl Loan {
    /// Returns when the controller has closed the port.
    pub(super) fn take(
        client: Option<Client>,
        bus: &BusName,
        clock: Arc<Clock>,
    ) -> anyhow::Result<Self> {
        let renewed = clock.mono();
        let mut loan = Self { client, path: format!("/api/v1/buses/{bus}"), clock, renewed };
        loan.ask()?;
        if loan.client.is_some() {
            eprintln!("the controller lends {bus}: its meters are not read meanwhile");
        }
        Ok(loan)
    }

    /// Borrows it for longer if it is time to.
    pub(super) fn renew(&mut self) -> anyhow::Result<()> {
        if self.clock.mono().since_ms(self.renewed) < RENEW_MS {
            return Ok(());
        }
        self.ask()
    }

    fn ask(&mut self) -> anyhow::Result<()> {
        self.renewed = self.clock.mono();
        let Some(client) = &mut self.client else { return Ok(()) };
        let lent = client.post(&format!("{}/lend", self.path), Some(&json!({ "for_ms": LENT_MS })));
        lent.map(drop).context("the controller does not lend the bus")
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let Some(client) = &mut self.client else { return };
        if let Err(error) = client.post(&format!("{}/take-back", self.path), None) {
            eprintln!("the bus is not given back: {error:#}");
            eprintln!("the controller takes it by itself within {} s", LENT_MS / 1000);
        }
    }
}
