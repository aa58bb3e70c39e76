//! Values of the domain as columns, and back.

use bytes::Bytes;
use rusqlite::Row;

use super::error::LedgerError;
use crate::{
    domain::{
        card::Verdict,
        id::{OrderSeq, UplinkName},
        order::{DeliveryState, Flags, OrderState},
        quantity::{Energy, Money},
        time::{BootId, ClockQuality, Mono, Stamp, Wall},
        wire::{Original, Revision},
    },
    site::entry::{SamplePart, VersionKind},
};

// A value is stored as its place in its table: places are never changed, only added.
pub(super) const STATES: [OrderState; 6] = [
    OrderState::Authorised,
    OrderState::Charging,
    OrderState::Stopping,
    OrderState::Interrupted,
    OrderState::Recorded,
    OrderState::Settled,
];
pub(super) const DELIVERIES: [DeliveryState; 5] = [
    DeliveryState::Queued,
    DeliveryState::Sent,
    DeliveryState::Confirmed,
    DeliveryState::Quarantined,
    DeliveryState::Retired,
];
pub(super) const QUALITIES: [ClockQuality; 3] =
    [ClockQuality::Unset, ClockQuality::Held, ClockQuality::Synced];
pub(super) const REVISIONS: [Revision; 2] = [Revision::V1_0, Revision::V1_10];
pub(super) const VERSIONS: [VersionKind; 2] = [VersionKind::Disputed, VersionKind::Corrected];
pub(super) const PARTS: [SamplePart; 3] = [SamplePart::Start, SamplePart::Curve, SamplePart::Stop];
pub(super) const VERDICTS: [Verdict; 11] = [
    Verdict::Accepted,
    Verdict::Blocked,
    Verdict::Expired,
    Verdict::Invalid,
    Verdict::ConcurrentTransaction,
    Verdict::Insufficient,
    Verdict::WrongPassword,
    Verdict::NoCredit,
    Verdict::NotHere,
    Verdict::SystemError,
    Verdict::Unknown,
];

/// Place of a value in its table.
pub(super) fn place<T: PartialEq>(table: &[T], value: T) -> i64 {
    let place = table.iter().position(|known| *known == value);
    let place = place.expect("the tables name every value of their type");
    i64::try_from(place).expect("the tables are short")
}

/// Value at a place of its table.
pub(super) fn value<T: Copy>(table: &[T], place: i64) -> Result<T, LedgerError> {
    let found = usize::try_from(place).ok().and_then(|place| table.get(place).copied());
    found.ok_or_else(|| LedgerError::corrupt(format!("a value has no meaning: {place}")))
}

const OFFLINE: i64 = 1;
/// Bit of [`Flags::disputed`].
pub(super) const DISPUTED: i64 = 2;
const ESTIMATED: i64 = 4;
const SENSELESS: i64 = 8;

pub(super) fn flags_to_bits(flags: Flags) -> i64 {
    let bit = |is_set, bit| if is_set { bit } else { 0 };
    bit(flags.offline, OFFLINE)
        | bit(flags.disputed, DISPUTED)
        | bit(flags.estimated, ESTIMATED)
        | bit(flags.senseless, SENSELESS)
}

pub(super) fn flags_from_bits(bits: i64) -> Flags {
    Flags {
        offline: bits & OFFLINE != 0,
        disputed: bits & DISPUTED != 0,
        estimated: bits & ESTIMATED != 0,
        senseless: bits & SENSELESS != 0,
    }
}

/// A stamp as its four columns.
pub(super) struct StampColumns {
    pub(super) boot: i64,
    pub(super) mono: i64,
    pub(super) wall: i64,
    pub(super) quality: i64,
}

impl From<Stamp> for StampColumns {
    fn from(stamp: Stamp) -> Self {
        Self {
            boot: stamp.boot.0.cast_signed(),
            mono: stamp.mono.0.cast_signed(),
            wall: stamp.wall.unix_ms,
            quality: place(&QUALITIES, stamp.wall.quality),
        }
    }
}

/// The stamp in four columns from `at`, if the first is not null.
pub(super) fn stamp_or_none(row: &Row<'_>, at: usize) -> Result<Option<Stamp>, LedgerError> {
    let Some(boot) = row.get::<_, Option<i64>>(at)? else { return Ok(None) };
    let mono: i64 = row.get(at + 1)?;
    let quality = value(&QUALITIES, row.get(at + 3)?)?;
    Ok(Some(Stamp {
        boot: BootId(boot.cast_unsigned()),
        mono: Mono(mono.cast_unsigned()),
        wall: Wall { unix_ms: row.get(at + 2)?, quality },
    }))
}

/// The stamp in four columns from `at`.
pub(super) fn stamp(row: &Row<'_>, at: usize) -> Result<Stamp, LedgerError> {
    stamp_or_none(row, at)?.ok_or_else(|| LedgerError::corrupt("a stamp is missing"))
}

/// A message as its three columns.
#[derive(Default)]
pub(super) struct OriginalColumns<'a> {
    pub(super) revision: Option<i64>,
    pub(super) code: Option<i64>,
    pub(super) body: Option<&'a [u8]>,
}

impl<'a> From<Option<&'a Original>> for OriginalColumns<'a> {
    fn from(original: Option<&'a Original>) -> Self {
        original.map_or_else(Self::default, |original| Self {
            revision: Some(place(&REVISIONS, original.revision)),
            code: Some(i64::from(original.code)),
            body: Some(&original.body),
        })
    }
}

/// The message in three columns from `at`, if the first is not null.
pub(super) fn original(row: &Row<'_>, at: usize) -> Result<Option<Original>, LedgerError> {
    let Some(revision) = row.get::<_, Option<i64>>(at)? else { return Ok(None) };
    Ok(Some(Original {
        revision: value(&REVISIONS, revision)?,
        code: row.get(at + 1)?,
        body: Bytes::from(row.get::<_, Vec<u8>>(at + 2)?),
    }))
}

/// Senseless figures are kept as they came: the whole range of the type, bit by bit.
pub(super) fn energy_column(energy: Energy) -> i64 {
    energy.wh().cast_signed()
}

pub(super) fn energy(row: &Row<'_>, at: usize) -> Result<Option<Energy>, LedgerError> {
    Ok(row.get::<_, Option<i64>>(at)?.map(|wh| Energy::from_wh(wh.cast_unsigned())))
}

pub(super) fn money(row: &Row<'_>, at: usize) -> Result<Option<Money>, LedgerError> {
    Ok(row.get::<_, Option<i64>>(at)?.map(Money::from_tenth_fen))
}

/// Number of a delivery among all: its order's position and its own among 256 of that order.
pub(super) fn delivery(seq: OrderSeq, pos: i64) -> Result<i64, LedgerError> {
    let number = u8::try_from(pos).ok().and_then(|pos| {
        seq.0.cast_signed().checked_mul(DELIVERIES_PER_ORDER)?.checked_add(pos.into())
    });
    let many = || LedgerError::contradiction(format!("order {} has too many deliveries", seq.0));
    number.ok_or_else(many)
}

/// Numbers of deliveries that an order has for itself; an uplink takes one for ever, and a site
/// has a few.
pub(super) const DELIVERIES_PER_ORDER: i64 = 256;

pub(super) fn uplink(row: &Row<'_>, at: usize) -> Result<UplinkName, LedgerError> {
    let name = row.get::<_, Option<String>>(at)?.unwrap_or_default();
    UplinkName::new(&name).map_err(|e| LedgerError::corrupt(e.to_string()))
}

/// A reason as it is kept: a peer's text has no bound of its own, a row of ours has.
pub(super) const REASON_LIMIT_BYTES: usize = 512;

pub(super) fn bounded(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_LIMIT_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}
