//! A list of addresses.

use std::{collections::BTreeSet, str::FromStr};

/// Addresses, each once, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addresses(pub(super) Vec<u8>);

/// The last address of a slave.
const LAST: u8 = 247;

impl FromStr for Addresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| {
                let number = text.trim().parse().ok().filter(|number| (1..=LAST).contains(number));
                number.ok_or_else(|| format!("not an address from 1 to {LAST}: {text}"))
            };
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(format!("begins behind its end: {part}"));
            }
            all.extend(first..=last);
        }
        Ok(Self(all.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<u8>, String> {
        text.parse::<Addresses>().map(|addresses| addresses.0)
    }

    #[test]
    fn lists_and_ranges_may_be_mixed() {
        assert_eq!(read("3"), Ok(vec![3]));
        assert_eq!(read("9,1-3,2"), Ok(vec![1, 2, 3, 9]));
        assert_eq!(read("1-247").map(|all| all.len()), Ok(247));
        for wrong in ["", "0", "248", "5-", "5-3", "a", "1,,2"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
