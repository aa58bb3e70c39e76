//! Card numbers: personal data. Nothing of ours shows one whole; what others wrote may.

use std::collections::BTreeSet;

/// Digits of a card that has only digits. Times and sizes have fewer.
const DIGITS: std::ops::RangeInclusive<usize> = 14..=19;

/// Digits that are shown, as everywhere.
const SHOWN: usize = 4;

/// The numbers in a text that are as long as a card's, and not part of a longer word.
pub(super) fn long_numbers(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| DIGITS.contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit()))
}

/// Leaves the last digits of each long number that is none of the known ones.
pub(super) fn scrub(text: &str, known: &BTreeSet<String>) -> String {
    let mut scrubbed = String::with_capacity(text.len());
    let mut from = 0;
    for number in long_numbers(text).filter(|number| !known.contains(*number)) {
        let at = number.as_ptr().addr() - text.as_ptr().addr();
        scrubbed.push_str(&text[from..at]);
        scrubbed.push('…');
        from = at + number.len() - SHOWN;
    }
    scrubbed.push_str(&text[from..]);
    scrubbed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_card_its_end_is_left() {
        let known = ["3101150012000001".to_owned()].into();
        let text =
            "card 8812000000501234 at 3101150012000001: order 3101150012000001ABCDEFGH23456777";
        let wanted = "card …1234 at 3101150012000001: order 3101150012000001ABCDEFGH23456777";
        assert_eq!(scrub(text, &known), wanted);
        assert_eq!(scrub("1767225600000 ms", &known), "1767225600000 ms");
        assert_eq!(scrub("88120000005012", &known), "…5012");
    }
}
