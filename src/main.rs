//! The `sitepilot` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    sitepilot::cli::run(std::env::args_os())
}
