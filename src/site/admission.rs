//! Who may charge: the backend decides if it is there, else what it has said before.

use super::{CARDS_LIMIT, Site, entry::Entry, questions::Purpose, turn::Turn};
use crate::domain::{
    card::Verdict,
    id::{CardNo, OrderSeq, PileCode, PlugNo, RequestId, TransactionId},
    order::OrderState,
    reply::{PileReply, UplinkMessage, Urgency},
    wire::Original,
};

/// What a backend says of a start.
pub(super) struct StartAnswer {
    pub(super) transaction: Option<TransactionId>,
    pub(super) verdict: Verdict,
    pub(super) original: Original,
}

impl Site {
    /// A pile asks whether a card may charge.
    pub(super) fn authorize(
        &mut self,
        pile: PileCode,
        id: RequestId,
        card: CardNo,
        original: Original,
        turn: &mut Turn,
    ) {
        if self.is_storage_full {
            let reply = PileReply::Authorize { verdict: Verdict::SystemError, backend: None };
            return turn.answer(pile, id, reply);
        }
        let Some(link) = self.primary_mut().filter(|link| link.is_online()) else {
            return self.authorize_locally(pile, id, &card, turn);
        };
        let deadline = turn.now.mono.plus_ms(link.config.answer_timeout_ms);
        let message = UplinkMessage::Authorize { pile, original };
        let purpose = Purpose::Authorize { pile, id, card };
        link.ask(turn, message, Urgency::Live, purpose, Some(deadline));
    }

    /// The backend is away or silent: cards it has accepted before may charge.
    pub(super) fn authorize_locally(
        &mut self,
        pile: PileCode,
        id: RequestId,
        card: &CardNo,
        turn: &mut Turn,
    ) {
        let verdict = self.cards.get(card).copied().unwrap_or(Verdict::Invalid);
        turn.answer(pile, id, PileReply::Authorize { verdict, backend: None });
    }

    /// The backend has decided on a card.
    pub(super) fn authorized(
        &mut self,
        pile: PileCode,
        id: RequestId,
        card: CardNo,
        verdict: Verdict,
        original: Original,
        turn: &mut Turn,
    ) {
        self.judge(card, verdict, turn);
        turn.answer(pile, id, PileReply::Authorize { verdict, backend: Some(original) });
    }

    /// Remembers what a backend says of a card.
    pub(super) fn judge(&mut self, card: CardNo, verdict: Verdict, turn: &mut Turn) {
        let is_new = !self.cards.contains_key(&card);
        // "The one who decides has failed" says nothing of the card.
        let is_opinion = !matches!(verdict, Verdict::SystemError | Verdict::Unknown);
        // Strangers who are refused must not take the place of those who may charge.
        let limit = if verdict.is_accepted() { CARDS_LIMIT } else { CARDS_LIMIT / 2 };
        let has_room = !is_new || self.cards.len() < limit;
        if !is_opinion || !has_room || self.cards.get(&card) == Some(&verdict) {
            return;
        }
        self.cards.insert(card.clone(), verdict);
        turn.remember(Entry::CardJudged { card, verdict, at: turn.stamp() });
    }

    pub(super) fn clear_cards(&mut self, turn: &mut Turn) {
        self.cards.clear();
        turn.remember(Entry::CardsCleared);
    }

    /// The backend has answered an announcement: `pile` is the request that waits for it.
    pub(super) fn start_answered(
        &mut self,
        seq: OrderSeq,
        pile: Option<RequestId>,
        said: StartAnswer,
        is_primary: bool,
        turn: &mut Turn,
    ) {
        let StartAnswer { transaction, verdict, original } = said;
        if is_primary && let Some(transaction) = transaction {
            self.book.assign(seq, transaction, turn);
        }
        let Some(order) = self.book.get_mut(seq) else { return };
        if !order.state.is_open() || !is_primary {
            return;
        }
        if order.state == OrderState::Authorised {
            order.state = OrderState::Charging;
        }
        let (code, plug) = (order.key.pile, order.plug.unwrap_or(PlugNo(0)));
        if let Some(id) = pile {
            let backend = Some(original.clone());
            let reply = super::reports::start_reply(order, plug, verdict, backend);
            turn.answer(code, id, reply);
            self.start_answers.insert(seq, (verdict, Some(original)));
        } else if !verdict.is_accepted() && self.config.stop_refused {
            self.stop_order(seq, turn);
        }
    }
}
