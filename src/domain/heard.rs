//! What was heard of a connector, value by value with its moment.

use super::{
    gauge::{Battery, Gauges},
    time::Mono,
};

/// Values of [`Gauges`].
const VALUES: usize = 49;

/// Values that came with different messages, each with the moment it was heard at.
#[derive(Debug, Clone)]
pub struct Heard {
    gauges: Gauges,
    moments: [Mono; VALUES],
    newest: Mono,
}

impl Default for Heard {
    fn default() -> Self {
        Self { gauges: Gauges::default(), moments: [Mono(0); VALUES], newest: Mono(0) }
    }
}

impl Heard {
    /// Takes over what `newer` says; what it does not say stays as it was. Another vehicle than
    /// before: what that one said is forgotten first.
    pub fn take(&mut self, newer: &Gauges, at: Mono) {
        if *newer == Gauges::default() {
            return;
        }
        if self.gauges.vin.is_some() && newer.vin.is_some() && self.gauges.vin != newer.vin {
            self.forget_vehicle();
        }
        self.newest = at;
        walk(&mut self.gauges, newer, &mut Take { moments: self.moments.iter_mut(), at });
    }

    /// What was heard at or after a moment. What a vehicle says once, when it is plugged in, is
    /// among it as long as anything is: it does not change, and is not said again.
    #[must_use]
    pub fn since(&self, oldest: Mono) -> Gauges {
        let mut fresh = Gauges::default();
        if self.newest >= oldest {
            walk(&mut fresh, &self.gauges, &mut Pick { moments: self.moments.iter(), oldest });
        }
        fresh
    }

    /// What the vehicle's battery has said.
    #[must_use]
    pub const fn battery(&self) -> &Battery {
        &self.gauges.battery
    }

    /// The vehicle has gone, or its order is over: forgets what it said, and what was said of the
    /// order.
    pub fn forget_vehicle(&mut self) {
        let gauges = &mut self.gauges;
        (gauges.vin, gauges.soc_percent) = (None, None);
        (gauges.charged, gauges.cost) = (None, None);
        (gauges.charging_s, gauges.remaining_s) = (None, None);
        gauges.battery = Battery::default();
    }
}

impl Gauges {
    /// Takes over what `newer` says; what it does not say stays as it was.
    pub fn merge(&mut self, newer: &Self) {
        walk(self, newer, &mut Merge);
    }
}

/// What is done with a value and its counterpart.
trait Visit {
    /// Of a value that changes all the time.
    fn measured<T: Clone>(&mut self, own: &mut Option<T>, other: &Option<T>);

    /// Of a value that is said once.
    fn lasting<T: Clone>(&mut self, own: &mut Option<T>, other: &Option<T>) {
        self.measured(own, other);
    }
}

struct Merge;

impl Visit for Merge {
    fn measured<T: Clone>(&mut self, own: &mut Option<T>, other: &Option<T>) {
        if other.is_some() {
            own.clone_from(other);
        }
    }
}

/// Takes new values over, and notes when.
struct Take<'a> {
    moments: std::slice::IterMut<'a, Mono>,
    at: Mono,
}

impl Visit for Take<'_> {
    fn measured<T: Clone>(&mut self, own: &mut Option<T>, other: &Option<T>) {
        let moment = self.moments.next();
        if other.is_some() {
            own.clone_from(other);
            if let Some(moment) = moment {
                *moment = self.at;
            }
        }
    }
}

/// Picks the values that are fresh.
struct Pick<'a> {
    moments: std::slice::Iter<'a, Mono>,
    oldest: Mono,
}

impl Visit for Pick<'_> {
    fn measured<T: Clone>(&mut self, own: &mut Option<T>, other: &Option<T>) {
        if self.moments.next().is_some_and(|at| *at >= self.oldest) {
            own.clone_from(other);
        }
    }

    fn lasting<T: Clone>(&mut self, own: &mut Option<T>, other: &Option<T>) {
        self.moments.next();
        own.clone_from(other);
    }
}

/// Goes through all values of two sets, always in the same order.
fn walk(own: &mut Gauges, other: &Gauges, visit: &mut impl Visit) {
    // Whole, so that a new value cannot be forgotten here.
    let Gauges {
        output_voltage_dv,
        output_current_ca,
        power_w,
        input_voltage_dv,
        input_current_ca,
        temperature_dc,
        soc_percent,
        charged,
        cost,
        charging_s,
        remaining_s,
        meter,
        vin,
        is_seated,
        is_space_taken,
        ground_lock,
        battery,
    } = own;
    visit.measured(output_voltage_dv, &other.output_voltage_dv);
    visit.measured(output_current_ca, &other.output_current_ca);
    visit.measured(power_w, &other.power_w);
    for (own, other) in input_voltage_dv.iter_mut().zip(&other.input_voltage_dv) {
        visit.measured(own, other);
    }
    for (own, other) in input_current_ca.iter_mut().zip(&other.input_current_ca) {
        visit.measured(own, other);
    }
    visit.measured(temperature_dc, &other.temperature_dc);
    visit.measured(soc_percent, &other.soc_percent);
    visit.measured(charged, &other.charged);
    visit.measured(cost, &other.cost);
    visit.measured(charging_s, &other.charging_s);
    visit.measured(remaining_s, &other.remaining_s);
    visit.measured(meter, &other.meter);
    visit.lasting(vin, &other.vin);
    visit.measured(is_seated, &other.is_seated);
    visit.measured(is_space_taken, &other.is_space_taken);
    visit.measured(ground_lock, &other.ground_lock);
    walk_battery(battery, &other.battery, visit);
}

fn walk_battery(own: &mut Battery, other: &Battery, visit: &mut impl Visit) {
    let Battery {
        protocol,
        kind,
        capacity_ah,
        rated_voltage_cv,
        vendor,
        serial,
        made,
        cycles,
        property,
        software,
        cell_max_voltage_cv,
        max_current_ca,
        nominal_energy,
        max_voltage_cv,
        max_temperature_dc,
        mode,
        demand_voltage_cv,
        demand_current_ca,
        voltage_cv,
        current_ca,
        highest_cell,
        highest_temperature_dc,
        lowest_temperature_dc,
        cell_voltage_level,
        soc_level,
        current_level,
        temperature_level,
        insulation,
        contactor,
    } = own;
    visit.lasting(protocol, &other.protocol);
    visit.lasting(kind, &other.kind);
    visit.lasting(capacity_ah, &other.capacity_ah);
    visit.lasting(rated_voltage_cv, &other.rated_voltage_cv);
    visit.lasting(vendor, &other.vendor);
    visit.lasting(serial, &other.serial);
    visit.lasting(made, &other.made);
    visit.lasting(cycles, &other.cycles);
    visit.lasting(property, &other.property);
    visit.lasting(software, &other.software);
    visit.lasting(cell_max_voltage_cv, &other.cell_max_voltage_cv);
    visit.lasting(max_current_ca, &other.max_current_ca);
    visit.lasting(nominal_energy, &other.nominal_energy);
    visit.lasting(max_voltage_cv, &other.max_voltage_cv);
    visit.lasting(max_temperature_dc, &other.max_temperature_dc);
    visit.measured(mode, &other.mode);
    visit.measured(demand_voltage_cv, &other.demand_voltage_cv);
    visit.measured(demand_current_ca, &other.demand_current_ca);
    visit.measured(voltage_cv, &other.voltage_cv);
    visit.measured(current_ca, &other.current_ca);
    visit.measured(highest_cell, &other.highest_cell);
    visit.measured(highest_temperature_dc, &other.highest_temperature_dc);
    visit.measured(lowest_temperature_dc, &other.lowest_temperature_dc);
    visit.measured(cell_voltage_level, &other.cell_voltage_level);
    visit.measured(soc_level, &other.soc_level);
    visit.measured(current_level, &other.current_level);
    visit.measured(temperature_level, &other.temperature_level);
    visit.measured(insulation, &other.insulation);
    visit.measured(contactor, &other.contactor);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voltage(dv: i32) -> Gauges {
        Gauges { output_voltage_dv: Some(dv), ..Gauges::default() }
    }

    #[test]
    fn every_value_has_a_moment_of_its_own() {
        struct Count(usize);
        impl Visit for Count {
            fn measured<T: Clone>(&mut self, _: &mut Option<T>, _: &Option<T>) {
                self.0 += 1;
            }
            fn lasting<T: Clone>(&mut self, _: &mut Option<T>, _: &Option<T>) {
                self.0 += 1;
            }
        }
        let mut count = Count(0);
        walk(&mut Gauges::default(), &Gauges::default(), &mut count);
        assert_eq!(count.0, VALUES);
    }

    #[test]
    fn each_value_ages_by_itself() {
        let mut heard = Heard::default();
        heard.take(&voltage(7_500), Mono(1_000));
        heard.take(&Gauges { soc_percent: Some(40), ..Gauges::default() }, Mono(2_000));
        let both = Gauges { soc_percent: Some(40), ..voltage(7_500) };
        assert_eq!(heard.since(Mono(1_000)), both);
        assert_eq!(heard.since(Mono(1_001)), Gauges { output_voltage_dv: None, ..both });
        assert_eq!(heard.since(Mono(2_001)), Gauges::default());
    }

    #[test]
    fn what_a_vehicle_says_once_lasts_as_long_as_its_connector_is_heard_of() {
        let battery = Battery { capacity_ah: Some(200), voltage_cv: Some(1), ..Battery::default() };
        let once = Gauges { battery, ..Gauges::default() };
        let mut heard = Heard::default();
        heard.take(&once, Mono(1_000));
        heard.take(&voltage(7_500), Mono(9_000));
        let battery = heard.since(Mono(5_000)).battery;
        assert_eq!((battery.capacity_ah, battery.voltage_cv), (Some(200), None));
        assert_eq!(heard.since(Mono(9_001)), Gauges::default());
        heard.forget_vehicle();
        assert_eq!(heard.since(Mono(5_000)), voltage(7_500));
    }

    #[test]
    fn another_vehicle_has_nothing_of_the_one_before() {
        let says = |vin: &str| Gauges { vin: Some(vin.to_owned()), ..Gauges::default() };
        let mut heard = Heard::default();
        heard.take(&Gauges { soc_percent: Some(80), ..says("A") }, Mono(1));
        heard.take(&says("B"), Mono(2));
        assert_eq!(heard.since(Mono(0)), says("B"));
    }
}
