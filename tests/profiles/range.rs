//! Whether a register's type and scale are those of a meter: what it can say at most, and in which
//! steps. A wrong power of ten is mostly out of these.

use sitepilot::protocol::modbus::{Decimal, Kind, Quantity, Register};

/// Thousandths of a quantity's unit.
type Milli = i128;

/// What a register must be able to say, and the coarsest step it may have.
struct Range {
    most: Milli,
    step: Milli,
}

fn range(quantity: Quantity) -> Range {
    let (most, step) = match quantity {
        // 100 MWh, as many meters at a bus have in a year; steps of 0.1 kWh.
        Quantity::EnergyImport | Quantity::EnergyExport => (100_000_000_000, 100_000),
        // 10 kW in steps of 10 W.
        Quantity::Power | Quantity::PowerImport | Quantity::PowerExport => (10_000_000, 10_000),
        Quantity::PhasePower(_) | Quantity::Reactive => (10_000_000, 10_000),
        Quantity::Voltage(_) => (300_000, 100),
        Quantity::Current(_) => (60_000, 10),
        Quantity::Frequency => (65_000, 100),
        Quantity::PowerFactor(_) => (1_000, 1),
    };
    Range { most, step }
}

/// The greatest number of a kind; `None`: nothing that is measured is greater.
fn greatest(kind: Kind) -> Option<i128> {
    match kind {
        Kind::I16 => Some(i16::MAX.into()),
        Kind::U16 => Some(u16::MAX.into()),
        Kind::I32 => Some(i32::MAX.into()),
        Kind::U32 => Some(u32::MAX.into()),
        Kind::I64 => Some(i64::MAX.into()),
        Kind::U64 => Some(u64::MAX.into()),
        Kind::Bcd(words) => Some(10_i128.pow(u32::from(words) * 4) - 1),
        Kind::F32 | Kind::F64 | Kind::T5 | Kind::T6 | Kind::T7 => None,
    }
}

/// A number times a scale, in thousandths, rounded down.
pub fn milli(number: i128, scale: Decimal) -> Milli {
    let exponent = i32::from(scale.exponent()) + 3;
    let product = number * i128::from(scale.digits());
    let power = 10_i128.pow(exponent.unsigned_abs());
    if exponent < 0 { product / power } else { product * power }
}

pub fn check(register: &Register) -> Result<(), String> {
    let Range { most, step } = range(register.quantity);
    let scale = register.scale.decimal;
    if register.scale.exponent.is_some() {
        return Ok(());
    }
    if let Some(greatest) = greatest(register.kind) {
        let greatest = milli(greatest, scale);
        if greatest < most {
            return Err(format!("says at most {greatest} thousandths"));
        }
        if milli(1, scale) > step {
            return Err(format!("steps of {} thousandths", milli(1, scale)));
        }
    } else if ![1_000, 1, 1_000_000, 100, 10].contains(&milli(1, scale)) {
        return Err(format!("a scale of {scale} for a floating-point number"));
    }
    Ok(())
}
