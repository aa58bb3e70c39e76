//! Reads a config as far as it can be read: also one that is broken, and what is in its comments.

use toml::de::{DeTable, DeValue};

/// A text that is assigned to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// The table it stands in, without its brackets, as far as that is known.
    pub(super) table: String,
    pub(super) key: String,
    pub(super) value: String,
    pub(super) is_comment: bool,
}

/// All texts that are assigned: those that TOML sees, and those that stand in a line whatever the
/// rest of the file is like.
pub(super) fn assignments(text: &str) -> Vec<Assignment> {
    let (document, _) = DeTable::parse_recoverable(text);
    let mut found = Vec::new();
    of_table("", document.get_ref(), &mut found);
    found.extend(of_lines(text));
    found
}

fn of_table(table: &str, entries: &DeTable<'_>, found: &mut Vec<Assignment>) {
    for (key, value) in entries {
        of_value(table, key.get_ref(), value.get_ref(), found);
    }
}

fn of_value(table: &str, key: &str, value: &DeValue<'_>, found: &mut Vec<Assignment>) {
    match value {
        DeValue::String(text) => found.push(Assignment {
            table: table.to_owned(),
            key: key.to_owned(),
            value: text.as_ref().to_owned(),
            is_comment: false,
        }),
        DeValue::Table(inner) => {
            let inside = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
            of_table(&inside, inner, found);
        }
        DeValue::Array(items) => {
            items.iter().for_each(|item| of_value(table, key, item.get_ref(), found));
        }
        _ => {}
    }
}

fn of_lines(text: &str) -> Vec<Assignment> {
    let (mut found, mut table) = (Vec::new(), String::new());
    for line in text.lines() {
        let bare = line.trim_start();
        let is_comment = bare.starts_with('#');
        if bare.starts_with('[') {
            let name = bare.trim_matches(|c: char| !c.is_alphanumeric());
            table = name.split(']').next().unwrap_or_default().to_owned();
        }
        let pairs = pairs(bare).map(|(key, value)| Assignment {
            table: table.clone(),
            key: key.to_owned(),
            value: value.to_owned(),
            is_comment,
        });
        found.extend(pairs);
    }
    found
}

/// Each `key = "value"` of a line.
fn pairs(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.match_indices('=').filter_map(|(at, _)| {
        let is_of_key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let before = line[..at].trim_end().trim_end_matches(['"', '\'']);
        let key = before.rsplit(|c| !is_of_key(c)).next().filter(|key| !key.is_empty())?;
        let after = line[at + 1..].trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let value = after[1..].split(quote).next()?;
        Some((key, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, key: &str) -> Vec<(String, String, bool)> {
        let found = assignments(text).into_iter().filter(|a| a.key == key);
        let mut found: Vec<_> = found.map(|a| (a.table, a.value, a.is_comment)).collect();
        found.dedup();
        found
    }

    fn one(table: &str, value: &str, is_comment: bool) -> (String, String, bool) {
        (table.to_owned(), value.to_owned(), is_comment)
    }

    #[test]
    fn what_is_assigned_is_found_in_a_good_config_and_in_a_broken_one() {
        let text = "[site]\ndata_dir = \"/data\" # here\n# password_file = '/old'\n\
                    [[bus]]\nserial = { port = \"/dev/ttyUSB0\", baud = 9600 }\n";
        for text in [text.to_owned(), format!("[[[\nx = \"\n{text}")] {
            assert_eq!(values(&text, "data_dir")[0].1, "/data");
            assert_eq!(values(&text, "password_file"), [one("site", "/old", true)]);
            assert!(values(&text, "port").iter().all(|found| found.1 == "/dev/ttyUSB0"));
            assert!(!values(&text, "port").is_empty());
        }
    }

    #[test]
    fn what_only_toml_can_read_is_found_too() {
        let text = "pile = [{ \"password_file\" = \"\"\"\n/a\\u0062\"\"\" }]\nsite.data_dir = '/d'";
        let found = assignments(text);
        assert!(found.iter().any(|a| a.key == "password_file" && a.value == "/ab"), "{found:?}");
        assert!(found.iter().any(|a| a.table == "site" && a.key == "data_dir" && a.value == "/d"));
    }
}
