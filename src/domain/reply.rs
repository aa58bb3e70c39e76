//! What leaves the site.

use bytes::Bytes;

use super::{
    card::Verdict,
    connector::{ConnectorImage, RunningOrder},
    id::{
        CallId, CardNo, ConnectionId, ConnectorNo, OrderId, PileCode, PlugNo, RecordNo, RequestId,
        Sequence, StartToken, TransactionId,
    },
    news::{News, SiteImage},
    passing::Passed,
    quantity::{Energy, Money},
    reading::Values,
    time::Mono,
    wire::{ErrorCode, Original},
};

/// Something for a pile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToPile {
    /// The answer to its request; not sent by another connection than the request's.
    Answer {
        /// The request.
        id: RequestId,
        /// The answer.
        reply: PileReply,
    },
    /// A request of the site; not sent after its deadline.
    Call {
        /// The connection it is meant for.
        connection: ConnectionId,
        /// Its sequence id.
        call: CallId,
        /// What is wanted.
        request: PileCall,
        /// Dropped if not handed over by then.
        expires: Mono,
    },
}

/// An answer to a pile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PileReply {
    /// To a boot.
    Boot {
        /// May go on.
        accepted: bool,
        /// Unix seconds; `None` while the site's clock is unset: the field is left out.
        time_s: Option<i64>,
        /// Between heartbeats.
        interval_s: u32,
    },
    /// To a heartbeat.
    Heartbeat,
    /// On a card.
    Authorize {
        /// May it charge?
        verdict: Verdict,
        /// What the backend said of it, if it was asked.
        backend: Option<Original>,
    },
    /// To a start.
    Start {
        /// The order's id: the transaction id the pile is to use.
        order: OrderId,
        /// The pile's number of it.
        record: RecordNo,
        /// The connector, as the pile numbers it.
        plug: PlugNo,
        /// May charging go on?
        verdict: Verdict,
        /// What the backend said of it, if it did in time.
        backend: Option<Original>,
    },
    /// To a stop.
    Stop {
        /// The order's id; `None` if the stop made no sense.
        order: Option<OrderId>,
        /// The connector, as the pile numbers it.
        plug: Option<PlugNo>,
        /// What the order costs.
        cost: Option<Money>,
    },
    /// To a whole order: it is on record.
    Transaction {
        /// The pile's number of it.
        record: RecordNo,
        /// The connector, as the pile numbers it.
        plug: Option<PlugNo>,
    },
    /// To a warning.
    Warning {
        /// Its code.
        code: i64,
        /// It went.
        cleared: bool,
    },
    /// To a status.
    Status {
        /// The connector, as the pile numbers it.
        plug: PlugNo,
    },
    /// What the backend answered to a message that was passed on.
    Passed(Passed),
    /// `MessageError`.
    Error {
        /// Which.
        code: ErrorCode,
        /// For people.
        text: String,
    },
}

/// A request of the site to a pile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PileCall {
    /// Start charging.
    RemoteStart {
        /// Where.
        plug: PlugNo,
        /// To be handed back in the start, in place of the backend's transaction id.
        token: StartToken,
        /// Who pays, if known.
        card: Option<CardNo>,
        /// What the backend asked for, in the words of the charging-station protocol; `None`: it
        /// speaks another one.
        backend: Option<Original>,
    },
    /// Stop charging.
    RemoteStop {
        /// The order.
        order: OrderId,
        /// Where.
        plug: Option<PlugNo>,
        /// What the backend asked for; `None` if the site itself wants it.
        backend: Option<Original>,
    },
    /// Use this tariff.
    Tariff(Original),
    /// What a backend wants of it.
    Pass(Passed),
}

/// Something for a backend of the charging-station protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToUplink {
    /// Its sequence id: of the request, or of the request it answers.
    pub sequence: Sequence,
    /// What.
    pub message: UplinkMessage,
    /// Which goes first.
    pub urgency: Urgency,
}

/// Which goes first on an uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// What happens now.
    Live,
    /// What happened during an outage.
    Backlog,
    /// May be lost, is shed first.
    Telemetry,
}

/// A message for a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UplinkMessage {
    /// The site is up.
    Boot,
    /// The site is alive.
    Heartbeat,
    /// Asks for the tariff.
    TariffRequest,
    /// May this card charge?
    Authorize {
        /// Where.
        pile: PileCode,
        /// As the pile asked.
        original: Original,
    },
    /// An order has begun, or is running.
    Start {
        /// Which.
        order: OrderRef,
        /// As the pile said it.
        original: Original,
        /// Decided while the backend was away.
        offline: bool,
    },
    /// How an order goes on.
    Progress {
        /// Which.
        order: OrderRef,
        /// As the pile said it.
        original: Original,
    },
    /// An order has ended.
    Stop {
        /// The order, whole.
        order: Box<super::order::Order>,
    },
    /// An offline order: the inner message, frozen.
    Transaction {
        /// Its pile.
        pile: PileCode,
        /// The bytes.
        payload: Bytes,
    },
    /// Measured values.
    Telemetry {
        /// Of which pile.
        pile: PileCode,
        /// Of which connector; `None`: the pile.
        connector: Option<ConnectorNo>,
        /// The running order there.
        order: Option<OrderId>,
        /// As the pile said it.
        original: Original,
    },
    /// A warning.
    Warning {
        /// Of which pile.
        pile: PileCode,
        /// Of which connector; `None`: the pile.
        connector: Option<ConnectorNo>,
        /// The running order there.
        order: Option<OrderId>,
        /// As the pile said it.
        original: Original,
    },
    /// State of a connector.
    Status {
        /// Of which pile.
        pile: PileCode,
        /// Of which connector.
        connector: ConnectorNo,
        /// The wire's number.
        state: i32,
    },
    /// Values of a meter of the site.
    Metered {
        /// What it measures.
        place: MeteredPlace,
        /// The newest, and good.
        values: Values,
    },
    /// What a pile wants of the backend.
    Passed(Passed),
    /// A connector as it is now.
    Image(Box<ConnectorImage>),
    /// Something happened at a pile.
    News(Box<News>),
    /// The site as it is now.
    Snapshot(Box<SiteImage>),
    /// An answer to the backend's request.
    Answer(UplinkReply),
}

/// What a meter measures, as a backend is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeteredPlace {
    /// The whole site.
    Site,
    /// One connector.
    Connector {
        /// Its pile.
        pile: PileCode,
        /// Which.
        connector: ConnectorNo,
        /// The running order there.
        order: Option<OrderId>,
    },
}

/// What names an order to a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRef {
    /// Its id.
    pub id: OrderId,
    /// The backend's id, once known.
    pub transaction: Option<TransactionId>,
    /// The pile.
    pub pile: PileCode,
    /// The connector; `None`: one the config lacks.
    pub connector: Option<ConnectorNo>,
    /// Unix seconds of the start as it is billed; `None` while no clock knows it.
    pub started_s: Option<i64>,
    /// Reading of the connector's meter at the start, if there is a good one; it stands for the
    /// pile's.
    pub meter_start: Option<Energy>,
}

/// An answer to a backend's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UplinkReply {
    /// To a remote start.
    RemoteStart {
        /// The pile will start.
        accepted: bool,
        /// Why not, for people.
        reason: String,
        /// What the pile said, if it did.
        pile: Option<Original>,
    },
    /// To a remote stop.
    RemoteStop {
        /// The pile will stop.
        accepted: bool,
        /// Why not, for people.
        reason: String,
        /// The order that is to stop, if there is one.
        order: Option<Box<RunningOrder>>,
    },
    /// To a card that is to be let in.
    Authorize {
        /// It may charge from now on.
        accepted: bool,
        /// Why not, for people.
        reason: String,
    },
    /// To a question whether charging could start.
    Availability {
        /// It could.
        available: bool,
        /// Why not, for people.
        reason: String,
    },
    /// To a tariff.
    Tariff {
        /// It is kept and passed on.
        accepted: bool,
    },
    /// To a question for history.
    History {
        /// That many orders follow.
        count: u32,
    },
    /// To a trigger.
    Trigger {
        /// The message follows.
        accepted: bool,
    },
    /// To cards.
    Cards {
        /// Message code of the request.
        code: u8,
    },
    /// To forgetting all cards.
    ClearCards,
    /// What a pile answered to a message that was passed on.
    Passed(Passed),
    /// `MessageError`.
    Error {
        /// Which.
        code: ErrorCode,
        /// For people.
        text: String,
    },
}
