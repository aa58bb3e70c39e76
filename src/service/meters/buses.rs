//! The buses, for those who ask something of them.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::anyhow;
use tokio::sync::oneshot;
use tracing::warn;

use super::Board;
use crate::{
    clock::Clock,
    domain::id::{BusName, MeterName},
    protocol::modbus::Profile,
    serial::{self, Health, MeterSettings, Order, Settings, Shown},
    service::config::{Bus, Config, Meter},
};

/// Orders that wait for a bus: a reading for each of its orders that end, and some people. A bus
/// looks at them between two requests.
const ORDERS: usize = 64;

/// The ways to the buses.
#[derive(Debug, Default)]
pub struct Buses {
    pub(super) lines: BTreeMap<BusName, Line>,
    pub(super) meters: BTreeMap<MeterName, OnBus>,
}

/// Where a meter is, and what it is.
#[derive(Debug)]
pub(super) struct OnBus {
    pub(super) bus: BusName,
    pub(super) address: u8,
    pub(super) profile: Arc<Profile>,
}

/// The way to a bus.
#[derive(Debug)]
pub(super) struct Line {
    orders: flume::Sender<Order>,
    pub(super) health: Arc<Health>,
    /// Where it is reached, for people.
    pub(super) port: String,
}

/// What a bus's thread takes.
pub struct Life {
    settings: Settings,
    orders: flume::Receiver<Order>,
    health: Arc<Health>,
}

impl Life {
    /// The thread's body; ends when the bus is told to stop.
    ///
    /// # Errors
    ///
    /// If it ends by itself.
    pub fn run(self, board: &Board) -> anyhow::Result<()> {
        let bus = self.settings.bus.clone();
        let tell = |meter, event| board.put(meter, event);
        serial::run(self.settings, self.orders, tell, self.health);
        Err(anyhow!("{bus} ended"))
    }
}

impl Buses {
    /// The buses of a config, and what their threads take.
    #[must_use]
    pub fn new(config: &Config, clock: &Arc<Clock>) -> (Self, Vec<Life>) {
        let mut buses = Self::default();
        let mut lives = Vec::new();
        for bus in &config.buses {
            let meters = config.meters.iter().filter(|meter| meter.bus == bus.name);
            for meter in meters.clone() {
                let on_bus = OnBus {
                    bus: bus.name.clone(),
                    address: meter.address,
                    profile: meter.profile.clone(),
                };
                buses.meters.insert(meter.name.clone(), on_bus);
            }
            let (sender, orders) = flume::bounded(ORDERS);
            let health = Arc::new(Health::default());
            let port = bus.port.to_string();
            let line = Line { orders: sender, health: health.clone(), port };
            buses.lines.insert(bus.name.clone(), line);
            lives.push(Life { settings: settings(bus, meters, clock), orders, health });
        }
        (buses, lives)
    }

    /// The profile a meter is read by.
    #[must_use]
    pub fn profile(&self, meter: &MeterName) -> Option<Arc<Profile>> {
        Some(self.meters.get(meter)?.profile.clone())
    }

    /// Whether there is a bus of that name.
    #[must_use]
    pub fn has(&self, bus: &BusName) -> bool {
        self.lines.contains_key(bus)
    }

    /// Has a meter read now. If its bus has too much to do, it is read in its turn.
    pub fn read_now(&self, meter: &MeterName) {
        let Some(line) = self.line_of(meter) else { return };
        if line.orders.try_send(Order::ReadNow(meter.clone())).is_err() {
            warn!(%meter, "its bus takes no more orders");
        }
    }

    /// Has a meter read and shown; `None`: there is no such meter, or its bus takes no more
    /// orders.
    #[must_use]
    pub fn show(&self, meter: &MeterName) -> Option<oneshot::Receiver<Shown>> {
        let (reply, shown) = oneshot::channel();
        let order = Order::Show { meter: meter.clone(), reply };
        self.line_of(meter)?.orders.try_send(order).ok()?;
        Some(shown)
    }

    /// Has a bus's port closed for that long; `None`: there is no such bus, or it takes no more
    /// orders.
    #[must_use]
    pub fn lend(&self, bus: &BusName, for_ms: u32) -> Option<oneshot::Receiver<()>> {
        let (reply, closed) = oneshot::channel();
        self.lines.get(bus)?.orders.try_send(Order::Lend { for_ms, reply }).ok()?;
        Some(closed)
    }

    /// Has a bus's port opened again; false: there is no such bus, or it takes no more orders.
    #[must_use]
    pub fn take_back(&self, bus: &BusName) -> bool {
        let line = self.lines.get(bus);
        line.is_some_and(|line| line.orders.try_send(Order::TakeBack).is_ok())
    }

    /// Tells every bus to stop.
    pub fn stop(&self) {
        for line in self.lines.values() {
            // One that takes no more orders ends with the program.
            let _ = line.orders.try_send(Order::Stop);
        }
    }

    fn line_of(&self, meter: &MeterName) -> Option<&Line> {
        self.lines.get(&self.meters.get(meter)?.bus)
    }
}

fn settings<'a>(
    bus: &Bus,
    meters: impl Iterator<Item = &'a Meter>,
    clock: &Arc<Clock>,
) -> Settings {
    let meters = meters.map(|meter| MeterSettings {
        name: meter.name.clone(),
        address: meter.address,
        interval_ms: meter.poll_interval_ms,
        profile: meter.profile.clone(),
    });
    let clock = clock.clone();
    Settings {
        bus: bus.name.clone(),
        port: bus.port.clone(),
        turnaround_ms: bus.turnaround_ms,
        timeout_ms: bus.timeout_ms,
        meters: meters.collect(),
        now: Arc::new(move || clock.fine()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::serial::{Framing, Port};

    #[test]
    fn a_bus_that_ends_is_a_broken_room() {
        let clock = Arc::new(Clock::passing());
        let bus = Bus {
            name: BusName::new("lan").unwrap(),
            port: Port::Tcp { address: "127.0.0.1:1".to_owned(), framing: Framing::Tcp },
            turnaround_ms: 0,
            timeout_ms: 20,
        };
        let (orders, received) = flume::bounded(1);
        let settings = settings(&bus, std::iter::empty(), &clock);
        let life = Life { settings, orders: received, health: Arc::default() };
        drop(orders);
        let end = life.run(&Board::default()).unwrap_err();
        assert_eq!(end.to_string(), "lan ended");
    }
}
