//! What the log is told of orders: from entries that are on record, and never before.
//!
//! An order of an ordinary day has three lines at INFO: started, recorded, settled.

use std::collections::BTreeMap;

use tracing::{Level, debug, field, info, warn};

use crate::{
    domain::{
        id::{ConnectorNo, MeterName, OrderId, OrderSeq, PileCode, RecordNo, UplinkName},
        order::{Ending, Flags, Order},
    },
    protocol::charger::reason::stop_reason,
    site::entry::{Entry, VersionKind},
};

/// Orders whose names are kept at hand; the others are looked up. More than run at a full site.
const NAMES: usize = 1024;

/// How much a line weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Detail,
    News,
    Fault,
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About<'a> {
    Order(OrderSeq),
    Meter(&'a MeterName),
    Uplink,
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
struct Told<'a> {
    weight: Weight,
    text: &'static str,
    about: About<'a>,
    uplink: Option<&'a UplinkName>,
    reason: Option<&'a str>,
    energy_wh: Option<u64>,
    cost_fen: Option<i64>,
    flags: Option<String>,
    card: Option<String>,
    record: Option<&'a RecordNo>,
    transaction: Option<&'a str>,
    attempts: Option<u32>,
}

impl<'a> Told<'a> {
    const fn new(weight: Weight, text: &'static str, about: About<'a>) -> Self {
        Self {
            weight,
            text,
            about,
            uplink: None,
            reason: None,
            energy_wh: None,
            cost_fen: None,
            flags: None,
            card: None,
            record: None,
            transaction: None,
            attempts: None,
        }
    }

    const fn order(weight: Weight, text: &'static str, seq: OrderSeq) -> Self {
        Self::new(weight, text, About::Order(seq))
    }

    const fn by(mut self, uplink: &'a UplinkName) -> Self {
        self.uplink = Some(uplink);
        self
    }

    const fn why(mut self, reason: &'a str) -> Self {
        self.reason = Some(reason);
        self
    }

    fn ending(mut self, ending: &Ending) -> Self {
        self.energy_wh = Some(ending.energy.wh());
        self.cost_fen = ending.cost.map(|cost| cost.fen());
        self.reason = Some(stop_reason(ending.reason));
        self
    }
}

/// What there is to be told of an entry.
fn told(entry: &Entry) -> Option<Told<'_>> {
    use Weight::{Detail, Fault, News};
    Some(match entry {
        Entry::OrderOpened(order) => Told {
            card: order.card.as_ref().map(|card| card.tail().to_owned()),
            record: Some(&order.key.record),
            ..Told::order(News, "order started", order.seq)
        },
        Entry::OrderInterrupted { seq, reason, .. } => {
            Told::order(Fault, "order interrupted", *seq).why(reason)
        }
        Entry::OrderResumed { seq, .. } => Told::order(News, "order goes on", *seq),
        Entry::OrderRecorded(order) => recorded(order),
        Entry::VersionKept { seq, kind, ending, .. } => {
            let told = match kind {
                VersionKind::Disputed => {
                    Told::order(Fault, "order disputed, reported again with other figures", *seq)
                }
                VersionKind::Corrected => {
                    Told::order(News, "order corrected, reported after it had been closed", *seq)
                }
            };
            told.ending(ending)
        }
        Entry::TransactionAssigned { seq, transaction, .. } => Told {
            transaction: Some(transaction.as_str()),
            ..Told::order(Detail, "order has its transaction id", *seq)
        },
        Entry::DeliveryConfirmed { seq, uplink, attempts, .. } => Told {
            attempts: Some(*attempts),
            ..Told::order(Detail, "order confirmed", *seq).by(uplink)
        },
        Entry::DeliveryQuarantined { seq, uplink, reason, .. } => {
            Told::order(Fault, "order refused, in quarantine", *seq).by(uplink).why(reason)
        }
        Entry::DeliveryWaived { seq, uplink, reason, .. } => {
            Told::order(News, "order is not sent", *seq).by(uplink).why(reason)
        }
        Entry::DeliveryRequeued { seq, uplink, .. } => {
            Told::order(News, "order is sent again", *seq).by(uplink)
        }
        Entry::OrderSettled { seq, .. } => Told::order(News, "order settled", *seq),
        Entry::MeteringDropped { seq, reason, .. } => {
            Told::order(News, "order is billed by the readings of its pile", *seq).why(reason)
        }
        Entry::MeterReplaced { meter, .. } => {
            Told::new(News, "meter replaced", About::Meter(meter))
        }
        Entry::UplinkEnlisted { uplink, .. } => {
            Told::new(News, "uplink is on record as one that takes orders", About::Uplink)
                .by(uplink)
        }
        Entry::UplinkRetired { uplink, .. } => {
            Told::new(News, "uplink retired, it is owed nothing more", About::Uplink).by(uplink)
        }
        // Said elsewhere, by an alarm or an answer, or a matter of the ledger alone.
        Entry::ProgressKept { .. }
        | Entry::PayloadFrozen { .. }
        | Entry::ClockLearned { .. }
        | Entry::ClockStepped { .. }
        | Entry::CardJudged { .. }
        | Entry::CardsCleared
        | Entry::TariffKept { .. }
        | Entry::SequencesReserved { .. }
        | Entry::RemoteOpened(_)
        | Entry::RemoteClosed { .. }
        | Entry::PassOpened { .. }
        | Entry::PassClosed { .. }
        | Entry::MeterKept { .. }
        | Entry::MeterBegun { .. }
        | Entry::SampleKept { .. }
        | Entry::RequiredChanged { .. } => return None,
    })
}

fn recorded(order: &Order) -> Told<'_> {
    let text = if order.flags.estimated { "order closed by estimate" } else { "order recorded" };
    let told = Told::order(Weight::News, text, order.seq);
    let told = Told { flags: flags(order.flags), record: Some(&order.key.record), ..told };
    match &order.ending {
        Some(ending) => told.ending(ending),
        None => told,
    }
}

/// The names of what is set; `None`: nothing.
fn flags(flags: Flags) -> Option<String> {
    let all = [
        (flags.offline, "offline"),
        (flags.disputed, "disputed"),
        (flags.estimated, "estimated"),
        (flags.senseless, "senseless"),
    ];
    let set: Vec<_> = all.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect();
    (!set.is_empty()).then(|| set.join(","))
}

/// What an order is called in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name {
    order: OrderId,
    pile: PileCode,
    connector: Option<ConnectorNo>,
}

impl Name {
    const fn of(order: &Order) -> Self {
        Self { order: order.id, pile: order.key.pile, connector: order.connector }
    }
}

/// Tells the log of orders.
#[derive(Debug, Default)]
pub(super) struct Diary {
    names: BTreeMap<OrderSeq, Name>,
}

impl Diary {
    /// Tells of entries that are on record; `find` looks an order up.
    pub(super) fn tell(
        &mut self,
        entries: &[Entry],
        mut find: impl FnMut(OrderSeq) -> Option<Order>,
    ) {
        for entry in entries {
            if let Entry::OrderOpened(order) | Entry::OrderRecorded(order) = entry {
                self.keep(order.seq, Name::of(order));
            }
            let Some(told) = told(entry) else { continue };
            if told.weight == Weight::Detail && !tracing::enabled!(Level::DEBUG) {
                continue;
            }
            let name = match told.about {
                About::Order(seq) => self.name(seq, &mut find),
                About::Meter(_) | About::Uplink => None,
            };
            write(&told, name);
            if let Entry::OrderSettled { seq, .. } = entry {
                self.names.remove(seq);
            }
        }
    }

    fn name(
        &mut self,
        seq: OrderSeq,
        find: &mut impl FnMut(OrderSeq) -> Option<Order>,
    ) -> Option<Name> {
        if let Some(name) = self.names.get(&seq) {
            return Some(*name);
        }
        let name = Name::of(&find(seq)?);
        self.keep(seq, name);
        Some(name)
    }

    /// Keeps a name at hand; the oldest gives way.
    fn keep(&mut self, seq: OrderSeq, name: Name) {
        self.names.insert(seq, name);
        if self.names.len() > NAMES {
            self.names.pop_first();
        }
    }
}

fn write(told: &Told<'_>, name: Option<Name>) {
    let Told { text, energy_wh, cost_fen, attempts, .. } = told;
    let meter = match told.about {
        About::Meter(meter) => Some(meter.as_str()),
        About::Order(_) | About::Uplink => None,
    };
    macro_rules! line {
        ($level:ident) => {
            $level!(
                order = name.map(|name| field::display(name.order)),
                pile = name.map(|name| field::display(name.pile)),
                connector = name.and_then(|name| name.connector).map(|connector| connector.get()),
                uplink = told.uplink.map(UplinkName::as_str),
                meter,
                record = told.record.map(RecordNo::as_str),
                card = told.card.as_deref(),
                transaction = told.transaction,
                energy_wh,
                cost_fen,
                flags = told.flags.as_deref(),
                attempts,
                reason = told.reason,
                "{text}"
            )
        };
    }
    match told.weight {
        Weight::Detail => line!(debug),
        Weight::News => line!(info),
        Weight::Fault => line!(warn),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::domain::{
        id::{CardNo, KeyTime, OrderKey},
        order::OrderState,
        quantity::{Energy, Money},
        time::Stamp,
    };

    fn order(seq: u64) -> Order {
        let key = OrderKey {
            pile: PileCode::new("3101150012000001").unwrap(),
            record: RecordNo::new("17").unwrap(),
            started: KeyTime(1_767_225_600),
        };
        Order {
            seq: OrderSeq(seq),
            id: key.id(),
            key,
            connector: ConnectorNo::new(2),
            plug: None,
            state: OrderState::Charging,
            flags: Flags::default(),
            card: Some(CardNo::new("6217001234567890").unwrap()),
            transaction: None,
            opened: Stamp::default(),
            started_s: None,
            meter_start: None,
            progress: None,
            ending: None,
            start: None,
            metering: None,
            deliveries: Vec::new(),
        }
    }

    fn ending() -> Ending {
        Ending {
            ended_s: None,
            meter_start: None,
            meter_stop: None,
            energy: Energy::from_wh(12_340),
            cost: Some(Money::from_fen(987)),
            reason: 1,
            recorded: Stamp::default(),
            original: None,
        }
    }

    fn cloud() -> UplinkName {
        UplinkName::new("cloud").unwrap()
    }

    #[test]
    fn an_order_is_told_of_with_the_end_of_its_card_and_with_its_figures() {
        let opened = Entry::OrderOpened(Box::new(order(1)));
        let line = told(&opened).unwrap();
        assert_eq!((line.weight, line.text), (Weight::News, "order started"));
        assert_eq!((line.card.as_deref(), line.record.unwrap().as_str()), (Some("7890"), "17"));

        let flags = Flags { offline: true, senseless: true, ..Flags::default() };
        let ended = Order { ending: Some(ending()), flags, ..order(1) };
        let entry = Entry::OrderRecorded(Box::new(ended.clone()));
        let line = told(&entry).unwrap();
        assert_eq!((line.text, line.about), ("order recorded", About::Order(OrderSeq(1))));
        assert_eq!((line.energy_wh, line.cost_fen), (Some(12_340), Some(987)));
        assert_eq!(line.flags.as_deref(), Some("offline,senseless"));
        assert_eq!(line.reason, Some(stop_reason(1)));

        let flags = Flags { estimated: true, ..Flags::default() };
        let entry = Entry::OrderRecorded(Box::new(Order { flags, ..ended }));
        assert_eq!(told(&entry).unwrap().text, "order closed by estimate");
    }

    #[test]
    fn what_each_uplink_says_is_told_with_its_name() {
        let (seq, at, uplink) = (OrderSeq(1), Stamp::default(), cloud());
        let confirmed = Entry::DeliveryConfirmed { seq, uplink: cloud(), at, attempts: 3 };
        let line = told(&confirmed).unwrap();
        assert_eq!(
            (line.weight, line.uplink, line.attempts),
            (Weight::Detail, Some(&uplink), Some(3))
        );
        let reason = "status 5".to_owned();
        let refused = Entry::DeliveryQuarantined { seq, uplink: cloud(), at, reason };
        let line = told(&refused).unwrap();
        assert_eq!((line.weight, line.uplink), (Weight::Fault, Some(&uplink)));
        assert_eq!(line.reason, Some("status 5"));
    }

    #[test]
    fn a_dispute_is_a_fault_and_a_correction_is_news() {
        let version = |kind| Entry::VersionKept {
            seq: OrderSeq(1),
            kind,
            ending: Box::new(ending()),
            at: Stamp::default(),
        };
        let (disputed, corrected) =
            (version(VersionKind::Disputed), version(VersionKind::Corrected));
        assert_eq!(told(&disputed).unwrap().weight, Weight::Fault);
        let line = told(&corrected).unwrap();
        assert_eq!((line.weight, line.energy_wh), (Weight::News, Some(12_340)));
    }

    #[test]
    fn an_ordinary_order_has_three_lines_of_news_and_is_looked_up_only_if_it_is_not_at_hand() {
        let (seq, at) = (OrderSeq(1), Stamp::default());
        let life = [
            Entry::OrderOpened(Box::new(order(1))),
            Entry::OrderRecorded(Box::new(Order { ending: Some(ending()), ..order(1) })),
            Entry::DeliveryConfirmed { seq, uplink: cloud(), at, attempts: 1 },
            Entry::OrderSettled { seq, at },
        ];
        let lines: Vec<_> = life.iter().filter_map(told).collect();
        let news = lines.iter().filter(|line| line.weight != Weight::Detail);
        assert_eq!(news.count(), 3);

        let mut diary = Diary::default();
        diary.tell(&life, |_| panic!("its name is at hand"));
        assert!(diary.names.is_empty(), "a settled order is over");
        let mut asked = Vec::new();
        diary.tell(&[Entry::OrderSettled { seq: OrderSeq(7), at }], |seq| {
            asked.push(seq);
            Some(order(7))
        });
        assert_eq!(asked, [OrderSeq(7)]);
        // An order that cannot be found is told of without a name.
        diary.tell(&[Entry::OrderSettled { seq: OrderSeq(8), at }], |_| None);
        for seq in 1..=2 * NAMES {
            let seq = u64::try_from(seq).unwrap();
            diary.tell(&[Entry::OrderOpened(Box::new(order(seq)))], |_| None);
        }
        assert_eq!(diary.names.len(), NAMES);
    }
}
