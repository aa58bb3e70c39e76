//! What is believed of a pile: beyond it a value counts as not said.

use std::ops::RangeInclusive;

/// Least and greatest value.
pub(super) type Limits = RangeInclusive<i32>;

/// Voltages, in 0.1 V: 2000 V, above any charging system.
pub(super) const VOLTAGE_DV: Limits = 0..=20_000;

/// Voltages, in 0.01 V: the same.
pub(super) const VOLTAGE_CV: Limits = 0..=200_000;

/// Voltages of cells, in 0.01 V: 24 V, as far as GB/T 27930 goes.
pub(super) const CELL_CV: Limits = 0..=2_400;

/// Currents, in 0.01 A: 4000 A, above any charging system; below nought the vehicle gives.
pub(super) const CURRENT_CA: Limits = -400_000..=400_000;

/// Powers, in W: 8 MW, above any charging system; below nought the vehicle gives.
pub(super) const POWER_W: Limits = -8_000_000..=8_000_000;

/// Temperatures, in 0.1 °C: from the coldest place on earth to where solder melts.
pub(super) const TEMPERATURE_DC: Limits = -900..=2_500;

/// States of charge, in %.
pub(super) const SOC_PERCENT: Limits = 0..=100;

/// Durations, in s: a year, longer than any order.
pub(super) const DURATION_S: Limits = 0..=31_622_400;

/// Capacities, in Ah: ten times the largest truck's.
pub(super) const CAPACITY_AH: Limits = 0..=20_000;

/// Energies of batteries, in 0.01 kWh: 10 MWh, ten times the largest truck's.
pub(super) const NOMINAL_ENERGY: Limits = 0..=1_000_000;

/// Charging cycles: one every half hour for 50 years.
pub(super) const CYCLES: Limits = 0..=1_000_000;
