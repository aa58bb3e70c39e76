//! The state of the whole site.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    told::{meter, number, offered, tag, time, transaction},
    wire::gateway::{
        ChargePointState, ConnectorInfo, ConsumerAuthData, IdTagInfo, LocalAuthorizationData,
        TransactionInfo,
    },
};
use crate::domain::{
    connector::{ConnectorImage, ConnectorState},
    id::{CardNo, ConnectorNo, OrderId},
    news::SiteImage,
    order::Order,
};

/// The message. Orders are numbered by their positions in the ledger; one whose number does not fit
/// is left out. The list of consumers has no versions.
pub(super) fn of(image: &SiteImage, client_id: &str) -> ChargePointState {
    let consumers: BTreeSet<&CardNo> = image.authorised.iter().map(|(card, _)| card).collect();
    let running = running(image, &consumers);
    let mut transactions: BTreeMap<i32, TransactionInfo> =
        image.ended.iter().filter_map(|order| ended(order, &consumers)).collect();
    transactions.extend(running.clone());
    let connectors = image.connectors.iter().map(|(no, image)| connector(*no, image));
    ChargePointState {
        id: client_id.to_owned(),
        status: overall(image).to_owned(),
        connectors: connectors.collect(),
        transactions,
        auth_list: consumers_with_orders(image),
        current_auth_list_version: 0,
        current_transaction_id: running.keys().next_back().copied().unwrap_or_default(),
    }
}

fn running(image: &SiteImage, consumers: &BTreeSet<&CardNo>) -> BTreeMap<i32, TransactionInfo> {
    let is_known_there = |card: &CardNo| consumers.contains(card);
    let orders = image.connectors.iter().filter_map(|(no, image)| {
        let order = image.order.as_ref()?;
        let (id, info) = transaction(order, i32::from(no.get()), is_known_there)?;
        Some((id, TransactionInfo { progress: offered(&image.gauges), ..info }))
    });
    orders.collect()
}

fn ended(order: &Order, consumers: &BTreeSet<&CardNo>) -> Option<(i32, TransactionInfo)> {
    let (id, ending) = (number(order.seq)?, order.ending.as_ref()?);
    let info = TransactionInfo {
        id,
        id_tag: tag(order.card.as_ref(), |card| consumers.contains(card)),
        connector_id: order.connector.map_or(0, |no| i32::from(no.get())),
        start_time: time(order.started_s),
        end_time: time(ending.ended_s),
        start_meter: meter(ending.meter_start),
        end_meter: meter(ending.meter_stop),
        progress: None,
    };
    Some((id, info))
}

fn connector(no: ConnectorNo, image: &ConnectorImage) -> (i32, ConnectorInfo) {
    let id = i32::from(no.get());
    let current_transaction =
        image.order.as_ref().and_then(|order| number(order.seq)).unwrap_or_default();
    (id, ConnectorInfo { id, status: status(image).to_owned(), current_transaction })
}

/// In the words of OCPP.
const fn status(image: &ConnectorImage) -> &'static str {
    if !image.is_reachable {
        return "Unavailable";
    }
    match image.state {
        None | Some(ConnectorState::Unavailable) => "Unavailable",
        Some(ConnectorState::Idle) => "Available",
        Some(ConnectorState::Connected | ConnectorState::Waiting) => "Preparing",
        Some(ConnectorState::Charging) => "Charging",
        Some(ConnectorState::SuspendedByPile) => "SuspendedEVSE",
        Some(ConnectorState::SuspendedByVehicle) => "SuspendedEV",
        Some(ConnectorState::Finished) => "Finishing",
        Some(ConnectorState::Reserved) => "Reserved",
        Some(ConnectorState::Fault) => "Faulted",
    }
}

/// Of the whole: available as long as one connector works.
fn overall(image: &SiteImage) -> &'static str {
    let states: BTreeSet<&str> = image.connectors.values().map(status).collect();
    if states.iter().any(|state| !matches!(*state, "Unavailable" | "Faulted")) {
        "Available"
    } else if states.contains("Faulted") {
        "Faulted"
    } else {
        "Unavailable"
    }
}

fn consumers_with_orders(image: &SiteImage) -> BTreeMap<String, ConsumerAuthData> {
    let running = image.connectors.values().filter_map(|image| image.order.as_ref());
    let numbers: BTreeMap<OrderId, i32> =
        running.filter_map(|order| Some((order.id, number(order.seq)?))).collect();
    let consumer = |(card, order): &(CardNo, Option<OrderId>)| {
        let key = card.as_str().to_owned();
        let number = order.and_then(|order| numbers.get(&order)).copied();
        let status = "Accepted".to_owned();
        let id_tag_info = Some(IdTagInfo { status, ..IdTagInfo::default() });
        let data = ConsumerAuthData {
            public_key: key.clone(),
            transaction_id: number.unwrap_or_default(),
            auth_data: Some(LocalAuthorizationData { id_tag: key.clone(), id_tag_info }),
        };
        (key, data)
    };
    image.authorised.iter().map(consumer).collect()
}
