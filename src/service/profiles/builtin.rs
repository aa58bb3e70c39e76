//! The profiles that are part of the program: what `build.rs` made of `deploy/meters`.

include!(concat!(env!("OUT_DIR"), "/meters.rs"));
