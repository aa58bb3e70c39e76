//! Compiles the messages of the wires, without `protoc`, and puts the profiles of meters into the
//! program.

use std::{env, error::Error, fmt::Write as _, fs, path::PathBuf};

const PROTOS: [&str; 5] = [
    "proto/charger_v1_0.proto",
    "proto/charger_v1_10.proto",
    "proto/jcpp.proto",
    "proto/peaq_event.proto",
    "proto/peaq_gateway.proto",
];

/// One file for each kind of meter.
const METERS: &str = "deploy/meters";

/// To be copied; no meter.
const BLUEPRINT: &str = "blueprint";

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
    embed_meters()
}

/// Writes a table of names and texts, in the order of the names.
fn embed_meters() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={METERS}");
    let mut meters = Vec::new();
    for entry in fs::read_dir(METERS)? {
        let name = entry?.file_name().into_string().map_err(|name| format!("{name:?}"))?;
        let Some(name) = name.strip_suffix(".toml") else { continue };
        if name != BLUEPRINT {
            meters.push((
                name.to_owned(),
                compact(&fs::read_to_string(format!("{METERS}/{name}.toml"))?),
            ));
        }
    }
    meters.sort();
    let mut table = String::from("pub(super) static METERS: &[(&str, &str)] = &[\n");
    for (name, text) in meters {
        writeln!(table, "    ({name:?}, {text:?}),")?;
    }
    table.push_str("];\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("meters.rs"), table)?;
    Ok(())
}

/// Without the lines that are for readers only: boards have little flash.
fn compact(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    words.collect::<Vec<_>>().join("\n") + "\n"
}
