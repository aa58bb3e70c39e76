//! What a bus is told.

use std::{fmt, path::PathBuf, sync::Arc};

use tokio::sync::oneshot;

use crate::{
    domain::{
        id::{BusName, MeterName},
        reading::{ReadFault, Values},
        time::Mono,
    },
    metering::{Line, Micros},
    protocol::modbus::{Parity, Profile, Readout},
};

/// Where a bus is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Port {
    /// A serial port with 8 data bits.
    Serial {
        /// Its device.
        path: PathBuf,
        /// Bits per second.
        baud: u32,
        /// The parity bit.
        parity: Parity,
        /// 1 or 2.
        stop_bits: u8,
        /// Who switches the driver's direction; `None`: the adapter does it by itself.
        rs485: Option<Rs485>,
    },
    /// A meter or a gateway in the network.
    Tcp {
        /// Host and port.
        address: String,
        /// What is spoken there.
        framing: Framing,
    },
}

impl Port {
    /// How long things take on it.
    #[must_use]
    pub fn line(&self, turnaround_ms: u32, timeout_ms: u32) -> Line {
        match self {
            Self::Serial { baud, .. } => Line::serial(*baud, turnaround_ms, timeout_ms),
            Self::Tcp { .. } => Line::tcp(turnaround_ms, timeout_ms),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial { path, .. } => write!(f, "{}", path.display()),
            Self::Tcp { address, .. } => f.write_str(address),
        }
    }
}

/// The kernel switches the direction of an RS-485 driver by RTS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rs485 {
    /// RTS is high while sending.
    SendHigh,
    /// RTS is low while sending.
    SendLow,
}

/// How frames travel over TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Modbus TCP: a header with a number and a length.
    Tcp,
    /// The bytes of a serial line, with their check sum.
    Rtu,
}

/// One meter of a bus.
#[derive(Debug, Clone)]
pub struct MeterSettings {
    /// Its name.
    pub name: MeterName,
    /// Its address, 1 to 247.
    pub address: u8,
    /// How often it is read.
    pub interval_ms: u32,
    /// What is read, and what it means; the ratios of transformers are in it.
    pub profile: Arc<Profile>,
}

/// The same moment in the two units of the room; both never step.
pub type TimeSource = Arc<dyn Fn() -> (Mono, Micros) + Send + Sync>;

/// One bus.
#[derive(Clone)]
pub struct Settings {
    /// Its name.
    pub bus: BusName,
    /// Where it is reached.
    pub port: Port,
    /// Silence that the slaves want between two frames.
    pub turnaround_ms: u32,
    /// How long a slave may take to begin its answer.
    pub timeout_ms: u32,
    /// Its meters; each address once.
    pub meters: Vec<MeterSettings>,
    /// What tells the time.
    pub now: TimeSource,
}

/// What a running bus may be asked for.
#[derive(Debug)]
pub enum Order {
    /// Read this meter next.
    ReadNow(MeterName),
    /// Read this meter next, and show what came; the reply is dropped if too many
    /// wait for one, or there is no such meter.
    Show {
        /// The meter.
        meter: MeterName,
        /// Who wants it.
        reply: oneshot::Sender<Shown>,
    },
    /// Close the port, so that another program may use it.
    Lend {
        /// After that long it is taken back unasked.
        for_ms: u32,
        /// Told when the port is closed.
        reply: oneshot::Sender<()>,
    },
    /// Open the port again.
    TakeBack,
    /// End.
    Stop,
}

/// A reading with the registers it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// What was read; empty if nothing was.
    pub readout: Readout,
    /// What it means, or why there is nothing.
    pub values: Result<Values, ReadFault>,
}
