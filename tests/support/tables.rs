//! Tables of facts that may lie beside the project, to hold its own data against.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// The folder that a variable names, or one beside the project. Where there is neither, it is
/// said what was not compared: past the capture of a passing test, or nobody would ever see it.
pub fn find(variable: &str, beside: &str, left_out: &str) -> Option<PathBuf> {
    if let Some(folder) = env::var_os(variable) {
        return Some(folder.into());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(beside);
    if folder.is_dir() {
        return Some(folder);
    }
    let skipped = format!(
        "\n*** SKIPPED: no tables beside the project, and {variable} is not set\n\
         *** {left_out} NOT compared with the tables\n\n"
    );
    io::stderr().write_all(skipped.as_bytes()).unwrap();
    None
}

/// The cells of a row; a cell in quotes may contain commas.
pub fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            c => cells.last_mut().unwrap().push(c),
        }
    }
    cells
}

/// The rows of a table, in cells, without its heading.
#[allow(dead_code, reason = "not every test reads them")]
pub fn rows(folder: &Path, file: &str) -> Vec<Vec<String>> {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines().skip(1).map(cells).collect()
}
