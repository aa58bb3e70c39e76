//! The inverse: registers that say given values, for simulated meters.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    kind::{WordOrder, split},
    number::Number,
    profile::Profile,
    quantity::Quantity,
    readout::{Block, Table},
    register::{EXPONENTS, Exponent, Factor, Register},
};
use crate::domain::{quantity::Energy, reading::Values};

/// Registers with what stands in them.
pub type Image = BTreeMap<(Table, u16), u16>;

impl Profile {
    /// Registers that say these values, as near as their kinds can; what does not fit stands at
    /// its kind's greatest or least. A value that is `None` has its mark for that, or no
    /// register at all. Of a sum the first register has everything. Ratios are 1.
    #[must_use]
    pub fn image(&self, values: &Values) -> Image {
        self.image_over(&Image::new(), values)
    }

    /// The same over registers that are already there: ratios among them are kept, as those of a
    /// meter that is set to them.
    #[must_use]
    pub fn image_over(&self, given: &Image, values: &Values) -> Image {
        let mut image = given.clone();
        for factor in self.registers.iter().flat_map(|register| &register.scale.factors) {
            if words_at(given, factor.block).is_none() {
                put(&mut image, factor.block, &factor.one());
            }
        }
        let values = self.shares(values);
        self.put_exponents(&mut image, &values);
        for (register, value) in self.registers.iter().zip(&values) {
            register.put(&mut image, *value);
            if register.scale.exponent.is_some() {
                register.together(&self.reach()).fill(&mut image);
            }
        }
        for identity in &self.identity {
            if let Some(words) = identity.any_of.first() {
                put(&mut image, identity.block, words);
            }
        }
        image
    }

    /// What each register has to say.
    fn shares(&self, values: &Values) -> Vec<Option<i128>> {
        let mut said = BTreeSet::new();
        let mut shares = Vec::new();
        for register in &self.registers {
            let value = of(values, register.quantity);
            let first = said.insert(register.quantity);
            shares.push(if first { value } else { value.map(|_| 0) });
        }
        shares
    }

    /// An exponent register has the finest power of ten with which every value beside it fits,
    /// and no finer one than values of the domain are.
    fn put_exponents(&self, image: &mut Image, values: &[Option<i128>]) {
        let mut powers: BTreeMap<(Table, u16), (Exponent, i32)> = BTreeMap::new();
        for (register, value) in self.registers.iter().zip(values) {
            let Some(exponent) = register.scale.exponent else { continue };
            let power = register.power(image, exponent, value.unwrap_or(0));
            let at = (exponent.table, exponent.address);
            let most = powers.entry(at).or_insert((exponent, power));
            most.1 = most.1.max(power);
        }
        for (exponent, power) in powers.into_values() {
            let bits = exponent.kind.bits(Number::whole(power.into()));
            put(image, exponent.block(), &split(bits, 1, WordOrder::Big));
        }
    }
}

impl Register {
    fn put(&self, image: &mut Image, value: Option<i128>) {
        let bits = match value {
            Some(value) => self.bits(image, value),
            None => self.absent.first().copied().or_else(|| self.kind.none()),
        };
        if let Some(bits) = bits {
            put(image, self.block, &split(bits, self.block.count, self.words));
        }
    }

    fn bits(&self, image: &Image, value: i128) -> Option<u64> {
        let power = match &self.scale.exponent {
            Some(exponent) => exponent.in_image(image)?,
            None => 0,
        };
        Some(self.kind.bits(self.unscaled(image, value, power)?))
    }

    /// What stands in the register for a value of the domain.
    fn unscaled(&self, image: &Image, value: i128, power: i32) -> Option<Number> {
        let mut number = Number::new(value, 0, -self.quantity.places());
        number = number.divided(Number::decimal(self.scale.decimal))?.times_ten_to(-power)?;
        for factor in &self.scale.factors {
            number = number.divided(factor.in_image(image)?)?;
        }
        Some(number)
    }

    fn power(&self, image: &Image, exponent: Exponent, value: i128) -> i32 {
        let finest = -self.quantity.places() - i32::from(self.scale.decimal.exponent());
        let first = finest.clamp(*EXPONENTS.start(), *EXPONENTS.end());
        let fits = |power: &i32| {
            let held = exponent.kind.holds(Number::whole((*power).into()));
            let number = self.unscaled(image, value, *power);
            held && number.is_some_and(|number| self.kind.holds(number))
        };
        (first..=*EXPONENTS.end()).find(fits).unwrap_or(*EXPONENTS.end())
    }
}

impl Exponent {
    fn in_image(&self, image: &Image) -> Option<i32> {
        let words = words_at(image, self.block())?;
        self.power(&words).ok()
    }
}

impl Factor {
    /// Words of a ratio of 1.
    fn one(&self) -> Vec<u16> {
        let one = Number::whole(1).divided(Number::decimal(self.scale));
        let bits = one.map_or(0, |one| self.kind.bits(one));
        split(bits, self.block.count, self.words)
    }

    fn in_image(&self, image: &Image) -> Option<Number> {
        let words = words_at(image, self.block)?;
        self.number(&words).ok()
    }
}

impl Block {
    /// What is read together with a value is there: nought where nothing else is.
    fn fill(self, image: &mut Image) {
        for address in (self.start..).take(usize::from(self.count)) {
            image.entry((self.table, address)).or_insert(0);
        }
    }
}

fn put(image: &mut Image, block: Block, words: &[u16]) {
    for (address, word) in (block.start..).zip(words) {
        image.insert((block.table, address), *word);
    }
}

/// The words of a block; `None` if one of them is not there.
fn words_at(image: &Image, block: Block) -> Option<Vec<u16>> {
    let at = |address| image.get(&(block.table, address)).copied();
    (block.start..).take(usize::from(block.count)).map(at).collect()
}

/// The value of a quantity in the domain's unit.
pub(super) fn of(values: &Values, quantity: Quantity) -> Option<i128> {
    let energy = |energy: Option<Energy>| energy.map(|energy| i128::from(energy.wh()));
    let power = values.power_w.map(i128::from);
    match quantity {
        Quantity::EnergyImport => energy(values.energy_import),
        Quantity::EnergyExport => energy(values.energy_export),
        Quantity::Power => power,
        Quantity::PowerImport => power.map(|power| power.max(0)),
        Quantity::PowerExport => power.map(|power| (-power).max(0)),
        Quantity::PhasePower(phase) => values.phase_power_w[phase.index()].map(i128::from),
        Quantity::Reactive => values.reactive_var.map(i128::from),
        Quantity::Voltage(phase) => values.voltage_dv[phase.index()].map(i128::from),
        Quantity::Current(phase) => values.current_ca[phase.index()].map(i128::from),
        Quantity::Frequency => values.frequency_chz.map(i128::from),
        Quantity::PowerFactor(_) => values.power_factor_milli.map(i128::from),
    }
}
