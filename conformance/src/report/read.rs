//! Reports from files. What is no report is refused with the file, the place and what is wrong with it.

use std::path::Path;

use gateway::yaml::did_you_mean;
use serde::Deserialize;

use super::model::{Report, SCHEMA};

/// Why a file is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("{file}: cannot be read: {source}")]
    File {
        /// As given.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no JSON, or JSON of another shape.
    #[error("{file}:{line}:{column}: {what}")]
    Shape {
        /// As given.
        file: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong there.
        what: String,
    },
    /// JSON that is something else.
    #[error("{file}: {what}; a report is written by `windtunnel run --report json=FILE`")]
    Schema {
        /// As given.
        file: String,
        /// What it is.
        what: String,
    },
}

/// All that is looked at before the rest.
#[derive(Deserialize)]
struct Probe {
    #[serde(default)]
    schema: Option<serde_json::Value>,
}

/// The report in a file.
pub fn file(path: &Path) -> Result<Report, ReadError> {
    let file = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => bytes_of(&file, &bytes),
        Err(source) => Err(ReadError::File { file, source }),
    }
}

/// The report in these bytes; `file` is for messages.
pub fn bytes_of(file: &str, bytes: &[u8]) -> Result<Report, ReadError> {
    let probe: Result<Probe, _> = serde_json::from_slice(bytes);
    let schema = |what: String| ReadError::Schema { file: file.to_owned(), what };
    match probe {
        Err(error) if error.is_data() => return Err(schema("not a report: no JSON object".to_owned())),
        Err(error) => return Err(shape(file, &error)),
        Ok(Probe { schema: None }) => return Err(schema("not a report: it has no `schema`".to_owned())),
        Ok(Probe { schema: Some(found) }) if found != SCHEMA => return Err(schema(other(&found))),
        Ok(_) => {}
    }
    serde_json::from_slice(bytes).map_err(|error| shape(file, &error))
}

fn other(found: &serde_json::Value) -> String {
    let guess = found.as_str().and_then(|name| did_you_mean(name, [SCHEMA]));
    let guess = guess.map(|_| ", which this version cannot read").unwrap_or_default();
    let found: String = found.to_string().chars().take(80).collect();
    format!("its schema is {found}{guess}, not \"{SCHEMA}\"")
}

fn shape(file: &str, error: &serde_json::Error) -> ReadError {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = text.strip_suffix(&place).unwrap_or(&text).to_owned();
    let what =
        if error.is_data() { format!("not a report of this schema: {what}") } else { format!("not JSON: {what}") };
    ReadError::Shape { file: file.to_owned(), line: error.line().max(1), column: error.column().max(1), what }
}
