//! Quantities as the messages write them: decimal texts, exact. Each kind has always the same
//! number of places, those of the unit that the site counts in; nothing is rounded or trimmed.
//! What is not known is an empty text.

use super::super::{decimal::fixed, dialect::Unfit};
use crate::domain::{
    id::PlugNo,
    quantity::{Energy, Money},
};

/// Energy in kWh, three places.
pub(super) fn kwh(energy: Energy) -> String {
    fixed(energy.wh(), 3)
}

/// Money in yuan, three places.
pub(super) fn yuan(money: Money) -> String {
    fixed(money.tenth_fen(), 3)
}

/// What is counted in tenths: output voltages in V, temperatures in °C.
pub(super) fn tenths(value: Option<i32>) -> String {
    value.map_or_else(String::new, |value| fixed(value, 1))
}

/// What is counted in hundredths: currents in A, voltages of batteries in V.
pub(super) fn hundredths(value: Option<i32>) -> String {
    value.map_or_else(String::new, |value| fixed(value, 2))
}

/// Number of a gun: two digits, as the pile numbers it.
pub(super) fn gun(plug: PlugNo) -> Result<String, Unfit> {
    match plug.0 {
        0..=99 => Ok(format!("{:02}", plug.0)),
        number => Err(Unfit::Range { field: "gunNo", found: number.to_string() }),
    }
}

/// The same, empty where the pile did not say which.
pub(super) fn gun_if_told(plug: Option<PlugNo>) -> Result<String, Unfit> {
    plug.map_or_else(|| Ok(String::new()), gun)
}

/// Id of a tariff.
pub(super) fn pricing(tariff: u64) -> Result<i64, Unfit> {
    let unfit = |_| Unfit::Range { field: "pricingId", found: tariff.to_string() };
    i64::try_from(tariff).map_err(unfit)
}
