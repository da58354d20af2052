//! A run as bytes for people and machines: one module per form, none of which judges anything.
//! All forms for files are written from a [`model::Report`], so that they can be made of a kept JSON report too.

pub mod badge;
mod collect;
pub mod date;
mod detail;
pub mod diff;
mod escape;
pub mod file;
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
pub(crate) use escape::{tamed, xml};
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

/// The forms that a kind of report has.
pub trait Form: Copy + 'static {
    /// All of them with their names.
    const ALL: &[(&str, Self)];
}

impl Form for Kind {
    const ALL: &[(&str, Kind)] = &[
        ("html", Kind::Html),
        ("junit", Kind::Junit),
        ("json", Kind::Json),
        ("yaml", Kind::Yaml),
        ("tap", Kind::Tap),
        ("badge", Kind::Badge),
    ];
}

/// A form and the file it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sink<F = Kind> {
    /// The form.
    pub kind: F,
    /// The file.
    pub path: PathBuf,
}

impl<F: Form> FromStr for Sink<F> {
    type Err = String;

    fn from_str(text: &str) -> Result<Sink<F>, String> {
        let (name, path) = text.split_once('=').ok_or("a report is KIND=FILE, such as html=run.html")?;
        match F::ALL.iter().find(|(known, _)| *known == name) {
            Some(_) if path.is_empty() => Err(format!("the {name} report needs a file: {name}=FILE")),
            Some((_, kind)) => Ok(Sink { kind: *kind, path: PathBuf::from(path) }),
            None => Err(unknown(name, F::ALL.iter().map(|(known, _)| *known).collect())),
        }
    }
}

fn unknown(name: &str, names: Vec<&str>) -> String {
    match did_you_mean(name, names.iter().copied()) {
        Some(close) => format!("no report is called `{name}`; did you mean `{close}`?"),
        None => format!("no report is called `{name}`; there are {}", names.join(", ")),
    }
}
