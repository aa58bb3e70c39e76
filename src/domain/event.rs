//! What reaches the site.

use super::{
    card::Verdict,
    connector::Nameplate,
    gauge::Gauges,
    id::{
        CallId, CardNo, ConnectionId, ConnectorNo, OrderId, PlugNo, RequestId, Sequence,
        TransactionId,
    },
    news::Parting,
    order::{EndReport, ProgressReport, StartReport},
    passing::Pass,
    quantity::Money,
    wire::{ErrorCode, Original},
};

/// What a pile did or said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PileEvent {
    /// Logged in at the doors.
    Connected {
        /// Its connection from now on.
        connection: ConnectionId,
        /// Where it connects from, for people.
        address: String,
    },
    /// The connection ended.
    Gone {
        /// The connection that ended.
        connection: ConnectionId,
        /// How.
        parting: Parting,
        /// Why, for people.
        reason: String,
    },
    /// Asked for something; waits for an answer.
    Requested {
        /// To answer with.
        id: RequestId,
        /// What it wants.
        request: PileRequest,
    },
    /// Said something that has no answer.
    Told(PileNotice),
    /// Answered a request of the site.
    Answered {
        /// The request.
        call: CallId,
        /// The answer.
        answer: PileAnswer,
    },
}

/// What a pile asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PileRequest {
    /// Came up, or came back.
    Boot {
        /// What it says of itself, for people.
        nameplate: Box<Nameplate>,
        /// As it came.
        original: Original,
    },
    /// Is alive.
    Heartbeat,
    /// Wants the tariff.
    Tariff,
    /// May this card charge?
    Authorize {
        /// The card.
        card: CardNo,
        /// As it came.
        original: Original,
    },
    /// Charging has begun.
    Start(StartReport),
    /// Charging has ended, or a whole order.
    End(EndReport),
    /// A warning came or went.
    Warning {
        /// The connector, as the pile numbers it; `None`: the whole pile.
        plug: Option<PlugNo>,
        /// Its code.
        code: i64,
        /// It went.
        cleared: bool,
        /// As it came.
        original: Original,
    },
    /// The state of a connector changed.
    Status {
        /// The connector, as the pile numbers it.
        plug: PlugNo,
        /// State, the wire's number.
        state: i32,
        /// As it came.
        original: Original,
    },
    /// Something for the backend.
    Pass(Pass),
    /// Decodes, is understood, but this site does not do it.
    Unsupported {
        /// Message code on the wire.
        code: u8,
    },
}

/// What a pile tells without waiting for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PileNotice {
    /// How an order goes on.
    Progress(ProgressReport),
    /// Measured values.
    Telemetry {
        /// The connector, as the pile numbers it; `None`: the whole pile.
        plug: Option<PlugNo>,
        /// Status of the connector (measurand 144), if it is among the values.
        status: Option<i32>,
        /// The values as far as the site knows what they are.
        gauges: Box<Gauges>,
        /// As it came.
        original: Original,
    },
    /// Something for the backend.
    Pass(Pass),
}

/// What a pile answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PileAnswer {
    /// To a remote start.
    RemoteStart {
        /// It will start.
        accepted: bool,
        /// As it came.
        original: Original,
    },
    /// To a remote stop.
    RemoteStop {
        /// It will stop.
        accepted: bool,
    },
    /// To a tariff.
    Tariff {
        /// It is in force.
        accepted: bool,
    },
    /// `MessageError` instead of an answer.
    Error(ErrorCode),
    /// Anything else.
    Other(Original),
}

impl PileAnswer {
    /// The message that was said, where it was kept, or the error that came in its place.
    ///
    /// # Errors
    ///
    /// The error.
    pub fn said(&self) -> Result<Option<&Original>, ErrorCode> {
        match self {
            Self::RemoteStart { original, .. } | Self::Other(original) => Ok(Some(original)),
            Self::RemoteStop { .. } | Self::Tariff { .. } => Ok(None),
            Self::Error(code) => Err(*code),
        }
    }
}

/// What happened on an uplink of the charging-station protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UplinkEvent {
    /// The link is up and logged in; nothing has been said on it.
    Connected,
    /// The link is down, or still down for another reason.
    Disconnected {
        /// Why, for people.
        reason: String,
    },
    /// The backend refused the login or the registration; the shell tries again slowly.
    LoginRefused {
        /// What it said.
        reason: String,
    },
    /// The backend answered a request of the site.
    Answered {
        /// The request's sequence id.
        sequence: Sequence,
        /// The answer.
        answer: UplinkAnswer,
        /// Time stamp of the answering message, unix seconds; 0 if it had none.
        at_s: i64,
    },
    /// The backend wants something.
    Requested {
        /// To answer with.
        sequence: Sequence,
        /// Tells a repetition from another request with the same sequence id.
        digest: u64,
        /// What it wants.
        request: UplinkRequest,
    },
}

/// What an answer names, to be compared with what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named<T> {
    /// It does not say.
    Nothing,
    /// This one.
    This(T),
    /// Something this site could not have asked about.
    Foreign,
}

impl<T: PartialEq> Named<T> {
    /// Whether it can be the answer to a question about `asked`.
    #[must_use]
    pub fn allows(&self, asked: Option<&T>) -> bool {
        match self {
            Self::Nothing => true,
            Self::This(named) => asked == Some(named),
            Self::Foreign => false,
        }
    }
}

/// What a backend answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UplinkAnswer {
    /// To a boot.
    Boot {
        /// 0 is yes.
        status: i32,
        /// Unix seconds, 0 if missing.
        time_s: i64,
        /// Between heartbeats, and until the next try after a refusal.
        interval_s: i32,
    },
    /// To a heartbeat.
    Heartbeat,
    /// To a start.
    Start {
        /// The id it gave to the order.
        transaction: Option<TransactionId>,
        /// The order it means.
        order: Named<OrderId>,
        /// The connector it means.
        connector: Named<ConnectorNo>,
        /// Whether charging may go on.
        verdict: Verdict,
        /// As it came.
        original: Original,
    },
    /// To a stop.
    Stop {
        /// The order it means.
        transaction: Named<TransactionId>,
        /// The connector it means.
        connector: Named<ConnectorNo>,
        /// What it billed.
        cost: Money,
        /// As it came.
        original: Original,
    },
    /// To an offline order.
    Transaction {
        /// 0 is yes.
        status: i32,
        /// The order it means.
        order: Named<OrderId>,
        /// The connector it means.
        connector: Named<ConnectorNo>,
    },
    /// None: the transport has carried an offline order to the far side, which answers nothing.
    Delivered,
    /// On a card.
    Authorize {
        /// Whether it may charge.
        verdict: Verdict,
        /// As it came.
        original: Original,
    },
    /// To a warning.
    Warning,
    /// `MessageError` instead of an answer.
    Error {
        /// Which.
        code: ErrorCode,
        /// Its description.
        text: String,
    },
    /// Anything else.
    Other(Original),
}

/// What a backend wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UplinkRequest {
    /// Start charging.
    RemoteStart(RemoteStart),
    /// Stop charging.
    RemoteStop {
        /// The order, by the backend's id.
        transaction: Option<TransactionId>,
        /// The connector.
        connector: Option<ConnectorNo>,
        /// Who wants it: only the order of this card is stopped; `None`: the wire does not say.
        card: Option<CardNo>,
        /// As it came; `None`: on a wire of which nothing is passed on to piles.
        original: Option<Original>,
    },
    /// Let this card charge from now on.
    Authorize {
        /// The card.
        card: CardNo,
    },
    /// Could charging start here now?
    Availability {
        /// Where; `None`: a connector this site cannot have.
        connector: Option<ConnectorNo>,
    },
    /// Use this tariff.
    Tariff {
        /// Its id.
        id: u64,
        /// As it came.
        original: Original,
    },
    /// Send orders again.
    History(HistoryQuery),
    /// Send a message again.
    Trigger {
        /// Which.
        what: TriggerKind,
        /// Of which connector; `None`: all.
        connector: Option<ConnectorNo>,
    },
    /// What is known of these cards.
    Cards {
        /// Message code on the wire; the answer's code depends on it.
        code: u8,
        /// All other cards are to be forgotten.
        replaces_all: bool,
        /// The cards.
        cards: Vec<(CardNo, Verdict)>,
    },
    /// Forget all cards.
    ClearCards,
    /// Something for a pile.
    Pass(Pass),
    /// Decodes, is understood, but this site does not do it.
    Unsupported {
        /// Message code on the wire.
        code: u8,
    },
}

/// A remote start as the backend asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteStart {
    /// Where.
    pub connector: Option<ConnectorNo>,
    /// The backend's id for the order to come.
    pub transaction: Option<TransactionId>,
    /// Who pays.
    pub card: Option<CardNo>,
    /// As it came; `None`: on a wire of which nothing is passed on to piles.
    pub original: Option<Original>,
}

/// Which orders a backend wants to have again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Which kind.
    pub level: HistoryLevel,
    /// Of which connector; `None`: all.
    pub connector: Option<ConnectorNo>,
    /// Started at or after, unix seconds; `None`: no limit.
    pub from_s: Option<i64>,
    /// Started before or at, unix seconds; `None`: no limit.
    pub until_s: Option<i64>,
}

/// Which kind of orders a backend wants to have again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryLevel {
    /// Running ones.
    Current,
    /// Ended, not confirmed by this backend.
    Unsettled,
    /// All that have ended.
    All,
}

/// Which message a backend wants to have again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerKind {
    /// Boot.
    Boot,
    /// Heartbeat.
    Heartbeat,
    /// Starts of running orders.
    Start,
    /// Charging information of running orders.
    Progress,
    /// Status of the connectors.
    Status,
    /// Measured values.
    Telemetry,
    /// Ended orders that are not confirmed.
    Transactions,
    /// Asks for the tariff.
    Tariff,
    /// Anything else, which cannot be triggered.
    Other,
}

/// What an operator wants; answered once it is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorRequest {
    /// Send a quarantined order again.
    Retry {
        /// The order.
        order: OrderId,
    },
    /// Take an order from another ledger.
    Import {
        /// As the other ledger has it.
        order: Box<super::order::Order>,
    },
    /// Owe an uplink nothing more.
    RetireUplink {
        /// Its name.
        uplink: super::id::UplinkName,
    },
    /// A meter was replaced, or set anew: its next reading is its first.
    MeterReplaced {
        /// Its name.
        meter: super::id::MeterName,
    },
}
