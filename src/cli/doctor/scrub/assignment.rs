//! `password = "..."` and the like, whoever wrote it: what is assigned to such a name goes.
//!
//! A config has its secrets in files. One that is wrong may have them in itself.

use super::MARK;

/// Parts of names whose values are secrets.
const SECRET: [&str; 8] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "registration_code",
    "api_key",
    "private_key",
];

/// Ends of names that only say where a secret is.
const WHERE: [&str; 2] = ["_file", "_credential"];

/// Whether the value of a key is a secret.
pub(in crate::cli::doctor) fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    SECRET.iter().any(|part| key.contains(part)) && !WHERE.iter().any(|end| key.ends_with(end))
}

pub(super) fn scrub(text: &str) -> String {
    let mut scrubbed = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = split(rest, is_of_key);
        scrubbed.push_str(word);
        rest = after;
        if is_secret_key(word)
            && let Some((sign, value)) = assigned(rest)
        {
            scrubbed.push_str(&rest[..sign]);
            scrubbed.push_str(&rest[sign..sign + value.opening]);
            scrubbed.push_str(MARK);
            rest = &rest[sign + value.opening + value.inside..];
        }
        let (between, after) = split(rest, |c| !is_of_key(c));
        scrubbed.push_str(between);
        rest = after;
    }
    scrubbed
}

fn is_of_key(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// The characters at the begin that are of a kind, and the rest.
fn split(text: &str, is_one: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !is_one(c)).unwrap_or(text.len()))
}

/// Bytes of a value.
struct Value {
    opening: usize,
    inside: usize,
}

/// What is assigned behind a name: bytes up to the value, and the value; nothing if it is only
/// mentioned.
fn assigned(text: &str) -> Option<(usize, Value)> {
    let spaces = |c: char| matches!(c, ' ' | '\t' | '"' | '\'' | '\\');
    let (before, rest) = split(text, spaces);
    let sign = rest.chars().next().filter(|c| matches!(c, '=' | ':'))?;
    let (after, value) = split(&rest[1..], |c| matches!(c, ' ' | '\t'));
    let offset = before.len() + 1 + after.len();
    let value = quoted(value).or_else(|| bare(value, sign))?;
    Some((offset, value))
}

/// A value in quotes of any kind, also over lines, also when its end is missing.
fn quoted(text: &str) -> Option<Value> {
    let quotes = ["\"\"\"", "'''", "\\\"", "\"", "'"];
    let quote = quotes.into_iter().find(|quote| text.starts_with(quote))?;
    let inside = &text[quote.len()..];
    let mut at = 0;
    while let Some(next) = inside[at..].chars().next() {
        let is_line_over = next == '\n' && quote.len() < 3;
        if inside[at..].starts_with(quote) || is_line_over {
            break;
        }
        let is_escape = next == '\\' && !quote.starts_with('\'');
        let skipped = if is_escape { inside[at + 1..].chars().next() } else { None };
        at += next.len_utf8() + skipped.map_or(0, char::len_utf8);
    }
    Some(Value { opening: quote.len(), inside: at })
}

/// A value without quotes, to the end of its line: it may have spaces. Behind a colon without
/// quotes there are words for people.
fn bare(text: &str, sign: char) -> Option<Value> {
    let inside = text.find('\n').unwrap_or(text.len());
    (sign == '=' && inside > 0).then_some(Value { opening: 0, inside })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_assigned_to_the_name_of_a_secret_goes() {
        for (from, to) in [
            ("password = \"hunter2\"  # mine", "password = \"█████\"  # mine"),
            ("# password = 'hunter2'", "# password = '█████'"),
            ("registration_code=hunter 2", "registration_code=█████"),
            ("{\"password\":\"a\\\"b\",\"x\":1}", "{\"password\":\"█████\",\"x\":1}"),
            ("{\\\"password\\\":\\\"hunter2\\\"}", "{\\\"password\\\":\\\"█████\\\"}"),
            ("api-key: \"hunter2\", b", "api-key: \"█████\", b"),
            ("password = \"\"\"a\nb\"\"\" c", "password = \"\"\"█████\"\"\" c"),
            ("password = \"hunter2\nname = 1", "password = \"█████\nname = 1"),
            ("broker.password = \"\"\"a\nb", "broker.password = \"\"\"█████"),
            ("Password=\"a\\", "Password=\"█████"),
        ] {
            assert_eq!(scrub(from), to);
        }
    }

    #[test]
    fn what_only_names_a_secret_stays() {
        for text in [
            "password_file = \"/etc/sitepilot/cloud.password\"",
            "key_credential = \"key\"",
            "login refused: bad user name or password: try again",
            "code = \"3101150012\"",
            "the password\n= none",
        ] {
            assert_eq!(scrub(text), text);
        }
    }
}
