//! A list in a document that a test renders: the document must say what the code says.

use std::{fs, path::Path};

/// Holds what stands between two marks of a document against what is rendered; with
/// `SITEPILOT_BLESS` set, writes it anew.
pub fn check(document: &str, (begin, end): (&str, &str), rendered: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(begin).unwrap();
    let (written, after) = rest.split_once(end).unwrap();
    if std::env::var_os("SITEPILOT_BLESS").is_some() {
        fs::write(&path, format!("{before}{begin}{rendered}{end}{after}")).unwrap();
    }
    assert_eq!(written, rendered, "written anew with SITEPILOT_BLESS=1");
}
