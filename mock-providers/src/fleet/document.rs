//! A configuration as text: read twice, as the types that providers run from and as the value that is shown and
//! edited.
//!
//! Owns the position and the wording of what is wrong. Refuses to repeat values of the text: any may be a secret.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_saphyr::{Error, Location};

use crate::script::Config;

/// A configuration that is well-formed.
#[derive(Clone, Default)]
pub struct Document {
    /// As it was written, for showing and editing; secrets included.
    pub(crate) value: Value,
    pub(crate) config: Config,
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct TextError {
    /// From 1; 0 when it is the text as a whole.
    pub line: u64,
    /// From 1; 0 when it is the text as a whole.
    pub column: u64,
    /// What is wrong; of the text, at most the value that cannot be read where it stands.
    pub reason: String,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Document {
    /// Reads YAML, and so also JSON.
    pub fn read(text: &str) -> Result<Self, TextError> {
        let config: Config = read(text)?;
        if config.providers.is_empty() {
            let reason = "there are no `providers`; try `providers: {a: {}}`".to_owned();
            return Err(TextError { line: 0, column: 0, reason });
        }
        Ok(Self { value: read(text)?, config })
    }

    /// The same from an edited value; positions are those of its text with two spaces of indentation.
    pub fn of(value: Value) -> Result<Self, TextError> {
        let text = format!("{value:#}");
        Ok(Self { config: Self::read(&text)?.config, value })
    }

    /// What it says.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// Reads YAML or JSON into a type.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, TextError> {
    // Enough for long recordings.
    let budget = serde_saphyr::budget! { max_events: 8_000_000, max_nodes: 4_000_000 };
    let options = serde_saphyr::options! { budget: budget, strict_booleans: true, with_snippet: false };
    reader::yaml(text, options).map_err(|error| {
        let error = error.without_snippet();
        let at = error.location().filter(|at| *at != Location::UNKNOWN);
        let (line, column) = at.map_or((0, 0), |at| (at.line(), at.column()));
        TextError { line, column, reason: wording(error) }
    })
}

fn wording(error: &Error) -> String {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            format!("unknown field `{field}`; expected one of {}", list(expected))
        }
        Error::SerdeUnknownVariant { expected, .. } => format!("unknown value; expected one of {}", list(expected)),
        Error::SerdeMissingField { field, .. } => format!("missing field `{field}`"),
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("`{key}` is given twice"),
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("expected {expected}, found another {}", kind(unexpected))
        }
        Error::Unexpected { expected, .. } => format!("expected {expected}"),
        Error::InvalidScalar { ty, .. } => format!("expected {ty}"),
        Error::InvalidBooleanStrict { .. } => "expected `true` or `false`".to_owned(),
        Error::AliasError { error, .. } => wording(error),
        Error::Message { msg, .. } => msg.clone(),
        other => {
            let message = other.render();
            let line = message.lines().next().unwrap_or_default();
            line.split(" at line ").next().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    }
}

fn list(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// serde spells a wrong value as `string "abc"`: the kind stays, the value goes.
fn kind(unexpected: &str) -> &str {
    unexpected.split(['"', '`']).next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_key() {
        let document = Document::read("providers: {a: {auth: {keys: [sk-canary]}}}").expect("well-formed");
        assert!(!format!("{document:?}").contains("canary"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_without_values() {
        let error = Document::read("providers:\n  a:\n    auth: {keys: sk-canary}\n").unwrap_err();
        assert_eq!((error.line, error.column), (3, 18));
        assert!(!error.to_string().contains("canary"), "{error}");
        let error = Document::read("providers: {a: {rulez: []}}").unwrap_err();
        assert!(error.reason.starts_with("unknown field `rulez`; expected one of `dialect`"), "{error}");
        assert!(Document::read("seed: 1").unwrap_err().reason.contains("no `providers`"));
    }

    #[test]
    fn an_edited_value_reads_like_the_text_it_came_from() {
        let text = "providers: {a: {respond: {headers: {retry-after: 2}}}}";
        let document = Document::read(text).unwrap();
        let again = Document::of(document.value.clone()).unwrap();
        let header = |document: &Document| format!("{:?}", document.config.providers["a"].respond);
        assert_eq!(header(&document), header(&again));
    }
}
