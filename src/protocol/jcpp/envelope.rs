//! The envelope of every message, and the ids in it.

use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};

use super::{
    Settings,
    wire::{self, UplinkQueueMessage},
};
use crate::domain::{
    id::{OrderId, PileCode},
    news::News,
    time::{ClockQuality, Stamp},
};

/// An id of 128 bits: SHA-256 of what it stands for, marked as a UUID of version 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// Each part is preceded by its length, so that no two lists of parts are the same bytes;
    /// `kind` keeps ids of different things apart.
    fn derived(kind: &str, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in std::iter::once(&kind.as_bytes()).chain(parts) {
            // 64 bits on every machine.
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&hash.finalize()[..16]);
        id[6] = id[6] & 0x0f | 0x80;
        id[8] = id[8] & 0x3f | 0x80;
        Self(id)
    }

    /// From the two numbers on the wire.
    #[must_use]
    pub fn from_halves(most: i64, least: i64) -> Self {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&most.to_be_bytes());
        id[8..].copy_from_slice(&least.to_be_bytes());
        Self(id)
    }

    /// The two numbers on the wire, the more significant first.
    #[must_use]
    pub fn halves(self) -> (i64, i64) {
        let (mut most, mut least) = ([0; 8], [0; 8]);
        most.copy_from_slice(&self.0[..8]);
        least.copy_from_slice(&self.0[8..]);
        (i64::from_be_bytes(most), i64::from_be_bytes(least))
    }
}

impl std::fmt::Display for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex = data_encoding::HEXLOWER.encode(&self.0);
        let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

/// One of the messages that the envelope carries.
pub(super) trait Body {
    /// Puts it in its field.
    fn put(self, message: &mut UplinkQueueMessage);
}

/// Hands the messages, by their fields in the envelope, to a macro.
macro_rules! bodies {
    ($then:ident!) => {
        $then! {
            session_close_event_proto: SessionCloseEventProto,
            login_request: LoginRequest,
            heart_beat_request: HeartBeatRequest,
            verify_pricing_request: VerifyPricingRequest,
            query_pricing_request: QueryPricingRequest,
            gun_run_status_proto: GunRunStatusProto,
            charging_progress_proto: ChargingProgressProto,
            set_pricing_response: SetPricingResponse,
            remote_start_charging_response: RemoteStartChargingResponse,
            remote_stop_charging_response: RemoteStopChargingResponse,
            transaction_record_request: TransactionRecordRequest,
            bms_charging_error_proto: BmsChargingErrorProto,
            bms_param_config_report_proto: BmsParamConfigReportProto,
            bms_charging_info_proto: BmsChargingInfoProto,
            bms_abort_proto: BmsAbortProto,
            restart_pile_response: RestartPileResponse,
            bms_handshake_proto: BmsHandshakeProto,
            ota_response: OtaResponse,
            ground_lock_status_proto: GroundLockStatusProto,
            offline_card_balance_update_response: OfflineCardBalanceUpdateResponse,
            offline_card_sync_response: OfflineCardSyncResponse,
            time_sync_response: TimeSyncResponse,
            bms_demand_charger_output_proto: BmsDemandChargerOutputProto,
            start_charge_request: StartChargeRequest,
            set_qrcode_response: SetQrcodeResponse,
            offline_card_clear_response: OfflineCardClearResponse,
            offline_card_query_response: OfflineCardQueryResponse,
        }
    };
}

macro_rules! place_bodies {
    ($($field:ident: $kind:ident,)*) => {
        $(impl Body for wire::$kind {
            fn put(self, message: &mut UplinkQueueMessage) {
                message.$field = Some(self);
            }
        })*

        /// The names of the messages in an envelope; there should be one.
        pub(super) fn carried(message: &UplinkQueueMessage) -> Vec<&'static str> {
            let fields = [$((message.$field.is_some(), stringify!($kind)),)*];
            fields.into_iter().filter_map(|(is_set, name)| is_set.then_some(name)).collect()
        }
    };
}

bodies! { place_bodies! }

/// The envelope around something that happened.
pub(super) fn of_news(news: &News, settings: &Settings, body: impl Body) -> Bytes {
    let cause = news.cause.as_ref().map(|cause| cause.body.clone()).unwrap_or_default();
    let mut message = started(news.pile, settings, unix_ms(news.at), cause, body);
    let Stamp { boot, mono, wall } = news.at;
    let (boot, mono) = (boot.0.to_be_bytes(), mono.0.to_be_bytes());
    let pile = news.pile.as_str().as_bytes();
    let told = message.encode_to_vec();
    let id = Uuid::derived("news", &[pile, &boot, &mono, &wall.unix_ms.to_be_bytes(), &told]);
    let connection = news.session.map(|session| session.0.to_be_bytes());
    let connection = connection.as_ref().map_or(&[][..], |connection| connection);
    name(&mut message, id, Uuid::derived("session", &[pile, &boot, connection]));
    message.encode_to_vec().into()
}

/// The envelope around an order. Its ids come from the order alone, so that they are the same
/// after a lost ledger.
pub(super) fn of_order(
    pile: PileCode,
    order: OrderId,
    settings: &Settings,
    ts: i64,
    cause: Bytes,
    body: impl Body,
) -> Bytes {
    let mut message = started(pile, settings, ts, cause, body);
    let (order, told) = (order.as_str().as_bytes(), message.encode_to_vec());
    let id = Uuid::derived("order", &[order, &told]);
    name(&mut message, id, Uuid::derived("session of an order", &[order]));
    message.encode_to_vec().into()
}

/// Unix ms of a moment, 0 while no clock knew it.
pub(super) fn unix_ms(at: Stamp) -> i64 {
    if at.wall.quality == ClockQuality::Unset { 0 } else { at.wall.unix_ms }
}

fn started(
    pile: PileCode,
    settings: &Settings,
    ts: i64,
    request_data: Bytes,
    body: impl Body,
) -> UplinkQueueMessage {
    let mut message = UplinkQueueMessage {
        message_key: pile.as_str().to_owned(),
        protocol_name: settings.protocol_name.clone(),
        ts,
        request_data,
        ..UplinkQueueMessage::default()
    };
    body.put(&mut message);
    message
}

fn name(message: &mut UplinkQueueMessage, id: Uuid, session: Uuid) {
    (message.message_id_msb, message.message_id_lsb) = id.halves();
    (message.session_id_msb, message.session_id_lsb) = session.halves();
}
