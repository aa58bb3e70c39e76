//! Topics and filters: which are well formed, what matches, what covers.

use std::fmt;

/// Greatest number of levels of a topic or filter. The tree of filters is walked by recursion,
/// so a bound is needed; the deepest topic of the charging protocol has 5.
pub const MAX_LEVELS: usize = 32;

/// Why a text is not a topic or filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Nothing at all.
    #[error("empty")]
    Empty,
    /// NUL or another control character.
    #[error("contains a control character")]
    Control,
    /// More than `MAX_LEVELS` levels.
    #[error("more than {MAX_LEVELS} levels")]
    TooDeep,
    /// A wildcard where none may be.
    #[error("a wildcard in the wrong place")]
    Wildcard,
}

fn check_text(text: &str) -> Result<(), FilterError> {
    if text.is_empty() {
        return Err(FilterError::Empty);
    }
    if text.chars().any(char::is_control) {
        return Err(FilterError::Control);
    }
    if text.split('/').nth(MAX_LEVELS).is_some() {
        return Err(FilterError::TooDeep);
    }
    Ok(())
}

/// Checks the name of a topic: no wildcards (MQTT 3.1.1 §4.7).
pub fn check_topic(topic: &str) -> Result<(), FilterError> {
    check_text(topic)?;
    if topic.contains(['+', '#']) {
        return Err(FilterError::Wildcard);
    }
    Ok(())
}

/// A well-formed topic filter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Filter(String);

impl Filter {
    /// Checks the text (MQTT 3.1.1 §4.7.1).
    pub fn new(text: &str) -> Result<Self, FilterError> {
        check_text(text)?;
        let mut levels = text.split('/').peekable();
        while let Some(level) = levels.next() {
            let wild = level.contains(['+', '#']);
            let last = levels.peek().is_none();
            if wild && !(level == "+" || (level == "#" && last)) {
                return Err(FilterError::Wildcard);
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The filter as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a message on `topic` passes. A wildcard in the first place does not match topics
    /// that begin with `$`.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        // A topic is a filter without wildcards, and covers itself alone.
        self.covers_text(topic)
    }

    /// Whether every topic that passes `other` passes this one too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.covers_text(&other.0)
    }

    /// Whether some topic passes both.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let starts = |a: &Self, b: &Self| a.0.starts_with('$') && b.0.starts_with(['+', '#']);
        if starts(self, other) || starts(other, self) {
            return false;
        }
        let (mut mine, mut theirs) = (self.0.split('/'), other.0.split('/'));
        loop {
            match (mine.next(), theirs.next()) {
                (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
                (Some(a), Some(b)) if a == b || a == "+" || b == "+" => {}
                _ => return false,
            }
        }
    }

    fn covers_text(&self, other: &str) -> bool {
        if other.starts_with('$') && self.0.starts_with(['+', '#']) {
            return false;
        }
        let mut others = other.split('/');
        for mine in self.0.split('/') {
            // `a/#` also passes `a`.
            if mine == "#" {
                return true;
            }
            match others.next() {
                None | Some("#") => return false,
                Some(theirs) if mine == "+" || mine == theirs => {}
                Some(_) => return false,
            }
        }
        others.next().is_none()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_mosquitto_refuses() {
        for bad in ["", "a#", "a/#/b", "#/a", "a+", "a/+b/c", "a\0b", "##", "++"] {
            assert!(Filter::new(bad).is_err(), "{bad:?}");
        }
        for good in ["#", "+", "/", "a//b", "+/+/#", "a/+/c", "$SYS/#", "a/#"] {
            assert!(Filter::new(good).is_ok(), "{good:?}");
        }
        assert_eq!(Filter::new(&"/".repeat(MAX_LEVELS)), Err(FilterError::TooDeep));
        for bad in ["", "a/#", "+", "a/+/b", "\0"] {
            assert!(check_topic(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn matches_by_the_standard() {
        let cases = [
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/+", "a", false),
            ("a/+", "a/", true),
            ("+", "a", true),
            ("+", "/a", false),
            ("+/+", "/a", true),
            ("#", "$SYS/x", false),
            ("+/x", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/+/c", "a/b/c", true),
        ];
        for (filter, topic, want) in cases {
            assert_eq!(Filter::new(filter).unwrap().matches(topic), want, "{filter} {topic}");
        }
    }

    #[test]
    fn filters_meet_where_one_topic_passes_both() {
        let cases = [
            ("#", "/U/C/+", true),
            ("/U/#", "/U/C/+", true),
            ("/+/M/x", "/U/M/+", true),
            ("/U/C/+/#", "/U/C/+", true),
            ("/U/C", "/U/C/+", false),
            ("/D/#", "/U/C/+", false),
            ("/+/R/#", "/U/C/+", false),
            ("+/U/C/x", "/U/C/+", true),
            ("U/C/x", "/U/C/+", false),
            ("#", "$SYS/#", false),
            ("$SYS/#", "$SYS/x", true),
        ];
        for (one, other, want) in cases {
            let (one, other) = (Filter::new(one).unwrap(), Filter::new(other).unwrap());
            assert_eq!(one.meets(&other), want, "{one} {other}");
            assert_eq!(other.meets(&one), want, "{other} {one}");
        }
    }

    #[test]
    fn covers_only_what_it_contains() {
        let cases = [
            ("#", "a/#", true),
            ("#", "$SYS/#", false),
            ("a/#", "a/#", true),
            ("a/#", "a/+/b", true),
            ("a/#", "#", false),
            ("a/#", "+/b", false),
            ("a/+", "a/#", false),
            ("a/+", "a/b", true),
            ("a/+", "a/+", true),
            ("a/b", "a/+", false),
            ("a/+/c", "a/+/+", false),
        ];
        for (filter, other, want) in cases {
            let covers = Filter::new(filter).unwrap().covers(&Filter::new(other).unwrap());
            assert_eq!(covers, want, "{filter} {other}");
        }
    }
}
