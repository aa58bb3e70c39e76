//! The charging-station protocol over MQTT, revisions 1.0 and 1.10.

pub mod station;
pub mod wire;
