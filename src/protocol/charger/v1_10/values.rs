//! Numbers and texts of the wire, and what they mean.

use std::ops::RangeInclusive;

use sha2::{Digest, Sha256};

use super::wire::{AuthorizationStatus, Cost, ErrorCode as Number, IdToken};
use crate::domain::{
    card::Verdict,
    connector::ConnectorState,
    event::Named,
    id::{CardNo, ConnectorNo, PlugNo, RecordNo, StartToken, TransactionId},
    quantity::{Energy, Money},
    wire::ErrorCode,
};

/// Greatest meter reading that is believed, in 10 Wh: 10 GWh, more than a megawatt delivers in a
/// year.
const METER_LIMIT: f64 = 1e9;

/// What names begin with that the site gave because the pile's could not be used.
const UNNAMED: &str = "unnamed-";

/// Measurand of the status of a connector.
pub const STATUS_MEASURAND: i32 = 144;

/// A meter reading in 0.01 kWh, rounded half up to whole 10 Wh; `None` if it makes no sense.
pub fn meter(reading: f64) -> Option<Energy> {
    if !(0.0..=METER_LIMIT).contains(&reading) {
        return None;
    }
    // The standard library has no checked conversion; the range above makes this one exact.
    let units = (reading + 0.5).floor() as u64;
    Some(Energy::from_wh(units * 10))
}

/// What a state of a connector means: measurand 144 of both revisions, `connectorState`, and the
/// `ChargerStatus` of 1.0, which number alike. `None` if it is in no table.
#[must_use]
pub fn connector_state(number: i32) -> Option<ConnectorState> {
    Some(match number {
        0 => ConnectorState::Unavailable,
        1 => ConnectorState::Idle,
        // 10 is the occupied of 1.0: a vehicle is there.
        2 | 10 => ConnectorState::Connected,
        3 => ConnectorState::Charging,
        4 => ConnectorState::SuspendedByPile,
        5 => ConnectorState::SuspendedByVehicle,
        6 => ConnectorState::Finished,
        7 => ConnectorState::Reserved,
        8 => ConnectorState::Fault,
        9 => ConnectorState::Waiting,
        _ => return None,
    })
}

/// A number in another unit: multiplied and divided, and rounded half up. `None` if it is then
/// outside the limits, or no number.
pub fn scaled(value: f64, (times, by): (u32, u32), limits: RangeInclusive<i32>) -> Option<i32> {
    let scaled = (value * f64::from(times) / f64::from(by) + 0.5).floor();
    let is_within = (f64::from(*limits.start())..=f64::from(*limits.end())).contains(&scaled);
    // The standard library has no checked conversion; the range above makes this one exact.
    is_within.then_some(scaled as i32)
}

/// A measured value that is a code, such as a status; `None` if it is none.
pub fn whole(value: f64) -> Option<i32> {
    let is_code = (0.0..=f64::from(u16::MAX)).contains(&value) && value.fract() == 0.0;
    // The standard library has no checked conversion; the range above makes this one exact.
    is_code.then_some(value as i32)
}

/// An energy in 0.01 kWh as the wire's floating point number.
pub fn meter_number(energy: Energy) -> f64 {
    let units = energy.rounded_10_wh().wh() / 10;
    f64::from(u32::try_from(units).unwrap_or(u32::MAX))
}

/// An energy in whole 0.01 kWh; `None` if it makes no sense.
pub fn energy(units: i32) -> Option<Energy> {
    u64::try_from(units).ok().map(|units| Energy::from_wh(units * 10))
}

/// The total of a bill.
pub fn cost(cost: Option<&Cost>) -> Option<Money> {
    cost.map(|cost| Money::from_fen(cost.totalcost))
}

/// Money in whole fen, as far as the wire can say it.
pub fn fen(money: Money) -> i32 {
    let fen = money.fen();
    i32::try_from(fen).unwrap_or(if fen < 0 { i32::MIN } else { i32::MAX })
}

/// The pile's number of an order. One that is empty or cannot be used gets a name made from what
/// there is, so that the order is not lost and its repetition is recognised.
pub fn record(text: &str, body: &[u8]) -> RecordNo {
    RecordNo::new(text).unwrap_or_else(|_| {
        let seed = if text.is_empty() { body } else { text.as_bytes() };
        RecordNo::new(&made_name(seed)).expect("letters, digits and a dash, 24 of them")
    })
}

/// A name in place of one that cannot be used; the same for the same bytes.
pub fn made_name(seed: &[u8]) -> String {
    // 10 bytes are 16 characters of base32.
    let tail = data_encoding::BASE32_NOPAD.encode(&Sha256::digest(seed)[..10]);
    format!("{UNNAMED}{tail}")
}

/// The record number to tell the pile; nothing where it gave none.
pub fn record_text(record: &RecordNo) -> String {
    if record.as_str().starts_with(UNNAMED) { String::new() } else { record.as_str().to_owned() }
}

/// A connector as a pile numbers it; 0, which no pile has, if the text is no number.
pub fn plug(text: &str) -> PlugNo {
    PlugNo(text.trim().parse().unwrap_or(0))
}

/// A connector as a pile numbers it, if it says one.
pub fn some_plug(text: &str) -> Option<PlugNo> {
    (!text.trim().is_empty()).then(|| plug(text))
}

/// A connector, or the whole pile: that is nothing, or 0.
pub fn plug_or_pile(text: &str) -> Option<PlugNo> {
    some_plug(text).filter(|plug| plug.0 != 0)
}

/// The text of a connector as a pile numbers it.
pub fn plug_text(plug: PlugNo) -> String {
    if plug.0 == 0 { String::new() } else { plug.0.to_string() }
}

/// The text of a connector of the site.
pub fn connector_text(connector: Option<ConnectorNo>) -> String {
    connector.map(|number| number.to_string()).unwrap_or_default()
}

/// The connector of the site that a backend names; nothing, 0 and `all` name none.
pub fn named_connector(text: &str) -> Named<ConnectorNo> {
    let text = text.trim();
    if matches!(text, "" | "0") || text.eq_ignore_ascii_case("all") {
        return Named::Nothing;
    }
    text.parse().ok().and_then(ConnectorNo::new).map_or(Named::Foreign, Named::This)
}

/// An id that may be missing.
pub fn named<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Named<T> {
    if text.is_empty() { Named::Nothing } else { parse(text).map_or(Named::Foreign, Named::This) }
}

/// What a pile was given, if it hands it back.
pub fn token(text: &str) -> Option<StartToken> {
    StartToken::new(text).ok()
}

/// The backend's id of an order, if it gave one.
pub fn transaction(text: &str) -> Option<TransactionId> {
    TransactionId::new(text).ok()
}

/// The text of the backend's id of an order.
pub fn transaction_text(transaction: Option<&TransactionId>) -> String {
    transaction.map(|id| id.as_str().to_owned()).unwrap_or_default()
}

/// Who pays, if it is said.
pub fn card(token: Option<&IdToken>) -> Option<CardNo> {
    token.and_then(|token| CardNo::new(&token.id).ok())
}

/// What is said of a card.
pub fn verdict(status: i32) -> Verdict {
    use AuthorizationStatus as S;
    match S::try_from(status) {
        Ok(S::AsAccepted) => Verdict::Accepted,
        Ok(S::AsBlocked) => Verdict::Blocked,
        Ok(S::AsExpired) => Verdict::Expired,
        Ok(S::AsInvalid) => Verdict::Invalid,
        Ok(S::AsConcurrentTx) => Verdict::ConcurrentTransaction,
        Ok(S::AsInsufficient) => Verdict::Insufficient,
        Ok(S::AsPasswordError) => Verdict::WrongPassword,
        Ok(S::AsSystemError) => Verdict::SystemError,
        Ok(S::AsNoCredit) => Verdict::NoCredit,
        Ok(S::AsNotAllowedTypeEvse | S::AsNotAtThisLocation | S::AsNotAtThisTime) => {
            Verdict::NotHere
        }
        Ok(S::AsUnknown) | Err(_) => Verdict::Unknown,
    }
}

/// The number of a verdict.
pub fn status(verdict: Verdict) -> AuthorizationStatus {
    use AuthorizationStatus as S;
    match verdict {
        Verdict::Accepted => S::AsAccepted,
        Verdict::Blocked => S::AsBlocked,
        Verdict::Expired => S::AsExpired,
        Verdict::Invalid => S::AsInvalid,
        Verdict::ConcurrentTransaction => S::AsConcurrentTx,
        Verdict::Insufficient => S::AsInsufficient,
        Verdict::WrongPassword => S::AsPasswordError,
        Verdict::SystemError => S::AsSystemError,
        Verdict::NoCredit => S::AsNoCredit,
        Verdict::NotHere => S::AsNotAtThisLocation,
        Verdict::Unknown => S::AsUnknown,
    }
}

/// Yes or no, where the wire says 0 or 1.
pub const fn yes_no(accepted: bool) -> i32 {
    if accepted { 0 } else { 1 }
}

/// What a number in `MessageError` means; one that is unknown means nothing in particular.
pub fn error_code(number: i32) -> ErrorCode {
    match Number::try_from(number) {
        Ok(Number::EcNotSupported) => ErrorCode::NotSupported,
        Ok(Number::EcInternalError) => ErrorCode::Internal,
        Ok(Number::EcProtocolError) => ErrorCode::Protocol,
        Ok(Number::EcTypeViolation) => ErrorCode::TypeViolation,
        Ok(Number::EcGenericError) | Err(_) => ErrorCode::Generic,
    }
}

/// The number in `MessageError`.
pub const fn error_number(code: ErrorCode) -> Number {
    match code {
        ErrorCode::Generic => Number::EcGenericError,
        ErrorCode::NotSupported => Number::EcNotSupported,
        ErrorCode::Internal => Number::EcInternalError,
        ErrorCode::Protocol => Number::EcProtocolError,
        ErrorCode::TypeViolation => Number::EcTypeViolation,
    }
}
