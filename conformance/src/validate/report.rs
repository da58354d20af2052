//! An outcome as bytes for people and machines: one module per form, none of which judges anything.

pub mod html;
pub mod junit;
pub mod list;
pub mod markdown;
pub mod text;

use serde_json::json;

use super::outcome::{Checked, Outcome, SCHEMA};
use crate::report::Form;

/// The forms that go into files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `windtunnel.validation/v1`
    Json,
    /// One testcase per check.
    Junit,
    /// One page for people.
    Html,
    /// A table for an issue or a wiki.
    Markdown,
}

impl Kind {
    /// The outcome in this form.
    pub fn text(self, outcome: &Outcome) -> String {
        match self {
            Kind::Json => json_text(outcome),
            Kind::Junit => junit::text(outcome),
            Kind::Html => html::text(outcome),
            Kind::Markdown => markdown::text(outcome),
        }
    }
}

impl Form for Kind {
    const ALL: &[(&str, Kind)] =
        &[("json", Kind::Json), ("junit", Kind::Junit), ("html", Kind::Html), ("md", Kind::Markdown)];
}

fn json_text(outcome: &Outcome) -> String {
    let mut value = serde_json::to_value(outcome).expect("strings, numbers and lists can be written as JSON");
    let counts = super::finding::Verdict::ALL.map(|verdict| (verdict.name(), outcome.count(verdict)));
    value["schema"] = SCHEMA.into();
    value["version"] = env!("CARGO_PKG_VERSION").into();
    value["counts"] = serde_json::Map::from_iter(counts.map(|(name, count)| (name.to_owned(), json!(count)))).into();
    value["exit_code"] = outcome.exit_code().into();
    format!("{value:#}\n")
}

/// What is told of a check in the lines below its title.
fn lines(check: &Checked) -> Vec<String> {
    let mut lines = check.failures.clone();
    for deviation in &check.deviations {
        let known = if deviation.known { " (expected)" } else { "" };
        lines.push(format!("{} {}{known}: {}", deviation.ids.join(" "), deviation.quirk, deviation.means));
        lines.push(format!("seen: {}", deviation.evidence));
        lines.push(format!("what helps: {}", deviation.workaround));
    }
    lines.extend(check.why.clone());
    lines.extend(check.notes.iter().map(|note| format!("note: {note}")));
    lines
}

/// The sum in one line: `84 checks: 80 pass, …`.
fn sum(outcome: &Outcome) -> String {
    let counts = super::finding::Verdict::ALL.map(|verdict| (outcome.count(verdict), verdict));
    let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, verdict)| format!("{count} {verdict}"));
    format!("{} checks: {}", outcome.checks.len(), counts.collect::<Vec<_>>().join(", "))
}
