//! Compiles both revisions of the charging-station protocol, without `protoc`.

use std::{env, error::Error, path::PathBuf};

const PROTOS: [&str; 2] = ["proto/charger_v1_0.proto", "proto/charger_v1_10.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    for proto in PROTOS {
        println!("cargo::rerun-if-changed={proto}");
    }
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    prost_build::Config::new()
        .out_dir(PathBuf::from(env::var("OUT_DIR")?))
        // Maps are ordered so that encoding one message twice gives the same bytes.
        .btree_map(["."])
        .bytes(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
