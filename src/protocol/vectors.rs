//! Files of golden vectors.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt;

use bytes::Bytes;

/// A message as another encoder writes it, and as it reads.
pub struct Vector {
    pub name: String,
    pub bytes: Bytes,
    pub text: String,
}

/// Blocks of `== name`, `source: ..`, `hex: ..`, then the text.
pub fn vectors(file: &str) -> Vec<Vector> {
    file.split("== ").skip(1).map(block).collect()
}

/// The bytes of one of a file.
pub fn vector(file: &str, name: &str) -> Bytes {
    let found = vectors(file).into_iter().find(|vector| vector.name == name);
    found.unwrap_or_else(|| panic!("no vector {name}")).bytes
}

/// Asserts that all of a file read as their text.
pub fn assert_texts<E: fmt::Debug>(file: &str, decode: impl Fn(&[u8]) -> Result<String, E>) {
    for vector in vectors(file) {
        assert_eq!(decode(&vector.bytes).unwrap(), vector.text, "{}", vector.name);
    }
}

fn block(block: &str) -> Vector {
    let mut lines = block.trim_end().lines();
    let name = lines.next().unwrap().to_owned();
    assert!(lines.next().unwrap().starts_with("source: "), "{name} has no source");
    let hex = lines.next().unwrap().strip_prefix("hex: ").unwrap();
    let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap().into();
    let text = lines.map(|line| format!("{line}\n")).collect();
    Vector { name, bytes, text }
}
