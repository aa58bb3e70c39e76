//! Facts to remember. Memory is the fold of these, and so is the ledger.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::domain::{
    card::Verdict,
    id::{CardNo, MeterName, OrderSeq, Sequence, TransactionId, UplinkName},
    order::{Ending, Order, Progress},
    quantity::Energy,
    reading::{Reading, Sample},
    time::{BootId, Stamp},
    wire::Original,
};

/// A fact; durable before anybody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An order has begun. Journalled.
    OrderOpened(Box<Order>),
    /// The last that is known of a running order; thinned out to spare the flash.
    ProgressKept {
        /// The order.
        seq: OrderSeq,
        /// What is known.
        progress: Progress,
    },
    /// The pile rebooted or fell silent in mid-order. Journalled.
    OrderInterrupted {
        /// The order.
        seq: OrderSeq,
        /// When the site noticed.
        at: Stamp,
        /// Why, for people.
        reason: String,
    },
    /// The pile went on with an interrupted order. Journalled.
    OrderResumed {
        /// The order.
        seq: OrderSeq,
        /// When the site noticed.
        at: Stamp,
    },
    /// An order has ended; its row is final but for its deliveries. The row may be new. Journalled.
    OrderRecorded(Box<Order>),
    /// Another version of a recorded order came; the order itself stays. Journalled.
    VersionKept {
        /// The order.
        seq: OrderSeq,
        /// Why.
        kind: VersionKind,
        /// What it says.
        ending: Box<Ending>,
        /// When it came.
        at: Stamp,
    },
    /// The primary backend gave its id to an order. Journalled.
    TransactionAssigned {
        /// The order.
        seq: OrderSeq,
        /// The backend's id.
        transaction: TransactionId,
        /// When.
        at: Stamp,
    },
    /// A delivery is about to be sent for the first time as an offline order; a queued one is
    /// `Sent` from now on, one that is not owed any more stays what it is.
    PayloadFrozen {
        /// The order.
        seq: OrderSeq,
        /// For whom.
        uplink: UplinkName,
        /// The inner message of every attempt.
        payload: Bytes,
    },
    /// The backend said yes. Journalled.
    DeliveryConfirmed {
        /// The order.
        seq: OrderSeq,
        /// By whom.
        uplink: UplinkName,
        /// When.
        at: Stamp,
        /// Attempts it took in this run.
        attempts: u32,
    },
    /// The backend said no. Journalled.
    DeliveryQuarantined {
        /// The order.
        seq: OrderSeq,
        /// By whom.
        uplink: UplinkName,
        /// When.
        at: Stamp,
        /// What it said.
        reason: String,
    },
    /// The far side cannot or does not want to have it: it is retired, with the reason as its last
    /// error. One that is confirmed or retired stays what it is. Journalled.
    DeliveryWaived {
        /// The order.
        seq: OrderSeq,
        /// By whom.
        uplink: UplinkName,
        /// When.
        at: Stamp,
        /// Why, for people.
        reason: String,
    },
    /// An operator wants it sent again. Journalled.
    DeliveryRequeued {
        /// The order.
        seq: OrderSeq,
        /// For whom.
        uplink: UplinkName,
        /// When.
        at: Stamp,
    },
    /// Every required uplink has it. Journalled.
    OrderSettled {
        /// The order.
        seq: OrderSeq,
        /// When.
        at: Stamp,
    },
    /// The clock became good: rows of this run are dated, rows of earlier undated runs between
    /// their neighbours. Journalled.
    ClockLearned {
        /// The run.
        boot: BootId,
        /// Unix ms at `Mono` 0 of this run.
        epoch_ms: i64,
        /// When.
        at: Stamp,
    },
    /// The calendar jumped while the controller ran; no duration and no order changed. Journalled.
    ClockStepped {
        /// By how much, forwards positive.
        by_ms: i64,
        /// When, by the new calendar.
        at: Stamp,
    },
    /// What a backend said of a card.
    CardJudged {
        /// The card.
        card: CardNo,
        /// What.
        verdict: Verdict,
        /// When.
        at: Stamp,
    },
    /// All cards are forgotten.
    CardsCleared,
    /// The tariff in force.
    TariffKept {
        /// Its id.
        id: u64,
        /// As it came.
        original: Original,
    },
    /// Sequence ids up to this one may have been used towards an uplink.
    SequencesReserved {
        /// The uplink.
        uplink: UplinkName,
        /// The high-water mark.
        up_to: Sequence,
    },
    /// A remote start was accepted for execution; not done again, not even after a restart.
    RemoteOpened(OpenRemote),
    /// A remote start got its answer.
    RemoteClosed {
        /// The uplink.
        uplink: UplinkName,
        /// The request's sequence id.
        sequence: Sequence,
    },
    /// A message of an uplink is passed to a pile; not done again after a restart.
    PassOpened {
        /// The uplink.
        uplink: UplinkName,
        /// The message's sequence id.
        sequence: Sequence,
    },
    /// The message got its answer, or nobody waits for it any more.
    PassClosed {
        /// The uplink.
        uplink: UplinkName,
        /// The message's sequence id.
        sequence: Sequence,
    },
    /// The last reading of a meter that was believed, so that it cannot fall across a restart;
    /// thinned out to spare the flash.
    MeterKept {
        /// The meter.
        meter: MeterName,
        /// What it said.
        reading: Reading,
    },
    /// An operator says that a meter was replaced: what it said before is forgotten. Journalled.
    MeterReplaced {
        /// The meter.
        meter: MeterName,
        /// Its import register at the end, if it was ever read.
        old: Option<Energy>,
        /// When.
        at: Stamp,
    },
    /// The first reading of a meter after it was replaced. Journalled.
    MeterBegun {
        /// The meter.
        meter: MeterName,
        /// What it said.
        reading: Reading,
    },
    /// A reading of the meter within a running order.
    SampleKept {
        /// The order.
        seq: OrderSeq,
        /// Which.
        part: SamplePart,
        /// What the meter said.
        sample: Sample,
    },
    /// The meter is not used for a running order any more: the pile's values will be billed.
    /// Journalled.
    MeteringDropped {
        /// The order.
        seq: OrderSeq,
        /// Why, for people.
        reason: String,
        /// When.
        at: Stamp,
    },
    /// An uplink takes orders from now on, or wants other orders of the past than it was last said
    /// to: each ended order of its time that has no delivery for it gets one, after all that is
    /// owed already, in the order of recording. An order that nothing dates counts as one of its
    /// time. Nothing is taken back, and what is settled stays settled. Journalled if it changes
    /// anything.
    UplinkEnlisted {
        /// The uplink.
        uplink: UplinkName,
        /// What it speaks, as the config calls it: what is frozen for it is of that wire.
        kind: String,
        /// Orders that ended at or after this, unix seconds; `None`: nothing of the past. Said with
        /// `None` when the uplink leaves, so that it gets what it missed if it comes back.
        since_s: Option<i64>,
        /// When.
        at: Stamp,
    },
    /// Which uplinks decide settlement has changed: recorded orders of which none of these is owed
    /// anything, nor has one in quarantine, are settled; this fact stands for all of them. Journalled
    /// if it changes anything.
    RequiredChanged {
        /// The required uplinks.
        uplinks: BTreeSet<UplinkName>,
        /// When.
        at: Stamp,
    },
    /// The uplink is owed nothing more; what the uplinks that decide settlement have is settled.
    /// Until [`Entry::RequiredChanged`] was said for the first time, all of them decide.
    /// Journalled.
    UplinkRetired {
        /// The uplink.
        uplink: UplinkName,
        /// When.
        at: Stamp,
    },
}

/// Where a reading stands in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamplePart {
    /// At the start.
    Start,
    /// The next one in between.
    Curve,
    /// At the end.
    Stop,
}

/// Why another version of a recorded order is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionKind {
    /// Same key, other figures; the order is flagged `disputed`.
    Disputed,
    /// The site had closed the order itself and the pile reported it later.
    Corrected,
}

/// A remote start that was executed, or is about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRemote {
    /// Who asked.
    pub uplink: UplinkName,
    /// The request's sequence id.
    pub sequence: Sequence,
    /// The backend's id for the order to come.
    pub transaction: Option<TransactionId>,
    /// When.
    pub at: Stamp,
}
