//! The loop of a bus: asks the schedule what to do, does it, and tells what came of it.

use std::{collections::VecDeque, pin::pin, sync::Arc, time::Duration};

use flume::Receiver;
use tokio::{runtime, sync::oneshot};
use tracing::error;

use super::{
    alarm::Alarm,
    diary::Diary,
    health::{Health, PortState},
    settings::{Framing, MeterSettings, Order, Port, Settings, Shown},
    shows::Shows,
    wire::{Exchanged, Wire},
};
use crate::{
    domain::{
        id::MeterName,
        reading::{MeterEvent, ReadFault, Values},
        time::Mono,
    },
    metering::{Answer, Ask, Bus, Limits, Line, Micros, Next, Outcome, Slave},
    protocol::modbus::Readout,
};

/// How long after a failure the port is tried again: an adapter that was plugged in again is
/// found at once, and a try costs next to nothing.
const REOPEN: Duration = Duration::from_secs(1);

/// A connection on which nobody answers so often in a row is made anew: a converter may have
/// forgotten it without a word. Beside a slave that is dead there are others, mostly.
const MUTE_FAULTS: u32 = 3;

/// Orders put off until an exchange is over; more wait in their queue.
const MAX_PUT_OFF: usize = 16;

/// The thread of a bus. Returns on [`Order::Stop`], or when nobody can give orders any more.
pub fn run(
    settings: Settings,
    orders: Receiver<Order>,
    tell: impl FnMut(MeterName, MeterEvent),
    health: Arc<Health>,
) {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(bus = %settings.bus, %error, "bus cannot run");
            return;
        }
    };
    runtime.block_on(async {
        match Alarm::new() {
            Ok(alarm) => Drive::new(settings, orders, tell, health, alarm).run().await,
            Err(error) => error!(bus = %settings.bus, %error, "bus cannot run"),
        }
    });
    // A name that is still looked up must not hold the thread.
    runtime.shutdown_background();
}

/// What is at the other end of the loop.
enum State {
    Open(Wire),
    /// A connection that ended between requests, or after a fault, and is made again for the next
    /// request: nobody calls that an outage.
    Idle,
    /// Tried again then.
    Gone(Micros),
    /// Taken back then.
    Lent(Micros),
}

/// What came of opening a port.
enum Opened {
    Done(Result<Wire, String>),
    /// An order came that leaves nothing to open.
    Ordered(Turn),
}

/// Whether the loop goes on.
enum Turn {
    On,
    Stop,
}

struct Drive<T> {
    settings: Settings,
    orders: Receiver<Order>,
    tell: T,
    health: Arc<Health>,
    line: Line,
    bus: Bus,
    state: State,
    /// The line talked when the last request was to go out.
    is_put_off: bool,
    /// What was ordered during an exchange.
    put_off: VecDeque<Order>,
    /// Exchanges in a row that failed.
    mute_faults: u32,
    shows: Shows,
    diary: Diary,
    alarm: Alarm,
}

impl<T: FnMut(MeterName, MeterEvent)> Drive<T> {
    fn new(
        settings: Settings,
        orders: Receiver<Order>,
        tell: T,
        health: Arc<Health>,
        alarm: Alarm,
    ) -> Self {
        let line = settings.port.line(settings.turnaround_ms, settings.timeout_ms);
        let now = (settings.now)().1;
        let slaves = settings.meters.iter().map(slave_of).collect();
        let bus = Bus::new(line, slaves, now);
        health.begin(&settings.meters);
        let diary = Diary::new(settings.bus.clone(), settings.port.to_string());
        Self {
            settings,
            orders,
            tell,
            health,
            line,
            bus,
            state: State::Gone(now),
            is_put_off: false,
            put_off: VecDeque::new(),
            mute_faults: 0,
            shows: Shows::default(),
            diary,
            alarm,
        }
    }

    fn now(&self) -> Micros {
        (self.settings.now)().1
    }

    async fn run(mut self) {
        loop {
            let turn = match self.waiting_order() {
                Some(order) => self.obey(order),
                None => self.turn().await,
            };
            if matches!(turn, Turn::Stop) {
                return;
            }
        }
    }

    /// An order that is there already; also the end of those who give orders.
    fn waiting_order(&mut self) -> Option<Order> {
        if let Some(order) = self.put_off.pop_front() {
            return Some(order);
        }
        match self.orders.try_recv() {
            Ok(order) => Some(order),
            Err(flume::TryRecvError::Empty) => None,
            Err(flume::TryRecvError::Disconnected) => Some(Order::Stop),
        }
    }

    async fn turn(&mut self) -> Turn {
        let now = self.now();
        match self.state {
            State::Gone(until) | State::Lent(until) if until > now => self.pass(until).await,
            State::Gone(_) | State::Lent(_) => self.open().await,
            State::Open(_) | State::Idle => match self.bus.next(now) {
                Next::Ask(ask) => self.ask(&ask).await,
                Next::Listen { until } | Next::Wait { until } => {
                    self.is_put_off = false;
                    self.pass(until).await
                }
            },
        }
    }

    /// Until then obeys orders, and tells the schedule what is heard.
    async fn pass(&mut self, until: Micros) -> Turn {
        let rest = Duration::from_micros(until.since(self.now()));
        let orders = self.orders.clone();
        let heard = async {
            match &self.state {
                State::Open(wire) => wire.listen().await,
                State::Idle | State::Gone(_) | State::Lent(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            order = orders.recv_async() => self.obey(order.unwrap_or(Order::Stop)),
            heard = heard => {
                self.heard(&heard);
                Turn::On
            }
            () = self.alarm.after(rest) => Turn::On,
        }
    }

    /// Tells the schedule what was heard outside of an exchange.
    fn heard(&mut self, bytes: &[u8]) {
        let now = self.now();
        if let Some(outcome) = self.bus.heard(bytes, now) {
            self.publish(outcome);
        }
        self.notice_loss();
    }

    /// A lost port is an outage at once, a lost connection only if it cannot be made again.
    fn notice_loss(&mut self) {
        let State::Open(wire) = &self.state else { return };
        let Some(why) = wire.gone() else { return };
        match self.settings.port {
            Port::Serial { .. } => self.lose(&why),
            Port::Tcp { .. } => self.state = State::Idle,
        }
    }

    /// Tries to open the port.
    async fn open(&mut self) -> Turn {
        self.state = State::Gone(self.now());
        match self.wire().await {
            Opened::Ordered(turn) => return turn,
            Opened::Done(Ok(wire)) => {
                let (mono, now) = (self.settings.now)();
                self.diary.opened(mono);
                self.health.change(|status| {
                    status.port = PortState::Open;
                    status.opened += 1;
                });
                self.state = State::Open(wire);
                self.bus.port_back(now);
            }
            Opened::Done(Err(why)) => self.lose(&why),
        }
        Turn::On
    }

    /// Opens the port. A connection may take its time, and orders are obeyed meanwhile.
    async fn wire(&mut self) -> Opened {
        let silence = Duration::from_micros(self.line.silence_us.into());
        let (port, now) = (self.settings.port.clone(), Arc::clone(&self.settings.now));
        let orders = self.orders.clone();
        let mut opening = pin!(Wire::open(&port, silence, now));
        loop {
            let order = tokio::select! {
                opened = &mut opening => {
                    return Opened::Done(opened.map_err(|error| error.to_string()));
                }
                order = orders.recv_async() => order.unwrap_or(Order::Stop),
            };
            let turn = self.obey(order);
            if matches!(turn, Turn::Stop) || matches!(self.state, State::Lent(_)) {
                return Opened::Ordered(turn);
            }
        }
    }

    /// The port is not there: every meter has failed, and it is tried again later.
    fn lose(&mut self, why: &str) {
        let (mono, now) = (self.settings.now)();
        self.state = State::Gone(now.plus(micros(REOPEN)));
        self.diary.lost(why, mono);
        self.health.change(|status| {
            if !matches!(status.port, PortState::Gone { .. }) {
                status.port = PortState::Gone { why: why.to_owned(), since: mono };
            }
        });
        for outcome in self.bus.port_gone(why, now) {
            self.publish(outcome);
        }
    }

    async fn ask(&mut self, ask: &Ask) -> Turn {
        if ask.not_before > self.now() {
            return self.pass(ask.not_before).await;
        }
        if matches!(self.state, State::Idle) {
            match self.wire().await {
                Opened::Ordered(turn) => return turn,
                Opened::Done(Ok(wire)) => self.state = State::Open(wire),
                Opened::Done(Err(why)) => self.lose(&why),
            }
        }
        let State::Open(wire) = &mut self.state else { return Turn::On };
        let noise = wire.drain();
        let is_put_off = !noise.is_empty() && !self.is_put_off;
        if is_put_off || wire.gone().is_some() {
            // The schedule says when the line is silent enough for it, or tries it all the same.
            self.is_put_off = is_put_off;
            self.heard(&noise);
            return Turn::On;
        }
        self.is_put_off = false;
        let now = (self.settings.now)().1;
        let patience = Duration::from_micros(self.bus.sent(now).since(now));
        let linger = Duration::from_micros(ask.linger_us);
        let exchange = wire.ask(ask.address, ask.block, patience, linger);
        let Some(exchanged) = over(exchange, &self.orders, &mut self.put_off).await else {
            return Turn::Stop;
        };
        self.answered(ask, exchanged);
        Turn::On
    }

    fn answered(&mut self, ask: &Ask, exchanged: Exchanged) {
        self.health.count(&ask.meter, &exchanged);
        let Exchanged { answer, heard, heard_at, .. } = exchanged;
        let is_tcp = matches!(self.settings.port, Port::Tcp { .. });
        let has_numbers = matches!(self.settings.port, Port::Tcp { framing: Framing::Tcp, .. });
        let answer = match answer {
            Ok(words) => Answer::Words(words),
            Err(ReadFault::Refused(code)) => Answer::Fault(ReadFault::Refused(code)),
            // A gateway may close the connection over one meter; the others are not to blame.
            Err(ReadFault::PortGone(_)) if is_tcp => {
                self.state = State::Idle;
                Answer::Fault(ReadFault::NoAnswer)
            }
            Err(ReadFault::PortGone(why)) => return self.lose(&why),
            Err(fault) if has_numbers => {
                // Whatever comes late, comes to a connection that is no more.
                self.state = State::Idle;
                Answer::Fault(fault)
            }
            Err(fault) => Answer::Fault(fault),
        };
        let is_disturbed =
            !matches!(answer, Answer::Words(_) | Answer::Fault(ReadFault::Refused(_)));
        self.mute_faults = if is_disturbed { self.mute_faults + 1 } else { 0 };
        if is_tcp && self.mute_faults >= MUTE_FAULTS {
            (self.mute_faults, self.state) = (0, State::Idle);
        }
        let now = self.now();
        let over = heard_at.filter(|_| !is_disturbed).unwrap_or(now);
        let outcome = self.bus.answered(answer, over);
        let doubled = if is_disturbed { self.bus.heard(&heard, now) } else { None };
        for outcome in outcome.into_iter().chain(doubled) {
            self.publish(outcome);
        }
    }

    /// Tells what a round of requests came to.
    fn publish(&mut self, outcome: Outcome) {
        let (mono, now) = (self.settings.now)();
        let health = self.bus.health(now);
        self.health.change(|status| status.bus = health);
        let (meter, readout, read, at) = match outcome {
            Outcome::Round(meter, readout, at) => {
                let values = self.meaning(&meter, &readout);
                (meter, readout, values, at)
            }
            Outcome::Failed(meter, fault, at) => (meter, Readout::default(), Err(fault), at),
        };
        let at = earlier(mono, now.since(at));
        self.diary.read(&meter, read.as_ref().err(), mono);
        self.shows.answer(&meter, &Shown { readout, values: read.clone() });
        let event = match read {
            Ok(values) => MeterEvent::Read { values, at },
            Err(fault) => MeterEvent::Failed { fault, at },
        };
        (self.tell)(meter, event);
    }

    fn meaning(&self, meter: &MeterName, readout: &Readout) -> Result<Values, ReadFault> {
        let settings = self.settings.meters.iter().find(|settings| settings.name == *meter);
        let settings = settings.ok_or_else(|| ReadFault::Unusable("no such meter".into()))?;
        settings.profile.values(readout).map_err(ReadFault::Unusable)
    }

    fn obey(&mut self, order: Order) -> Turn {
        match order {
            Order::ReadNow(meter) => self.bus.read_now(&meter),
            Order::Show { meter, reply } => self.show(meter, reply),
            Order::Lend { for_ms, reply } => {
                self.lend(for_ms);
                // Whoever asked may have gone; the port is taken back anyway.
                let _ = reply.send(());
            }
            Order::TakeBack => {
                if matches!(self.state, State::Lent(_)) {
                    self.state = State::Gone(self.now());
                }
            }
            Order::Stop => return Turn::Stop,
        }
        Turn::On
    }

    /// Whoever asks for a meter that is not here, or for one too many, finds the reply dropped.
    fn show(&mut self, meter: MeterName, reply: oneshot::Sender<Shown>) {
        if self.settings.meters.iter().all(|settings| settings.name != meter) {
            return;
        }
        let why = match &self.state {
            State::Open(_) | State::Idle => {
                self.bus.read_now(&meter);
                return self.shows.push(meter, reply);
            }
            State::Gone(_) => "not there".into(),
            State::Lent(_) => LENT.into(),
        };
        let values = Err(ReadFault::PortGone(why));
        let _ = reply.send(Shown { readout: Readout::default(), values });
    }

    /// Closes the port for another program.
    fn lend(&mut self, for_ms: u32) {
        let (mono, now) = (self.settings.now)();
        let time = Duration::from_millis(for_ms.into());
        self.state = State::Lent(now.plus(micros(time)));
        let until = mono.plus_ms(for_ms.into());
        self.health.change(|status| status.port = PortState::Lent { until });
        for outcome in self.bus.port_gone(LENT, now) {
            self.publish(outcome);
        }
    }
}

/// What came of an exchange; `None`: it was told to stop meanwhile. Other orders are put off.
async fn over(
    exchange: impl Future<Output = Exchanged>,
    orders: &Receiver<Order>,
    put_off: &mut VecDeque<Order>,
) -> Option<Exchanged> {
    let mut exchange = pin!(exchange);
    loop {
        tokio::select! {
            exchanged = &mut exchange => return Some(exchanged),
            order = orders.recv_async(), if put_off.len() < MAX_PUT_OFF => match order {
                Ok(Order::Stop) | Err(_) => return None,
                Ok(order) => put_off.push_back(order),
            }
        }
    }
}

fn slave_of(meter: &MeterSettings) -> Slave {
    let profile = &meter.profile;
    Slave {
        meter: meter.name.clone(),
        address: meter.address,
        interval_ms: meter.interval_ms,
        silence_us: u32::from(profile.silence_ms) * 1000,
        wanted: profile.blocks(),
        limits: Limits {
            max_registers: profile.max_registers,
            max_gap: profile.max_gap,
            unreadable: profile.unreadable.clone(),
        },
    }
}

/// Why a lent port reads nothing.
const LENT: &str = "lent to another program";

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The millisecond in which something began that many microseconds ago, or the one before.
const fn earlier(now: Mono, ago_us: u64) -> Mono {
    Mono(now.0.saturating_sub(ago_us.div_ceil(1000)))
}
