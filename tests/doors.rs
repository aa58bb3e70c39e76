//! The doors from outside: bytes over TCP, and rumqttc as a client of foreign make.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "doors/foreign.rs"]
mod foreign;
#[path = "doors/guard.rs"]
mod guard;
#[path = "doors/limits.rs"]
mod limits;
#[path = "support/mqtt_raw.rs"]
mod mqtt_raw;
#[path = "doors/observers.rs"]
mod observers;
#[path = "support/pki.rs"]
mod pki;
#[path = "doors/presence.rs"]
mod presence;
#[path = "doors/protocol.rs"]
mod protocol;
#[path = "doors/qos2.rs"]
mod qos2;
#[path = "support/qos2_client.rs"]
mod qos2_client;
#[path = "doors/sessions.rs"]
mod sessions;
#[path = "doors/site.rs"]
mod site;
#[path = "doors/tls.rs"]
mod tls;
