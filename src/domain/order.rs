//! Orders and what became of them.

use bytes::Bytes;

use super::{
    connector::ConnectorState,
    gauge::Gauges,
    id::{
        CardNo, ConnectorNo, OrderId, OrderKey, OrderSeq, Place, PlugNo, RecordNo, StartToken,
        TransactionId, UplinkName,
    },
    quantity::{Energy, Money},
    reading::Metering,
    time::{PileTime, Stamp},
    wire::Original,
};

/// Gives the states of something the names the outside knows.
macro_rules! named_states {
    ($state:ident { $($variant:ident = $name:literal),* $(,)? }) => {
        impl $state {
            /// All states.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name the outside knows.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }

            /// By name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|state| state.name() == name)
            }
        }
    };
}

named_states!(OrderState {
    Authorised = "authorised",
    Charging = "charging",
    Stopping = "stopping",
    Interrupted = "interrupted",
    Recorded = "recorded",
    Settled = "settled",
});

named_states!(DeliveryState {
    Queued = "queued",
    Sent = "sent",
    Confirmed = "confirmed",
    Quarantined = "quarantined",
    Retired = "retired",
});

/// A pile says that charging has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartReport {
    /// The pile's number of the order.
    pub record: RecordNo,
    /// The connector, as the pile numbers it.
    pub plug: PlugNo,
    /// Who pays, if the pile said it.
    pub card: Option<CardNo>,
    /// Order id, or token of a remote start, that the pile handed back.
    pub token: Option<StartToken>,
    /// Meter at the start; `None` if missing or senseless.
    pub meter: Option<Energy>,
    /// When it began.
    pub at: PileTime,
    /// As it came.
    pub original: Original,
}

/// A pile says how charging goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressReport {
    /// The pile's number of the order.
    pub record: RecordNo,
    /// The connector, as the pile numbers it.
    pub plug: PlugNo,
    /// State of the connector; `None` if missing or unknown. A state that is the wire's nought
    /// counts as missing.
    pub state: Option<ConnectorState>,
    /// Energy of the order so far; `None` if missing or senseless.
    pub energy: Option<Energy>,
    /// Cost so far.
    pub cost: Option<Money>,
    /// What the pile measured.
    pub gauges: Box<Gauges>,
    /// As it came.
    pub original: Original,
}

/// A pile says that an order has ended: by a stop, or afterwards as a whole order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndReport {
    /// The pile's number of the order.
    pub record: RecordNo,
    /// The connector, as the pile numbers it; some stops do not carry it.
    pub plug: Option<PlugNo>,
    /// Who pays, if the pile said it.
    pub card: Option<CardNo>,
    /// The transaction id the pile was given, if it handed it back: the order id.
    pub token: Option<StartToken>,
    /// When it began; unknown in a stop, which does not carry it.
    pub started: PileTime,
    /// Whether this is a whole order (carries start time and start reading) or only a stop.
    pub kind: EndKind,
    /// Meter at the start, whole orders only.
    pub meter_start: Option<Energy>,
    /// Meter at the stop; `None` if missing or senseless.
    pub meter_stop: Option<Energy>,
    /// When it ended.
    pub ended: PileTime,
    /// What the pile billed.
    pub cost: Option<Money>,
    /// Stop reason, the number of revision 1.10.
    pub reason: i32,
    /// As it came.
    pub original: Original,
}

/// Which message ended an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndKind {
    /// The stop of an order that was announced by a start.
    Stop,
    /// A whole order, kept and reported by the pile itself.
    Whole,
}

/// The last that is known of a running order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Energy of the order so far.
    pub energy: Energy,
    /// Cost so far, if the pile said it.
    pub cost: Option<Money>,
    /// When the site heard it.
    pub at: Stamp,
}

/// How an order ended; never changed afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Unix seconds of the end as it is billed: the pile's if plausible, else the site's.
    pub ended_s: Option<i64>,
    /// Meter at the start, whole 10 Wh.
    pub meter_start: Option<Energy>,
    /// Meter at the end, whole 10 Wh.
    pub meter_stop: Option<Energy>,
    /// Energy of the order, whole 10 Wh.
    pub energy: Energy,
    /// What the pile billed.
    pub cost: Option<Money>,
    /// Stop reason, the number of revision 1.10.
    pub reason: i32,
    /// When the site recorded it.
    pub recorded: Stamp,
    /// The message that ended it; `None` if the site closed the order itself.
    pub original: Option<Original>,
}

impl Ending {
    /// Whether two endings say the same of what is billed.
    #[must_use]
    pub fn same_figures(&self, other: &Self) -> bool {
        self.ended_s == other.ended_s
            && self.meter_stop == other.meter_stop
            && self.energy == other.energy
            && self.cost == other.cost
    }
}

/// What is worth knowing of an order beside its state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// No backend had heard of its start when it ended, or its start was decided locally.
    pub offline: bool,
    /// The pile reported it again with other figures.
    pub disputed: bool,
    /// The site closed it, with the last reading it had.
    pub estimated: bool,
    /// Its figures make no sense; recorded as they came.
    pub senseless: bool,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderState {
    /// Recorded; the pile still waits for the answer to its start.
    Authorised,
    /// Running.
    Charging,
    /// The pile has been asked to stop.
    Stopping,
    /// The pile rebooted or fell silent in mid-order.
    Interrupted,
    /// Ended and recorded; not every required uplink has it.
    Recorded,
    /// Every required uplink has confirmed it.
    Settled,
}

impl OrderState {
    /// Whether the order has not ended.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Authorised | Self::Charging | Self::Stopping | Self::Interrupted)
    }
}

/// An order, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Position in the ledger.
    pub seq: OrderSeq,
    /// Identity; never changes.
    pub key: OrderKey,
    /// Derived from the key.
    pub id: OrderId,
    /// Where; an attribute, not part of the identity. `None`: a connector the config lacks.
    pub connector: Option<ConnectorNo>,
    /// The connector as the pile numbers it; `None` if it never said.
    pub plug: Option<PlugNo>,
    /// Where it stands.
    pub state: OrderState,
    /// What is worth knowing.
    pub flags: Flags,
    /// Who pays, if known.
    pub card: Option<CardNo>,
    /// The primary backend's id of it, once known.
    pub transaction: Option<TransactionId>,
    /// When the site first heard of it.
    pub opened: Stamp,
    /// Unix seconds of the start as it is billed; `None` while no clock knows it.
    pub started_s: Option<i64>,
    /// Meter at the start.
    pub meter_start: Option<Energy>,
    /// The last that was heard while it ran.
    pub progress: Option<Progress>,
    /// How it ended.
    pub ending: Option<Ending>,
    /// The start as it came; `None` where only the whole order was reported.
    pub start: Option<Original>,
    /// What the meter of its connector says; `None`: there is none, or it is not used.
    pub metering: Option<Metering>,
    /// One per uplink that takes orders, in the order of the config; empty until it has ended.
    pub deliveries: Vec<Delivery>,
}

impl Order {
    /// The delivery for an uplink.
    #[must_use]
    pub fn delivery(&self, uplink: &UplinkName) -> Option<&Delivery> {
        self.deliveries.iter().find(|delivery| delivery.uplink == *uplink)
    }

    /// The delivery for an uplink.
    pub fn delivery_mut(&mut self, uplink: &UplinkName) -> Option<&mut Delivery> {
        self.deliveries.iter_mut().find(|delivery| delivery.uplink == *uplink)
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryState {
    /// Not sent yet.
    Queued,
    /// Sent, not confirmed; its payload is frozen.
    Sent,
    /// The backend said yes.
    Confirmed,
    /// The backend said no; waits for an operator.
    Quarantined,
    /// The uplink was retired, or cannot have it; then the last error says why.
    Retired,
}

impl DeliveryState {
    /// Whether it still has to be sent or confirmed.
    #[must_use]
    pub const fn is_owed(self) -> bool {
        matches!(self, Self::Queued | Self::Sent)
    }
}

/// One order for one uplink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Whom it is for.
    pub uplink: UplinkName,
    /// When its turn is: first sendings follow the order of recording.
    pub place: Place,
    /// Where it stands.
    pub state: DeliveryState,
    /// The inner message, frozen at its first sending as an offline order; every further attempt
    /// carries these bytes.
    pub payload: Option<Bytes>,
    /// Attempts of this run; earlier runs are not counted.
    pub attempts: u32,
    /// When it was confirmed.
    pub confirmed: Option<Stamp>,
    /// The last refusal, or why it is not sent.
    pub last_error: Option<String>,
}

impl Delivery {
    /// A delivery that has not been sent.
    #[must_use]
    pub const fn queued(uplink: UplinkName, place: Place) -> Self {
        Self {
            uplink,
            place,
            state: DeliveryState::Queued,
            payload: None,
            attempts: 0,
            confirmed: None,
            last_error: None,
        }
    }
}
