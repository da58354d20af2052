//! Strict reading of YAML (and so JSON) with positions: splits a source into documents,
//! reads one document into a type, and turns what went wrong into a [`Problem`] that
//! reads like a compiler's error.
//!
//! Refuses to know any resource kind, and never shows a line that may hold a secret.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, DeserializeSeed};
use serde_saphyr::{Error, Location, Options};
use zeroize::Zeroize;

/// One YAML text and where it came from. It may hold secrets: it is not shown, and wiped when it goes.
#[derive(Clone)]
pub struct Source {
    /// The path as given, for messages.
    pub path: PathBuf,
    /// The text.
    pub text: String,
}

/// One `---` separated document of a [`Source`].
#[derive(Clone, Copy)]
pub struct Document<'a> {
    /// Line of the source (from 1) at which `text` starts.
    pub first_line: usize,
    /// The document, with its `---` line if it has one.
    pub text: &'a str,
}

/// What is wrong with a source, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The path as given.
    pub file: String,
    /// From 1; 0 when the problem is the file as a whole.
    pub line: usize,
    /// From 1; 0 when the problem is the line as a whole.
    pub column: usize,
    /// What is wrong; never holds a value from the source.
    pub message: String,
    /// The next thing to try.
    pub hint: Option<String>,
    /// The line itself; absent when it may hold a secret.
    pub source_line: Option<String>,
    /// How many characters the caret underlines.
    pub caret_len: usize,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("first_line", &self.first_line).finish_non_exhaustive()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

impl Source {
    /// A source from memory.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// A problem at a line of this source, without an excerpt.
    pub fn problem(&self, line: usize, message: impl Into<String>) -> Problem {
        Problem { line, ..Problem::of_file(&self.path, message) }
    }

    /// A problem at a place of this source; the rest of its line is underlined, unless it may hold a secret.
    pub fn problem_at(&self, line: usize, column: usize, message: impl Into<String>) -> Problem {
        let mut problem = Problem { column, ..self.problem(line, message) };
        let text = self.text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim_end();
        let around = documents(self).into_iter().rfind(|document| document.first_line <= line);
        let around = around.map_or(&*self.text, |document| document.text);
        if !may_hold_secret(around, text) && text.chars().count() <= MAX_SHOWN {
            problem.caret_len = text.chars().count().saturating_sub(column.saturating_sub(1)).max(1);
            problem.source_line = Some(text.to_owned());
        }
        problem
    }
}

impl Problem {
    /// A problem of the file as a whole.
    pub fn of_file(path: &Path, message: impl Into<String>) -> Self {
        Self {
            file: path.display().to_string(),
            line: 0,
            column: 0,
            message: message.into(),
            hint: None,
            source_line: None,
            caret_len: 0,
        }
    }

    /// The same problem with the place of the first line, from its own on, that begins with this key.
    #[must_use]
    pub fn pointing_at(mut self, source: &Source, key: &str) -> Self {
        let mut lines = source.text.lines().enumerate().skip(self.line.saturating_sub(1));
        let found = lines.find(|(_, text)| text.trim_start_matches([' ', '-']).starts_with(key));
        if let Some((index, text)) = found {
            let value = text[text.find(key).unwrap_or(0) + key.len()..].trim_start();
            self.line = index + 1;
            self.column = text[..text.len() - value.len()].chars().count() + 1;
            self.caret_len = value.trim_end().chars().count();
            self.source_line = Some(text.to_owned());
        }
        self
    }

    /// The same problem with a next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        let gutter = self.line.max(1).to_string().len();
        match (self.line, self.column) {
            (0, _) => write!(f, "\n{:gutter$}--> {}", "", self.file)?,
            (line, 0) => write!(f, "\n{:gutter$}--> {}:{line}", "", self.file)?,
            (line, column) => write!(f, "\n{:gutter$}--> {}:{line}:{column}", "", self.file)?,
        }
        if let Some(source) = &self.source_line {
            let pad: String = source.chars().take(self.column.saturating_sub(1)).map(blank).collect();
            let carets = "^".repeat(self.caret_len.max(1));
            write!(f, "\n{:gutter$} |\n{} | {source}\n{:gutter$} | {pad}{carets}", "", self.line, "")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n{:gutter$} = help: {hint}", ""),
            None => Ok(()),
        }
    }
}

/// Keeps tabs, so that the caret stands under its column.
fn blank(c: char) -> char {
    if c == '\t' { '\t' } else { ' ' }
}

/// Splits at `---` lines; documents without content are left out.
pub fn documents(source: &Source) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let (mut start, mut first_line, mut at) = (0, 1, 0);
    for (index, line) in source.text.split_inclusive('\n').enumerate() {
        if at > start && starts_document(line) {
            documents.push(Document { first_line, text: &source.text[start..at] });
            (start, first_line) = (at, index + 1);
        }
        at += line.len();
    }
    documents.push(Document { first_line, text: &source.text[start..] });
    documents.retain(|document| document.text.lines().any(has_content));
    documents
}

fn starts_document(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

fn has_content(line: &str) -> bool {
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let line = if starts_document(line) { &line[3..] } else { line };
    let line = line.trim();
    !(line.is_empty() || line.starts_with('#') || line.starts_with('%') || line == "...")
}

/// Reads one document into a type.
pub fn read<T: DeserializeOwned>(source: &Source, document: &Document<'_>) -> Result<T, Problem> {
    read_seed(source, document, std::marker::PhantomData::<T>)
}

/// Reads one document with a seed, for types chosen at run time.
pub fn read_seed<'a, S: DeserializeSeed<'a>>(
    source: &Source,
    document: &Document<'a>,
    seed: S,
) -> Result<S::Value, Problem> {
    reader::yaml_seed(document.text, options(), seed)
        .map_err(|error| problem(source, document, error.without_snippet()))
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 8_000_000,
            max_nodes: 4_000_000,
            max_depth: 100,
        },
        strict_booleans: true,
        with_snippet: false,
    }
}

fn problem(source: &Source, document: &Document<'_>, error: &Error) -> Problem {
    let (message, hint) = wording(error);
    let mut problem = Problem { hint, ..source.problem(document.first_line, message) };
    let Some(at) = error.location().filter(|at| *at != Location::UNKNOWN) else { return problem };
    let local_line = usize::try_from(at.line()).unwrap_or(1).max(1);
    problem.line = document.first_line + local_line - 1;
    problem.column = usize::try_from(at.column()).unwrap_or(1).max(1);
    let line = document.text.lines().nth(local_line - 1).unwrap_or_default();
    if !may_hold_secret(document.text, line) && line.chars().count() <= MAX_SHOWN {
        let rest = line.trim_end().chars().count().saturating_sub(problem.column - 1);
        problem.caret_len = caret_len(error, at).clamp(1, rest.max(1));
        problem.source_line = Some(line.trim_end().to_owned());
    }
    problem
}

/// Longer lines (minified JSON) are not worth showing.
const MAX_SHOWN: usize = 160;

fn caret_len(error: &Error, at: Location) -> usize {
    match error {
        Error::SerdeUnknownField { field, .. } => field.chars().count(),
        Error::SerdeUnknownVariant { variant, .. } => variant.chars().count(),
        Error::DuplicateMappingKey { key: Some(key), .. } => key.chars().count(),
        Error::SerdeMissingField { .. } => 1,
        _ => usize::try_from(at.span().len()).unwrap_or(1),
    }
}

/// The message and the hint for an error; values of the source stay out of both.
fn wording(error: &Error) -> (String, Option<String>) {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown field `{field}`"), suggestion(field, expected))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("unknown value `{variant}`"), suggestion(variant, expected))
        }
        Error::SerdeMissingField { field, .. } => (format!("missing field `{field}`"), None),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            (format!("`{key}` is given twice"), Some("keep one of the two".to_owned()))
        }
        Error::SerdeInvalidType { unexpected, expected, .. } => {
            (format!("expected {expected}, found {}", kind_of(unexpected)), None)
        }
        Error::SerdeInvalidValue { unexpected, expected, .. } => {
            (format!("expected {expected}, found another {}", kind_of(unexpected)), None)
        }
        Error::Unexpected { expected, .. } => (format!("expected {}", node(expected)), None),
        Error::InvalidScalar { ty, .. } => (format!("expected {}", number(ty)), None),
        Error::InvalidBooleanStrict { .. } => ("expected `true` or `false`".to_owned(), None),
        Error::NonFiniteFloat { .. } => ("this number is not finite".to_owned(), None),
        Error::AliasError { error, .. } => wording(error),
        Error::Message { msg, .. } => (msg.clone(), None),
        other => {
            let message = other.render().lines().next().map(without_place).unwrap_or_default();
            let hint = message.contains("block mapping").then(|| INDENTATION.to_owned());
            (message, hint)
        }
    }
}

const INDENTATION: &str = "check the indentation; a line below `key: value` cannot be indented deeper than the key";

/// What the parser waited for, in words of the manifest's author.
fn node(expected: &str) -> &str {
    match expected {
        "mapping start" => "a mapping (`key: value`)",
        "sequence start" => "a list (`- item`)",
        "string scalar" | "scalar" => "a single value",
        other => other,
    }
}

fn number(ty: &str) -> &str {
    match ty {
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i32" | "i64" => "a whole number",
        "floating point" => "a number",
        other => other,
    }
}

/// Cuts the position a parser message ends with; the problem has its own.
fn without_place(message: &str) -> String {
    let end = message.find(" at line ").unwrap_or(message.len());
    message[..end].trim_start_matches("error: ").trim_end_matches([':', ' ']).to_owned()
}

/// serde spells a wrong value as `string "abc"` or `integer `5``: keep the kind, drop the value.
fn kind_of(unexpected: &str) -> &str {
    unexpected.split(['"', '`']).next().unwrap_or_default().trim()
}

fn suggestion(word: &str, expected: &[&str]) -> Option<String> {
    if let Some(close) = did_you_mean(word, expected.iter().copied()) {
        return Some(format!("did you mean `{close}`?"));
    }
    let names: Vec<String> = expected.iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!("expected one of {}", names.join(", ")))
}

/// The candidate that is a typing slip away from `word`, or the only one that contains it.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    let lower = word.to_lowercase();
    let (mut close, mut longer) = (Vec::new(), Vec::new());
    for candidate in candidates {
        let other = candidate.to_lowercase();
        let distance = distance(&lower, &other);
        if distance <= limit {
            close.push((distance, candidate));
        } else if lower.len() > 3 && other.contains(&lower) {
            longer.push(candidate);
        }
    }
    let only = (longer.len() == 1).then(|| longer[0]);
    close
        .into_iter()
        .min_by_key(|(distance, candidate)| (*distance, candidate.len().abs_diff(word.len())))
        .map(|(_, candidate)| candidate)
        .or(only)
}

/// Edit distance in which a swap of neighbours counts once.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows: [Vec<usize>; 3] = [vec![0; b.len() + 1], (0..=b.len()).collect(), vec![0; b.len() + 1]];
    for i in 1..=a.len() {
        rows[2][0] = i;
        for j in 1..=b.len() {
            let swap = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[1][j - 1] + swap).min(rows[1][j] + 1).min(rows[2][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[0][j - 2] + 1);
            }
            rows[2][j] = best;
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}

/// Errs on the side of silence: Secrets, inline keys, and whatever looks like a credential.
fn may_hold_secret(document: &str, line: &str) -> bool {
    let squeezed: String = document.chars().filter(|c| !c.is_whitespace() && *c != '"' && *c != '\'').collect();
    let secret = squeezed.contains("kind:Secret") && (has_key(document, "data") || has_key(document, "stringData"));
    secret || has_key(line, "key") || line.contains("sk-") || line.to_lowercase().contains("bearer")
}

/// Whether `name` stands as a mapping key somewhere in `text`.
fn has_key(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].trim_start_matches(['"', '\'', ' ']);
        !before.is_some_and(char::is_alphanumeric) && after.starts_with(':')
    })
}

#[cfg(test)]
mod tests;
