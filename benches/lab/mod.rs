//! A lab for measurements: a controller process, a slow line, brokers, load.

#![allow(dead_code, reason = "shared by benches that use parts of it")]

pub mod broker;
pub mod controller;
pub mod idle;
pub mod line;
pub mod load;
pub mod mosquitto;

/// A loopback port nobody uses at the moment.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
