//! The installed package.

use super::command;
use crate::cli::doctor::facts::Known;

/// Its version; `None`: there is none.
pub(in crate::cli::doctor) fn look() -> Known<Option<String>> {
    let said =
        command::run("dpkg-query", &["-W", "-f", "${db:Status-Abbrev} ${Version}", "sitepilot"])?;
    let installed = said.output.strip_prefix("ii").map(|rest| rest.trim().to_owned());
    Ok(installed.filter(|version| said.is_done && !version.is_empty()))
}
