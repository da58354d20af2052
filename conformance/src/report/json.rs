//! `windtunnel.report/v1`: the report for machines.

use super::model::Report;

/// The whole report.
pub fn text(report: &Report) -> String {
    // Shapes of strings, numbers and lists only: nothing in them can refuse to be written.
    let mut text = serde_json::to_string_pretty(report).expect("a report can always be written as JSON");
    text.push('\n');
    text
}
