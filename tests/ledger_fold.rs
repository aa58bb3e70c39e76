//! What the ledger gives back is the fold of the entries it was given.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use sitepilot::{
    domain::{
        card::Verdict,
        id::{CardNo, MeterName, OrderSeq, Place, Sequence, TransactionId, UplinkName},
        order::{Delivery, DeliveryState, Order, OrderState, Progress},
        quantity::Energy,
        reading::{Metering, Reading, Sample},
        time::Stamp,
    },
    ledger::{Filter, Ledger, Reader},
    site::{
        command::Query,
        entry::{Entry, OpenRemote, SamplePart, VersionKind},
        restore::{Enlisted, Image},
    },
};

#[path = "support/orders.rs"]
mod orders;
#[path = "support/scratch.rs"]
mod scratch;

use orders::{ended, open, opened, original, stamp, uplink};

fn meter(which: u64) -> MeterName {
    MeterName::new(&format!("M{}", which % 3)).unwrap()
}

fn reading(which: u64, at: Stamp) -> Reading {
    let energy_export = which.is_multiple_of(2).then_some(Energy::from_wh(which / 2));
    Reading { energy_import: Some(Energy::from_wh(which)), energy_export, at }
}

/// With a sample at the start, or waiting for one.
fn metering(which: u64, at: Stamp) -> Metering {
    let start = Sample { energy: Energy::from_wh(which), at };
    Metering {
        meter: meter(which),
        start: which.is_multiple_of(2).then_some(start),
        curve: Vec::new(),
        stop: None,
        pile_start: Some(Energy::from_wh(which / 3)),
        pile_stop: None,
    }
}

/// The test's own memory.
#[derive(Default)]
struct Memory {
    orders: BTreeMap<OrderSeq, Order>,
    /// As they were recorded.
    recorded: Vec<OrderSeq>,
    /// As they came, with the ms.
    confirmed: Vec<(OrderSeq, UplinkName, u64)>,
    image: Image,
}

/// The place of a delivery that the ledger has yet to give one.
const NOT_PLACED: Place = Place(u64::MAX);

/// Between a confirmation and the last one, at most, to count as recent.
const WITHIN_MS: u64 = 30_000;

impl Memory {
    /// An entry that is valid now, chosen by two numbers; remembered at once.
    fn next(&mut self, choice: u8, which: u64, ms: u64) -> Option<Entry> {
        let at = stamp(ms);
        let uplinks = [uplink("cloud"), uplink("other")];
        let target = uplinks[usize::from(which.is_multiple_of(3))].clone();
        if choice < 5 {
            let mut order = opened(self.image.last_seq.0 + 1, which % 5, at);
            if choice < 3 {
                order.metering = Some(metering(which, at));
            }
            self.image.last_seq = order.seq;
            self.orders.insert(order.seq, order.clone());
            return Some(Entry::OrderOpened(Box::new(order)));
        }
        if (37..40).contains(&choice) {
            return Some(self.about_an_uplink(choice, which, at));
        }
        if (20..32).contains(&choice) {
            return self.about_the_site(choice, which, ms);
        }
        let number = which % self.image.last_seq.0.max(1) + 1;
        let order = self.orders.get_mut(&OrderSeq(number))?;
        let (seq, is_open) = (order.seq, order.state.is_open());
        match choice {
            5 if is_open => {
                let progress = Progress { energy: Energy::from_wh(which), cost: None, at };
                order.progress = Some(progress);
                Some(Entry::ProgressKept { seq, progress })
            }
            6 if is_open => {
                order.state = OrderState::Interrupted;
                Some(Entry::OrderInterrupted { seq, at, reason: "silent".to_owned() })
            }
            7 if is_open => {
                order.state = OrderState::Charging;
                Some(Entry::OrderResumed { seq, at })
            }
            8 => {
                let transaction = TransactionId::new(&format!("t-{which}")).unwrap();
                order.transaction = Some(transaction.clone());
                Some(Entry::TransactionAssigned { seq, transaction, at })
            }
            9..=12 if is_open => {
                let mut over = ended(order, at, &uplinks);
                if which.is_multiple_of(4) {
                    over.card = CardNo::new("learned at the end").ok();
                    over.flags.offline = true;
                }
                if let Some(metering) = &mut over.metering {
                    metering.stop = Some(Sample { energy: Energy::from_wh(which), at });
                    metering.pile_stop = Some(Energy::from_wh(which));
                }
                *order = over;
                self.recorded.push(seq);
                Some(Entry::OrderRecorded(Box::new(order.clone())))
            }
            13 if !is_open => {
                order.flags.disputed = true;
                let mut ending = order.ending.clone().unwrap();
                ending.energy = Energy::from_wh(which);
                let kind = VersionKind::Disputed;
                Some(Entry::VersionKept { seq, kind, ending: Box::new(ending), at })
            }
            14..=18 | 36 => self.about_a_delivery(seq, choice, &target, at),
            32..=35 if is_open => Self::about_a_meter(order, which, at),
            19 if order.state == OrderState::Recorded => {
                order.state = OrderState::Settled;
                Some(Entry::OrderSettled { seq, at })
            }
            _ => None,
        }
    }

    fn about_a_delivery(
        &mut self,
        seq: OrderSeq,
        choice: u8,
        target: &sitepilot::domain::id::UplinkName,
        at: sitepilot::domain::time::Stamp,
    ) -> Option<Entry> {
        let delivery = self.orders.get_mut(&seq)?.delivery_mut(target)?;
        let uplink = target.clone();
        match (choice, delivery.state) {
            (14, DeliveryState::Queued | DeliveryState::Sent) => {
                let payload = Bytes::from(format!("frozen {}", seq.0));
                delivery.payload = Some(payload.clone());
                delivery.state = DeliveryState::Sent;
                Some(Entry::PayloadFrozen { seq, uplink, payload })
            }
            (15 | 16, state) if state != DeliveryState::Confirmed => {
                delivery.state = DeliveryState::Confirmed;
                delivery.attempts = 2;
                delivery.confirmed = Some(at);
                self.confirmed.push((seq, uplink.clone(), at.mono.0));
                Some(Entry::DeliveryConfirmed { seq, uplink, at, attempts: 2 })
            }
            (17, DeliveryState::Queued | DeliveryState::Sent) => {
                delivery.state = DeliveryState::Quarantined;
                delivery.last_error = Some("no".to_owned());
                Some(Entry::DeliveryQuarantined { seq, uplink, at, reason: "no".to_owned() })
            }
            (18, DeliveryState::Quarantined) => {
                delivery.state = DeliveryState::Queued;
                Some(Entry::DeliveryRequeued { seq, uplink, at })
            }
            (36, state) => {
                if !matches!(state, DeliveryState::Confirmed | DeliveryState::Retired) {
                    delivery.state = DeliveryState::Retired;
                    delivery.last_error = Some("nothing was charged".to_owned());
                }
                let reason = "nothing was charged".to_owned();
                Some(Entry::DeliveryWaived { seq, uplink, at, reason })
            }
            _ => None,
        }
    }

    /// An uplink comes or goes, or others decide.
    fn about_an_uplink(&mut self, choice: u8, which: u64, at: Stamp) -> Entry {
        let names = ["cloud", "other", "city"].map(uplink);
        let name = names[usize::try_from(which % 3).unwrap()].clone();
        match choice {
            37 => {
                let since_s =
                    (!which.is_multiple_of(4)).then(|| 1_790_000_000 + (which % 200).cast_signed());
                self.enlist(&name, since_s);
                Entry::UplinkEnlisted { uplink: name, kind: "ec".to_owned(), since_s, at }
            }
            38 => {
                let chosen = names.into_iter().enumerate().filter(|(bit, _)| which >> bit & 1 == 1);
                let uplinks: BTreeSet<UplinkName> = chosen.map(|(_, name)| name).collect();
                self.image.required = Some(uplinks.clone());
                self.settle_complete();
                Entry::RequiredChanged { uplinks, at }
            }
            _ => {
                for order in self.orders.values_mut() {
                    let delivery = order.delivery_mut(&name).filter(|delivery| is_open(delivery));
                    if let Some(delivery) = delivery {
                        delivery.state = DeliveryState::Retired;
                    }
                }
                self.settle_complete();
                Entry::UplinkRetired { uplink: name, at }
            }
        }
    }

    fn enlist(&mut self, name: &UplinkName, since_s: Option<i64>) {
        let how = Enlisted { kind: "ec".to_owned(), since_s };
        self.image.enlisted.insert(name.clone(), how);
        let Some(since_s) = since_s else { return };
        for order in self.orders.values_mut() {
            let ended_s = order.ending.as_ref().and_then(|ending| ending.ended_s);
            let is_wanted = ended_s.is_some_and(|ended_s| ended_s >= since_s);
            if is_wanted && order.delivery(name).is_none() {
                order.deliveries.push(Delivery::queued(name.clone(), NOT_PLACED));
            }
        }
    }

    fn settle_complete(&mut self) {
        let required = &self.image.required;
        for order in self.orders.values_mut() {
            let decides =
                |d: &Delivery| required.as_ref().is_none_or(|names| names.contains(&d.uplink));
            let is_complete = !order.deliveries.iter().any(|d| is_open(d) && decides(d));
            if order.state == OrderState::Recorded && is_complete {
                order.state = OrderState::Settled;
            }
        }
    }

    /// Takes over the places that the ledger gave: after all there were, in the order of recording.
    fn adopt_places(&mut self, reader: &Reader) {
        let deliveries = self.orders.values().flat_map(|order| &order.deliveries);
        let placed = deliveries.filter(|d| is_open(d) && d.place != NOT_PLACED);
        let mut last = placed.map(|d| d.place).max().unwrap_or_default();
        let given = reader.list(&Filter::default(), u16::MAX).unwrap();
        let given: BTreeMap<OrderSeq, Order> =
            given.into_iter().map(|order| (order.seq, order)).collect();
        for seq in &self.recorded {
            let order = self.orders.get_mut(seq).unwrap();
            for delivery in order.deliveries.iter_mut().filter(|d| d.place == NOT_PLACED) {
                let place = given[seq].delivery(&delivery.uplink).unwrap().place;
                assert!(place > last, "{place:?} is not after {last:?}");
                (last, delivery.place) = (place, place);
            }
        }
    }

    /// What counts as confirmed lately.
    fn recent(&self, name: &UplinkName) -> BTreeSet<OrderSeq> {
        let own = || self.confirmed.iter().filter(|(_, uplink, _)| uplink == name);
        let last_ms = own().map(|(.., ms)| *ms).max().unwrap_or(0);
        own().filter(|(.., ms)| last_ms - ms <= WITHIN_MS).map(|(seq, ..)| *seq).collect()
    }

    fn about_the_site(&mut self, choice: u8, which: u64, ms: u64) -> Option<Entry> {
        let (image, at, uplink) = (&mut self.image, stamp(ms), uplink("cloud"));
        Some(match choice {
            20 => {
                let card = CardNo::new(&format!("{}", which % 4)).unwrap();
                let verdict =
                    if which.is_multiple_of(2) { Verdict::Accepted } else { Verdict::Blocked };
                image.cards.insert(card.clone(), verdict);
                Entry::CardJudged { card, verdict, at }
            }
            21 => {
                image.cards.clear();
                Entry::CardsCleared
            }
            22 => {
                image.tariff = Some((which, original(40, which, 30)));
                Entry::TariffKept { id: which, original: original(40, which, 30) }
            }
            23 => {
                let up_to = Sequence(which);
                let mark = image.sequences.entry(uplink.clone()).or_default();
                *mark = up_to.max(*mark);
                Entry::SequencesReserved { uplink, up_to }
            }
            24 => {
                let transaction = TransactionId::new(&format!("r-{ms}")).ok();
                let remote = OpenRemote { uplink, sequence: Sequence(which % 3), transaction, at };
                image.remotes.push(remote.clone());
                image.remote_transactions.extend(remote.transaction.clone());
                Entry::RemoteOpened(remote)
            }
            25 => {
                let sequence = image.remotes.first()?.sequence;
                image.remotes.retain(|remote| remote.sequence != sequence);
                Entry::RemoteClosed { uplink, sequence }
            }
            26 => Entry::ClockStepped { by_ms: 5, at },
            27 => {
                let open = (uplink.clone(), Sequence(which % 3));
                if !image.passes.contains(&open) {
                    image.passes.push(open);
                    image.passes.sort();
                }
                Entry::PassOpened { uplink, sequence: Sequence(which % 3) }
            }
            28 => {
                let sequence = Sequence(which % 3);
                image.passes.retain(|open| *open != (uplink.clone(), sequence));
                Entry::PassClosed { uplink, sequence }
            }
            29 => {
                let reading = reading(which, at);
                image.meters.entry(meter(which)).or_default().last = Some(reading);
                Entry::MeterKept { meter: meter(which), reading }
            }
            30 => {
                let kept = image.meters.entry(meter(which)).or_default();
                let old = kept.last.take().and_then(|last| last.energy_import);
                kept.replaced = Some(at);
                Entry::MeterReplaced { meter: meter(which), old, at }
            }
            31 => {
                let reading = reading(which, at);
                image.meters.entry(meter(which)).or_default().last = Some(reading);
                Entry::MeterBegun { meter: meter(which), reading }
            }
            _ => return None,
        })
    }

    /// An open order with a meter goes on, or without it.
    fn about_a_meter(order: &mut Order, which: u64, at: Stamp) -> Option<Entry> {
        let seq = order.seq;
        if which.is_multiple_of(7) {
            order.metering.take()?;
            let reason = "replaced".to_owned();
            return Some(Entry::MeteringDropped { seq, reason, at });
        }
        let metering = order.metering.as_mut()?;
        let sample = Sample { energy: Energy::from_wh(which), at };
        let part = match which % 3 {
            0 => {
                metering.start = Some(sample);
                SamplePart::Start
            }
            1 => {
                metering.stop = Some(sample);
                SamplePart::Stop
            }
            _ => {
                metering.curve.push(sample);
                SamplePart::Curve
            }
        };
        Some(Entry::SampleKept { seq, part, sample })
    }

    /// What the ledger has to give back.
    fn image(&self) -> Image {
        let mut image = self.image.clone();
        image.orders = self.orders.len() as u64;
        image.open = self.orders.values().filter(|o| o.state.is_open()).cloned().collect();
        let mut oldest: BTreeMap<UplinkName, (Place, Option<i64>)> = BTreeMap::new();
        for order in self.orders.values() {
            image.unsettled += u64::from(order.state == OrderState::Recorded);
            for open in order.deliveries.iter().filter(|delivery| is_open(delivery)) {
                image.last_place = image.last_place.max(open.place);
                image.unclosed.insert(open.uplink.clone());
            }
            for delivery in order.deliveries.iter().filter(|delivery| delivery.state.is_owed()) {
                let recorded = order.ending.as_ref().map(|ending| ending.recorded.wall.unix_ms);
                let name = &delivery.uplink;
                let first = oldest.entry(name.clone()).or_insert((delivery.place, recorded));
                *first = (*first).min((delivery.place, recorded));
                let owed = image.owed.entry(name.clone()).or_default();
                (owed.orders, owed.oldest_unix_ms) = (owed.orders + 1, first.1);
            }
        }
        image
    }
}

fn is_open(delivery: &Delivery) -> bool {
    delivery.state.is_owed() || delivery.state == DeliveryState::Quarantined
}

/// Reads all that was confirmed lately, in small pages.
fn recent(ledger: &Ledger, name: &UplinkName) -> BTreeSet<OrderSeq> {
    let reader = ledger.reader().unwrap();
    let (mut seqs, mut after) = (BTreeSet::new(), OrderSeq(0));
    loop {
        let (within_ms, until) = (WITHIN_MS, stamp(u64::from(u32::MAX)));
        let query = Query::Recent { uplink: name.clone(), within_ms, until, after, limit: 3 };
        let (page, total) = reader.query(&query).unwrap();
        seqs.extend(page.iter().map(|order| order.seq));
        assert!(page.is_sorted_by_key(|order| order.seq));
        let Some(last) = page.last().filter(|_| page.len() == 3) else {
            assert_eq!(seqs.len() as u64, total);
            return seqs;
        };
        assert!(last.seq > after);
        after = last.seq;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn load_is_the_fold_of_the_entries(
        choices in prop::collection::vec((0_u8..40, any::<u32>(), any::<bool>()), 1..200),
    ) {
        let dir = scratch::folder();
        let (mut ledger, _) = open(dir.path());
        let mut memory = Memory { image: Image { boot: ledger.load().unwrap().boot, ..Image::default() }, ..Memory::default() };
        let mut batch = Vec::new();
        for (ms, (choice, which, commit)) in (1_u64..).zip(choices) {
            batch.extend(memory.next(choice, which.into(), ms * 1000));
            let gives_places = matches!(batch.last(), Some(Entry::UplinkEnlisted { .. }));
            if commit || gives_places {
                ledger.record(&batch).unwrap();
                batch.clear();
                memory.adopt_places(&ledger.reader().unwrap());
                prop_assert_eq!(ledger.load().unwrap(), memory.image());
            }
        }
        ledger.record(&batch).unwrap();
        let verdict = ledger.verify().unwrap();
        prop_assert_eq!(verdict.bad, None);
        prop_assert_eq!(verdict.orders, memory.orders.len() as u64);

        let reader = ledger.reader().unwrap();
        let mut all = reader.list(&Filter::default(), u16::MAX).unwrap();
        all.reverse();
        let expected: Vec<Order> = memory.orders.values().cloned().collect();
        prop_assert_eq!(&all, &expected);
        let cloud = uplink("cloud");
        let query = Query::Backlog { uplink: cloud.clone(), after: Place(0), limit: 500 };
        let (backlog, total) = reader.query(&query).unwrap();
        let is_owed = |order: &Order| order.delivery(&cloud).is_some_and(|d| d.state.is_owed());
        let mut owed: Vec<Order> = expected.into_iter().filter(is_owed).collect();
        owed.sort_by_key(|order| order.delivery(&cloud).map(|delivery| delivery.place));
        prop_assert_eq!(total, owed.len() as u64);
        prop_assert_eq!(backlog, owed);

        for name in ["cloud", "other"].map(uplink) {
            prop_assert_eq!(recent(&ledger, &name), memory.recent(&name));
        }

        drop(reader);
        drop(ledger);
        let (mut ledger, opening) = open(dir.path());
        prop_assert_eq!(opening, sitepilot::ledger::Opening::default());
        let mut image = memory.image();
        image.boot.0 += 1;
        prop_assert_eq!(&ledger.load().unwrap(), &image);
        // What was said last may be said again: it settles what is complete since, and no more.
        let at = stamp(0);
        // Nobody records for the city: it would be given what it missed.
        let known = image.enlisted.iter().filter(|(name, _)| **name != uplink("city"));
        let again = known.map(|(name, how)| {
            let (uplink, kind, since_s) = (name.clone(), how.kind.clone(), how.since_s);
            Entry::UplinkEnlisted { uplink, kind, since_s, at }
        });
        let required = image.required.clone().map(|uplinks| Entry::RequiredChanged { uplinks, at });
        let again: Vec<Entry> = again.chain(required).collect();
        ledger.record(&again).unwrap();
        if image.required.is_some() {
            memory.settle_complete();
        }
        let head = ledger.head().unwrap();
        ledger.record(&again).unwrap();
        prop_assert_eq!(ledger.head().unwrap(), head);
        let mut image = memory.image();
        image.boot.0 += 1;
        prop_assert_eq!(ledger.load().unwrap(), image);
    }
}
