//! What a meter may be: profiles whose registers it has, with values that can be.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    domain::{
        quantity::Energy,
        reading::{ReadFault, Values},
    },
    protocol::modbus::{Block, Need, Profile, Quantity, Readout},
};

/// A profile that fits.
#[derive(Debug, Clone)]
pub(super) struct Guess {
    pub(super) profile: String,
    pub(super) model: String,
    /// Its identity registers hold what they should.
    pub(super) is_identified: bool,
    /// What speaks for it beside that all its values can be.
    pub(super) signs: u32,
    /// Values that were read.
    pub(super) read: usize,
    pub(super) values: Values,
}

/// Guesses that are told.
const MOST: usize = 5;

/// Voltage to neutral of a low-voltage grid anywhere, in 0.1 V, with room for bad ones.
const VOLTAGE_DV: std::ops::RangeInclusive<u32> = 800..=3000;

/// In 0.01 Hz.
const FREQUENCY_CHZ: std::ops::RangeInclusive<u32> = 4500..=6500;

/// A line may disturb one answer, and must not hide a meter by it.
const TRIES: u8 = 2;

/// Asks a meter for a block, after a silence.
type Ask<'a> = dyn FnMut(Block, Duration) -> Result<Vec<u16>, ReadFault> + 'a;

/// The profiles that fit, the likeliest first.
pub(super) fn guesses(profiles: &[Profile], ask: &mut Ask<'_>) -> Vec<Guess> {
    let mut meter = Meter { ask, known: BTreeMap::new() };
    let mut guesses: Vec<_> = profiles.iter().filter_map(|profile| meter.guess(profile)).collect();
    // The sort is stable: equals stay in the order of their names.
    guesses.sort_by_key(|guess| std::cmp::Reverse((guess.is_identified, guess.signs, guess.read)));
    guesses.truncate(MOST);
    guesses
}

/// A meter, asked for each block only once.
struct Meter<'a, 'b> {
    ask: &'a mut Ask<'b>,
    known: BTreeMap<Block, Option<Vec<u16>>>,
}

impl Meter<'_, '_> {
    /// `None`: it does not have them.
    fn words(&mut self, block: Block, silence: Duration) -> Option<Vec<u16>> {
        if let Some(known) = self.known.get(&block) {
            return known.clone();
        }
        let mut words = None;
        for _ in 0..TRIES {
            match (self.ask)(block, silence) {
                Ok(read) => words = Some(read),
                Err(ReadFault::Refused(_)) => {}
                Err(_) => continue,
            }
            break;
        }
        self.known.insert(block, words.clone());
        words
    }

    fn guess(&mut self, profile: &Profile) -> Option<Guess> {
        let silence = Duration::from_millis(u64::from(profile.silence_ms));
        for identity in &profile.identity {
            if !identity.holds(&self.words(identity.block, silence)?) {
                return None;
            }
        }
        let readout = self.readout(profile, silence)?;
        let values = profile.values(&readout).ok()?;
        let is_identified = !profile.identity.is_empty();
        let signs = signs(profile, &values);
        if !is_identified && signs? == 0 {
            return None;
        }
        Some(Guess {
            profile: profile.name.clone(),
            model: format!("{} {}", profile.manufacturer, profile.model),
            is_identified,
            signs: signs.unwrap_or(0),
            read: readout.blocks().len(),
            values,
        })
    }

    /// All that can be read of a profile; `None`: something that it must have cannot be. That
    /// comes first, because most profiles are out with their first block.
    fn readout(&mut self, profile: &Profile, silence: Duration) -> Option<Readout> {
        let blocks = profile.blocks().into_iter();
        let (needed, others): (Vec<_>, Vec<_>) = blocks.partition(|it| is_needed(profile, *it));
        let mut readout = Readout::default();
        for block in needed {
            readout.add(block, self.words(block, silence)?);
        }
        profile.values(&readout).ok()?;
        for block in others {
            if let Some(words) = self.words(block, silence) {
                readout.add(block, words);
            }
        }
        Some(readout)
    }
}

/// Whether a required value, or what it is multiplied with, is among these registers.
fn is_needed(profile: &Profile, block: Block) -> bool {
    let required = profile.registers.iter().filter(|register| register.need == Need::Required);
    let mut parts = required.flat_map(|register| {
        let factors = register.scale.factors.iter().map(|factor| factor.block);
        let exponent = register.scale.exponent.map(|exponent| exponent.block());
        factors.chain(exponent).chain([register.block])
    });
    parts.any(|part| block.covers(part))
}

/// What speaks for a profile; `None`: something speaks against it.
fn signs(profile: &Profile, values: &Values) -> Option<u32> {
    let has_frequency = profile.registers.iter().any(|r| r.quantity == Quantity::Frequency);
    let is_ac = has_frequency || values.voltage_dv[1].is_some();
    let voltages = if is_ac { voltages(values)? } else { 0 };
    let frequency = match values.frequency_chz {
        Some(chz) if FREQUENCY_CHZ.contains(&chz) => 1,
        Some(_) => return None,
        None => 0,
    };
    let power = power(values)?;
    let factor = u32::from(values.power_factor_milli.is_some_and(|milli| milli != 0));
    let energy = u32::from(values.energy_import.is_some_and(|energy| energy > Energy::from_wh(0)));
    Some(voltages + frequency + power + factor + energy)
}

/// One for each phase that has a voltage; a meter for three may be on one.
fn voltages(values: &Values) -> Option<u32> {
    let mut found = 0;
    for (phase, dv) in values.voltage_dv.iter().enumerate() {
        match dv {
            Some(dv) if VOLTAGE_DV.contains(dv) => found += 1,
            Some(0) if phase > 0 => {}
            Some(_) => return None,
            None => {}
        }
    }
    Some(found)
}

/// Power is at most voltage times current, where both are known of every phase.
fn power(values: &Values) -> Option<u32> {
    let Some(power) = values.power_w else { return Some(0) };
    let phases = values.voltage_dv.iter().zip(values.current_ca);
    let phases = phases.filter_map(|(dv, ca)| Some(i64::from((*dv)?) * i64::from(ca?).abs()));
    let phases: Vec<_> = phases.collect();
    if phases.is_empty() || phases.len() != values.voltage_dv.iter().flatten().count() {
        return Some(0);
    }
    // In 0.001 W; a tenth and 20 W more, because the two are not of one moment.
    let apparent: i64 = phases.iter().sum();
    let limit = apparent / 1000 * 11 / 10 + 20;
    (power.abs() <= limit).then_some(u32::from(power != 0))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{
        protocol::modbus::{Image, Phase},
        service::profiles::Shelf,
    };

    fn values() -> Values {
        Values {
            energy_import: Some(Energy::from_wh(1_234_560)),
            energy_export: Some(Energy::from_wh(0)),
            power_w: Some(6900),
            phase_power_w: [Some(2300); 3],
            reactive_var: Some(0),
            voltage_dv: [Some(2300), Some(2310), Some(2290)],
            current_ca: [Some(1000), Some(1004), Some(1000)],
            frequency_chz: Some(5000),
            power_factor_milli: Some(998),
        }
    }

    /// Reads from an image; a request for anything else is refused.
    fn from_image(image: &Image) -> impl FnMut(Block, Duration) -> Result<Vec<u16>, ReadFault> {
        move |block, _| {
            let each = (0..block.count).map(|i| image.get(&(block.table, block.start + i)));
            let words: Option<Vec<u16>> = each.map(|word| word.copied()).collect();
            words.ok_or(ReadFault::Refused(2))
        }
    }

    #[test]
    fn every_shipped_profile_is_among_the_guesses_of_its_own_meter() {
        let (profiles, faults) = Shelf::built_in().all();
        assert!(faults.is_empty() && profiles.len() > 10);
        for profile in &profiles {
            let has = |quantity| profile.registers.iter().any(|r| r.quantity == quantity);
            let mut values = values();
            if !has(Quantity::Voltage(Phase::L2)) && !has(Quantity::Current(Phase::L2)) {
                // One phase carries no more than it can.
                values.power_w = Some(2300);
            }
            let mut image = profile.image(&values);
            for identity in &profile.identity {
                let words = identity.any_of[0].iter().enumerate();
                for (i, word) in words {
                    let at = identity.block.start + u16::try_from(i).unwrap();
                    image.insert((identity.block.table, at), *word);
                }
            }
            let found = guesses(&profiles, &mut from_image(&image));
            let names: Vec<_> = found.iter().map(|guess| guess.profile.as_str()).collect();
            assert!(names.contains(&profile.name.as_str()), "{} in {names:?}", profile.name);
        }
    }

    #[test]
    fn values_that_cannot_be_speak_against_a_profile() {
        let profile = Shelf::built_in().find("eastron-sdm630").unwrap();
        let count = |change: fn(&mut Values)| {
            let mut values = values();
            change(&mut values);
            signs(&profile, &values)
        };
        assert_eq!(count(|_| {}), Some(7), "three voltages, frequency, power, factor, energy");
        let on_two = |v: &mut Values| (v.voltage_dv[1], v.power_w) = (Some(0), Some(4600));
        assert_eq!(count(on_two), Some(6), "a meter for three phases on two");
        assert_eq!(count(|v| v.voltage_dv[0] = Some(0)), None);
        assert_eq!(count(|v| v.voltage_dv[2] = Some(4000)), None);
        assert_eq!(count(|v| v.frequency_chz = Some(500)), None);
        assert_eq!(count(|v| v.power_w = Some(69_000)), None, "more than voltage times current");
        assert_eq!(count(|v| v.power_w = Some(0)), Some(6), "no load says nothing");
    }

    #[test]
    fn a_meter_of_zeros_is_nothing_that_is_known() {
        let (profiles, _) = Shelf::built_in().all();
        let found = guesses(&profiles, &mut |block, _| Ok(vec![0; usize::from(block.count)]));
        let names: Vec<_> = found.iter().map(|guess| &guess.profile).collect();
        assert!(names.is_empty(), "{names:?}");
    }

    #[test]
    fn a_disturbed_answer_is_asked_for_again() {
        let (profiles, _) = Shelf::built_in().all();
        let sdm = profiles.iter().find(|profile| profile.name == "eastron-sdm630").unwrap();
        let image = sdm.image(&values());
        let mut asked = 0;
        let mut read = from_image(&image);
        let found = guesses(std::slice::from_ref(sdm), &mut |block, silence| {
            asked += 1;
            if asked % 2 == 1 { Err(ReadFault::Damaged) } else { read(block, silence) }
        });
        assert_eq!(found.len(), 1);
    }
}
