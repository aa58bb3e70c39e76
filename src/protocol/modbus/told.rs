//! What each register says, for people who compare it with a display or a manual.

use super::{
    kind::Kind, profile::Profile, quantity::Quantity, readout::Readout, register::Register,
};

/// What a register says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<'a> {
    /// The register.
    pub register: &'a Register,
    /// Its words; `None`: they were not read.
    pub words: Option<&'a [u16]>,
    /// Its value, as a decimal number in [`Quantity::unit`]; `None`: it has none.
    pub value: Result<Option<String>, String>,
}

impl Profile {
    /// What each register says, in the order of the profile.
    #[must_use]
    pub fn told<'a>(&'a self, readout: &'a Readout) -> Vec<Told<'a>> {
        let reach = self.reach();
        let each = self.registers.iter().map(|register| {
            let value = register.value(readout, register.together(&reach));
            let value = value.map(|value| Some(written(register.quantity, value?)));
            Told { register, words: readout.words(register.block), value }
        });
        each.collect()
    }
}

/// Exactly, with the places of the quantity.
fn written(quantity: Quantity, value: i128) -> String {
    let places = usize::try_from(quantity.places()).unwrap_or(0);
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = places + 1);
    let (whole, broken) = digits.split_at(digits.len() - places);
    let sign = if value < 0 { "-" } else { "" };
    if broken.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{broken}") }
}

impl Kind {
    /// Its name in profiles.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::I16 => "i16".to_owned(),
            Self::U16 => "u16".to_owned(),
            Self::I32 => "i32".to_owned(),
            Self::U32 => "u32".to_owned(),
            Self::I64 => "i64".to_owned(),
            Self::U64 => "u64".to_owned(),
            Self::F32 => "f32".to_owned(),
            Self::F64 => "f64".to_owned(),
            Self::Bcd(words) => format!("bcd{}", words * 16),
            Self::T5 => "t5".to_owned(),
            Self::T6 => "t6".to_owned(),
            Self::T7 => "t7".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Phase, *};

    #[test]
    fn values_are_written_with_the_places_of_their_quantity() {
        let voltage = Quantity::Voltage(Phase::L1);
        for (quantity, value, wanted) in [
            (voltage, 2305, "230.5"),
            (voltage, 5, "0.5"),
            (Quantity::Current(Phase::L2), -5, "-0.05"),
            (Quantity::Current(Phase::L2), -12_345, "-123.45"),
            (Quantity::EnergyImport, 123_456, "123456"),
            (Quantity::Power, 0, "0"),
        ] {
            assert_eq!(written(quantity, value), wanted);
        }
    }
}
