//! The little of a config that commands need: where things are. Commands are run by people who
//! may not read the secrets, so these are not looked at.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use toml::de::DeTable;

use super::{
    ConfigError, Control,
    fault::{Faults, Place},
    read,
    reader::Section,
    table, unreadable,
};

/// Where things are.
#[derive(Debug, Clone)]
pub struct Paths {
    /// Station code.
    pub code: String,
    /// Ledger and credentials.
    pub data_dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// How times are shown.
    pub zone: TimeZone,
}

impl Paths {
    /// Reads them from a config.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or these cannot be read from it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path).map_err(|error| unreadable(path, &error))?;
        Self::parse(path, &text)
    }

    /// Reads them from the text of a config; `path` is where it came from.
    ///
    /// # Errors
    ///
    /// If these cannot be read from it.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut faults = Faults::new(path, text);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            faults.add_syntax(error);
        }
        let mut root = Section::root(document.get_ref());
        let site = root.section("site", &mut faults).and_then(|s| table::place(s, &mut faults));
        let control = root.section("control", &mut faults);
        let control = control.map_or_else(Control::default, |s| table::control(s, &mut faults));
        if site.is_none() {
            let at = Place { key: "site".to_owned(), span: None };
            faults.add(&at, "is missing or wrong", "run: sitepilot check");
        }
        faults.finish()?;
        let site = site.expect("a missing site is a fault");
        let table::Place { code, data_dir, timezone, .. } = site;
        Ok(Self { code, data_dir, socket: control.socket, zone: timezone })
    }
}
