//! Addresses: who logs in, and what is asked, may be a secret.

use super::MARK;

/// What separates the scheme of an address from its host.
const SCHEME_END: &str = "://";

pub(super) fn scrub(text: &str) -> String {
    let mut scrubbed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(SCHEME_END) {
        let (before, after) = rest.split_at(at + SCHEME_END.len());
        let end = after.find(is_end).unwrap_or(after.len());
        scrubbed.push_str(before);
        scrubbed.push_str(&address(&after[..end]));
        rest = &after[end..];
    }
    scrubbed.push_str(rest);
    scrubbed
}

/// A bracket is part of an address in version 6.
fn is_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | ')' | '}' | '\\')
}

/// An address behind its scheme.
fn address(text: &str) -> String {
    let (place, question) = match text.find(['?', '#']) {
        Some(at) => (&text[..at], Some(&text[at..=at])),
        None => (text, None),
    };
    let host = place.find('/').unwrap_or(place.len());
    let shown = match place[..host].rfind('@') {
        Some(at) => format!("{MARK}{}", &place[at..]),
        None => place.to_owned(),
    };
    match question {
        Some(sign) => format!("{shown}{sign}{MARK}"),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_host() {
        for (from, to) in [
            ("to mqtts://me:pw@h:8883, then", "to mqtts://█████@h:8883, then"),
            ("\"http://h/a?token=1&x=2\"", "\"http://h/a?█████\""),
            ("tcp://[::1]:80 and ws://u:p/w@h/x", "tcp://[::1]:80 and ws://u:p/w@h/x"),
            ("http://127.0.0.1:8080/healthz", "http://127.0.0.1:8080/healthz"),
            ("http://h#key=1", "http://h#█████"),
            ("://", "://"),
        ] {
            assert_eq!(scrub(from), to);
        }
    }
}
