//! What is told unasked.

use super::{
    Settings,
    told::{offered, response, time},
    wire::{
        events::{EventType, event::Data},
        gateway::{BootNotificationRequestData, LogData, NotifyChargePointStateChangeData},
    },
};
use crate::domain::{
    connector::Nameplate,
    id::{PileCode, PlugNo},
    news::{Happening, News},
};

/// The event for something that happened; `None` if the wire has none for it.
pub(super) fn of(news: &News, settings: &Settings) -> Option<Data> {
    match &news.what {
        Happening::Booted(nameplate) => Some(booted(news.pile, nameplate, settings)),
        Happening::Connector(_) | Happening::Gone { .. } => {
            let charge_point_client_id = settings.client_id.clone();
            let data = NotifyChargePointStateChangeData { charge_point_client_id };
            Some(Data::NotifyChargePointStateChangeData(data))
        }
        Happening::Progress(image) => offered(&image.gauges).map(Data::EvChargeStatusData),
        Happening::Warning { plug, code, cleared } => {
            Some(log(news, &warning(news.pile, *plug, *code, *cleared), *cleared))
        }
        _ => None,
    }
}

/// To the gateway the site is the charge point and its piles are the boxes: the box's serial number
/// is the pile's code, the point's is what the maker burnt in.
fn booted(pile: PileCode, nameplate: &Nameplate, settings: &Settings) -> Data {
    Data::BootNotificationRequestData(BootNotificationRequestData {
        charge_box_serial_number: pile.as_str().to_owned(),
        charge_point_model: settings.model.clone(),
        charge_point_serial_number: nameplate.serial.clone(),
        charge_point_vendor: settings.vendor.clone(),
        firmware_version: nameplate.firmware.clone(),
        ..BootNotificationRequestData::default()
    })
}

fn warning(pile: PileCode, plug: Option<PlugNo>, code: i64, cleared: bool) -> String {
    let gun = plug.map_or_else(String::new, |plug| format!(" gun {}", plug.0));
    let what = if cleared { "is over" } else { "stands" };
    format!("pile {pile}{gun}: warning {code} {what}")
}

fn log(news: &News, text: &str, is_good: bool) -> Data {
    let current_time = time(news.at.wall.known_s());
    Data::LogData(LogData { current_time, resp: Some(response(is_good, text)) })
}

/// What an event with this data is.
pub(super) const fn kind(data: &Data) -> EventType {
    match data {
        Data::BootNotificationRequestData(_) => EventType::BootNotificationRequest,
        Data::LogData(_) => EventType::Log,
        Data::AuthorizeRequestData(_) => EventType::AuthorizeRequest,
        Data::AuthorizeResponseData(_) => EventType::AuthorizeResponse,
        Data::CheckAvailabilityRequestData(_) => EventType::CheckAvailabilityRequest,
        Data::CheckAvailabilityResponseData(_) => EventType::CheckAvailabilityResponse,
        Data::StartTransactionRequestData(_) => EventType::StartTransactionRequest,
        Data::StartTransactionResponseData(_) => EventType::StartTransactionResponse,
        Data::EvChargeStatusData(_) => EventType::EvChargeStatus,
        Data::StopTransactionRequestData(_) => EventType::StopTransactionRequest,
        Data::StopTransactionResponseData(_) => EventType::StopTransactionResponse,
        Data::NotifyChargePointStateChangeData(_) => EventType::NotifyChargePointStateChange,
    }
}
