//! Reads tables key by key, remembers where each value stands, and goes on after a fault.

use std::{collections::BTreeSet, ops::RangeInclusive};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::fault::{Faults, Place};
use crate::protocol::modbus::Decimal;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(in crate::service) struct At<T> {
    pub(in crate::service) value: T,
    pub(in crate::service) place: Place,
}

impl<T> At<T> {
    pub(in crate::service) fn map<U>(self, f: impl FnOnce(T) -> U) -> At<U> {
        At { value: f(self.value), place: self.place }
    }
}

/// A table that is being read; every key must be asked for before [`Section::finish`].
#[derive(Debug)]
pub(in crate::service) struct Section<'t> {
    place: Place,
    table: &'t DeTable<'t>,
    known: BTreeSet<&'static str>,
}

impl<'t> Section<'t> {
    pub(in crate::service) const fn root(table: &'t DeTable<'t>) -> Self {
        let place = Place { key: String::new(), span: None };
        Self { place, table, known: BTreeSet::new() }
    }

    /// Where the table begins.
    pub(in crate::service) const fn place(&self) -> &Place {
        &self.place
    }

    fn key(&self, key: &str) -> String {
        if self.place.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place.key) }
    }

    fn take(&mut self, key: &'static str) -> Option<At<&'t DeValue<'t>>> {
        self.known.insert(key);
        let value = self.table.get(key)?;
        let place = Place { key: self.key(key), span: Some(value.span()) };
        Some(At { value: value.get_ref(), place })
    }

    /// Whether the key is there; it still has to be read.
    pub(in crate::service) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether a text stands there, where something else may stand too.
    pub(in crate::service) fn has_text(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().as_str().is_some())
    }

    /// A key that must be there; says so if it is not.
    pub(in crate::service) fn required<T>(
        &self,
        key: &str,
        value: Option<At<T>>,
        faults: &mut Faults<'_>,
        hint: &str,
    ) -> Option<At<T>> {
        // A value of the wrong type is there, and has its own fault already.
        if value.is_none() && !self.has(key) {
            let at = Place { key: self.key(key), span: self.place.span.clone() };
            faults.add(&at, "is missing", hint);
        }
        value
    }

    pub(in crate::service) fn text(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Option<At<String>> {
        let at = self.take(key)?;
        match at.value.as_str() {
            Some(text) if !text.is_empty() => Some(at.map(|_| text.to_owned())),
            Some(_) => {
                faults.add(&at.place, "is empty", "write a text, or leave the key out");
                None
            }
            None => wrong_type(&at, "a text in quotes", faults),
        }
    }

    pub(in crate::service) fn flag(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Option<At<bool>> {
        let at = self.take(key)?;
        match at.value.as_bool() {
            Some(flag) => Some(at.map(|_| flag)),
            None => wrong_type(&at, "true or false", faults),
        }
    }

    /// A whole number within `range`.
    pub(in crate::service) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        faults: &mut Faults<'_>,
    ) -> Option<At<u64>> {
        let at = self.take(key)?;
        number(at, &range, faults)
    }

    /// A whole number within `range`, or `default`.
    pub(in crate::service) fn number_or(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
        faults: &mut Faults<'_>,
    ) -> u64 {
        self.number(key, range, faults).map_or(default, |at| at.value)
    }

    /// A list of whole numbers within `range`.
    pub(in crate::service) fn numbers(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<u64>,
        faults: &mut Faults<'_>,
    ) -> Option<At<Vec<At<u64>>>> {
        let at = self.take(key)?;
        let Some(array) = at.value.as_array() else {
            return wrong_type(&at, "a list of whole numbers", faults);
        };
        let place = at.place.clone();
        let items = array.iter().map(|item| At { value: item.get_ref(), place: of(&place, item) });
        let value = items.filter_map(|item| number(item, range, faults)).collect();
        Some(At { value, place })
    }

    /// A list of texts.
    pub(in crate::service) fn texts(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Option<At<Vec<String>>> {
        let at = self.take(key)?;
        let texts = at.value.as_array().and_then(|array| {
            array.iter().map(|item| item.get_ref().as_str().map(ToOwned::to_owned)).collect()
        });
        match texts {
            Some(texts) => Some(at.map(|_| texts)),
            None => wrong_type(&at, "a list of texts", faults),
        }
    }

    /// A text that is one of these words, and what it stands for.
    pub(in crate::service) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        faults: &mut Faults<'_>,
    ) -> Option<At<T>> {
        let at = self.text(key, faults)?;
        if let Some((_, found)) = words.iter().find(|(word, _)| *word == at.value) {
            return Some(at.map(|_| *found));
        }
        let known: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let text = format!("is none of the words known here: {}", at.value);
        faults.add(&at.place, text, format!("one of {}", known.join(", ")));
        None
    }

    /// An exact decimal number, as it is written: `0.001`, `10`, or in quotes.
    pub(in crate::service) fn decimal(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Option<At<Decimal>> {
        let at = self.take(key)?;
        let text = match at.value {
            DeValue::String(text) => text.as_ref(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return wrong_type(&at, "a decimal number such as 0.001", faults),
        };
        match text.parse() {
            Ok(number) => Some(at.map(|_| number)),
            Err(error) => {
                faults.add(&at.place, format!("is {error}: {text}"), "");
                None
            }
        }
    }

    /// A date, with or without time, as it is written: bare or in quotes. Not looked at further.
    pub(in crate::service) fn date(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Option<At<String>> {
        let at = self.take(key)?;
        let text = match at.value {
            DeValue::String(text) => text.as_ref().to_owned(),
            DeValue::Datetime(date) => date.to_string(),
            _ => return wrong_type(&at, "a date such as 2026-11-01", faults),
        };
        Some(at.map(|_| text))
    }

    /// Whether the key holds a list; it still has to be read.
    pub(in crate::service) fn is_list(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().as_array().is_some())
    }

    /// A key of any type, which is not looked at.
    pub(in crate::service) fn any(&mut self, key: &'static str) {
        self.known.insert(key);
    }

    /// A table inside this one.
    pub(in crate::service) fn section(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Option<Section<'t>> {
        let at = self.take(key)?;
        match at.value.as_table() {
            Some(table) => Some(Self { place: at.place, table, known: BTreeSet::new() }),
            None => wrong_type(&at, &format!("a table: [{}]", self.key(key)), faults),
        }
    }

    /// Tables of one kind: `[[key]]`.
    pub(in crate::service) fn sections(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Vec<Section<'t>> {
        let Some(at) = self.take(key) else { return Vec::new() };
        let tables: Option<Vec<_>> = at.value.as_array().and_then(|array| {
            let tables = array.iter().map(|item| Some((item, item.get_ref().as_table()?)));
            tables.collect()
        });
        let Some(tables) = tables else {
            let _: Option<()> =
                wrong_type(&at, &format!("tables, each headed [[{}]]", self.key(key)), faults);
            return Vec::new();
        };
        let numbered = tables.into_iter().enumerate();
        numbered
            .map(|(index, (item, table))| Self {
                place: Place {
                    key: format!("{}[{}]", at.place.key, index + 1),
                    span: Some(item.span()),
                },
                table,
                known: BTreeSet::new(),
            })
            .collect()
    }

    /// Tells of every key nobody asked for.
    pub(in crate::service) fn finish(self, faults: &mut Faults<'_>) {
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if self.known.contains(name) {
                continue;
            }
            let near = self.known.iter().min_by_key(|known| distance(known, name));
            let hint = match near {
                Some(near) if distance(near, name) <= 3 => format!("did you mean {near}?"),
                _ => format!(
                    "known here: {}",
                    self.known.iter().copied().collect::<Vec<_>>().join(", ")
                ),
            };
            let at = Place { key: self.key(name), span: Some(key.span()) };
            faults.add(&at, "is not a known key", hint);
        }
    }
}

fn of(list: &Place, item: &Spanned<DeValue<'_>>) -> Place {
    Place { key: list.key.clone(), span: Some(item.span()) }
}

fn number(
    at: At<&DeValue<'_>>,
    range: &RangeInclusive<u64>,
    faults: &mut Faults<'_>,
) -> Option<At<u64>> {
    let (min, max) = (range.start(), range.end());
    let Some(integer) = at.value.as_integer() else {
        return wrong_type(&at, "a whole number", faults);
    };
    match u64::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(number) if range.contains(&number) => Some(at.map(|_| number)),
        _ => {
            let hint = format!("{min} to {max}");
            faults.add(&at.place, format!("is out of range: {integer}"), hint);
            None
        }
    }
}

fn wrong_type<T>(at: &At<&DeValue<'_>>, wanted: &str, faults: &mut Faults<'_>) -> Option<T> {
    let found = match at.value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    faults.add(&at.place, format!("has the wrong type: {found}"), format!("expected {wanted}"));
    None
}

/// Edit distance, for hints; keys are short.
pub(in crate::service) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let swap = corner + usize::from(from != *to);
            corner = row[j + 1];
            row[j + 1] = swap.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}
