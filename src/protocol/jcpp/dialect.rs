//! What is published for what the site says.

use bytes::Bytes;

use super::{
    super::{
        dialect::{Dialect, Heard, NotOfWire, Publication, Unfit},
        utc,
    },
    Settings, battery,
    envelope::{Body, of_news, unix_ms},
    info::Info,
    texts,
    wire::{
        ChargingProgressProto, GunRunStatus, GunRunStatusProto, HeartBeatRequest, LoginRequest,
        QueryPricingRequest, RemoteStartChargingResponse, RemoteStopChargingResponse,
        SessionCloseEventProto, SessionCloseReason, SetPricingResponse, StartChargeRequest,
        TimeSyncResponse, VerifyPricingRequest,
    },
};
use crate::domain::{
    connector::{ConnectorImage, ConnectorState, Nameplate},
    id::{CardNo, OrderId, PileCode, PlugNo},
    news::{Happening, News, Parting},
    reply::{ToUplink, UplinkMessage},
    time::Now,
};

/// The uplink queue over MQTT: every message on the topic of its pile. Remembers nothing.
#[derive(Debug)]
pub struct Queue {
    settings: Settings,
}

impl Queue {
    /// For an uplink with these settings.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn topic(&self, pile: PileCode) -> String {
        format!("{}/{pile}", self.settings.topic_prefix)
    }

    fn telling<'a>(&'a self, news: &'a News) -> Telling<'a> {
        Telling { news, settings: &self.settings, told: Vec::new() }
    }
}

impl Dialect for Queue {
    fn filters(&self) -> Vec<String> {
        Vec::new()
    }

    fn encode(&mut self, message: &ToUplink, _: Now) -> Result<Vec<Publication>, Unfit> {
        match &message.message {
            UplinkMessage::Transaction { pile, payload } => Ok(vec![Publication {
                topic: self.topic(*pile),
                payload: payload.clone(),
                retain: false,
                confirms: Some(message.sequence),
            }]),
            UplinkMessage::News(news) => {
                let topic = self.topic(news.pile);
                let publication = |payload| {
                    let topic = topic.clone();
                    Publication { topic, payload, retain: false, confirms: None }
                };
                Ok(self.telling(news).all()?.into_iter().map(publication).collect())
            }
            // Meant for other wires.
            _ => Ok(Vec::new()),
        }
    }

    fn decode(&mut self, topic: &str, _: &[u8], _: Now) -> Result<Heard, NotOfWire> {
        Err(NotOfWire { at: "topic", wanted: "nothing comes down", found: topic.to_owned() })
    }
}

/// The messages about one thing that happened.
pub(super) struct Telling<'a> {
    pub(super) news: &'a News,
    settings: &'a Settings,
    told: Vec<Bytes>,
}

impl Telling<'_> {
    /// The code of the pile.
    pub(super) fn pile(&self) -> String {
        self.news.pile.as_str().to_owned()
    }

    /// Adds a message.
    pub(super) fn tell(&mut self, body: impl Body) {
        self.told.push(of_news(self.news, self.settings, body));
    }

    fn all(mut self) -> Result<Vec<Bytes>, Unfit> {
        let pile_code = self.pile();
        match &self.news.what {
            Happening::Booted(nameplate) => self.booted(nameplate),
            Happening::Alive => {
                let remote_address = self.news.address.clone();
                let default = HeartBeatRequest::default();
                self.tell(HeartBeatRequest { pile_code, remote_address, ..default });
            }
            Happening::Gone { parting, reason } => self.gone(*parting, reason),
            Happening::Connector(image) => self.gun_status(image)?,
            Happening::Progress(image) => {
                self.progress(image)?;
                battery::charging(&mut self, image)?;
            }
            Happening::Battery(image) => battery::introduced(&mut self, image)?,
            Happening::CardShown { plug, card } => self.card(*plug, card)?,
            Happening::RemoteStart { plug, order, accepted, reason } => {
                self.remote_start(*plug, *order, *accepted, reason)?;
            }
            Happening::RemoteStop { plug, order, accepted, reason } => {
                self.remote_stop(*plug, *order, *accepted, reason)?;
            }
            Happening::TariffWanted { tariff } => self.tariff_wanted(*tariff)?,
            Happening::TariffSet { tariff, accepted: success } => {
                let (success, pricing_id) = (*success, texts::pricing(*tariff)?);
                self.tell(SetPricingResponse { success, pile_code, pricing_id });
            }
            Happening::TimeGiven { unix_s } => {
                let time = utc::rfc3339(*unix_s).unwrap_or_default();
                self.tell(TimeSyncResponse { pile_code, time });
            }
            // Told with the status of the gun.
            Happening::Warning { .. } => {}
        }
        Ok(self.told)
    }

    /// What the pile logged in with is not told. The fields of nodes name members of a JCPP
    /// cluster, to which commands could be sent; the site is none, and they stay empty.
    fn booted(&mut self, nameplate: &Nameplate) {
        let Nameplate { serial, model, vendor, firmware } = nameplate;
        let info = Info::default().text("serial", serial).text("model", model);
        self.tell(LoginRequest {
            pile_code: self.pile(),
            remote_address: self.news.address.clone(),
            additional_info: info.text("vendor", vendor).text("firmware", firmware).finish(),
            ..LoginRequest::default()
        });
    }

    fn gone(&mut self, parting: Parting, reason: &str) {
        let kind = match parting {
            Parting::Lost => SessionCloseReason::SessionCloseOnChannelInactive,
            Parting::Dismissed => SessionCloseReason::SessionCloseManually,
            Parting::Stopped => SessionCloseReason::SessionCloseDestruction,
        };
        self.tell(SessionCloseEventProto {
            pile_code: self.pile(),
            reason: kind.into(),
            additional_info: Info::default().text("reason", reason).finish(),
        });
    }

    fn gun_status(&mut self, image: &ConnectorImage) -> Result<(), Unfit> {
        self.tell(GunRunStatusProto {
            pile_code: self.pile(),
            gun_no: texts::gun(image.plug)?,
            gun_run_status: run_status(image).into(),
            fault_messages: image.warnings.iter().map(ToString::to_string).collect(),
            additional_info: Info::default().text("state", state_name(image)).finish(),
        });
        Ok(())
    }

    /// Nothing without an order: the message is about one.
    fn progress(&mut self, image: &ConnectorImage) -> Result<(), Unfit> {
        let Some(order) = &image.order else { return Ok(()) };
        let gauges = &image.gauges;
        let elapsed_s = gauges.charging_s.map_or(order.elapsed_s, u64::from);
        self.tell(ChargingProgressProto {
            pile_code: self.pile(),
            gun_no: texts::gun(image.plug)?,
            trade_no: order.id.as_str().to_owned(),
            output_voltage: texts::tenths(gauges.output_voltage_dv),
            output_current: texts::hundredths(gauges.output_current_ca),
            soc: gauges.soc_percent.map_or(0, i32::from),
            // Whole minutes, rounded down.
            total_charging_duration_min: i32::try_from(elapsed_s / 60).unwrap_or(i32::MAX),
            total_charging_energy_k_wh: order
                .energy
                .or(gauges.charged)
                .map_or_else(String::new, texts::kwh),
            total_charging_cost_yuan: order
                .cost
                .or(gauges.cost)
                .map_or_else(String::new, texts::yuan),
            additional_info: None,
        });
        Ok(())
    }

    /// A password never leaves the site, and piles send one only together with a card.
    fn card(&mut self, plug: Option<PlugNo>, card: &CardNo) -> Result<(), Unfit> {
        self.tell(StartChargeRequest {
            ts: unix_ms(self.news.at),
            pile_code: self.pile(),
            gun_no: texts::gun_if_told(plug)?,
            start_type: "card".to_owned(),
            card_no: card.as_str().to_owned(),
            ..StartChargeRequest::default()
        });
        Ok(())
    }

    fn remote_start(
        &mut self,
        plug: PlugNo,
        order: Option<OrderId>,
        success: bool,
        reason: &str,
    ) -> Result<(), Unfit> {
        self.tell(RemoteStartChargingResponse {
            pile_code: self.pile(),
            gun_no: texts::gun(plug)?,
            trade_no: order.map(|order| order.as_str().to_owned()).unwrap_or_default(),
            success,
            fail_reason: reason.to_owned(),
            additional_info: None,
        });
        Ok(())
    }

    fn remote_stop(
        &mut self,
        plug: Option<PlugNo>,
        order: Option<OrderId>,
        success: bool,
        reason: &str,
    ) -> Result<(), Unfit> {
        self.tell(RemoteStopChargingResponse {
            pile_code: self.pile(),
            gun_no: texts::gun_if_told(plug)?,
            success,
            fail_reason: reason.to_owned(),
            additional_info: Info::default().value("tradeNo", order).finish(),
        });
        Ok(())
    }

    /// With a tariff in force, the pile's question is whether it still holds; without, for one.
    fn tariff_wanted(&mut self, tariff: Option<u64>) -> Result<(), Unfit> {
        let pile_code = self.pile();
        match tariff {
            Some(tariff) => {
                let pricing_id = texts::pricing(tariff)?;
                let default = VerifyPricingRequest::default();
                self.tell(VerifyPricingRequest { pile_code, pricing_id, ..default });
            }
            None => self.tell(QueryPricingRequest { pile_code, additional_info: None }),
        }
        Ok(())
    }
}

/// A gun of a pile that is away, and one out of service, are unknown: neither is a fault of the
/// gun. `additionalInfo` says which.
const fn run_status(image: &ConnectorImage) -> GunRunStatus {
    if !image.is_reachable {
        return GunRunStatus::Unknown;
    }
    match image.state {
        None | Some(ConnectorState::Unavailable) => GunRunStatus::Unknown,
        Some(ConnectorState::Idle) => GunRunStatus::Idle,
        Some(ConnectorState::Connected | ConnectorState::Waiting) => GunRunStatus::Inserted,
        Some(
            ConnectorState::Charging
            | ConnectorState::SuspendedByPile
            | ConnectorState::SuspendedByVehicle,
        ) => GunRunStatus::Charging,
        Some(ConnectorState::Finished) => GunRunStatus::ChargeComplete,
        Some(ConnectorState::Reserved) => GunRunStatus::Reserved,
        Some(ConnectorState::Fault) => GunRunStatus::Fault,
    }
}

/// The state as the site knows it, which is finer than the wire's.
const fn state_name(image: &ConnectorImage) -> &'static str {
    if !image.is_reachable {
        return "away";
    }
    match image.state {
        None => "unknown",
        Some(ConnectorState::Unavailable) => "unavailable",
        Some(ConnectorState::Idle) => "idle",
        Some(ConnectorState::Connected) => "connected",
        Some(ConnectorState::Charging) => "charging",
        Some(ConnectorState::SuspendedByPile) => "suspended by pile",
        Some(ConnectorState::SuspendedByVehicle) => "suspended by vehicle",
        Some(ConnectorState::Finished) => "finished",
        Some(ConnectorState::Reserved) => "reserved",
        Some(ConnectorState::Fault) => "fault",
        Some(ConnectorState::Waiting) => "waiting",
    }
}
