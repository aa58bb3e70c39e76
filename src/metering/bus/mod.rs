//! A bus: one line, its slaves, one request at a time.
//!
//! Whoever owns the port drives it:
//!
//! ```text
//! loop match bus.next(now)
//!     Ask     at `not_before`, flush and send: bus.sent(now); at the answer's last byte, or when
//!             patience is over: bus.answered(answer, now), and after a fault other than a refusal
//!             bus.heard(whatever came instead, now)
//!     Listen  read and throw away: bus.heard(bytes, now)
//!     Wait    sleep, or take orders
//! ```

mod turn;

pub use turn::{Answer, Ask, Next, Outcome};

use crate::{
    domain::{id::MeterName, reading::ReadFault},
    metering::{health::BusHealth, line::Line, slave::Slave, time::Micros},
    protocol::modbus::{Block, Readout},
};

/// A bus.
#[derive(Debug)]
pub struct Bus {
    line: Line,
    seats: Vec<Seat>,
    quiet_since: Micros,
    listen_until: Option<Micros>,
    asking: Option<(usize, Block)>,
    gone: Option<String>,
}

#[derive(Debug)]
struct Seat {
    slave: Slave,
    due: Micros,
    began: Option<Micros>,
    left: Vec<Block>,
    readout: Readout,
}

impl Seat {
    fn begin(&mut self, due: Micros) {
        self.due = due;
        self.began = None;
        self.left = self.slave.wanted.clone();
        self.readout = Readout::default();
    }
}

impl Bus {
    /// A bus whose port has just been opened.
    #[must_use]
    pub fn new(line: Line, slaves: Vec<Slave>, now: Micros) -> Self {
        let seat = |slave: Slave| Seat {
            left: slave.wanted.clone(),
            slave,
            due: now,
            began: None,
            readout: Readout::default(),
        };
        let seats = slaves.into_iter().map(seat).collect();
        Self { line, seats, quiet_since: now, listen_until: None, asking: None, gone: None }
    }

    /// What is to be done now. The same again, until something is told or time passes.
    pub fn next(&mut self, now: Micros) -> Next {
        let far = now.plus(1_000_000);
        if let Some(until) = self.listen_until.filter(|until| *until > now) {
            return Next::Listen { until };
        }
        if self.gone.is_some() || self.asking.is_some() {
            return Next::Wait { until: far };
        }
        let Some(seat) = self.seats.iter().min_by_key(|seat| seat.due) else {
            return Next::Wait { until: far };
        };
        match seat.left.first() {
            Some(block) if seat.due <= now => {
                let not_before = self.quiet_since.plus(self.line.gap_us(seat.slave.silence_us));
                Next::Ask(Ask {
                    meter: seat.slave.meter.clone(),
                    address: seat.slave.address,
                    block: *block,
                    not_before,
                    patience_us: self.line.patience_us(*block),
                })
            }
            _ => Next::Wait { until: seat.due.max(now.plus(1000)) },
        }
    }

    /// The request of the last [`Next::Ask`] is handed to the port at this moment; returns until
    /// when its answer is awaited.
    pub fn sent(&mut self, now: Micros) -> Micros {
        let due = self.seats.iter().enumerate().min_by_key(|(_, seat)| seat.due);
        let Some((at, _)) = due else { return now };
        let seat = &mut self.seats[at];
        let Some(block) = seat.left.first().copied() else { return now };
        seat.began.get_or_insert(now);
        self.asking = Some((at, block));
        now.plus(self.line.patience_us(block))
    }

    /// What came of the request, once for each that was sent; the moment is that of the last byte,
    /// or when patience was over.
    pub fn answered(&mut self, answer: Answer, now: Micros) -> Option<Outcome> {
        let (at, block) = self.asking.take()?;
        self.quiet_since = now;
        let seat = &mut self.seats[at];
        let meter = seat.slave.meter.clone();
        let next_due = seat.due.plus(u64::from(seat.slave.interval_ms) * 1000);
        match answer {
            Answer::Words(words) => {
                seat.readout.add(block, words);
                seat.left.retain(|left| *left != block);
                let began = seat.began?;
                seat.left.is_empty().then(|| {
                    let readout = std::mem::take(&mut seat.readout);
                    seat.begin(next_due);
                    Outcome::Round(meter, readout, began)
                })
            }
            Answer::Fault(fault) => {
                seat.begin(next_due);
                self.listen_until = Some(now.plus(u64::from(self.line.quarantine_us)));
                Some(Outcome::Failed(meter, fault, now))
            }
        }
    }

    /// These bytes came when no answer was awaited, or in place of one.
    pub fn heard(&mut self, bytes: &[u8], now: Micros) {
        if !bytes.is_empty() {
            self.quiet_since = now;
            self.listen_until = Some(now.plus(u64::from(self.line.quarantine_us)));
        }
    }

    /// The meter is next in turn, also if it is backed off; what is then read of it is asked for
    /// after this.
    pub fn read_now(&mut self, meter: &MeterName) {
        for seat in self.seats.iter_mut().filter(|seat| seat.slave.meter == *meter) {
            seat.begin(Micros(0));
        }
    }

    /// The port is gone; what that means for each meter.
    pub fn port_gone(&mut self, why: &str, now: Micros) -> Vec<Outcome> {
        self.gone = Some(why.to_owned());
        self.asking = None;
        let failed = |seat: &Seat| {
            let fault = ReadFault::PortGone(why.to_owned());
            Outcome::Failed(seat.slave.meter.clone(), fault, now)
        };
        self.seats.iter().map(failed).collect()
    }

    /// The port is there again.
    pub fn port_back(&mut self, now: Micros) {
        self.gone = None;
        self.quiet_since = now;
    }

    /// How it does.
    #[must_use]
    pub fn health(&self, _now: Micros) -> BusHealth {
        BusHealth { port_gone: self.gone.clone(), ..BusHealth::default() }
    }
}
