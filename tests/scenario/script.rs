//! One line of a script: a subject, a verb and `key=value` arguments.

use std::collections::BTreeMap;

pub struct Line<'a> {
    pub words: Vec<&'a str>,
    pub args: BTreeMap<&'a str, &'a str>,
}

impl<'a> Line<'a> {
    pub fn parse(text: &'a str) -> Self {
        let (args, words): (Vec<&str>, Vec<&str>) =
            text.split_whitespace().partition(|word| word.contains('='));
        let args = args.into_iter().filter_map(|arg| arg.split_once('=')).collect();
        Self { words, args }
    }

    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.args.get(key).copied()
    }

    pub fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.text(key).map(|text| match text.parse() {
            Ok(number) => number,
            Err(_) => panic!("{key}={text} is not a number"),
        })
    }
}

/// `90s`, `5m`, `3h`, `2d`, `1y`, with an optional sign, in ms.
pub fn span_ms(text: &str) -> i64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let factor = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "y" => 31_536_000_000,
        _ => panic!("no unit in {text}"),
    };
    number.parse::<i64>().expect("a number of s, m, h, d or y") * factor
}
