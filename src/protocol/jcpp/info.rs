//! What the messages have no field for: `additionalInfo`, a JSON object of texts.

use std::fmt::Write as _;

/// An object that is being written.
#[derive(Debug, Default)]
pub(super) struct Info(String);

impl Info {
    /// Adds a text; an empty one is left out.
    pub(super) fn text(mut self, name: &'static str, value: &str) -> Self {
        if !value.is_empty() {
            self.0.push(if self.0.is_empty() { '{' } else { ',' });
            quote(&mut self.0, name);
            self.0.push(':');
            quote(&mut self.0, value);
        }
        self
    }

    /// Adds a value, if there is one.
    pub(super) fn value(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.text(name, &value.to_string()),
            None => self,
        }
    }

    /// The object; `None` if nothing is in it.
    pub(super) fn finish(mut self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        self.0.push('}');
        Some(self.0)
    }
}

fn quote(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c.is_control() => {
                // Control characters have 16 bits at most. Writing to a String cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_is_left_out_and_signs_are_escaped() {
        assert_eq!(Info::default().text("reason", "").finish(), None);
        let info = Info::default().text("reason", "a \"b\"\\\n\u{7f}枪").value("soc", Some(7));
        let json = info.value("none", None::<u8>).finish();
        let wanted = r#"{"reason":"a \"b\"\\\u000a\u007f枪","soc":"7"}"#;
        assert_eq!(json.as_deref(), Some(wanted));
    }
}
