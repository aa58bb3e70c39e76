//! What is wrong with a config, for the one who wrote it.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file it is in.
    pub file: PathBuf,
    /// The line, from 1; `None` if the whole file is meant.
    pub line: Option<usize>,
    /// The key, dotted, with an index from 1 for lists; empty if the whole file is meant.
    pub key: String,
    /// What is wrong.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// All that is wrong with one config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<Fault>);

/// Collects faults while a file is read, so that all of them are told at once.
#[derive(Debug)]
pub(in crate::service) struct Faults<'a> {
    file: &'a Path,
    text: &'a str,
    list: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl<'a> Faults<'a> {
    pub(in crate::service) const fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, list: Vec::new(), warnings: Vec::new() }
    }

    pub(in crate::service) fn add(
        &mut self,
        at: &Place,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let fault = self.fault(at, text.into(), hint.into());
        self.list.push(fault);
    }

    /// Tells of something that is not wrong but surely not meant.
    pub(in crate::service) fn warn(
        &mut self,
        at: &Place,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let warning = self.fault(at, text.into(), hint.into());
        self.warnings.push(warning);
    }

    /// Takes the faults of another file that this one names.
    pub(in crate::service) fn take(&mut self, other: ConfigError) {
        self.list.extend(other.0);
    }

    fn fault(&self, at: &Place, text: String, hint: String) -> Fault {
        Fault {
            file: self.file.to_owned(),
            line: at.span.as_ref().map(|span| self.line(span)),
            key: at.key.clone(),
            text,
            hint: (!hint.is_empty()).then_some(hint),
        }
    }

    pub(in crate::service) fn add_syntax(&mut self, error: &toml::de::Error) {
        let span = error.span();
        let key = span.as_ref().map(|span| self.key_at(span)).unwrap_or_default();
        let message = error.message().trim_end();
        let hint = match message {
            "duplicate key" => "it is written twice in its table; keep one",
            _ => "KEY = VALUE with texts in double quotes, tables in [brackets]",
        };
        self.add(&Place { key, span }, format!("is not TOML: {message}"), hint);
    }

    /// The key or table that the line of a fault is about, as it is written there.
    fn key_at(&self, span: &Range<usize>) -> String {
        let line = self.text.lines().nth(self.line(span).saturating_sub(1)).unwrap_or_default();
        let name = line.split('=').next().unwrap_or_default();
        let name = name.trim_matches(|c: char| c.is_whitespace() || matches!(c, '[' | ']'));
        let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.chars().all(is_key) { name.to_owned() } else { String::new() }
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let end = span.start.min(self.text.len());
        self.text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// The faults in the order of their lines; the warnings if there are none.
    pub(in crate::service) fn finish(mut self) -> Result<Vec<Fault>, ConfigError> {
        self.list.sort_by_key(|fault| fault.line);
        self.warnings.sort_by_key(|warning| warning.line);
        if self.list.is_empty() { Ok(self.warnings) } else { Err(ConfigError(self.list)) }
    }
}

/// Where in the file something stands.
#[derive(Debug, Clone, Default)]
pub(in crate::service) struct Place {
    pub(in crate::service) key: String,
    pub(in crate::service) span: Option<Range<usize>>,
}
