//! The ways in which a secret may stand in a text.

use std::{cmp::Reverse, collections::BTreeMap, collections::BTreeSet};

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

use super::MARK;

/// Shorter secrets are parts of ordinary words and numbers; these are taken out only where they
/// stand alone.
const KEY_BYTES: usize = 4;

/// Shorter secrets are not looked for in base64 and hex, where they would be found by chance.
const ENCODED_BYTES: usize = 6;

/// All secrets in all their forms, by their first bytes, longest first.
#[derive(Debug, Default)]
pub(super) struct Forms {
    long: BTreeMap<[u8; KEY_BYTES], Vec<String>>,
    short: Vec<String>,
}

impl Forms {
    pub(super) fn of<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let all: BTreeSet<String> = secrets.into_iter().flat_map(forms).collect();
        let mut found = Self::default();
        for form in all {
            match form.as_bytes().first_chunk() {
                Some(key) => found.long.entry(*key).or_default().push(form),
                None if !form.is_empty() => found.short.push(form),
                None => {}
            }
        }
        let lists = found.long.values_mut().chain([&mut found.short]);
        lists.for_each(|list| list.sort_by_key(|form| Reverse(form.len())));
        found
    }

    pub(super) fn scrub(&self, text: &str) -> String {
        let mut scrubbed = String::with_capacity(text.len());
        let mut rest = text;
        let mut before = None;
        while let Some(next) = rest.chars().next() {
            match self.at(rest, before) {
                Some(bytes) => {
                    scrubbed.push_str(MARK);
                    before = rest[..bytes].chars().next_back();
                    rest = &rest[bytes..];
                }
                None => {
                    scrubbed.push(next);
                    before = Some(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
        }
        scrubbed
    }

    /// Bytes of the secret that stands at the begin of a text; `before`: the character before it.
    fn at(&self, text: &str, before: Option<char>) -> Option<usize> {
        let key = text.as_bytes().first_chunk::<KEY_BYTES>();
        let long = key.and_then(|key| self.long.get(key)).into_iter().flatten();
        let long = long.filter(|form| text.starts_with(form.as_str()));
        let ends = |form: &&String| {
            let after = text.strip_prefix(form.as_str()).map(|rest| rest.chars().next());
            after.is_some_and(|after| !after.is_some_and(char::is_alphanumeric))
        };
        let stands_alone = !before.is_some_and(char::is_alphanumeric);
        let short = self.short.iter().filter(|_| stands_alone).filter(ends);
        long.chain(short).next().map(String::len)
    }
}

fn forms(secret: &str) -> Vec<String> {
    let quoted = [json(secret), debug(secret)];
    // An error that quotes it, itself quoted in JSON.
    let twice = quoted.each_ref().map(|form| json(form));
    let mut forms: Vec<String> = [quoted, twice].into_iter().flatten().collect();
    forms.push(secret.to_owned());
    for hex in ["0123456789ABCDEF", "0123456789abcdef"] {
        forms.push(percent(secret, hex));
        forms.push(percent(secret, hex).replace("%20", "+"));
    }
    if secret.len() >= ENCODED_BYTES {
        let bytes = secret.as_bytes();
        let encodings = [&BASE64_NOPAD, &BASE64URL_NOPAD, &HEXLOWER, &HEXUPPER];
        forms.extend(encodings.map(|encoding| encoding.encode(bytes)));
    }
    forms
}

/// As it stands between the quotes of a JSON text.
fn json(text: &str) -> String {
    unquoted(&serde_json::Value::from(text).to_string())
}

/// As it stands between the quotes of a text that a program shows to its maker.
fn debug(text: &str) -> String {
    unquoted(&format!("{text:?}"))
}

fn unquoted(text: &str) -> String {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).to_owned()
}

/// As it stands in an address.
fn percent(text: &str, hex: &str) -> String {
    let digit = |value: u8| char::from(hex.as_bytes()[usize::from(value)]);
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}
