//! Orders as transaction records.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{
    super::{
        charger::{apdu::SENT_LIMIT, bill, reason},
        dialect::Unfit,
        utc,
    },
    Settings,
    envelope::{of_order, unix_ms},
    info::Info,
    texts,
    wire::{
        DetailType, PeakValleyDetail, TimePeriodDetail, TransactionDetail,
        TransactionRecordRequest, time_period_detail::PeriodItem,
    },
};
use crate::domain::{
    bill::{Band, Bill, BillRow, Tags},
    order::{Ending, Flags, Order},
    quantity::{Energy, Money},
    time::EARLIEST_S,
};

/// Minutes of a day: the end of its last period.
const DAY_MIN: i32 = 1440;

/// The message of an order, whole: the same order gives the same bytes.
///
/// # Errors
///
/// If the order has not ended, if its gun or tariff has a number that the wire cannot carry, or if
/// the message would be longer than what goes through a broker.
pub fn freeze(order: &Order, settings: &Settings) -> Result<Bytes, Unfit> {
    frozen(order, bill::of(order).as_ref(), settings)
}

/// The tags in an order's bill that nobody gave a meaning: its record tells their rows as flat.
#[must_use]
pub fn unknown_tags(order: &Order, settings: &Settings) -> BTreeSet<String> {
    unknown_in(bill::of(order).as_ref(), &settings.tags)
}

/// The same, of an order with this bill.
pub(super) fn frozen(
    order: &Order,
    bill: Option<&Bill>,
    settings: &Settings,
) -> Result<Bytes, Unfit> {
    let Some(ending) = &order.ending else {
        let found = format!("order {} has not ended", order.id);
        return Err(Unfit::Range { field: "endTs", found });
    };
    let record = record(order, ending, bill, &settings.tags)?;
    let ts = if record.end_ts == 0 { record.trade_ts } else { record.end_ts };
    let cause = ending.original.as_ref().map(|cause| cause.body.clone()).unwrap_or_default();
    let message = of_order(order.key.pile, order.id, settings, ts, cause, record);
    match message.len() {
        0..=SENT_LIMIT => Ok(message),
        // Nobody could send it, and nobody would say so.
        bytes => Err(Unfit::Range { field: "message", found: format!("{bytes} bytes") }),
    }
}

fn record(
    order: &Order,
    ending: &Ending,
    bill: Option<&Bill>,
    tags: &Tags,
) -> Result<TransactionRecordRequest, Unfit> {
    let tariff = bill.and_then(|bill| bill.tariff);
    Ok(TransactionRecordRequest {
        pile_code: order.key.pile.as_str().to_owned(),
        gun_no: texts::gun_if_told(order.plug)?,
        trade_no: order.id.as_str().to_owned(),
        start_ts: ms(order.started_s),
        end_ts: ms(ending.ended_s),
        total_energy_k_wh: texts::kwh(ending.energy),
        total_amount_yuan: ending.cost.map(texts::yuan),
        trade_ts: unix_ms(ending.recorded),
        stop_reason: reason::stop_reason(ending.reason).to_owned(),
        pricing_id: tariff.map_or(Ok(0), texts::pricing)?,
        detail: bill.filter(|bill| !bill.rows.is_empty()).map(|bill| detail(bill, tags)),
        additional_info: remarks(order.flags, ending.reason, &unknown_in(bill, tags)),
    })
}

/// Unix ms, 0 where it is not known.
fn ms(unix_s: Option<i64>) -> i64 {
    unix_s.map_or(0, |unix_s| unix_s.saturating_mul(1000))
}

/// What a reader of the record should know and the wire has no field for.
fn remarks(flags: Flags, reason: i32, unknown: &BTreeSet<String>) -> Option<String> {
    let flag = |name, is_set: bool| is_set.then_some(name);
    let flags = [flag("estimated", flags.estimated), flag("senseless", flags.senseless)];
    let flags: Vec<&str> = flags.into_iter().flatten().collect();
    let unknown: Vec<String> = unknown.iter().map(|tag| format!("{tag:?}")).collect();
    Info::default()
        .value("stopReason", Some(reason))
        .text("flags", &flags.join(" "))
        .text("unknownTags", &unknown.join(", "))
        .finish()
}

/// The tags in a bill that nobody gave a meaning; their rows are told as flat.
fn unknown_in(bill: Option<&Bill>, tags: &Tags) -> BTreeSet<String> {
    let Some(bill) = bill.filter(|bill| told_by_periods(bill).is_none()) else {
        return BTreeSet::new();
    };
    let unknown = bill.rows.iter().filter(|row| tags.band(&row.tag).is_none());
    unknown.map(|row| row.tag.trim().to_owned()).collect()
}

fn detail(bill: &Bill, tags: &Tags) -> TransactionDetail {
    match told_by_periods(bill) {
        Some(periods) => TransactionDetail {
            r#type: DetailType::TimePeriod.into(),
            peak_valley: None,
            time_period: Some(TimePeriodDetail { periods }),
        },
        None => TransactionDetail {
            r#type: DetailType::PeakValley.into(),
            peak_valley: Some(bands(bill, tags)),
            time_period: None,
        },
    }
}

/// Bills are told by bands. Only one that names no band at all is told by its periods, where these
/// are times: by bands everything in it would be flat.
fn told_by_periods(bill: &Bill) -> Option<Vec<PeriodItem>> {
    let is_untagged = bill.rows.iter().all(|row| row.tag.trim().is_empty());
    if is_untagged { periods(bill) } else { None }
}

fn bands(bill: &Bill, tags: &Tags) -> PeakValleyDetail {
    let sum = |band: Band| {
        let rows = bill.rows.iter().filter(|row| tags.band(&row.tag).unwrap_or(Band::Flat) == band);
        let (energy, cost) = rows.fold((Energy::default(), 0), |(energy, cost), row| {
            (energy.saturating_add(row.energy), amount(row).tenth_fen().saturating_add(cost))
        });
        (texts::kwh(energy), texts::yuan(Money::from_tenth_fen(cost)))
    };
    let [top, peak, flat, valley, deep] = Band::ALL.map(sum);
    PeakValleyDetail {
        top_energy_k_wh: top.0,
        top_amount_yuan: top.1,
        peak_energy_k_wh: peak.0,
        peak_amount_yuan: peak.1,
        flat_energy_k_wh: flat.0,
        flat_amount_yuan: flat.1,
        valley_energy_k_wh: valley.0,
        valley_amount_yuan: valley.1,
        deep_energy_k_wh: deep.0,
        deep_amount_yuan: deep.1,
    }
}

/// Everything that a period costs, so that the amounts add up to the bill.
fn amount(row: &BillRow) -> Money {
    let costs = [row.energy_cost, row.service_cost, row.occupancy_cost];
    let sum = costs.iter().fold(0_i64, |sum, cost| sum.saturating_add(cost.tenth_fen()));
    Money::from_tenth_fen(sum)
}

/// `None` if a period of the bill is no time.
fn periods(bill: &Bill) -> Option<Vec<PeriodItem>> {
    let items = bill.rows.iter().zip(1..).map(|(row, period_no)| {
        Some(PeriodItem {
            period_no,
            start_time: time(row.from)?,
            end_time: time(row.until)?,
            energy_k_wh: texts::kwh(row.energy),
            amount_yuan: Some(texts::yuan(amount(row))),
        })
    });
    items.collect()
}

/// A minute of the site's local day as `07:30`, unix seconds in UTC.
fn time(from: i32) -> Option<String> {
    if (0..=DAY_MIN).contains(&from) {
        return Some(format!("{:02}:{:02}", from / 60, from % 60));
    }
    utc::rfc3339(Some(i64::from(from)).filter(|unix_s| *unix_s >= EARLIEST_S)?)
}
