//! Compares `proto/*.proto` and the measuring points with the tables of the protocol, where these
//! lie beside the project: numbers, names and types are the wire.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/tables.rs"]
mod tables;

use std::{collections::BTreeSet, fs, path::Path};

use sitepilot::protocol::ec::points::{POINTS, Piles, Point};

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

/// What a brace has opened.
#[derive(Debug)]
struct Open {
    kind: Kind,
    name: String,
    fields: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Message,
    Enum,
    OneOf,
}

impl Open {
    fn new(kind: Kind, name: &str) -> Self {
        Self { kind, name: name.to_owned(), fields: 0 }
    }
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
    // What is open, from the outside in.
    let mut open: Vec<Open> = Vec::new();
    let mut statement: Vec<&str> = Vec::new();
    for word in &words {
        match word.as_str() {
            "{" => {
                let open_kind = match statement[..] {
                    ["message", name] => Open::new(Kind::Message, name),
                    ["enum", name] => Open::new(Kind::Enum, name),
                    ["oneof", name] => Open::new(Kind::OneOf, name),
                    _ => panic!("not understood: {statement:?}"),
                };
                open.push(open_kind);
                statement.clear();
            }
            "}" => {
                let path = path(&open);
                let closed = open.pop().unwrap();
                if closed.kind == Kind::OneOf {
                    open.last_mut().unwrap().fields += closed.fields;
                }
                if closed.kind == Kind::Message && closed.fields == 0 {
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

fn path(open: &[Open]) -> String {
    let named = open.iter().filter(|open| open.kind != Kind::OneOf);
    named.map(|open| open.name.as_str()).collect::<Vec<_>>().join(".")
}

fn add(rows: &mut Rows, open: &mut [Open], statement: &[&str]) {
    let of = path(open);
    let inner = open.last_mut().unwrap();
    let among = (inner.kind == Kind::OneOf).then(|| format!("oneof {}", inner.name));
    let row = |kind: &str, name: &str, number: &str, label: &str| {
        let label = among.clone().unwrap_or_else(|| label.to_owned());
        [of.clone(), number.into(), name.into(), kind.into(), label]
    };
    let is_new = match statement {
        [name, "=", number] if inner.kind == Kind::Enum => {
            rows.enums.insert([of, (*number).into(), (*name).into()])
        }
        [label @ ("repeated" | "optional"), kind, name, "=", number] => {
            rows.fields.insert(row(kind, name, number, label))
        }
        ["map", "<", key, ",", value, ">", name, "=", number] => {
            rows.fields.insert(row(&format!("map<{key}, {value}>"), name, number, ""))
        }
        [kind, name, "=", number] => rows.fields.insert(row(kind, name, number, "")),
        other => panic!("not understood: {other:?}"),
    };
    assert!(is_new, "twice: {statement:?}");
    inner.fields += 1;
}

fn cells<const N: usize>(line: &str) -> [String; N] {
    let cells = tables::cells(line);
    cells.try_into().unwrap_or_else(|cells| panic!("{N} cells wanted: {cells:?}"))
}

/// The rows of a table, which has this many.
fn table<const N: usize>(path: &Path, count: usize) -> BTreeSet<[String; N]> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let rows: BTreeSet<_> = text.lines().skip(1).map(cells).collect();
    assert_eq!(rows.len(), count, "rows of {}", path.display());
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

/// The rows of the measuring points.
fn points() -> BTreeSet<[String; 6]> {
    let row = |point: &Point| {
        // The table says in the last cell which piles have a point.
        let values = match (point.piles, point.values) {
            (Piles::Any, values) => values.to_owned(),
            (Piles::DcOnly, "") => "DC only".to_owned(),
            (Piles::DcOnly, values) => format!("DC only: {values}"),
        };
        [
            point.kind.number().to_string(),
            point.address.to_string(),
            point.name.to_owned(),
            point.scale.to_string(),
            point.unit.to_owned(),
            values,
        ]
    };
    POINTS.iter().map(row).collect()
}

#[test]
fn proto_files_agree_with_the_tables() {
    let left_out = "proto/*.proto were";
    let Some(tables) = tables::find(TABLES_VARIABLE, "../shared/protocol", left_out) else {
        return;
    };
    // With the numbers of rows, of which a cut table has fewer; 0: there is no such table.
    for (file, name, fields, enums) in [
        ("charger_v1_0", "charger-1.0", 293, 210),
        ("charger_v1_10", "charger-1.10", 618, 370),
        ("jcpp", "jcpp", 210, 16),
        ("peaq_event", "peaq-event", 13, 13),
        ("peaq_gateway", "peaq-gateway", 62, 0),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("proto/{file}.proto"));
        let rows = parse(&fs::read_to_string(path).unwrap());
        let of = |kind: &str| tables.join(format!("{name}.{kind}.csv"));
        assert_same(&format!("fields of {name}"), &rows.fields, &table(&of("fields"), fields));
        if enums > 0 {
            assert_same(&format!("enums of {name}"), &rows.enums, &table(&of("enums"), enums));
        } else {
            assert!(rows.enums.is_empty(), "{name} has no enums");
        }
    }
}

#[test]
fn measuring_points_agree_with_the_table() {
    let left_out = "measuring points of EC TCP were";
    let Some(tables) = tables::find(TABLES_VARIABLE, "../shared/protocol", left_out) else {
        return;
    };
    assert_same("measuring points", &points(), &table(&tables.join("ec-points.csv"), 64));
}

#[test]
fn the_parser_reads_what_the_files_use() {
    let rows = parse(
        "syntax = \"proto3\";\npackage a.b;\n// message No { int32 x = 1; }\n\
         import \"c.proto\";\n\
         message M {\n  enum E { Zero = 0; }\n  M.E e = 2; // why\n  repeated int32 many = 3;\n\
         map<string, N> named = 4;\n  message Inner { }\n  optional bool may = 5;\n\
         oneof data {\n    a.N first = 6;\n    string other = 7;\n  }\n}\nenum Top { A = 0; B = -1; }\n",
    );
    let field = |cells: &str| self::cells::<5>(cells);
    let wanted = BTreeSet::from([
        field("M,2,e,M.E,"),
        field("M,3,many,int32,repeated"),
        field("M,4,named,\"map<string, N>\","),
        field("M.Inner,,,,"),
        field("M,5,may,bool,optional"),
        field("M,6,first,a.N,oneof data"),
        field("M,7,other,string,oneof data"),
    ]);
    assert_eq!(rows.fields, wanted);
    let wanted = ["M.E,0,Zero", "Top,0,A", "Top,-1,B"].map(cells::<3>).into();
    assert_eq!(rows.enums, wanted);
}
