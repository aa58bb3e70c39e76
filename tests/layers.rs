//! Holds the line between the rooms: reads every file under `src`, collects the rooms and the
//! crates it names, and compares them with the tables below.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The rooms and their floors. A room may name only rooms on lower floors. `sys` lies below the
/// shells so that they may use it; `cli` lies above the simulated peers that it starts.
const FLOORS: [(&str, u8); 16] = [
    ("domain", 0),
    ("protocol", 10),
    ("site", 20),
    ("metering", 20),
    ("sys", 25),
    ("ledger", 30),
    ("broker", 30),
    ("uplink", 30),
    ("clock", 30),
    ("status", 30),
    ("serial", 30),
    ("service", 40),
    ("peers", 50),
    ("cli", 60),
    ("main", 70),
    ("fuzzing", 80),
];

/// The floors up to here are pure.
const LAST_PURE: u8 = 20;

/// The crates that pure rooms may use beside `std`.
const PURE_CRATES: [&str; 6] = ["bytes", "data_encoding", "prost", "sha2", "thiserror", "tracing"];

/// What pure rooms may not use of `std`: the outside.
const OUTSIDE: [&str; 8] = ["env", "fs", "io", "net", "os", "process", "thread", "time"];

/// What pure rooms may not name: the order of these is random.
const RANDOM_ORDER: [&str; 2] = ["HashMap", "HashSet"];

/// Crates that belong to one outside thing, with the rooms that adapt it.
const KEPT_TO: [(&str, &[&str]); 7] = [
    ("anyhow", &["service", "cli", "main"]),
    ("axum", &["status"]),
    ("rumqttc", &["uplink", "peers"]),
    ("rumqttd", &["broker"]),
    ("rusqlite", &["ledger"]),
    ("tokio_modbus", &["serial"]),
    ("tokio_serial", &["serial", "peers"]),
];

/// A word or a sign of Rust, without comments and literals.
type Tokens = Vec<String>;

/// Cuts a source into words, `::` and single signs. Comments and literals are left out; a
/// literal leaves a `"`.
fn tokens(source: &str) -> Tokens {
    let chars: Vec<char> = source.chars().collect();
    let starts = |at: usize, text: &str| {
        text.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c))
    };
    let mut tokens = Tokens::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if starts(at, "//") {
            at += chars[at..].iter().take_while(|c| **c != '\n').count();
        } else if starts(at, "/*") {
            at = after(&chars, at + 2, "*/");
        } else if let Some(end) = raw_string(&chars, at) {
            at = end;
        } else if c == '"' {
            at = end_of_string(&chars, at + 1);
            tokens.push("\"".into());
        } else if c == '\'' {
            at = end_of_quote(&chars, at);
        } else if c.is_alphanumeric() || c == '_' {
            let word = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_');
            let word: String = word.collect();
            at += word.chars().count();
            tokens.push(word);
        } else if starts(at, "::") {
            tokens.push("::".into());
            at += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push(c.into());
            }
            at += 1;
        }
    }
    tokens
}

/// Behind the next occurrence of a text.
fn after(chars: &[char], mut at: usize, text: &str) -> usize {
    let text: Vec<char> = text.chars().collect();
    while at < chars.len() && !chars[at..].starts_with(&text) {
        at += 1;
    }
    at + text.len()
}

fn end_of_string(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Behind a character literal, or behind the quote of a lifetime.
fn end_of_quote(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => after(chars, at + 3, "'"),
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1,
    }
}

/// Behind a raw string that begins here.
fn raw_string(chars: &[char], at: usize) -> Option<usize> {
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    let begins = chars[at] == 'r' && (at == 0 || !is_word(&chars[at - 1]) || chars[at - 1] == 'b');
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    if !begins || chars.get(at + 1 + hashes) != Some(&'"') {
        return None;
    }
    Some(after(chars, at + 2 + hashes, &format!("\"{}", "#".repeat(hashes))))
}

/// The words that follow `root ::` at one place, also in a group of braces.
fn children(tokens: &[String], at: usize) -> Vec<String> {
    match tokens.get(at).map(String::as_str) {
        Some("{") => {}
        Some(word) => return vec![word.into()],
        None => return Vec::new(),
    }
    let (mut depth, mut found) = (0, Vec::new());
    for pair in tokens[at..].windows(2) {
        match pair[0].as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        let begins = depth == 1 && matches!(pair[0].as_str(), "{" | ",");
        if begins && pair[1] != "}" {
            found.push(pair[1].clone());
        }
    }
    found
}

/// What a source names.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    rooms: BTreeSet<String>,
    crates: BTreeSet<String>,
    of_std: BTreeSet<String>,
    words: BTreeSet<String>,
}

/// What a source names; `depth` is the number of modules its file lies under the crate's root.
fn named(source: &str, depth: usize, known_crates: &BTreeSet<String>) -> Named {
    let tokens = tokens(source);
    let mut named = Named { words: tokens.iter().cloned().collect(), ..Named::default() };
    // Braces that are open, with whether they are a module's.
    let mut braces: Vec<bool> = Vec::new();
    for at in 0..tokens.len() {
        let before = |back: usize| at.checked_sub(back).map_or("", |i| tokens[i].as_str());
        let next = tokens.get(at + 1).map_or("", String::as_str);
        match tokens[at].as_str() {
            "{" => braces.push(before(2) == "mod"),
            "}" => drop(braces.pop()),
            _ => {}
        }
        let is_path = next == "::" && before(1) != "::";
        let is_use = before(1) == "use" && matches!(next, ";" | "as");
        match tokens[at].as_str() {
            "crate" | "sitepilot" if next == "::" => {
                named.rooms.extend(children(&tokens, at + 2));
            }
            "super" if is_path => {
                let ups = tokens[at..].chunks(2).take_while(|c| c[0] == "super").count();
                let modules = braces.iter().filter(|is_module| **is_module).count();
                if ups == depth + modules {
                    named.rooms.extend(children(&tokens, at + 2 * ups));
                }
            }
            "std" | "core" if is_path => named.of_std.extend(children(&tokens, at + 2)),
            name if (is_path || is_use) && known_crates.contains(name) => {
                named.crates.insert(name.into());
            }
            _ => {}
        }
    }
    named
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// What is wrong with one file. `path` is relative to `src`.
fn faults(path: &Path, source: &str, known_crates: &BTreeSet<String>) -> Vec<String> {
    let mut modules: Vec<String> = path
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if modules.last().is_some_and(|last| last == "mod") {
        modules.pop();
    }
    let room = modules[0].clone();
    let Some(own) = floor(&room) else {
        return vec![format!("{}: a room without a floor", path.display())];
    };
    let named = named(source, modules.len(), known_crates);
    let mut faults = Vec::new();
    let mut fault = |what: String| faults.push(format!("{}: {what}", path.display()));
    for other in named.rooms.iter().filter(|other| **other != room) {
        match floor(other) {
            None => fault(format!("names `{other}`, which is no room")),
            Some(floor) if floor > own => fault(format!("imports upward: `{other}`")),
            Some(floor) if floor == own => fault(format!("imports sideways: `{other}`")),
            Some(_) => {}
        }
    }
    for name in &named.crates {
        if own <= LAST_PURE && !PURE_CRATES.contains(&name.as_str()) {
            fault(format!("uses `{name}` in a pure room"));
        }
        let kept = KEPT_TO.iter().find(|(kept, _)| kept == name);
        if kept.is_some_and(|(_, rooms)| !rooms.contains(&room.as_str())) {
            fault(format!("uses `{name}`, which is kept to other rooms"));
        }
    }
    if own <= LAST_PURE {
        for outside in named.of_std.iter().filter(|part| OUTSIDE.contains(&part.as_str())) {
            fault(format!("uses `std::{outside}` in a pure room"));
        }
        for random in named.words.iter().filter(|word| RANDOM_ORDER.contains(&word.as_str())) {
            fault(format!("uses `{random}` in a pure room"));
        }
    }
    if room != "sys" && named.words.contains("unsafe") {
        fault("uses `unsafe` outside `sys`".into());
    }
    faults
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The crates the package depends on, as they are named in Rust.
fn dependencies() -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap();
    let names = section.lines().take_while(|line| !line.starts_with('['));
    let names: BTreeSet<String> = names
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().replace('-', "_"))
        .collect();
    assert!(names.contains("tokio") && names.contains("data_encoding"), "{names:?}");
    names
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn rooms_import_only_from_below() {
    let (src, known) = (root().join("src"), dependencies());
    let mut all = Vec::new();
    let mut rooms = BTreeSet::new();
    for file in files(&src) {
        let path = file.strip_prefix(&src).unwrap();
        // The map of the crate: it declares the rooms.
        if path == Path::new("lib.rs") {
            continue;
        }
        rooms.insert(path.components().next().unwrap().as_os_str().to_owned());
        all.extend(faults(path, &fs::read_to_string(&file).unwrap(), &known));
    }
    assert!(rooms.len() >= FLOORS.len(), "files of some rooms were not found: {rooms:?}");
    assert!(all.is_empty(), "\n{}\n", all.join("\n"));
}

/// What the checker says of a source in a file.
fn check(path: &str, source: &str) -> Vec<String> {
    let known = ["tokio", "bytes", "rusqlite", "anyhow"].map(String::from).into();
    let found = faults(Path::new(path), source, &known);
    found.iter().map(|fault| fault.replacen(&format!("{path}: "), "", 1)).collect()
}

#[test]
fn the_checker_sees_imports_that_go_the_wrong_way() {
    assert_eq!(check("site/mod.rs", "use crate::ledger::Ledger;"), ["imports upward: `ledger`"]);
    assert_eq!(
        check("ledger/a.rs", "fn f() { crate::uplink::g() }"),
        ["imports sideways: `uplink`"]
    );
    let grouped = "use crate::{\n domain::{id::PileCode, site}, // crate::cli\n broker::Doors,\n};";
    assert_eq!(check("site/a.rs", grouped), ["imports upward: `broker`"]);
    assert_eq!(check("clock.rs", "use super::status::Page;"), ["imports sideways: `status`"]);
    assert_eq!(check("site/a/b.rs", "use super::super::super::cli;"), ["imports upward: `cli`"]);
    let inner = "mod tests { fn f() { let x = 1; } use super::super::status; }";
    assert_eq!(check("clock.rs", inner), ["imports sideways: `status`"]);
    assert_eq!(check("site/a.rs", "use crate::attic;"), ["names `attic`, which is no room"]);
    assert_eq!(check("attic/a.rs", ""), ["a room without a floor"]);
}

#[test]
fn the_checker_sees_crates_and_words_in_the_wrong_room() {
    let tokio = ["uses `tokio` in a pure room"];
    assert_eq!(check("site/a.rs", "#[tokio::test] fn f() {}"), tokio);
    assert_eq!(check("domain/a.rs", "use tokio as t;"), tokio);
    let sqlite = "use rusqlite::Connection;";
    assert_eq!(check("broker/a.rs", sqlite), ["uses `rusqlite`, which is kept to other rooms"]);
    assert_eq!(check("site/a.rs", "use std::{fmt, net};"), ["uses `std::net` in a pure room"]);
    let hash = "use std::collections::HashMap;";
    assert_eq!(check("protocol/a.rs", hash), ["uses `HashMap` in a pure room"]);
    assert_eq!(check("broker/a.rs", "unsafe { x() }"), ["uses `unsafe` outside `sys`"]);
}

#[test]
fn the_checker_lets_pass_what_is_right() {
    for (path, source) in [
        ("site/mod.rs", "use crate::{domain::id, protocol::charger, site::step};"),
        ("service/a.rs", "use crate::sys; use anyhow::Result; use crate::ledger::{self, Ledger};"),
        ("main.rs", "fn main() { sitepilot::cli::run() }"),
        ("domain/a.rs", "// crate::cli\n/* use tokio::x; */ const A: &str = \"crate::cli\";"),
        ("domain/a.rs", "const A: &str = r#\"\"crate::cli\"#; const B: char = '\"'; use bytes::X;"),
        ("domain/a.rs", "fn f<'a>(x: &'a str) { let q = '\\''; }"),
        ("site/a.rs", "use super::{step, status};"),
        ("clock.rs", "mod tests { use super::{status, now}; }"),
        ("sys.rs", "unsafe { ioctl() }"),
        ("ledger/a.rs", "use rusqlite::Connection; use std::{fs, thread};"),
    ] {
        assert_eq!(check(path, source), [""; 0], "{path}: {source}");
    }
}
