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

mod choose;
mod hush;
mod outcome;
mod seat;
mod tally;
mod turn;

pub use turn::{Answer, Ask, Next, Outcome};

use self::{
    choose::{IDLE_US, Turn},
    hush::{Hush, Silence},
    seat::Seat,
};
use crate::{
    domain::{id::MeterName, reading::ReadFault},
    metering::{health::BusHealth, line::Line, load::Load, slave::Slave, time::Micros},
    protocol::modbus::Block,
};

/// A bus.
#[derive(Debug)]
pub struct Bus {
    line: Line,
    seats: Vec<Seat>,
    /// The last byte on the line.
    quiet_since: Micros,
    hush: Option<Hush>,
    /// The line did not fall silent, and is tried all the same.
    is_tried: bool,
    offer: Option<(usize, Block)>,
    asking: Option<Asking>,
    /// Who was asked last, and for what: what is heard unasked is perhaps from there.
    last_asked: Option<(usize, Block)>,
    /// When anybody answered last.
    last_answer: Micros,
    /// When the last quarantine after a fault was over.
    last_fault: Option<Micros>,
    wishes: u64,
    gone: Option<String>,
    load: Load,
    noise_bytes: u64,
    babbles: u64,
}

/// The request that is under way.
#[derive(Debug, Clone, Copy)]
struct Asking {
    seat: usize,
    block: Block,
    sent: Micros,
}

impl Bus {
    /// A bus whose port has just been opened. What is said on the line at that moment is not
    /// meant for it, so it begins by listening.
    #[must_use]
    pub fn new(line: Line, slaves: Vec<Slave>, now: Micros) -> Self {
        Self {
            line,
            seats: slaves.into_iter().map(|slave| Seat::new(slave, now)).collect(),
            quiet_since: now,
            hush: Some(Hush::new(now, None)),
            is_tried: false,
            offer: None,
            asking: None,
            last_asked: None,
            last_answer: now,
            last_fault: None,
            wishes: 0,
            gone: None,
            load: Load::new(now),
            noise_bytes: 0,
            babbles: 0,
        }
    }

    /// What is to be done now; the same again, until something is told or time passes.
    pub fn next(&mut self, now: Micros) -> Next {
        self.offer = None;
        if self.gone.is_some() {
            return Next::Wait { until: now.plus(IDLE_US) };
        }
        if let Some(asking) = self.asking {
            return Next::Wait { until: asking.sent.plus(self.line.patience_us(asking.block)) };
        }
        if let Some(until) = self.hushed(now) {
            return Next::Listen { until };
        }
        match self.turn(now) {
            Turn::None(until) => Next::Wait { until },
            Turn::Ask(at, block) => {
                self.offer = Some((at, block));
                Next::Ask(self.ask(at, block))
            }
        }
    }

    fn ask(&self, at: usize, block: Block) -> Ask {
        let slave = &self.seats[at].slave;
        Ask {
            meter: slave.meter.clone(),
            address: slave.address,
            block,
            not_before: self.quiet_since.plus(self.line.gap_us(slave.silence_us)),
            patience_us: self.line.patience_us(block),
            linger_us: self.seats[at].linger_us(&self.line, block),
        }
    }

    /// Until when the line must be listened to.
    fn hushed(&mut self, now: Micros) -> Option<Micros> {
        let hush = self.hush.as_ref()?;
        match hush.silence(&self.line, now) {
            Silence::Until(until) => return Some(until),
            Silence::Fell => {
                if let (Some(at), Some((last, block))) = (hush.seat, self.last_asked)
                    && at == last
                {
                    let seat = &mut self.seats[at];
                    seat.debts.hear_disturbed(seat.slave.address, hush.heard(), block);
                }
            }
            Silence::Babble => {
                self.babbles += 1;
                self.is_tried = true;
                if let Some(at) = hush.seat {
                    self.seats[at].slot.forgive();
                }
            }
        }
        self.end_hush(now);
        None
    }

    fn end_hush(&mut self, now: Micros) {
        let Some(hush) = self.hush.take() else { return };
        self.load.used(hush.since, now);
        if hush.seat.is_some() {
            self.last_fault = Some(now);
        }
    }

    /// The request of the last [`Next::Ask`] is handed to the port at this moment; returns until
    /// when its answer is awaited.
    pub fn sent(&mut self, now: Micros) -> Micros {
        let Some((at, block)) = self.offer.take() else { return now };
        self.asking = Some(Asking { seat: at, block, sent: now });
        self.last_asked = Some((at, block));
        self.is_tried = false;
        let seat = &mut self.seats[at];
        seat.sent(block, now);
        seat.tally.asked();
        now.plus(self.line.patience_us(block))
    }

    /// These bytes came when no answer was awaited, or in place of one. A reading that is under way
    /// may be over by it.
    pub fn heard(&mut self, bytes: &[u8], now: Micros) -> Option<Outcome> {
        if bytes.is_empty() {
            return None;
        }
        self.noise_bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.offer = None;
        if self.is_tried {
            return None;
        }
        self.quiet_since = now;
        if self.hush.is_none() && self.asking.is_none() {
            // An answer that came twice, perhaps; there may be more of it.
            if let Some((at, block)) = self.last_asked {
                self.seats[at].debts.owe(block.table, block.count, now);
            }
        }
        let hush = self.hush.get_or_insert_with(|| Hush::new(now, None));
        let heard = hush.hear(bytes, now);
        for seat in &mut self.seats {
            seat.debts.hear(seat.slave.address, heard, now);
        }
        if let (Some(at), Some((last, block))) = (hush.seat, self.last_asked)
            && at == last
            && !self.seats[at].debts.has(block.table, block.count)
        {
            // The late answer was waited for, and there it is.
            self.end_hush(now);
        }
        self.doubled(now)
    }

    /// A whole answer like the last one came unasked: of a slave that answers twice, an earlier
    /// one may have been taken for the answer to a later request.
    fn doubled(&mut self, now: Micros) -> Option<Outcome> {
        self.hush.as_ref().filter(|hush| hush.seat.is_none())?;
        let (at, block) = self.last_asked.filter(|_| self.asking.is_none())?;
        let seat = &mut self.seats[at];
        let is_doubtful = seat.begun().is_some() && seat.debts.came(block.table, block.count);
        is_doubtful.then(|| {
            seat.tally.fault(&ReadFault::Stray);
            seat.fail(ReadFault::Stray, now)
        })
    }

    /// The meter is next in turn, also if it is backed off, with a reading that begins after
    /// this.
    pub fn read_now(&mut self, meter: &MeterName) {
        self.wishes += 1;
        let under_way = self.asking.map(|asking| asking.seat);
        for (at, seat) in self.seats.iter_mut().enumerate() {
            if seat.slave.meter == *meter {
                seat.wish(self.wishes);
                if under_way != Some(at) {
                    seat.drop_useless();
                }
            }
        }
    }

    /// The port is gone; what that means for each meter, once.
    pub fn port_gone(&mut self, why: &str, now: Micros) -> Vec<Outcome> {
        let is_known = self.gone.is_some();
        if let Some(Asking { seat, block, .. }) = self.asking {
            // A converter may deliver it when it is back.
            self.seats[seat].debts.owe(block.table, block.count, now);
        }
        self.gone = Some(why.to_owned());
        (self.asking, self.offer, self.hush) = (None, None, None);
        let fault = ReadFault::PortGone(why.to_owned());
        let mut outcomes = Vec::new();
        for seat in self.seats.iter_mut().filter(|_| !is_known) {
            seat.end();
            seat.tally.fault(&fault);
            seat.tally.failed();
            outcomes.push(Outcome::Failed(seat.slave.meter.clone(), fault.clone(), now));
        }
        outcomes
    }

    /// The port is there again: everybody is asked, after a while of listening.
    pub fn port_back(&mut self, now: Micros) {
        if self.gone.take().is_none() {
            return;
        }
        (self.quiet_since, self.hush) = (now, Some(Hush::new(now, None)));
        for seat in &mut self.seats {
            seat.slot.reset();
        }
    }

    /// How it does.
    #[must_use]
    pub fn health(&self, now: Micros) -> BusHealth {
        BusHealth {
            load_permille: self.load.permille(now),
            noise_bytes: self.noise_bytes,
            babbles: self.babbles,
            port_gone: self.gone.clone(),
            slaves: self.seats.iter().map(|seat| tally::health(seat, now)).collect(),
        }
    }
}
