//! A run as bytes for people and machines: one module per form, none of which judges anything.
//! All forms for files are written from a [`model::Report`], so that they can be made of a kept JSON report too.

pub mod badge;
mod collect;
pub mod date;
mod detail;
pub mod diff;
mod escape;
pub mod html;
pub mod json;
pub mod junit;
pub mod matrix;
pub mod model;
pub mod read;
pub mod tap;
pub mod terminal;
pub mod yaml;

use std::path::PathBuf;
use std::str::FromStr;

use gateway::yaml::did_you_mean;

pub use collect::quoted;
pub(crate) use escape::xml;
pub use model::Report;

/// The forms of reports that go into files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One page for people.
    Html,
    /// One testcase per scenario.
    Junit,
    /// `windtunnel.report/v1`
    Json,
    /// A conformance report for submission.
    Yaml,
    /// TAP 14.
    Tap,
    /// An SVG badge.
    Badge,
}

impl Kind {
    /// All of them with their names.
    pub const ALL: [(&'static str, Kind); 6] = [
        ("html", Kind::Html),
        ("junit", Kind::Junit),
        ("json", Kind::Json),
        ("yaml", Kind::Yaml),
        ("tap", Kind::Tap),
        ("badge", Kind::Badge),
    ];

    /// The report in this form.
    pub fn text(self, report: &Report) -> String {
        match self {
            Kind::Html => html::text(report),
            Kind::Junit => junit::text(report),
            Kind::Json => json::text(report),
            Kind::Yaml => yaml::text(report),
            Kind::Tap => tap::text(report),
            Kind::Badge => badge::text(report),
        }
    }
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
        let (name, path) = text.split_once('=').ok_or("a report is KIND=FILE, such as html=run.html")?;
        let kind = Kind::ALL.into_iter().find(|(known, _)| *known == name);
        match kind {
            Some(_) if path.is_empty() => Err(format!("the {name} report needs a file: {name}=FILE")),
            Some((_, kind)) => Ok(Sink { kind, path: PathBuf::from(path) }),
            None => Err(unknown(name)),
        }
    }
}

fn unknown(name: &str) -> String {
    let names = Kind::ALL.map(|(known, _)| known);
    match did_you_mean(name, names) {
        Some(close) => format!("no report is called `{name}`; did you mean `{close}`?"),
        None => format!("no report is called `{name}`; there are {}", names.join(", ")),
    }
}
