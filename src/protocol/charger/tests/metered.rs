//! What meters of the site say, as clouds of both revisions are told.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use prost::Message;

use super::{AT, ORDER, assert_same, cloud, golden, original, pile, vectors};
use crate::{
    domain::{
        id::{ConnectorNo, MeterName, OrderId, Sequence},
        order::Order,
        quantity::Energy,
        reading::{Metering, Sample, Values},
        reply::{MeteredPlace, OrderRef, ToUplink, UplinkMessage, Urgency},
        time::{Mono, Stamp},
        wire::Revision,
    },
    protocol::charger::{
        station::{self, ELEC_DATA_UNIT, Settings},
        topic::Class,
        v1_10::curve::elec_data,
        wire::v1_10 as wire,
    },
};

/// When the order of these tests began, in ms of the run.
const BEGAN: u64 = 1_000_000;

const INTERVAL_MS: u64 = 300_000;

fn told(revision: Revision, sequence: u64, message: UplinkMessage) -> (Class, Bytes) {
    let message = ToUplink { sequence: Sequence(sequence), message, urgency: Urgency::Live };
    let settings = Settings { revision, ..cloud::settings() };
    station::encode(&message, &settings, Some(AT)).unwrap().unwrap()
}

/// What is told in either revision is the vector of that name.
fn assert_told(name: &str, sequence: u64, message: &UplinkMessage) -> Class {
    let told_in = |revision| told(revision, sequence, message.clone());
    let (class, old) = told_in(Revision::V1_0);
    assert_same(&old, &vectors::vector(golden::V1_0, name));
    let (_, new) = told_in(Revision::V1_10);
    assert_same(&new, &vectors::vector(golden::V1_10, name));
    class
}

fn wh(wh: u64) -> Energy {
    Energy::from_wh(wh)
}

fn sample(wh: u64, ms: u64) -> Sample {
    let at = Stamp { mono: Mono(BEGAN + ms), ..Stamp::default() };
    Sample { energy: Energy::from_wh(wh), at }
}

/// An order from `start` on; the curve as energies of the order with their milliseconds.
fn metered(start: u64, curve: &[(u64, u64)], stop: (u64, u64)) -> Order {
    let mut order = cloud::order();
    order.opened = sample(0, 0).at;
    let at = |(wh, ms): (u64, u64)| sample(start + wh, ms);
    let metering = Metering {
        meter: MeterName::new("bay-12").unwrap(),
        start: Some(sample(start, 0)),
        curve: curve.iter().copied().map(at).collect(),
        stop: Some(at(stop)),
        pile_start: order.meter_start,
        pile_stop: Some(wh(1_054_250)),
    };
    let ending = order.ending.as_mut().unwrap();
    let (first, last) = (wh(start).rounded_10_wh(), wh(start + stop.0).rounded_10_wh());
    (ending.meter_start, ending.meter_stop) = (Some(first), Some(last));
    ending.energy = last.since(first).unwrap();
    order.started_s = Some(AT);
    ending.ended_s = Some(AT + i64::try_from(stop.1 / 1000).unwrap());
    order.metering = Some(metering);
    order
}

/// An hour with a sample each five minutes; nothing flowed in the tenth of them.
fn hour() -> Order {
    let energies = [1000, 2049, 3050, 4049, 5051, 6000, 7150, 8149, 9250, 9250, 11_000];
    let times = (1..).map(|n| n * INTERVAL_MS);
    let curve: Vec<(u64, u64)> = energies.into_iter().zip(times).collect();
    metered(2_000_123, &curve, (12_048, 3_600_000))
}

fn bytes(order: &Order) -> Option<Vec<u8>> {
    elec_data(order, ELEC_DATA_UNIT).map(|bytes| bytes.to_vec())
}

#[test]
fn meters_go_up_as_telemetry() {
    let values = Values {
        energy_import: Some(wh(1_234_565)),
        energy_export: Some(wh(5)),
        power_w: Some(-7365),
        phase_power_w: [Some(1), None, None],
        reactive_var: Some(2),
        voltage_dv: [Some(2301), Some(2299), Some(2310)],
        current_ca: [Some(-1234), Some(1235), None],
        frequency_chz: Some(5000),
        power_factor_milli: Some(-990),
    };
    let site = UplinkMessage::Metered { place: MeteredPlace::Site, values };
    assert_eq!(assert_told("up-metered-site", 40, &site), Class::Telemetry);
    let (connector, order) = (ConnectorNo::new(12).unwrap(), OrderId::new(ORDER).ok());
    let place = MeteredPlace::Connector { pile: pile(), connector, order };
    assert_told("up-metered-connector", 41, &UplinkMessage::Metered { place, values });
}

#[test]
fn a_metered_order_goes_up_with_the_meters_readings() {
    let order = hour();
    let reference = OrderRef { meter_start: Some(wh(2_000_123)), ..cloud::reference() };
    let original = original("pile-start");
    let start = UplinkMessage::Start { order: reference, original, offline: false };
    assert_told("up-metered-start", 42, &start);
    let stop = UplinkMessage::Stop { order: Box::new(order.clone()) };
    assert_told("up-metered-stop", 43, &stop);
    for revision in [Revision::V1_0, Revision::V1_10] {
        let settings = Settings { revision, ..cloud::settings() };
        let payload = station::freeze_transaction(&order, &settings);
        let file = if revision == Revision::V1_0 { golden::V1_0 } else { golden::V1_10 };
        let bytes = told(revision, 44, UplinkMessage::Transaction { pile: pile(), payload }).1;
        assert_same(&bytes, &vectors::vector(file, "up-metered-transaction"));
    }
}

/// What the pile sent stays where the pile is billed.
#[test]
fn the_piles_own_bytes_stay_where_the_pile_is_billed() {
    let changes: [fn(&mut Order); 5] = [
        |order| order.metering = None,
        |order| order.metering.as_mut().unwrap().start = None,
        |order| order.metering.as_mut().unwrap().stop = None,
        |order| order.ending.as_mut().unwrap().meter_start = Some(Energy::from_wh(1_042_210)),
        |order| order.ending.as_mut().unwrap().meter_stop = None,
    ];
    for change in changes {
        let mut order = hour();
        change(&mut order);
        assert_eq!(bytes(&order), None);
        let payload = station::freeze_transaction(&order, &cloud::settings());
        let told = wire::TransactionReq::decode(payload).unwrap();
        assert_eq!(told.elec_data.as_ref(), [0, 34, 92, 10, 200, 255]);
    }
}

#[test]
fn one_byte_for_each_started_five_minutes() {
    let short = |seconds: u64| bytes(&metered(0, &[], (100, seconds * 1000))).unwrap().len();
    assert_eq!([0, 1, 300, 301, 600, 601].map(short), [1, 1, 1, 2, 2, 3]);
    // The billed time decides, unless it cannot be: here the pile's clock was set back by a year.
    let mut set_back = metered(0, &[], (3_000, 900_000));
    set_back.ending.as_mut().unwrap().ended_s = Some(AT + 601);
    assert_eq!(bytes(&set_back).unwrap().len(), 3);
    set_back.ending.as_mut().unwrap().ended_s = Some(AT - 31_536_000);
    assert_eq!(bytes(&set_back), Some(vec![10; 3]));
    // An order that was forgotten for years.
    let years = metered(0, &[], (1_000_000, 100_000_000_000));
    assert_eq!(bytes(&years).unwrap().len(), 30 * 24 * 12);
}

/// While a meter was away, its energy is taken to have flowed evenly.
#[test]
fn a_gap_is_filled_evenly() {
    let away = metered(0, &[(1000, 300_000), (7000, 1_200_000)], (7500, 1_350_000));
    assert_eq!(bytes(&away), Some(vec![10, 20, 20, 20, 5]));
    // Across a restart with an unset clock nobody knows how long it took.
    let mut unknown = metered(0, &[(1000, 300_000), (7000, 1_200_000)], (7500, 1_350_000));
    let metering = unknown.metering.as_mut().unwrap();
    metering.curve[1].at.boot.0 += 1;
    metering.stop.as_mut().unwrap().at.boot.0 += 1;
    let ending = unknown.ending.as_mut().unwrap();
    ending.ended_s = None;
    assert_eq!(bytes(&unknown), Some(vec![10, 60, 5]));
}

/// 400 kW for five minutes are 333 steps: 255 are in its byte, the rest is in the next ones. What
/// is left at the end is lost.
#[test]
fn what_a_byte_cannot_hold_is_carried_on() {
    let fast = metered(0, &[(33_300, 300_000)], (40_000, 600_000));
    assert_eq!(bytes(&fast), Some(vec![255, 145]));
    let faster = metered(0, &[(33_300, 300_000)], (66_600, 600_000));
    assert_eq!(bytes(&faster), Some(vec![255, 255]));
    let coarse = elec_data(&faster, Energy::from_wh(1000)).unwrap();
    assert_eq!(coarse.as_ref(), [33, 34]);
}

proptest! {
    /// The bytes up to any one add up to what was metered by then, to half a step; all of them to
    /// what is billed.
    #[test]
    fn the_sum_is_right(
        start in 0..1_000_000_000_u64,
        flows in vec(0..25_000_u64, 1..60),
        rest_ms in 1..=INTERVAL_MS,
        unit in 100..2_000_u64,
    ) {
        let mut energy = 0;
        let ends: Vec<u64> = flows.iter().map(|wh| { energy += wh; energy }).collect();
        let (last, curve) = ends.split_last().unwrap();
        let times = (1..).map(|n| n * INTERVAL_MS);
        let curve: Vec<(u64, u64)> = curve.iter().copied().zip(times).collect();
        // In whole seconds, as bills are.
        let length = u64::try_from(curve.len()).unwrap() * INTERVAL_MS;
        let order = metered(start, &curve, (*last, length + rest_ms.div_ceil(1000) * 1000));
        let bytes = elec_data(&order, Energy::from_wh(unit)).unwrap();
        prop_assert_eq!(bytes.len(), flows.len());
        let billed = order.ending.as_ref().unwrap().energy.wh();
        let mut sum = 0;
        for (byte, wh) in bytes.iter().zip(&ends) {
            sum += u64::from(*byte);
            prop_assert!((sum * unit).abs_diff(*wh) <= unit.div_ceil(2) + 10, "{} of {}", sum, wh);
        }
        prop_assert!((sum * unit).abs_diff(billed) <= unit.div_ceil(2));
    }

    /// Samples of anything make bytes and never panic.
    #[test]
    fn any_samples(
        samples in vec((0..1_000_000_u64, 0..10_000_000_u64, 0..2_u64), 0..20),
        stop in (0..100_000_u64, 0..10_000_000_u64),
        ended_s in any::<Option<i64>>(),
        unit in 0..1_000_u64,
    ) {
        let mut order = metered(500_000, &[], stop);
        let at = |(wh, ms, run): (u64, u64, u64)| {
            let mut sample = sample(wh, ms);
            sample.at.boot.0 += run;
            sample
        };
        order.metering.as_mut().unwrap().curve = samples.into_iter().map(at).collect();
        order.ending.as_mut().unwrap().ended_s = ended_s;
        let bytes = elec_data(&order, Energy::from_wh(unit)).unwrap();
        let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
        prop_assert!(sum * unit <= stop.0 + 10 + unit.div_ceil(2));
        prop_assert!(!bytes.is_empty());
    }
}
