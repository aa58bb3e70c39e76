//! Messages compiled from `proto/jcpp.proto`; the numbers are the wire.

#![allow(missing_docs, clippy::all, clippy::pedantic)]

include!(concat!(env!("OUT_DIR"), "/infrastructure_proto.rs"));
