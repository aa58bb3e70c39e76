//! The text that leaves: bounded sections, one below the other.

use super::{
    facts::{Known, Unknown},
    scrub::{Scrubbed, Scrubber},
};

/// Longest section; a site of two hundred piles has a status half as long.
const MAX_SECTION_BYTES: usize = 256 << 10;

/// Longest line; nobody reads longer ones.
const MAX_LINE_BYTES: usize = 16 << 10;

/// Which end of a section is worth more where it is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    First,
    Last,
}

/// A text of sections.
pub(super) struct Document<'s> {
    scrubber: &'s Scrubber,
    text: String,
}

impl<'s> Document<'s> {
    pub(super) fn new(scrubber: &'s Scrubber, heading: &str) -> Self {
        let text = scrubber.scrub(heading).as_str().to_owned();
        Self { scrubber, text }
    }

    /// Adds a section, or why it is not there.
    pub(super) fn section(&mut self, title: &'static str, body: &Known<String>, keep: Keep) {
        let body = match body {
            Ok(body) => bounded(body, keep),
            Err(Unknown(why)) => format!("cannot: {why}\n"),
        };
        let body: Scrubbed = self.scrubber.scrub(&body);
        self.text.push_str(&format!("\n== {title}\n\n"));
        // What a terminal would take for commands goes last: a secret may have had it in itself.
        self.text.extend(body.as_str().chars().filter(|c| !c.is_control() || "\n\t".contains(*c)));
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// Whole lines only: a secret that is cut in two is not found any more.
fn bounded(text: &str, keep: Keep) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    if keep == Keep::Last {
        lines.reverse();
    }
    let mut bytes = 0_usize;
    let fitting = lines.iter().take_while(|line| {
        bytes += line.len().min(MAX_LINE_BYTES) + 1;
        bytes <= MAX_SECTION_BYTES
    });
    let fitting = fitting.count();
    let left_out = lines.len() - fitting;
    let mut lines: Vec<String> = lines[..fitting].iter().map(|line| whole(line)).collect();
    if left_out > 0 {
        lines.push(format!("... {left_out} lines are left out"));
    }
    if keep == Keep::Last {
        lines.reverse();
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

fn whole(line: &str) -> String {
    match line.len() {
        bytes if bytes > MAX_LINE_BYTES => format!("... a line of {bytes} bytes is left out"),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_bounded_by_whole_lines() {
        let long: String = (0..40_000).map(|n| format!("line {n}\n")).collect();
        for (keep, kept, lost) in
            [(Keep::First, "line 0\n", "line 39999\n"), (Keep::Last, "line 39999\n", "line 0\n")]
        {
            let text = bounded(&long, keep);
            assert!(text.len() < MAX_SECTION_BYTES + 100, "{}", text.len());
            assert!(text.contains(kept) && !text.contains(lost) && text.contains("are left out"));
        }
        let text = bounded(&format!("a\n{}\nb", "x".repeat(MAX_LINE_BYTES + 1)), Keep::First);
        assert_eq!(text, "a\n... a line of 16385 bytes is left out\nb\n");
    }

    #[test]
    fn what_is_not_known_is_said_and_what_is_secret_is_not() {
        let scrubber = Scrubber::new(["hunter2"], []);
        let mut document = Document::new(&scrubber, "of hunter2\n");
        document.section("ONE", &Err(Unknown("hunter2 says\u{1b}[2J no".to_owned())), Keep::First);
        document.section("TWO", &Ok("x = \"\"\"hunter2".to_owned()), Keep::First);
        let wanted =
            "of █████\n\n== ONE\n\ncannot: █████ says[2J no\n\n== TWO\n\nx = \"\"\"█████\n";
        assert_eq!(document.finish(), wanted);
    }
}
