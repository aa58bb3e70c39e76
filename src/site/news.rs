//! What happens at piles, told to the uplinks that take news. Nothing is kept for one that is off
//! line: news are of now, and orders go by the ledger.

use super::{Site, Wire, link::Link, turn::Turn};
use crate::domain::{
    gauge::Gauges,
    id::{ConnectorNo, OrderId, PileCode, PlugNo, UplinkName},
    news::{Happening, News},
    reply::{UplinkMessage, Urgency},
    wire::Original,
};

/// What became of a remote start or stop, of whatever uplink.
pub(super) struct Ruling<'a> {
    pub(super) accepted: bool,
    /// Why not, for people.
    pub(super) reason: &'a str,
    /// What the pile said of it.
    pub(super) cause: Option<&'a Original>,
}

impl Link {
    /// On line, and takes news.
    fn hears_news(&self) -> bool {
        self.is_online() && matches!(self.config.wire, Wire::Jcpp(_) | Wire::Peaq(_))
    }

    /// On line, and takes images of connectors.
    fn sees_images(&self) -> bool {
        self.is_online() && matches!(self.config.wire, Wire::Ec(_))
    }
}

impl Site {
    /// Something happened at a pile; `cause` is its message, if there was one.
    pub(super) fn news(
        &mut self,
        pile: PileCode,
        cause: Option<&Original>,
        what: Happening,
        turn: &mut Turn,
    ) {
        if !self.links.values().any(Link::hears_news) {
            return;
        }
        let urgency = urgency_of(&what);
        let news = self.news_of(pile, cause, what, turn);
        for link in self.links.values_mut().filter(|link| link.hears_news()) {
            link.tell(turn, UplinkMessage::News(Box::new(news.clone())), urgency);
        }
    }

    /// The same for one uplink alone.
    pub(super) fn news_to(
        &mut self,
        name: &UplinkName,
        pile: PileCode,
        what: Happening,
        turn: &mut Turn,
    ) {
        let urgency = urgency_of(&what);
        let news = self.news_of(pile, None, what, turn);
        if let Some(link) = self.links.get_mut(name).filter(|link| link.hears_news()) {
            link.tell(turn, UplinkMessage::News(Box::new(news)), urgency);
        }
    }

    fn news_of(
        &self,
        code: PileCode,
        cause: Option<&Original>,
        what: Happening,
        turn: &Turn,
    ) -> News {
        let pile = self.piles.get(&code);
        News {
            pile: code,
            at: turn.stamp(),
            session: pile.and_then(|pile| pile.connection),
            address: pile.map(|pile| pile.address.clone()).unwrap_or_default(),
            cause: cause.cloned(),
            what,
        }
    }

    /// A connector has changed; `is_news`: in what is told as news.
    pub(super) fn tell_connector(
        &mut self,
        connector: ConnectorNo,
        is_news: bool,
        turn: &mut Turn,
    ) {
        let Some(image) = self.connector_image(connector, turn.stamp()) else { return };
        for link in self.links.values_mut().filter(|link| link.sees_images()) {
            let image = UplinkMessage::Image(Box::new(image.clone()));
            link.tell(turn, image, Urgency::Telemetry);
        }
        if is_news {
            self.news(image.pile, None, Happening::Connector(Box::new(image)), turn);
        }
    }

    /// Tells one uplink how a connector is.
    pub(super) fn tell_image(
        &mut self,
        name: &UplinkName,
        connector: ConnectorNo,
        turn: &mut Turn,
    ) {
        let Some(image) = self.connector_image(connector, turn.stamp()) else { return };
        if let Some(link) = self.links.get_mut(name).filter(|link| link.sees_images()) {
            // All in one queue: an older image must not come after a newer one.
            link.tell(turn, UplinkMessage::Image(Box::new(image)), Urgency::Telemetry);
        }
    }

    /// A pile has measured, at a connector or as a whole.
    pub(super) fn measured(
        &mut self,
        pile: PileCode,
        plug: Option<PlugNo>,
        gauges: &Gauges,
        cause: &Original,
        turn: &mut Turn,
    ) {
        self.rhythm.measured();
        if self.note_gauges(pile, plug, gauges, turn.now.mono) {
            self.news_of_connector(pile, plug, cause, Happening::Battery, turn);
        }
    }

    /// News with the image of a connector, if the pile has it.
    pub(super) fn news_of_connector(
        &mut self,
        pile: PileCode,
        plug: Option<PlugNo>,
        cause: &Original,
        what: fn(Box<crate::domain::connector::ConnectorImage>) -> Happening,
        turn: &mut Turn,
    ) {
        if !self.links.values().any(Link::hears_news) {
            return;
        }
        let connector = plug.and_then(|plug| self.config.connector(pile, plug));
        let image = connector.and_then(|no| self.connector_image(no, turn.stamp()));
        if let Some(image) = image {
            self.news(pile, Some(cause), what(Box::new(image)), turn);
        }
    }

    /// What became of a remote start, of whatever uplink.
    pub(super) fn start_decided(
        &mut self,
        (pile, plug): (PileCode, PlugNo),
        verdict: &Ruling<'_>,
        turn: &mut Turn,
    ) {
        let Ruling { accepted, reason, cause } = *verdict;
        let reason = reason.to_owned();
        // It has not begun: no order is known yet.
        let what = Happening::RemoteStart { plug, order: None, accepted, reason };
        self.news(pile, cause, what, turn);
    }

    /// What became of a remote stop, of whatever uplink.
    pub(super) fn stop_decided(
        &mut self,
        (pile, plug): (PileCode, Option<PlugNo>),
        order: Option<OrderId>,
        verdict: &Ruling<'_>,
        turn: &mut Turn,
    ) {
        let Ruling { accepted, reason, cause } = *verdict;
        let reason = reason.to_owned();
        let what = Happening::RemoteStop { plug, order, accepted, reason };
        self.news(pile, cause, what, turn);
    }
}

/// What a pile or a battery can say any number of times goes after what is live, in turn with the
/// backlog, and is shed first: no order is to find its queue full of it.
const fn urgency_of(what: &Happening) -> Urgency {
    match what {
        Happening::Booted(_)
        | Happening::Gone { .. }
        | Happening::RemoteStart { .. }
        | Happening::RemoteStop { .. }
        | Happening::TariffSet { .. } => Urgency::Live,
        Happening::Alive
        | Happening::Connector(_)
        | Happening::Progress(_)
        | Happening::Battery(_)
        | Happening::CardShown { .. }
        | Happening::TariffWanted { .. }
        | Happening::TimeGiven { .. }
        | Happening::Warning { .. } => Urgency::Telemetry,
    }
}
