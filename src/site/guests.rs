//! What uplinks of other wires than the charging-station protocol command beside starts and
//! stops: whom to let in, and whether charging could begin. And what of the site they are shown.

use std::collections::{BTreeMap, VecDeque};

use super::{
    Site,
    remote::{MAY_NOT_COMMAND, STORE_IS_FULL, Wish},
    turn::Turn,
};
use crate::domain::{
    card::Verdict,
    id::{CardNo, ConnectorNo, Sequence, UplinkName},
    news::SiteImage,
    order::Order,
    reply::UplinkReply,
};

/// Cards an uplink let in that it is shown as such; there are some connectors, and a few who wait.
/// The oldest is shown no more, but goes on being let in.
const GUESTS_LIMIT: usize = 256;

/// Orders shown that have ended: some for each connector of a small site.
const ENDED_LIMIT: usize = 16;

/// What snapshots of the site show beside its connectors.
#[derive(Debug, Default)]
pub(super) struct Guests {
    let_in: BTreeMap<UplinkName, VecDeque<CardNo>>,
    /// Newest first.
    ended: VecDeque<Order>,
}

impl Guests {
    /// An uplink lets a card in, or starts charging with it.
    pub(super) fn welcome(&mut self, name: &UplinkName, card: CardNo) {
        let cards = self.let_in.entry(name.clone()).or_default();
        cards.retain(|known| *known != card);
        if cards.len() >= GUESTS_LIMIT {
            cards.pop_front();
        }
        cards.push_back(card);
    }

    /// An order has ended.
    pub(super) fn left(&mut self, order: &Order) {
        self.ended.truncate(ENDED_LIMIT - 1);
        // Without what only a backend of the pile's own protocol can read.
        let (start, deliveries) = (None, Vec::new());
        self.ended.push_front(Order { start, deliveries, ..order.clone() });
    }
}

impl Site {
    /// An uplink lets a card in: it may charge from now on.
    pub(super) fn let_in(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        card: CardNo,
        turn: &mut Turn,
    ) {
        let refusal = self.may_let_in(name, &card).err();
        let refusal = refusal.or_else(|| {
            self.judge(card.clone(), Verdict::Accepted, turn);
            let is_accepted = self.cards.get(&card).copied().is_some_and(Verdict::is_accepted);
            (!is_accepted).then_some("there is no room for more cards")
        });
        if refusal.is_none() {
            self.guests.welcome(name, card);
            self.rhythm.changed();
        }
        let (accepted, reason) = (refusal.is_none(), refusal.unwrap_or_default().to_owned());
        self.reply_to(name, sequence, UplinkReply::Authorize { accepted, reason }, turn);
    }

    fn may_let_in(&self, name: &UplinkName, card: &CardNo) -> Result<(), &'static str> {
        if !self.links.get(name).is_some_and(|link| link.config.commands) {
            return Err(MAY_NOT_COMMAND);
        }
        if self.is_storage_full {
            return Err(STORE_IS_FULL);
        }
        // Whoever decides on cards has said no to this one.
        self.may_pay(Some(card))
    }

    /// An uplink asks whether charging could begin.
    pub(super) fn availability(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        connector: Option<ConnectorNo>,
        turn: &mut Turn,
    ) {
        let wish = Wish { connector, transaction: None, card: None };
        let refusal = self.may_start(name, &wish, turn.now.mono).err();
        let (available, reason) = (refusal.is_none(), refusal.unwrap_or_default().to_owned());
        self.reply_to(name, sequence, UplinkReply::Availability { available, reason }, turn);
    }

    /// The site as an uplink is shown it.
    pub(super) fn site_image(&self, name: &UplinkName, turn: &Turn) -> SiteImage {
        let at = turn.stamp();
        let image = |connector: ConnectorNo| self.connector_image(connector, at);
        let let_in = self.guests.let_in.get(name).into_iter().flatten();
        let charges = |card: &CardNo| {
            let mut open = self.book.open();
            open.find(|order| order.card.as_ref() == Some(card)).map(|order| order.id)
        };
        SiteImage {
            connectors: self
                .connectors()
                .into_iter()
                .filter_map(|no| Some((no, image(no)?)))
                .collect(),
            ended: self.guests.ended.iter().cloned().collect(),
            authorised: let_in.map(|card| (card.clone(), charges(card))).collect(),
        }
    }
}
