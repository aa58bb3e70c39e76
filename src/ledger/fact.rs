//! Facts of the journal in their canonical bytes: the same fact gives the same bytes for ever.
//!
//! A version byte, a kind byte, a stamp, then the fields of the kind. Numbers are LEB128 (signed
//! ones zigzag), texts and bytes follow their length, an optional field follows a 0 or 1. What has a
//! row of its own, the beginning and the ending of an order, is stated by the SHA-256 of its
//! canonical bytes: the journal is written with every step, and half as long this way.

use sha2::{Digest, Sha256};

use super::{
    columns::{self, QUALITIES, REVISIONS},
    error::LedgerError,
};
use crate::domain::{
    id::{MeterName, UplinkName},
    order::{Ending, Order},
    quantity::Energy,
    reading::{Metering, Sample},
    time::{BootId, Mono, Stamp, Wall},
    wire::Original,
};

const VERSION: u8 = 1;

/// What kind of fact a journal row states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// An order began.
    Opened,
    /// An order was recorded whole, without having been opened.
    Entered,
    /// What was known of an order's beginning is replaced at its end.
    Restated,
    /// An order was taken over from a damaged ledger.
    Salvaged,
    /// An order ended.
    Recorded,
    /// The pile rebooted or fell silent.
    Interrupted,
    /// The pile went on.
    Resumed,
    /// Another version with other figures.
    Disputed,
    /// The pile's own version of an order the site had closed.
    Corrected,
    /// The backend gave its id.
    TransactionAssigned,
    /// A backend said yes.
    Confirmed,
    /// A backend said no.
    Quarantined,
    /// An operator wants it sent again.
    Requeued,
    /// Every required uplink has it.
    Settled,
    /// Orders of a run are dated.
    ClockLearned,
    /// The calendar jumped.
    ClockStepped,
    /// An uplink is owed nothing more.
    UplinkRetired,
    /// A meter was replaced.
    MeterReplaced,
    /// The first reading of a meter after that.
    MeterBegun,
    /// The meter is not used for an order any more.
    MeteringDropped,
    /// The far side cannot or does not want to have it.
    Waived,
    /// An uplink takes orders.
    UplinkEnlisted,
    /// Other uplinks decide settlement; what they have is settled.
    RequiredChanged,
}

impl FactKind {
    // The place in this table is the byte: places are never changed, only added.
    const NAMES: [(Self, &'static str); 23] = [
        (Self::Opened, "opened"),
        (Self::Entered, "entered"),
        (Self::Restated, "restated"),
        (Self::Salvaged, "salvaged"),
        (Self::Recorded, "recorded"),
        (Self::Interrupted, "interrupted"),
        (Self::Resumed, "resumed"),
        (Self::Disputed, "disputed"),
        (Self::Corrected, "corrected"),
        (Self::TransactionAssigned, "transaction-assigned"),
        (Self::Confirmed, "confirmed"),
        (Self::Quarantined, "quarantined"),
        (Self::Requeued, "requeued"),
        (Self::Settled, "settled"),
        (Self::ClockLearned, "clock-learned"),
        (Self::ClockStepped, "clock-stepped"),
        (Self::UplinkRetired, "uplink-retired"),
        (Self::MeterReplaced, "meter-replaced"),
        (Self::MeterBegun, "meter-begun"),
        (Self::MeteringDropped, "metering-dropped"),
        (Self::Waived, "waived"),
        (Self::UplinkEnlisted, "uplink-enlisted"),
        (Self::RequiredChanged, "required-changed"),
    ];

    /// The name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// Whether it states what is known of an order's beginning.
    pub(super) const fn is_core(self) -> bool {
        matches!(self, Self::Opened | Self::Entered | Self::Restated | Self::Salvaged)
    }
}

/// Canonical bytes in the making.
pub(super) struct Fact(Vec<u8>);

impl Fact {
    pub(super) fn new(kind: FactKind, at: Stamp) -> Self {
        let place = FactKind::NAMES.iter().position(|(known, _)| *known == kind);
        let place = place.and_then(|place| u8::try_from(place).ok());
        let mut fact = Self(vec![VERSION, place.expect("every kind is named, there are few")]);
        fact.stamp(at);
        fact
    }

    pub(super) fn number(&mut self, mut value: u64) {
        loop {
            let low = value.to_le_bytes()[0] & 0x7f;
            value >>= 7;
            if value == 0 {
                return self.0.push(low);
            }
            self.0.push(low | 0x80);
        }
    }

    pub(super) fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn stamp(&mut self, stamp: Stamp) {
        self.number(stamp.boot.0);
        self.number(stamp.mono.0);
        self.signed(stamp.wall.unix_ms);
        self.signed(columns::place(&QUALITIES, stamp.wall.quality));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(u64::try_from(bytes.len()).expect("no field is longer than an u64"));
        self.0.extend_from_slice(bytes);
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.0.push(0),
            Some(value) => {
                self.0.push(1);
                write(self, value);
            }
        }
    }

    /// What is known of an order's beginning, by its digest.
    pub(super) fn core(&mut self, order: &Order) {
        let mut core = Self(Vec::new());
        core.write_core(order);
        self.0.extend(Sha256::digest(core.0));
    }

    fn write_core(&mut self, order: &Order) {
        self.0.extend_from_slice(order.key.pile.as_str().as_bytes());
        self.text(order.key.record.as_str());
        self.signed(order.key.started.0);
        self.option(order.connector, |f, connector| f.number(connector.get().into()));
        self.option(order.plug, |f, plug| f.number(plug.0.into()));
        self.signed(columns::flags_to_bits(order.flags));
        self.option(order.card.as_ref(), |f, card| f.text(card.as_str()));
        self.stamp(order.opened);
        self.option(order.started_s, Self::signed);
        self.option(order.meter_start, |f, meter| f.number(meter.wh()));
        self.option(order.start.as_ref(), |f, start| f.0.extend(digest(start)));
    }

    /// How an order ended: energy and cost for people, then all of it by its digest. `flags`
    /// without `disputed`, which comes later.
    /// What the meter said counts only where it did, so that orders without one give the bytes
    /// they always gave.
    pub(super) fn ending(&mut self, ending: &Ending, flags: i64, metering: Option<&Metering>) {
        self.signed(ending.energy.wh().cast_signed());
        self.option(ending.cost, |f, cost| f.signed(cost.tenth_fen()));
        let mut whole = Self(Vec::new());
        whole.write_ending(ending, flags);
        if let Some(metering) = metering {
            whole.write_metering(metering);
        }
        self.0.extend(Sha256::digest(whole.0));
    }

    fn write_ending(&mut self, ending: &Ending, flags: i64) {
        self.signed(ending.energy.wh().cast_signed());
        self.option(ending.cost, |f, cost| f.signed(cost.tenth_fen()));
        self.option(ending.ended_s, Self::signed);
        self.option(ending.meter_start, |f, meter| f.number(meter.wh()));
        self.option(ending.meter_stop, |f, meter| f.number(meter.wh()));
        self.signed(i64::from(ending.reason));
        self.signed(flags);
        self.stamp(ending.recorded);
        self.option(ending.original.as_ref(), |f, original| f.0.extend(digest(original)));
    }

    fn write_metering(&mut self, metering: &Metering) {
        self.text(metering.meter.as_str());
        self.option(metering.start.as_ref(), Self::sample);
        self.number(u64::try_from(metering.curve.len()).unwrap_or(u64::MAX));
        for sample in &metering.curve {
            self.sample(sample);
        }
        self.option(metering.stop.as_ref(), Self::sample);
        self.option(metering.pile_start, |f, energy| f.number(energy.wh()));
        self.option(metering.pile_stop, |f, energy| f.number(energy.wh()));
    }

    fn sample(&mut self, sample: &Sample) {
        self.number(sample.energy.wh());
        self.stamp(sample.at);
    }

    /// A meter and its register.
    pub(super) fn register(&mut self, meter: &MeterName, energy: Option<Energy>) {
        self.text(meter.as_str());
        self.option(energy, |f, energy| f.number(energy.wh()));
    }

    pub(super) fn uplink(&mut self, uplink: &UplinkName) {
        self.text(uplink.as_str());
    }

    /// How an uplink takes orders.
    pub(super) fn enlisted(&mut self, uplink: &UplinkName, kind: &str, since_s: Option<i64>) {
        self.uplink(uplink);
        self.text(kind);
        self.option(since_s, Self::signed);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

fn digest(original: &Original) -> [u8; 32] {
    let mut hash = Sha256::new();
    let revision = columns::place(&REVISIONS, original.revision);
    hash.update(revision.to_be_bytes());
    hash.update([original.code]);
    hash.update(&original.body);
    hash.finalize().into()
}

/// Reads canonical bytes.
pub(super) struct FactReader<'a>(&'a [u8]);

impl<'a> FactReader<'a> {
    /// The kind and the stamp; what follows depends on the kind.
    pub(super) fn open(fact: &'a [u8]) -> Result<(FactKind, Stamp, Self), LedgerError> {
        let mut reader = Self(fact);
        let version = reader.byte()?;
        let place = usize::from(reader.byte()?);
        let kind = FactKind::NAMES.get(place).filter(|_| version == VERSION);
        let (kind, _) = kind.ok_or_else(|| LedgerError::corrupt("a fact of an unknown kind"))?;
        let stamp = reader.stamp()?;
        Ok((*kind, stamp, reader))
    }

    fn byte(&mut self) -> Result<u8, LedgerError> {
        let (first, rest) = self.0.split_first().ok_or_else(cut)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u64, LedgerError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(cut())
    }

    pub(super) fn signed(&mut self) -> Result<i64, LedgerError> {
        let raw = self.number()?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    pub(super) fn text(&mut self) -> Result<&'a str, LedgerError> {
        let length = usize::try_from(self.number()?).map_err(|_| cut())?;
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| cut())
    }

    fn stamp(&mut self) -> Result<Stamp, LedgerError> {
        let boot = BootId(self.number()?);
        let mono = Mono(self.number()?);
        let unix_ms = self.signed()?;
        let quality = columns::value(&QUALITIES, self.signed()?)?;
        Ok(Stamp { boot, mono, wall: Wall { unix_ms, quality } })
    }

    pub(super) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, LedgerError>,
    ) -> Result<Option<T>, LedgerError> {
        if self.byte()? == 0 { Ok(None) } else { read(self).map(Some) }
    }
}

fn cut() -> LedgerError {
    LedgerError::corrupt("a fact is cut short")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_of_a_fact_are_fixed() {
        let wall = Wall { unix_ms: -1, quality: crate::domain::time::ClockQuality::Synced };
        let at = Stamp { boot: BootId(3), mono: Mono(300), wall };
        let mut fact = Fact::new(FactKind::Interrupted, at);
        fact.text("silent");
        assert_eq!(fact.finish(), b"\x01\x05\x03\xac\x02\x01\x04\x06silent");
    }

    /// The fact of an order's end, with what the meter said.
    fn recorded(metering: Option<&Metering>) -> String {
        let quality = crate::domain::time::ClockQuality::Synced;
        let wall = Wall { unix_ms: 1_790_000_000_000, quality };
        let at = Stamp { boot: BootId(3), mono: Mono(300), wall };
        let ending = Ending {
            ended_s: Some(1_790_000_000),
            meter_start: Some(Energy::from_wh(1_000)),
            meter_stop: Some(Energy::from_wh(3_500)),
            energy: Energy::from_wh(2_500),
            cost: Some(crate::domain::quantity::Money::from_fen(310)),
            reason: 1,
            recorded: at,
            original: None,
        };
        let mut fact = Fact::new(FactKind::Recorded, at);
        fact.ending(&ending, 1, metering);
        data_encoding::HEXLOWER.encode(&fact.finish())
    }

    #[test]
    fn an_order_without_a_meter_gives_the_bytes_of_before_there_were_meters() {
        // As the last release without meters wrote them.
        let before = "010403ac0280b083c5986804882701b830\
            d34716dff25fda03031176c7a448e9f5ad3134fb5e9002e8cebc0f1943a4bdb8";
        assert_eq!(recorded(None), before);
    }

    #[test]
    fn every_value_of_the_meter_counts() {
        let sample = |wh| Sample { energy: Energy::from_wh(wh), at: Stamp::default() };
        let metering = Metering {
            meter: MeterName::new("M1").unwrap(),
            start: Some(sample(1)),
            curve: vec![sample(2)],
            stop: Some(sample(3)),
            pile_start: Some(Energy::from_wh(4)),
            pile_stop: Some(Energy::from_wh(5)),
        };
        let mut others = vec![metering.clone(); 7];
        others[1].meter = MeterName::new("M2").unwrap();
        others[2].start = None;
        others[3].curve.push(sample(2));
        others[4].stop = Some(sample(4));
        others[5].pile_start = None;
        others[6].pile_stop = Some(Energy::from_wh(6));
        let mut facts: Vec<String> = others.iter().map(|other| recorded(Some(other))).collect();
        facts.push(recorded(None));
        facts.sort();
        facts.dedup();
        assert_eq!(facts.len(), 8);
    }

    proptest! {
        #[test]
        fn numbers_come_back(unsigned: u64, signed: i64) {
            let mut fact = Fact::new(FactKind::Settled, Stamp::default());
            fact.number(unsigned);
            fact.signed(signed);
            let bytes = fact.finish();
            let (kind, _, mut reader) = FactReader::open(&bytes).unwrap();
            prop_assert_eq!(kind, FactKind::Settled);
            prop_assert_eq!(reader.number().unwrap(), unsigned);
            prop_assert_eq!(reader.signed().unwrap(), signed);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            if let Ok((_, _, mut reader)) = FactReader::open(&bytes) {
                let _ = reader.text();
                let _ = reader.number();
            }
        }
    }
}
