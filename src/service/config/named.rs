//! The files that a config names, whatever else may be wrong with it.

use std::path::{Path, PathBuf};

use super::read;

/// Values of all keys that end in `_file`; none if it cannot be read.
#[must_use]
pub fn files_named_in(config: &Path) -> Vec<PathBuf> {
    let table = read(config).ok().and_then(|text| text.parse::<toml::Table>().ok());
    let mut found = Vec::new();
    look(&toml::Value::Table(table.unwrap_or_default()), &mut found);
    found
}

fn look(value: &toml::Value, found: &mut Vec<PathBuf>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                match value.as_str() {
                    Some(path) if key.ends_with("_file") => found.push(path.into()),
                    _ => look(value, found),
                }
            }
        }
        toml::Value::Array(list) => list.iter().for_each(|value| look(value, found)),
        _ => {}
    }
}
