//! A run as bytes for people and machines: one module per form, none of which judges anything.

pub mod json;
pub mod junit;
pub mod terminal;

use std::path::PathBuf;
use std::str::FromStr;

/// The forms of reports that go into files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `windtunnel.report/v1`
    Json,
    /// One testcase per scenario.
    Junit,
}

/// A form and the file it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sink {
    /// The form.
    pub kind: Kind,
    /// The file.
    pub path: PathBuf,
}

impl FromStr for Sink {
    type Err = String;

    fn from_str(text: &str) -> Result<Sink, String> {
        let (kind, path) = text.split_once('=').ok_or("a report is KIND=FILE, such as json=run.json")?;
        let kind = match kind {
            "json" => Kind::Json,
            "junit" => Kind::Junit,
            other => return Err(format!("no report is called `{other}`; there are json and junit")),
        };
        Ok(Sink { kind, path: PathBuf::from(path) })
    }
}
