//! All meters on one line: a pseudo-terminal, a thread that reads them, and every byte on the way.

use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};

use sitepilot::{
    clock::Clock,
    domain::{
        id::{BusName, MeterName},
        quantity::Energy,
        reading::{MeterEvent, Values},
        time::{Mono, Now},
    },
    peers::meter::{Load, Meters, Slave, pty},
    protocol::modbus::{Parity, Profile},
    serial::{self, Health, MeterSettings, Order, Port, Settings},
};

use super::bench;

/// Readings of each meter that are looked at: the first, and two after others had their turns.
const ROUNDS: usize = 3;

/// A busy machine is slow; a line on which nothing happens is a failure all the same.
const PATIENCE: Duration = Duration::from_secs(60);

/// A meter of the profile, with values that no other has.
fn slave(profile: &Arc<Profile>, address: u8) -> Slave {
    let mut slave = Slave::of(Arc::clone(profile), address);
    let number = u64::from(address);
    slave.set_load(&Load::constant(i64::from(address) * 1_010), Mono(0));
    slave.set_energy(Energy::from_wh(number * 1_234_570), Mono(0));
    slave
}

fn name(profile: &Profile) -> MeterName {
    // Names of profiles may be longer.
    MeterName::new(&profile.name[..profile.name.len().min(32)]).unwrap()
}

fn settings(socket: &pty::Socket, meters: &[(u8, Arc<Profile>)]) -> Settings {
    let clock = Clock::passing();
    let meter = |(address, profile): &(u8, Arc<Profile>)| MeterSettings {
        name: name(profile),
        address: *address,
        interval_ms: 100,
        profile: Arc::clone(profile),
    };
    Settings {
        bus: BusName::new("line").unwrap(),
        port: Port::Serial {
            path: socket.path().to_owned(),
            baud: 115_200,
            parity: Parity::None,
            stop_bits: 1,
            rs485: None,
        },
        turnaround_ms: 0,
        timeout_ms: 5_000,
        meters: meters.iter().map(meter).collect(),
        now: Arc::new(move || clock.fine()),
    }
}

#[test]
fn all_meters_on_one_line_are_read() {
    let meters: Vec<(u8, Arc<Profile>)> =
        (1..).zip(super::shipped().into_iter().map(Arc::new)).collect();
    let slaves = meters.iter().map(|(address, profile)| slave(profile, *address)).collect();
    // Time stands still for the meters, so that what they measure does.
    let line = Meters::new(slaves, Arc::new(Now::default));
    let socket = pty::start(None, line.clone()).unwrap();
    let (orders, their_orders) = flume::bounded(1);
    let (telling, told) = flume::unbounded();
    let settings = settings(&socket, &meters);
    let tell = move |meter, event| telling.send((meter, event)).unwrap_or_default();
    let bus = thread::spawn(move || {
        serial::run(settings, their_orders, tell, Arc::new(Health::default()));
    });
    let known: BTreeMap<MeterName, (u8, &Arc<Profile>)> =
        meters.iter().map(|(address, profile)| (name(profile), (*address, profile))).collect();
    assert_eq!(known.len(), meters.len());
    let mut left: BTreeMap<MeterName, usize> =
        known.keys().map(|name| (name.clone(), ROUNDS)).collect();
    while !left.is_empty() {
        let (meter, event) = told.recv_timeout(PATIENCE).expect("nothing is read any more");
        let (address, profile) = known[&meter];
        let MeterEvent::Read { values, .. } = event else { panic!("{meter}: {event:?}") };
        let given: Values = line.with(address, |slave, now| slave.values(now)).unwrap();
        bench::assert_read(profile, &given, &values, 1);
        if let Some(rounds) = left.get_mut(&meter) {
            *rounds -= 1;
        }
        left.retain(|_, rounds| *rounds > 0);
    }
    orders.send(Order::Stop).unwrap();
    bus.join().unwrap();
}
