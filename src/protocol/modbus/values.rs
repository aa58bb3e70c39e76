//! What the registers of a meter say, as values of the domain.

use std::collections::BTreeMap;

use super::{
    kind::{WordOrder, joined},
    number::Number,
    profile::Profile,
    quantity::{
        FREQUENCY_CHZ, FactorForm, MAX_CURRENT_CA, MAX_ENERGY_WH, MAX_FACTOR_MILLI,
        MAX_NEGATIVE_VOLTAGE_DV, MAX_POWER_W, MAX_VOLTAGE_DV, Phase, Quantity,
    },
    readout::{Block, Readout},
    register::{EXPONENTS, Exponent, Factor, Need, Register},
};
use crate::domain::{quantity::Energy, reading::Values};

/// The sums of what the registers say, in the domain's units.
type Sums = BTreeMap<Quantity, Option<i128>>;

impl Profile {
    /// What a reading says. Computed exactly and rounded once for each register, halves away
    /// from nought.
    ///
    /// # Errors
    /// What makes the reading unusable: a required value that is missing, or anything that cannot
    /// be, such as an energy below nought.
    pub fn values(&self, readout: &Readout) -> Result<Values, String> {
        let reach = self.reach();
        let mut sums = Sums::new();
        for register in &self.registers {
            let named = |why| format!("{}: {why}", register.quantity);
            let value = register.value(readout, register.together(&reach)).map_err(named)?;
            if value.is_none() && register.need == Need::Required {
                return Err(named("no value".into()));
            }
            let sum = sums.entry(register.quantity).or_insert(Some(0));
            *sum = sum.zip(value).and_then(|(sum, value)| sum.checked_add(value));
        }
        values_of(&sums)
    }
}

impl Register {
    /// Its value in the domain's unit; `None`: it was not read, or has none.
    pub(super) fn value(&self, readout: &Readout, together: Block) -> Result<Option<i128>, String> {
        let Some(words) = readout.words(together) else { return Ok(None) };
        let Some(bits) = part(words, together, self.block).map(|own| joined(own, self.words))
        else {
            return Ok(None);
        };
        if self.absent.contains(&bits) {
            return Ok(None);
        }
        let Some(number) = self.kind.number(bits)? else { return Ok(None) };
        let Some(scale) = self.scale(readout, words, together)? else { return Ok(None) };
        let scaled = number.times(scale);
        let scaled = scaled.and_then(|scaled| scaled.times_ten_to(self.quantity.places()));
        let value = scaled.and_then(Number::rounded).ok_or("a number out of all bounds")?;
        Ok(Some(unfolded(self.quantity, value)))
    }

    fn scale(
        &self,
        readout: &Readout,
        words: &[u16],
        together: Block,
    ) -> Result<Option<Number>, String> {
        let mut scale = Number::decimal(self.scale.decimal);
        if let Some(exponent) = &self.scale.exponent {
            let block = exponent.block();
            let own = part(words, together, block).or_else(|| readout.words(block));
            let Some(own) = own else { return Ok(None) };
            scale = scale.times_ten_to(exponent.power(own)?).ok_or("too many digits")?;
        }
        for factor in &self.scale.factors {
            let Some(own) = readout.words(factor.block) else { return Ok(None) };
            scale = scale.times(factor.number(own)?).ok_or("too many digits")?;
        }
        Ok(Some(scale))
    }
}

impl Exponent {
    pub(super) fn power(&self, words: &[u16]) -> Result<i32, String> {
        let bits = joined(words, WordOrder::Big);
        let power = self.kind.number(bits)?.and_then(Number::rounded);
        let power = power.and_then(|power| i32::try_from(power).ok());
        let power = power.filter(|power| EXPONENTS.contains(power));
        power.ok_or_else(|| format!("{bits:#06x} at {} is no power of ten", self.address))
    }
}

impl Factor {
    pub(super) fn number(&self, words: &[u16]) -> Result<Number, String> {
        let bits = joined(words, self.words);
        let number = self.kind.number(bits)?.filter(|number| number.is_positive());
        let number = number.and_then(|number| number.times(Number::decimal(self.scale)));
        number.ok_or_else(|| format!("{bits:#x} at {} is no ratio", self.block.start))
    }
}

/// The words of `wanted` among those of `block`; `None` if it is not within.
fn part(words: &[u16], block: Block, wanted: Block) -> Option<&[u16]> {
    if !block.covers(wanted) {
        return None;
    }
    let first = usize::from(wanted.start - block.start);
    words.get(first..first + usize::from(wanted.count))
}

/// A power factor as it is, of one that tells its quadrant by its size.
fn unfolded(quantity: Quantity, value: i128) -> i128 {
    match quantity {
        Quantity::PowerFactor(FactorForm::FourQuadrants) if value.abs() > 1_000 => {
            value.signum() * 2_000 - value
        }
        _ => value,
    }
}

fn values_of(sums: &Sums) -> Result<Values, String> {
    let mut values = Values {
        energy_import: energy(sums, Quantity::EnergyImport)?,
        energy_export: energy(sums, Quantity::EnergyExport)?,
        power_w: power(sums)?,
        reactive_var: watts(Quantity::Reactive, sum(sums, Quantity::Reactive))?,
        frequency_chz: frequency(sums)?,
        power_factor_milli: factor(sums)?,
        ..Values::default()
    };
    for phase in Phase::ALL {
        let at = phase.index();
        values.phase_power_w[at] = phase_power(sums, phase)?;
        values.voltage_dv[at] = voltage(sums, phase)?;
        values.current_ca[at] = current(sums, phase)?;
    }
    Ok(values)
}

fn sum(sums: &Sums, quantity: Quantity) -> Option<i128> {
    sums.get(&quantity).copied().flatten()
}

fn energy(sums: &Sums, quantity: Quantity) -> Result<Option<Energy>, String> {
    let Some(wh) = sum(sums, quantity) else { return Ok(None) };
    match u64::try_from(wh) {
        Ok(wh) if wh <= MAX_ENERGY_WH => Ok(Some(Energy::from_wh(wh))),
        _ => Err(impossible(quantity, wh)),
    }
}

fn watts(quantity: Quantity, value: Option<i128>) -> Result<Option<i64>, String> {
    let Some(value) = value else { return Ok(None) };
    let watts = i64::try_from(value).ok();
    let watts = watts.filter(|watts| (-MAX_POWER_W..=MAX_POWER_W).contains(watts));
    watts.map(Some).ok_or_else(|| impossible(quantity, value))
}

/// The total: of its register, of one for each direction, or of the phases that there are.
fn power(sums: &Sums) -> Result<Option<i64>, String> {
    let has = |quantity| sums.contains_key(&quantity);
    let directed = has(Quantity::PowerImport) || has(Quantity::PowerExport);
    let value = if has(Quantity::Power) {
        sum(sums, Quantity::Power)
    } else if directed {
        let part = |quantity| sums.get(&quantity).copied().unwrap_or(Some(0));
        let (import, export) = (part(Quantity::PowerImport), part(Quantity::PowerExport));
        import.zip(export).and_then(|(import, export)| import.checked_sub(export))
    } else {
        of_phases(sums)
    };
    watts(Quantity::Power, value)
}

fn of_phases(sums: &Sums) -> Option<i128> {
    let phases = Phase::ALL.map(Quantity::PhasePower);
    let mut there = phases.iter().filter_map(|phase| sums.get(phase)).peekable();
    there.peek()?;
    there.try_fold(0_i128, |total, phase| total.checked_add((*phase)?))
}

fn phase_power(sums: &Sums, phase: Phase) -> Result<Option<i64>, String> {
    let quantity = Quantity::PhasePower(phase);
    watts(quantity, sum(sums, quantity))
}

fn voltage(sums: &Sums, phase: Phase) -> Result<Option<u32>, String> {
    let quantity = Quantity::Voltage(phase);
    let Some(value) = sum(sums, quantity) else { return Ok(None) };
    if (-i128::from(MAX_NEGATIVE_VOLTAGE_DV)..0).contains(&value) {
        return Ok(Some(0));
    }
    let voltage = u32::try_from(value).ok().filter(|voltage| *voltage <= MAX_VOLTAGE_DV);
    voltage.map(Some).ok_or_else(|| impossible(quantity, value))
}

fn current(sums: &Sums, phase: Phase) -> Result<Option<i32>, String> {
    let quantity = Quantity::Current(phase);
    let Some(value) = sum(sums, quantity) else { return Ok(None) };
    let current = i32::try_from(value).ok();
    let current = current.filter(|amperes| (-MAX_CURRENT_CA..=MAX_CURRENT_CA).contains(amperes));
    current.map(Some).ok_or_else(|| impossible(quantity, value))
}

fn frequency(sums: &Sums) -> Result<Option<u32>, String> {
    let quantity = Quantity::Frequency;
    let Some(value) = sum(sums, quantity) else { return Ok(None) };
    let frequency = u32::try_from(value).ok();
    let frequency = frequency.filter(|chz| *chz == 0 || FREQUENCY_CHZ.contains(chz));
    frequency.map(Some).ok_or_else(|| impossible(quantity, value))
}

fn factor(sums: &Sums) -> Result<Option<i32>, String> {
    let forms = [FactorForm::Plain, FactorForm::FourQuadrants].map(Quantity::PowerFactor);
    let Some(value) = forms.iter().find_map(|form| sum(sums, *form)) else { return Ok(None) };
    let factor = i32::try_from(value).ok();
    let factor = factor.filter(|milli| (-MAX_FACTOR_MILLI..=MAX_FACTOR_MILLI).contains(milli));
    let factor = factor.map(|milli| milli.clamp(-1_000, 1_000));
    factor.map(Some).ok_or_else(|| impossible(forms[0], value))
}

/// In the unit without its places: it is out of all bounds anyway.
fn impossible(quantity: Quantity, value: i128) -> String {
    let shown = Number::whole(value).times_ten_to(-quantity.places()).and_then(Number::rounded);
    format!("{quantity}: {} {} cannot be", shown.unwrap_or(value), quantity.unit())
}
