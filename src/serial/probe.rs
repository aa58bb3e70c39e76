//! Single requests without a schedule: for scans, and for tools beside a stopped controller.

use std::{sync::Arc, thread, time::Duration};

use tokio::{
    runtime::{self, Runtime},
    time::timeout,
};

use super::{
    port::PortError,
    settings::{Port, TimeSource},
    wire::Wire,
};
use crate::{
    domain::reading::ReadFault,
    metering::{Line, Micros},
    protocol::modbus::Block,
};

/// A line that does not fall silent is asked again after this: someone who looks at the screen
/// sees the faults, and can stop it.
const MAX_QUARANTINE: Duration = Duration::from_secs(2);

/// A port that is open for single requests. It blocks, and belongs to a thread outside of any
/// runtime.
pub struct Probe {
    runtime: Runtime,
    wire: Option<Wire>,
    port: Port,
    line: Line,
    now: TimeSource,
    /// When the line was heard last.
    busy_until: Micros,
}

impl Probe {
    /// Opens a port. `turnaround_ms` is the silence that the slaves want, `timeout_ms` how long
    /// they may take to answer.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(
        port: Port,
        turnaround_ms: u32,
        timeout_ms: u32,
        now: TimeSource,
    ) -> Result<Self, PortError> {
        let line = port.line(turnaround_ms, timeout_ms);
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| PortError::Open {
            port: port.to_string(),
            reason: error.to_string(),
        })?;
        let busy_until = now().1;
        let mut probe = Self { runtime, wire: None, port, line, now, busy_until };
        probe.reopen()?;
        Ok(probe)
    }

    /// Asks a slave for a block.
    ///
    /// # Errors
    /// What came instead of the answer.
    pub fn ask(&mut self, address: u8, block: Block) -> Result<Vec<u16>, ReadFault> {
        if self.wire.is_none() {
            self.reopen().map_err(|error| ReadFault::PortGone(error.to_string()))?;
        }
        let free_at = self.busy_until.plus(self.line.gap_us(0));
        thread::sleep(Duration::from_micros(free_at.since((self.now)().1)));
        let patience = Duration::from_micros(self.line.patience_us(block));
        let Some(wire) = &mut self.wire else {
            return Err(ReadFault::PortGone("not open".into()));
        };
        // Whatever it is, nobody has asked for it.
        let _ = wire.drain();
        let answer =
            self.runtime.block_on(wire.ask(address, block, patience, Duration::ZERO)).answer;
        self.busy_until = (self.now)().1;
        match (&answer, &self.port) {
            (Ok(_) | Err(ReadFault::Refused(_)), _) => {}
            (Err(ReadFault::PortGone(_)), _) | (Err(_), Port::Tcp { .. }) => self.wire = None,
            (Err(_), Port::Serial { .. }) => self.quarantine(),
        }
        answer
    }

    fn reopen(&mut self) -> Result<(), PortError> {
        let silence = Duration::from_micros(self.line.silence_us.into());
        let opened = Wire::open(&self.port, silence, Arc::clone(&self.now));
        self.wire = Some(self.runtime.block_on(opened)?);
        Ok(())
    }

    /// Listens until whatever is late has come.
    fn quarantine(&mut self) {
        let Some(wire) = &self.wire else { return };
        let silence = Duration::from_micros(self.line.quarantine_us.into());
        let silent = async {
            while timeout(silence, wire.listen()).await.is_ok_and(|heard| !heard.is_empty()) {}
        };
        // Its end is the end of the patience, not of the line's talk.
        let _ = self.runtime.block_on(async { timeout(MAX_QUARANTINE, silent).await });
    }
}
