//! An order as the pile keeps it, until it is answered and after.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    domain::{
        quantity::{Energy, Money},
        time::{Mono, Now},
    },
    peers::apdu::wire,
};

/// Answered orders kept for `GetTransactionsReq` and repetition; open ones are never dropped.
const ANSWERED_MAX: usize = 256;
/// Seconds of an interval of `elecData`.
const ELEC_INTERVAL_S: i64 = 300;
/// Wh of one step of `elecData`.
const ELEC_UNIT_WH: u64 = 100;
/// Minutes of a day.
const DAY_MINUTES: i64 = 1440;

/// How far an order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderPhase {
    /// Charging.
    Charging,
    /// Finished and not answered.
    Finished,
    /// Finished, and the controller refused it; tried again on the next connection.
    Refused,
    /// The controller has answered for it.
    Answered,
}

/// Energy of one tariff band.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Band {
    charge: wire::TariffCharge,
    milli_wh: u64,
}

/// An order in the pile's store.
#[derive(Debug, Clone)]
pub struct Order {
    /// The pile's number of it.
    pub record: u64,
    /// The pile's own number of the connector.
    pub connector: u16,
    /// Who pays.
    pub card: String,
    /// How it was authorised.
    pub mode: wire::AuthorizationMode,
    /// As given by the controller; empty until then.
    pub transaction_id: String,
    /// Unix seconds.
    pub started_s: i64,
    /// Unix seconds; the last metering while it charges.
    pub stopped_s: i64,
    /// Meter at the start, whole 10 Wh.
    pub meter_start: Energy,
    /// Why it ended.
    pub reason: wire::StopReason,
    /// How far it has come.
    pub phase: OrderPhase,
    /// Whether its start was answered on this connection.
    pub announced: bool,
    /// Whether it began without the controller.
    pub offline: bool,
    /// The pile's own mark of it, like no other order's; goes all the way to the cloud.
    pub mark: String,
    tariff_id: u64,
    bands: Vec<Band>,
    metered: Mono,
    /// Energy (Wh) of each started interval.
    intervals: Vec<u64>,
    milli_wh: u64,
}

/// What an order begins with.
pub(super) struct Beginning {
    pub record: u64,
    pub connector: u16,
    pub card: String,
    pub mode: wire::AuthorizationMode,
    pub transaction_id: String,
    pub meter_start: Energy,
    pub offline: bool,
    pub mark: String,
}

impl Order {
    pub(super) fn begin(b: Beginning, tariff_id: u64, now: Now) -> Self {
        Self {
            record: b.record,
            connector: b.connector,
            card: b.card,
            mode: b.mode,
            transaction_id: b.transaction_id,
            started_s: now.wall.unix_s(),
            stopped_s: now.wall.unix_s(),
            meter_start: b.meter_start,
            reason: wire::StopReason::SrNormal,
            phase: OrderPhase::Charging,
            announced: false,
            offline: b.offline,
            mark: b.mark,
            tariff_id,
            bands: Vec::new(),
            metered: now.mono,
            intervals: vec![0],
            milli_wh: 0,
        }
    }

    /// Adds what flowed since the last metering, under the band that holds now.
    pub(super) fn meter(&mut self, power_w: u64, charge: &wire::TariffCharge, now: Now) {
        // W × ms / 3600 is mWh.
        let milli_wh = power_w.saturating_mul(now.mono.since_ms(self.metered)) / 3600;
        self.metered = now.mono;
        self.milli_wh = self.milli_wh.saturating_add(milli_wh);
        // The calendar may step, and a hurried charge fit into one of its seconds; a pile's order
        // still ends after it began.
        self.stopped_s = now.wall.unix_s().max(self.started_s + 1);
        match self.bands.last_mut() {
            Some(band) if band.charge == *charge => band.milli_wh += milli_wh,
            _ => self.bands.push(Band { charge: charge.clone(), milli_wh }),
        }
        let interval = (self.stopped_s - self.started_s) / ELEC_INTERVAL_S;
        let interval = usize::try_from(interval).unwrap_or(0);
        if self.intervals.len() <= interval {
            self.intervals.resize(interval + 1, 0);
        }
        if let Some(wh) = self.intervals.last_mut() {
            *wh += milli_wh / 1000;
        }
    }

    /// The tariff it began under.
    pub(super) fn tariff_id(&self) -> u64 {
        self.tariff_id
    }

    /// Energy so far, whole 10 Wh.
    #[must_use]
    pub fn energy(&self) -> Energy {
        Energy::from_wh(self.milli_wh / 1000).rounded_10_wh()
    }

    /// Price of it all.
    #[must_use]
    pub fn cost(&self) -> Money {
        Money::from_fen(self.bill().totalcost)
    }

    /// The bill; its bands sum to its total.
    #[must_use]
    pub fn bill(&self) -> wire::Cost {
        let total = units(self.energy());
        let mut left = total;
        let mut bills = Vec::new();
        for (at, band) in self.bands.iter().enumerate() {
            let whole = units(Energy::from_wh(band.milli_wh / 1000).rounded_10_wh()).min(left);
            let last = at + 1 == self.bands.len();
            let electric = if last { left } else { whole };
            left -= electric;
            bills.push(wire::CostBill {
                timestart: band.charge.timestart,
                timeend: band.charge.timeend,
                tag: band.charge.tag.clone(),
                electric,
                electriccost: fen(electric, band.charge.elecprice),
                servicecost: fen(electric, band.charge.serviceprice),
                occupycost: 0,
            });
        }
        let totalcost = bills.iter().map(|b| b.electriccost + b.servicecost).sum();
        wire::Cost {
            bills,
            tariffid: self.tariff_id,
            totalcost,
            totalelec: total,
            ..Default::default()
        }
    }

    /// One byte per started five minutes, saturating.
    #[must_use]
    pub fn elec_data(&self) -> Bytes {
        let byte = |wh: &u64| u8::try_from(wh / ELEC_UNIT_WH).unwrap_or(u8::MAX);
        self.intervals.iter().map(byte).collect()
    }

    /// Meter at the start in 0.01 kWh.
    #[must_use]
    pub fn wire_start(&self) -> f64 {
        f64::from(units(self.meter_start))
    }

    /// Meter at the stop in 0.01 kWh.
    #[must_use]
    pub fn wire_stop(&self) -> f64 {
        f64::from(units(self.meter_stop()))
    }

    /// Meter at the stop, whole 10 Wh.
    #[must_use]
    pub fn meter_stop(&self) -> Energy {
        self.meter_start.saturating_add(self.energy())
    }

    /// The card as the wire carries it.
    #[must_use]
    pub fn id_token(&self) -> wire::IdToken {
        wire::IdToken { id: self.card.clone(), ..Default::default() }
    }
}

/// 0.01 kWh, the wire's unit of energy.
fn units(energy: Energy) -> i32 {
    i32::try_from(energy.wh() / 10).unwrap_or(i32::MAX)
}

/// Price (0.1 fen per kWh) of 0.01 kWh units, in fen, rounded half up.
fn fen(units: i32, price: i32) -> i32 {
    let tenth_fen_cents = i64::from(units) * i64::from(price);
    i32::try_from((tenth_fen_cents + 500).div_euclid(1000)).unwrap_or(i32::MAX)
}

/// The band that holds at a moment of the site's local day.
pub(super) fn band_at(
    tariff: Option<&wire::SetTariffReq>,
    unix_s: i64,
    utc_offset_minutes: i32,
) -> wire::TariffCharge {
    let local = unix_s.div_euclid(60) + i64::from(utc_offset_minutes);
    let minute = local.rem_euclid(DAY_MINUTES);
    tariff
        .into_iter()
        .flat_map(|t| &t.chargetariffs)
        .find(|c| (i64::from(c.timestart)..i64::from(c.timeend)).contains(&minute))
        .cloned()
        .unwrap_or_else(|| wire::TariffCharge {
            timestart: 0,
            timeend: 1440,
            tag: "flat".to_owned(),
            elecprice: 800,
            serviceprice: 400,
            occupyprice: 0,
        })
}

/// The pile's memory of its orders.
#[derive(Debug, Clone, Default)]
pub struct Store {
    orders: BTreeMap<u64, Order>,
    last_record: u64,
}

impl Store {
    /// Takes the next record number.
    pub(super) fn next_record(&mut self) -> u64 {
        self.last_record += 1;
        self.last_record
    }

    pub(super) fn insert(&mut self, order: Order) {
        let answered = |o: &&Order| o.phase == OrderPhase::Answered;
        if self.orders.values().filter(answered).count() >= ANSWERED_MAX {
            let oldest = self.orders.values().find(answered).map(|o| o.record);
            oldest.and_then(|record| self.orders.remove(&record));
        }
        self.orders.insert(order.record, order);
    }

    /// One order.
    #[must_use]
    pub fn get(&self, record: u64) -> Option<&Order> {
        self.orders.get(&record)
    }

    pub(super) fn get_mut(&mut self, record: u64) -> Option<&mut Order> {
        self.orders.get_mut(&record)
    }

    /// All orders kept, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Order> {
        self.orders.values()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Order> {
        self.orders.values_mut()
    }

    /// Orders the controller has not answered for.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.orders.values().filter(|o| o.phase != OrderPhase::Answered).count()
    }
}
