//! Buses of the room, each with slaves at its other end.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use sitepilot::{
    domain::{
        id::{BusName, MeterName},
        reading::MeterEvent,
        time::Mono,
    },
    metering::Micros,
    protocol::modbus::Parity,
    serial::{self, Health, MeterSettings, Order, Port, Settings, TimeSource},
};
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    registers,
    slave::{Fault, Framing, Line, Plan, Seen},
};

/// How long anything may take that is waited for; nothing is measured by it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What lies between a bus and its slaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    Terminal,
    Tcp,
    RtuOverTcp,
}

/// How a bus is played.
#[derive(Debug, Clone, Copy)]
pub struct Play {
    pub medium: Medium,
    pub meters: u8,
    pub interval_ms: u32,
    pub timeout_ms: u32,
}

/// What a bus said.
#[derive(Debug, Clone)]
pub struct Told {
    pub address: u8,
    pub event: MeterEvent,
}

/// A running bus; ends when it is dropped.
pub struct Bus {
    pub orders: flume::Sender<Order>,
    pub told: flume::Receiver<Told>,
    pub seen: flume::Receiver<Seen>,
    pub health: Arc<Health>,
    pub now: TimeSource,
    pub port: Port,
    thread: Option<JoinHandle<()>>,
    slaves: Option<Slaves>,
}

/// The slaves of a test, on a thread of their own.
struct Slaves {
    stop: tokio::sync::oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

#[expect(clippy::disallowed_methods, reason = "a test tells the time to what it tests")]
pub fn clock() -> TimeSource {
    let begin = Instant::now();
    Arc::new(move || {
        let us = u64::try_from(begin.elapsed().as_micros()).unwrap();
        (Mono(us / 1000), Micros(us))
    })
}

pub fn name(address: u8) -> MeterName {
    MeterName::new(&format!("meter-{address}")).unwrap()
}

impl Bus {
    /// Starts slaves with these faults, and the bus.
    pub fn start(play: Play, folder: &Path, seed: u64, plan: Plan) -> Self {
        let (now, (seen, seen_by_us)) = (clock(), flume::unbounded());
        let framing = if play.medium == Medium::Tcp { Framing::Tcp } else { Framing::Rtu };
        let line = Line {
            now: Arc::clone(&now),
            framing,
            slaves: (1..=play.meters).collect(),
            plan,
            seen,
            random: fastrand::Rng::with_seed(seed),
        };
        let (port, slaves) = Slaves::start(play.medium, line, folder);
        let meter = |address| MeterSettings {
            name: name(address),
            address,
            interval_ms: play.interval_ms,
            profile: registers::profile(),
        };
        let settings = Settings {
            bus: BusName::new("bus").unwrap(),
            port: port.clone(),
            turnaround_ms: 1,
            timeout_ms: play.timeout_ms,
            meters: (1..=play.meters).map(meter).collect(),
            now: Arc::clone(&now),
        };
        let ((orders, their_orders), (telling, told)) = (flume::unbounded(), flume::unbounded());
        let health = Arc::new(Health::default());
        let tell = move |meter: MeterName, event| {
            let address = meter.to_string().trim_start_matches("meter-").parse().unwrap();
            // The test may have seen enough.
            let _ = telling.send(Told { address, event });
        };
        let shared = Arc::clone(&health);
        let thread = thread::spawn(move || serial::run(settings, their_orders, tell, shared));
        Self {
            orders,
            told,
            seen: seen_by_us,
            health,
            now,
            port,
            thread: Some(thread),
            slaves: Some(slaves),
        }
    }

    /// The next thing it says.
    pub fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("the bus says something")
    }

    /// The next request that is answered wrongly.
    pub fn next_fault(&self) -> Seen {
        loop {
            let seen = self.seen.recv_timeout(PATIENCE).expect("a request");
            if seen.fault.is_some() {
                return seen;
            }
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Stop);
        let ended = self.thread.take().map(JoinHandle::join);
        if let Some(slaves) = self.slaves.take() {
            let _ = slaves.stop.send(());
            let _ = slaves.thread.join();
        }
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "the bus panicked");
    }
}

impl Slaves {
    fn start(medium: Medium, line: Line, folder: &Path) -> (Port, Self) {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut tasks = JoinSet::new();
        let port = match medium {
            Medium::Terminal => {
                let path = folder.join("port");
                tasks.spawn_on(line.on_terminals(path.clone()), runtime.handle());
                let (baud, parity) = (115_200, Parity::Even);
                Port::Serial { path, baud, parity, stop_bits: 1, rs485: None }
            }
            Medium::Tcp | Medium::RtuOverTcp => {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
                let address = listener.local_addr().unwrap().to_string();
                tasks.spawn_on(line.on_connections(listener), runtime.handle());
                let framing = match medium {
                    Medium::Tcp => serial::Framing::Tcp,
                    _ => serial::Framing::Rtu,
                };
                Port::Tcp { address, framing }
            }
        };
        let thread = thread::spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    ended = tasks.join_next() => panic!("the slaves ended: {ended:?}"),
                    _ = stopped => {}
                }
            });
        });
        (port, Self { stop, thread })
    }
}

/// Faults to come, by address; each for so many answers.
#[derive(Debug, Clone, Default)]
pub struct Ahead(Arc<Mutex<Vec<(u8, Fault, u32)>>>);

impl Ahead {
    /// Goes wrong so often.
    pub fn push(&self, address: u8, fault: Fault, times: u32) {
        self.0.lock().unwrap().push((address, fault, times));
    }

    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// As the slaves ask it.
    pub fn plan(&self) -> Plan {
        let ahead = self.clone();
        Arc::new(Mutex::new(move |address| {
            let mut ahead = ahead.0.lock().unwrap();
            let next = ahead.iter_mut().find(|(of, _, left)| *of == address && *left > 0)?;
            next.2 -= 1;
            Some(next.1)
        }))
    }
}
