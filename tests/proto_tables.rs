//! Compares `proto/*.proto` with the tables of the protocol, where these lie beside the project:
//! numbers, names and types are the wire.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/tables.rs"]
mod tables;

use std::{collections::BTreeSet, fs, path::Path};

/// Names the folder of the tables, if it is not beside the project.
const TABLES_VARIABLE: &str = "SITEPILOT_PROTOCOL_TABLES";

/// A file of `proto/` as rows of the tables.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rows {
    /// Message, number, field, type, label; a message without fields has one row.
    fields: BTreeSet<[String; 5]>,
    /// Enum, number, name.
    enums: BTreeSet<[String; 3]>,
}

fn words(source: &str) -> Vec<String> {
    let code: String = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or("").to_owned() + "\n")
        .collect();
    let mut spaced = String::new();
    for c in code.chars() {
        if matches!(c, '{' | '}' | ';' | '=' | ',' | '<' | '>') {
            spaced.extend([' ', c, ' ']);
        } else {
            spaced.push(c);
        }
    }
    spaced.split_whitespace().map(str::to_owned).collect()
}

/// Reads the part of the language that the files use; anything else panics.
fn parse(source: &str) -> Rows {
    let words = words(source);
    let mut rows = Rows::default();
    // Names of the messages or the enum that are open.
    let mut open: Vec<(bool, String, usize)> = Vec::new();
    let mut statement: Vec<&str> = Vec::new();
    for word in &words {
        match word.as_str() {
            "{" => {
                let [kind @ ("message" | "enum"), name] = statement[..] else {
                    panic!("not understood: {statement:?}")
                };
                open.push((kind == "message", name.to_owned(), 0));
                statement.clear();
            }
            "}" => {
                let path = path(&open);
                let (is_message, _, fields) = open.pop().unwrap();
                if is_message && fields == 0 {
                    let empty = String::new;
                    rows.fields.insert([path, empty(), empty(), empty(), empty()]);
                }
            }
            ";" => {
                if !open.is_empty() {
                    add(&mut rows, &mut open, &statement);
                }
                statement.clear();
            }
            word => statement.push(word),
        }
    }
    rows
}

fn path(open: &[(bool, String, usize)]) -> String {
    let names: Vec<&str> = open.iter().map(|(_, name, _)| name.as_str()).collect();
    names.join(".")
}

fn add(rows: &mut Rows, open: &mut [(bool, String, usize)], statement: &[&str]) {
    let of = path(open);
    let (is_message, _, fields) = open.last_mut().unwrap();
    let row = |kind: &str, name: &str, number: &str, label: &str| {
        [of.clone(), number.into(), name.into(), kind.into(), label.into()]
    };
    let is_new = match statement {
        [name, "=", number] if !*is_message => {
            rows.enums.insert([of, (*number).into(), (*name).into()])
        }
        ["repeated", kind, name, "=", number] => {
            rows.fields.insert(row(kind, name, number, "repeated"))
        }
        ["map", "<", key, ",", value, ">", name, "=", number] => {
            rows.fields.insert(row(&format!("map<{key}, {value}>"), name, number, ""))
        }
        [kind, name, "=", number] => rows.fields.insert(row(kind, name, number, "")),
        other => panic!("not understood: {other:?}"),
    };
    assert!(is_new, "twice: {statement:?}");
    *fields += 1;
}

fn cells<const N: usize>(line: &str) -> [String; N] {
    let cells = tables::cells(line);
    cells.try_into().unwrap_or_else(|cells| panic!("{N} cells wanted: {cells:?}"))
}

fn table<const N: usize>(path: &Path) -> BTreeSet<[String; N]> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let rows: BTreeSet<_> = text.lines().skip(1).map(cells).collect();
    assert!(rows.len() > 100, "{} is cut: {} rows", path.display(), rows.len());
    rows
}

#[track_caller]
fn assert_same<const N: usize>(
    what: &str,
    file: &BTreeSet<[String; N]>,
    table: &BTreeSet<[String; N]>,
) {
    let list = |rows: Vec<&[String; N]>| {
        rows.iter().map(|row| row.join(",")).collect::<Vec<_>>().join("\n  ")
    };
    let (only_file, only_table) =
        (list(file.difference(table).collect()), list(table.difference(file).collect()));
    assert!(
        file == table,
        "{what} differ\nonly in the file:\n  {only_file}\nonly in the table:\n  {only_table}"
    );
}

#[test]
fn proto_files_agree_with_the_tables() {
    let left_out = "proto/*.proto were";
    let Some(tables) = tables::find(TABLES_VARIABLE, "../shared/protocol", left_out) else {
        return;
    };
    for (file, name) in [("charger_v1_0", "charger-1.0"), ("charger_v1_10", "charger-1.10")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("proto/{file}.proto"));
        let rows = parse(&fs::read_to_string(path).unwrap());
        let of = |kind: &str| tables.join(format!("{name}.{kind}.csv"));
        assert_same(&format!("fields of {name}"), &rows.fields, &table(&of("fields")));
        assert_same(&format!("enums of {name}"), &rows.enums, &table(&of("enums")));
    }
}

#[test]
fn the_parser_reads_what_the_files_use() {
    let rows = parse(
        "syntax = \"proto3\";\npackage a.b;\n// message No { int32 x = 1; }\n\
         message M {\n  enum E { Zero = 0; }\n  M.E e = 2; // why\n  repeated int32 many = 3;\n\
         map<string, N> named = 4;\n  message Inner { }\n}\nenum Top { A = 0; B = -1; }\n",
    );
    let field = |cells: &str| self::cells::<5>(cells);
    let wanted = BTreeSet::from([
        field("M,2,e,M.E,"),
        field("M,3,many,int32,repeated"),
        field("M,4,named,\"map<string, N>\","),
        field("M.Inner,,,,"),
    ]);
    assert_eq!(rows.fields, wanted);
    let wanted = ["M.E,0,Zero", "Top,0,A", "Top,-1,B"].map(cells::<3>).into();
    assert_eq!(rows.enums, wanted);
}
