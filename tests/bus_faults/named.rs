//! Each fault by its name: what it is called, and what comes after it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use sitepilot::{
    domain::reading::{MeterEvent, ReadFault},
    protocol::modbus::{Block, Parity, Table},
    serial::{Order, Port, PortState, Probe, Rs485},
};

use super::{
    registers,
    slave::Fault,
    world::{Ahead, Bus, Medium, PATIENCE, Play, clock, name},
};

const METERS: u8 = 3;

/// The fault is this one's.
const SICK: u8 = 2;

const TIMEOUT_MS: u32 = 60;

/// Requests of a whole reading at the most: three, each cut in two.
const READING: u32 = 6;

const TERMINAL: Play =
    Play { medium: Medium::Terminal, meters: METERS, interval_ms: 50, timeout_ms: TIMEOUT_MS };

/// A bus on which every meter was read.
struct Stage {
    bus: Bus,
    ahead: Ahead,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn set(play: Play) -> Self {
        let (ahead, folder) = (Ahead::default(), tempfile::tempdir().unwrap());
        let bus = Bus::start(play, folder.path(), 7, ahead.plan());
        let stage = Self { bus, ahead, _folder: folder };
        stage.all_are_read();
        stage
    }

    /// Waits until every meter was read after this; whatever is published until then is right.
    /// How often each meter failed meanwhile, and with what.
    fn all_are_read(&self) -> BTreeMap<u8, Vec<ReadFault>> {
        let since = (self.bus.now)().0;
        let (mut unread, mut failed) = ((1..=METERS).collect::<BTreeSet<_>>(), BTreeMap::new());
        while !unread.is_empty() {
            let told = self.bus.next();
            match told.event {
                MeterEvent::Read { values, at } => {
                    let now = (self.bus.now)().0;
                    assert_eq!(registers::wrong(told.address, &values, at, now), None);
                    if at > since {
                        unread.remove(&told.address);
                    }
                }
                MeterEvent::Failed { fault, .. } => {
                    let faults: &mut Vec<_> = failed.entry(told.address).or_default();
                    faults.push(fault);
                }
            }
        }
        failed
    }

    /// Lets a fault happen once.
    fn suffers(&self, fault: Fault) -> BTreeMap<u8, Vec<ReadFault>> {
        while self.bus.seen.try_recv().is_ok() {}
        self.ahead.push(SICK, fault, 1);
        let seen = self.bus.next_fault();
        assert_eq!((seen.address, seen.fault), (SICK, Some(fault)));
        if !matches!(fault, Fault::LocalEcho | Fault::PortGone | Fault::LateIntoTheNext) {
            // All are due again by the end of the quarantine.
            let (mut others, mut own) = (BTreeSet::new(), 0);
            while others.len() + 1 < usize::from(METERS) {
                let next = self.bus.seen.recv_timeout(PATIENCE).unwrap();
                if next.address == SICK {
                    own += 1;
                } else {
                    others.insert(next.address);
                }
            }
            assert!(own <= READING, "{}: asked {own} times before the others", fault.name());
        }
        let mut failed = self.all_are_read();
        for (address, faults) in self.all_are_read() {
            failed.entry(address).or_default().extend(faults);
        }
        failed
    }

    fn check(&self, fault: Fault, expected: &[ReadFault]) {
        let mut failed = self.suffers(fault);
        let own = failed.remove(&SICK).unwrap_or_default();
        assert_eq!(own, expected, "{}", fault.name());
        assert_eq!(failed, BTreeMap::new(), "{}: others failed, too", fault.name());
    }

    fn check_all(&self, lists: &[&[Suffering]]) {
        for (fault, expected) in lists.iter().copied().flatten() {
            self.check(*fault, expected);
        }
    }

    /// Waits until the bus shows this of its port.
    fn port_is(&self, wanted: impl Fn(&PortState) -> bool) {
        let mut tries = 0;
        while !wanted(&self.bus.health.get().port) {
            tries += 1;
            assert!(tries < 3000, "the port is {:?}", self.bus.health.get().port);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// An answer so late that the bus has given it up.
const LATE: Fault = Fault::Late(TIMEOUT_MS as u64 + 20);

/// A fault, and what a meter that suffers it once fails with.
type Suffering = (Fault, &'static [ReadFault]);

const ANYWHERE: &[Suffering] = &[
    (Fault::NoAnswer, &[ReadFault::NoAnswer]),
    (LATE, &[ReadFault::NoAnswer]),
    (Fault::HalfFrame, &[ReadFault::Damaged]),
    (Fault::WrongAddress, &[ReadFault::Stray]),
    (Fault::WrongFunction, &[ReadFault::Stray]),
    (Fault::WrongCount, &[ReadFault::Stray]),
    (Fault::NoiseBefore, &[ReadFault::Damaged]),
    (Fault::NoiseAfter, &[ReadFault::Damaged]),
    (Fault::TwoFrames, &[ReadFault::Damaged]),
];

/// Where frames have a checksum, and one hears what one says.
const IN_RTU: &[Suffering] = &[(Fault::FlippedBit, &[ReadFault::Damaged]), (Fault::LocalEcho, &[])];

/// A connection is closed over one meter; a terminal that is gone is gone for all.
const IN_A_NETWORK: &[Suffering] = &[(Fault::PortGone, &[ReadFault::NoAnswer])];

#[test]
fn after_every_fault_of_a_serial_line_the_next_readings_are_right() {
    Stage::set(TERMINAL).check_all(&[ANYWHERE, IN_RTU]);
}

#[test]
fn after_every_fault_over_tcp_the_next_readings_are_right() {
    Stage::set(Play { medium: Medium::Tcp, ..TERMINAL }).check_all(&[ANYWHERE, IN_A_NETWORK]);
}

#[test]
fn after_every_fault_of_rtu_over_tcp_the_next_readings_are_right() {
    let stage = Stage::set(Play { medium: Medium::RtuOverTcp, ..TERMINAL });
    stage.check_all(&[ANYWHERE, IN_RTU, IN_A_NETWORK]);
}

/// The bytes of the late answer stand in front of those of the next one: whoever is asked next
/// fails too, and nobody's values are taken for another's.
#[test]
fn an_answer_that_comes_as_the_next_request_goes_out_is_nobodys() {
    for medium in [Medium::Terminal, Medium::RtuOverTcp] {
        let stage = Stage::set(Play { medium, ..TERMINAL });
        let failed = stage.suffers(Fault::LateIntoTheNext);
        assert_eq!(failed.get(&SICK).and_then(|own| own.first()), Some(&ReadFault::NoAnswer));
        let next: Vec<_> = failed.into_values().flatten().collect();
        assert!(next.contains(&ReadFault::Damaged) || next.contains(&ReadFault::Stray), "{next:?}");
    }
}

/// Every answer of one slave comes after its time, as long as it is sick; it is never read, and
/// the others are.
#[test]
fn a_slave_that_is_late_for_ever_harms_nobody_else() {
    for medium in [Medium::Terminal, Medium::Tcp, Medium::RtuOverTcp] {
        let stage = Stage::set(Play { medium, ..TERMINAL });
        stage.ahead.push(SICK, LATE, u32::MAX);
        stage.bus.next_fault();
        let since = (stage.bus.now)().0;
        let (mut others, mut refused, mut wished) = (0, 0, 0);
        while others < 40 || refused < 5 {
            let told = stage.bus.next();
            match told.event {
                MeterEvent::Read { values, at } => {
                    let now = (stage.bus.now)().0;
                    assert_eq!(registers::wrong(told.address, &values, at, now), None);
                    assert!(told.address != SICK || at <= since, "{medium:?}: it was read");
                    others += 1;
                }
                MeterEvent::Failed { fault, .. } => {
                    assert_eq!((told.address, fault), (SICK, ReadFault::NoAnswer), "{medium:?}");
                    refused += 1;
                }
            }
            // What is wished for goes first; wished for at once, it would be all that is done.
            if others >= wished + 4 {
                wished = others;
                stage.bus.orders.send(Order::ReadNow(name(SICK))).unwrap();
            }
        }
        stage.ahead.clear();
        stage.bus.orders.send(Order::ReadNow(name(SICK))).unwrap();
        stage.all_are_read();
    }
}

/// As an adapter that is pulled out and plugged in again, on another device of the same name.
#[test]
fn a_port_that_was_gone_is_opened_again() {
    let stage = Stage::set(TERMINAL);
    let mut failed = stage.suffers(Fault::PortGone);
    for address in 1..=METERS {
        let faults = failed.remove(&address).unwrap_or_default();
        assert!(matches!(faults[..], [ReadFault::PortGone(_), ..]), "{address}: {faults:?}");
    }
    assert_eq!(stage.bus.health.get().opened, 2);
    stage.port_is(|port| *port == PortState::Open);
}

#[test]
fn a_lent_port_can_be_used_by_another_and_is_taken_back() {
    let stage = Stage::set(TERMINAL);
    let open = || Probe::open(stage.bus.port.clone(), 1, TIMEOUT_MS, Arc::clone(&stage.bus.now));
    let refused = open().err().unwrap().to_string();
    assert!(refused.starts_with("cannot open "), "{refused}");
    for (for_ms, is_given_back) in [(600_000, true), (300, false)] {
        let (reply, closed) = tokio::sync::oneshot::channel();
        stage.bus.orders.send(Order::Lend { for_ms, reply }).unwrap();
        closed.blocking_recv().unwrap();
        stage.port_is(|port| matches!(port, PortState::Lent { .. }));
        let mut probe = open().unwrap();
        let block = Block { table: Table::Holding, start: 0x20, count: 2 };
        let words = probe.ask(1, block).unwrap();
        let now = (stage.bus.now)().0;
        let right = (now.0.saturating_sub(1000)..=now.0)
            .any(|tick| words == [0x20, 0x21].map(|at| registers::word(1, at, tick)));
        assert!(right, "{words:?}");
        assert_eq!(probe.ask(9, block), Err(ReadFault::NoAnswer));
        drop(probe);
        if is_given_back {
            stage.bus.orders.send(Order::TakeBack).unwrap();
        }
        stage.all_are_read();
        stage.port_is(|port| *port == PortState::Open);
    }
}

#[test]
fn a_reading_can_be_shown_with_its_registers() {
    let stage = Stage::set(TERMINAL);
    let show = |address| {
        let (reply, shown) = tokio::sync::oneshot::channel();
        stage.bus.orders.send(Order::Show { meter: name(address), reply }).unwrap();
        shown.blocking_recv()
    };
    let shown = show(1).unwrap();
    let profile = registers::profile();
    assert_eq!(shown.values, Ok(profile.values(&shown.readout).unwrap()));
    assert!(shown.readout.words(profile.blocks()[0]).is_some());
    stage.ahead.push(1, Fault::HalfFrame, u32::MAX);
    let shown = show(1).unwrap();
    assert_eq!(shown.values, Err(ReadFault::Damaged));
    assert!(show(9).is_err(), "nobody waits for a meter that is not there");
    stage.ahead.clear();
}

#[test]
fn a_port_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let port = Port::Serial {
        path: missing.clone(),
        baud: 9600,
        parity: Parity::None,
        stop_bits: 2,
        rs485: None,
    };
    let failed = Probe::open(port, 1, 20, clock()).err().unwrap().to_string();
    assert!(failed.contains(&missing.display().to_string()), "{failed}");
    let stage = Stage::set(TERMINAL);
    let Port::Serial { baud, parity, stop_bits, path, .. } = stage.bus.port.clone() else {
        panic!("a terminal");
    };
    let rs485 = Some(Rs485::SendHigh);
    let port = Port::Serial { path, baud, parity, stop_bits, rs485 };
    let (reply, closed) = tokio::sync::oneshot::channel();
    stage.bus.orders.send(Order::Lend { for_ms: 600_000, reply }).unwrap();
    closed.blocking_recv().unwrap();
    let failed = Probe::open(port, 1, 20, clock()).err().unwrap().to_string();
    assert!(failed.contains("hint: most adapters switch by themselves"), "{failed}");
}
