//! The shipped example, of which every config is made that is written: its tables with other
//! values. So there is one text that explains the keys, and no second one to keep like it.

const EXAMPLE: &str = include_str!("../../../deploy/site.toml");

/// The paragraphs of the example, in their order: comments, and tables with what is said of them.
pub(super) fn paragraphs() -> impl Iterator<Item = Paragraph> {
    EXAMPLE.trim_end().split("\n\n").map(Paragraph::new)
}

/// Lines without an empty one between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paragraph(Vec<String>);

/// `key = value`, commented out or not, with the comment behind it.
struct Pair<'a> {
    is_out: bool,
    key: &'a str,
    comment: &'a str,
}

impl<'a> Pair<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (is_out, body) = match line.strip_prefix("# ") {
            Some(body) => (true, body),
            None => (false, line),
        };
        let (key, rest) = body.split_once(" = ")?;
        let is_key = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        is_key.then(|| Self { is_out, key, comment: &rest[end_of_value(rest)..] })
    }
}

/// Where a value ends: before the comment, the blanks between them with it.
fn end_of_value(rest: &str) -> usize {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let comment = rest.find(|c| {
        let is_meant = !std::mem::take(&mut is_escaped);
        match c {
            '"' => is_quoted ^= is_meant,
            '\\' => is_escaped = is_meant,
            _ => {}
        }
        c == '#' && !is_quoted
    });
    rest[..comment.unwrap_or(rest.len())].trim_end().len()
}

impl Paragraph {
    fn new(text: &str) -> Self {
        Self(text.lines().map(ToOwned::to_owned).collect())
    }

    /// Comments of one's own, each a line.
    pub(super) fn comments(lines: &[&str]) -> Self {
        Self(lines.iter().map(|line| format!("# {line}")).collect())
    }

    /// The table it is of, such as `[[pile]]`, commented out or not.
    pub(super) fn table(&self) -> Option<&str> {
        self.0.iter().find_map(|line| heading(line))
    }

    /// Writes a value; where the key is commented out, it stays so.
    pub(super) fn write(self, key: &str, value: &str) -> Self {
        self.put(key, value, None)
    }

    /// Writes a value that counts.
    pub(super) fn set(self, key: &str, value: &str) -> Self {
        self.put(key, value, Some(false))
    }

    fn put(mut self, key: &str, value: &str, is_out: Option<bool>) -> Self {
        let line = self.line(key);
        let pair = Pair::read(line).expect("it was found by its key");
        let comment = pair.comment.trim_start();
        let out = if is_out.unwrap_or(pair.is_out) { "# " } else { "" };
        let written = format!("{out}{key} = {value}");
        let column = line.chars().count() - comment.chars().count();
        *line = if comment.is_empty() { written } else { beside(&written, comment, column) };
        self
    }

    /// A text that counts.
    pub(super) fn text(self, key: &str, value: &str) -> Self {
        self.set(key, &quoted(value))
    }

    /// The table's heading counts from now on.
    pub(super) fn open(mut self) -> Self {
        for line in self.0.iter_mut().filter(|line| heading(line).is_some()) {
            let Some(body) = line.strip_prefix("# ") else { continue };
            *line = match body.split_once(" #") {
                Some((heading, comment)) => {
                    let column = line.chars().count() - comment.chars().count() - 1;
                    beside(heading.trim_end(), &format!("#{comment}"), column)
                }
                None => body.to_owned(),
            };
        }
        self
    }

    /// A key that counts no more, but still is shown.
    pub(super) fn switch_off(mut self, key: &str) -> Self {
        let line = self.line(key);
        *line = format!("# {line}");
        self
    }

    /// All of it counts no more, but still is shown.
    pub(super) fn out(mut self) -> Self {
        for line in self.0.iter_mut().filter(|line| !line.starts_with('#')) {
            *line = format!("# {line}");
        }
        self
    }

    /// Only what counts, and nothing said of it: for all tables of a kind but the first.
    pub(super) fn plain(mut self) -> Self {
        let is_out = self.0.iter().all(|line| line.starts_with('#'));
        self.0.retain(|line| {
            let counts = is_out || !line.starts_with('#');
            counts && (heading(line).is_some() || Pair::read(line).is_some())
        });
        for line in &mut self.0 {
            let said = Pair::read(line).map_or(0, |pair| pair.comment.len());
            line.truncate(line.len() - said);
            line.truncate(line.trim_end().len());
        }
        self
    }

    /// With a comment of its own before the table.
    pub(super) fn said(mut self, comment: &str) -> Self {
        let at = self.0.iter().position(|line| heading(line).is_some()).unwrap_or(0);
        let plain: String = comment.chars().filter(|c| !c.is_control()).collect();
        self.0.insert(at, format!("# {plain}"));
        self
    }

    /// Writes another directory wherever a comment names the one of the example.
    pub(super) fn moved(mut self, from: &str, to: &str) -> Self {
        for line in self.0.iter_mut().filter(|line| line.starts_with('#')) {
            *line = line.replace(from, to);
        }
        self
    }

    fn line(&mut self, key: &str) -> &mut String {
        let is_it = |line: &&mut String| Pair::read(line).is_some_and(|pair| pair.key == key);
        self.0.iter_mut().find(is_it).expect("the example has every key that is written here")
    }

    /// As it is to stand in the file.
    pub(super) fn lines(&self) -> String {
        self.0.join("\n")
    }
}

/// The heading in a line, commented out or not.
fn heading(line: &str) -> Option<&str> {
    let body = line.strip_prefix("# ").unwrap_or(line);
    let end = body.rfind(']')?;
    body.starts_with('[').then(|| body[..=end].split_whitespace().next().unwrap_or(body))
}

/// A comment behind what is written, at a column if there is room.
fn beside(written: &str, comment: &str, column: usize) -> String {
    let blanks = column.saturating_sub(written.chars().count()).max(1);
    format!("{written}{:blanks$}{comment}", "")
}

/// A text as TOML wants it, in one line whatever is in it.
pub(super) fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
