//! Takes out of a text what must not leave the machine.

use std::collections::BTreeSet;

mod assignment;
mod card;
mod forms;
mod url;

pub(super) use assignment::is_secret_key;
use forms::Forms;

/// What stands where a secret stood; no secret is made of this.
pub(super) const MARK: &str = "█████";

/// A text without secrets: the only kind that leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scrubbed(String);

impl Scrubbed {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What has to be taken out.
#[derive(Debug)]
pub(super) struct Scrubber {
    forms: Forms,
    /// Long numbers that are no cards, such as codes of piles.
    numbers: BTreeSet<String>,
}

impl Scrubber {
    /// Takes out these secrets, in all the ways they may be written; `known`: texts with long
    /// numbers that are no cards.
    pub(super) fn new<'a>(
        secrets: impl IntoIterator<Item = &'a str>,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let numbers = known.into_iter().flat_map(card::long_numbers).map(ToOwned::to_owned);
        Self { forms: Forms::of(secrets), numbers: numbers.collect() }
    }

    /// Takes out every secret it knows, whatever is assigned to a name such as `password`, what
    /// stands before the host or behind the question mark of an address, and all of a card but
    /// its end.
    pub(super) fn scrub(&self, text: &str) -> Scrubbed {
        let text = self.forms.scrub(text);
        let text = assignment::scrub(&text);
        let text = url::scrub(&text);
        Scrubbed(card::scrub(&text, &self.numbers))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn scrubbed(secret: &str, text: &str) -> String {
        Scrubber::new([secret], []).scrub(text).as_str().to_owned()
    }

    #[test]
    fn a_secret_is_gone_however_it_is_written() {
        let secret = "pass \"wörd\"/7%";
        let json = serde_json::to_string(secret).unwrap();
        let ways = [
            secret.to_owned(),
            json.clone(),
            serde_json::to_string(&format!("refused: {json}")).unwrap(),
            format!("{secret:?}"),
            "mqtt://h/?p=pass%20%22w%C3%B6rd%22%2F7%25".to_owned(),
            "pass+%22w%c3%b6rd%22%2f7%25".to_owned(),
            data_encoding::BASE64.encode(secret.as_bytes()),
            data_encoding::HEXLOWER.encode(secret.as_bytes()),
        ];
        for way in ways {
            let text = scrubbed(secret, &format!("before {way} after"));
            assert!(text.contains(MARK), "{way}: {text}");
            for piece in ["wörd", "w%C3", "w%c3", "cGFzcy", "70617373"] {
                assert!(!text.contains(piece), "{way}: {text}");
            }
            assert!(text.starts_with("before ") && text.ends_with(" after"), "{text}");
        }
    }

    #[test]
    fn a_very_short_secret_is_taken_out_only_where_it_stands_alone() {
        assert_eq!(scrubbed("7", "pile 7 has 17 orders, p=7"), "pile █████ has 17 orders, p=█████");
        assert_eq!(scrubbed("", "nothing"), "nothing");
        assert_eq!(scrubbed("1234", "x12345"), "x█████5");
    }

    #[test]
    fn names_addresses_and_codes_stay() {
        let text = r#"
            username = "default"
            password_file = "/etc/sitepilot/cloud.password"
            url = "mqtts://mqtt.example.com:8883"
            code = "3101150012000001"
            order 3101150012000001ABCDEFGH23456777 settled"#;
        let scrubber = Scrubber::new([], [text]);
        assert_eq!(scrubber.scrub(text).as_str(), text);
    }

    proptest! {
        #[test]
        fn no_secret_is_left_whatever_is_around_it(
            secrets in proptest::collection::vec("[ -~äé]{4,24}", 1..8),
            around in proptest::collection::vec("[a-z0-9\"=:/@?&\\\\\n ]{0,20}", 1..12),
        ) {
            let pieces = around.iter().zip(secrets.iter().cycle());
            let text: String = pieces.map(|(before, secret)| format!("{before}{secret}")).collect();
            let list: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let scrubbed = Scrubber::new(list.iter().copied(), []).scrub(&text);
            for secret in list {
                prop_assert!(!scrubbed.as_str().contains(secret), "{secret:?} in {scrubbed:?}");
            }
        }

        #[test]
        fn no_secret_is_left_in_json(secret in "[ -~äé\n\t]{4,24}", other in "[a-z]{0,9}") {
            let inner = serde_json::json!({ "error": format!("{other}{secret}") }).to_string();
            let outer = serde_json::json!({ "status": inner, "also": secret }).to_string();
            let scrubbed = Scrubber::new([secret.as_str()], []).scrub(&outer);
            // Read back as JSON reads it, twice.
            let once = unescaped(scrubbed.as_str());
            for text in [scrubbed.as_str(), &once, &unescaped(&once)] {
                prop_assert!(!text.contains(&secret), "{secret:?} in {text:?}");
            }
        }

        #[test]
        fn any_text_is_scrubbed_without_a_panic(text in "\\PC{0,80}", secret in "\\PC{0,6}") {
            let scrubber = Scrubber::new([secret.as_str()], [text.as_str()]);
            scrubber.scrub(&text);
            scrubber.scrub(&format!("password = \"\"\"{text}"));
        }
    }

    fn unescaped(text: &str) -> String {
        text.replace("\\\\", "\u{0}")
            .replace("\\n", "\n")
            .replace("\\t", "\t")
            .replace("\\\"", "\"")
            .replace('\u{0}', "\\")
    }
}
