//! What telemetry told last, of each component of a station.

use std::collections::BTreeMap;

use crate::peers::apdu::wire;

/// Components with their connectors that are remembered; far more than a site has.
const PLACES_MAX: usize = 1_024;

/// What telemetry told of a component.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// Reports of it.
    pub reports: u64,
    /// The newest value of each measurand.
    pub values: BTreeMap<i32, f64>,
    /// The order of the newest report; empty if it named none.
    pub record: String,
}

/// By component and connector; both as on the wire.
pub type Measurements = BTreeMap<(i32, String), Measured>;

/// Takes a report.
pub(super) fn take(measurements: &mut Measurements, report: wire::TelemetryReq) {
    // 1.0 says 0 where 1.10 says nothing.
    let connector = if report.connector_id == "0" { String::new() } else { report.connector_id };
    let place = (report.component, connector);
    if measurements.len() >= PLACES_MAX && !measurements.contains_key(&place) {
        return;
    }
    let measured = measurements.entry(place).or_default();
    measured.reports += 1;
    measured.record = report.record_id;
    measured.values.extend(report.values.iter().map(|sample| (sample.measurand, sample.value)));
}
