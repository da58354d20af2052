//! TAP 14: one test point per scenario, with YAML diagnostics for what did not pass.

use serde::Serialize;

use super::detail;
use super::model::{ExpectedFailure, Report, Scenario};
use crate::outcome::Verdict;

/// The whole stream.
pub fn text(report: &Report) -> String {
    let mut tap = format!("TAP version 14\n1..{}\n", report.scenarios.len());
    for comment in comments(report) {
        tap.push_str(&format!("# {comment}\n"));
    }
    for (index, scenario) in report.scenarios.iter().enumerate() {
        point(&mut tap, index + 1, scenario);
    }
    tap
}

fn comments(report: &Report) -> Vec<String> {
    let target = &report.target;
    let mut comments =
        vec![one_line(&format!("{} {}, suite {}", target.project, target.version, report.suite.version))];
    if !report.run.command.is_empty() {
        comments.push(one_line(&report.run.command));
    }
    comments
}

fn point(tap: &mut String, number: usize, scenario: &Scenario) {
    let ok = !matches!(scenario.verdict, Verdict::Fail | Verdict::Flaky | Verdict::Error);
    let name = escape(&format!("{} {}", scenario.id, scenario.title));
    let start = if ok { "ok" } else { "not ok" };
    tap.push_str(&format!("{start} {number} - {name}{}\n", directive(scenario)));
    if !ok {
        tap.push_str(&diagnostics(scenario));
    }
}

/// What was left out is `SKIP`; what is known to fail, and still may, is `TODO`.
fn directive(scenario: &Scenario) -> String {
    match (&scenario.verdict, &scenario.expected_failure) {
        (Verdict::Skipped | Verdict::Unsupported, _) => format!(" # SKIP {}", escape(&detail::message(scenario))),
        (_, Some(ExpectedFailure { issue, until, expired: false })) => {
            format!(" # TODO {} until {}", escape(issue), escape(until))
        }
        _ => String::new(),
    }
}

#[derive(Serialize)]
struct Diagnostics<'s> {
    message: String,
    severity: String,
    level: String,
    profile: &'s str,
    file: &'s str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    expectations: Vec<Expected<'s>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    command: &'s str,
}

#[derive(Serialize)]
struct Expected<'s> {
    at: &'s str,
    line: usize,
    column: usize,
    expected: &'s str,
    actual: &'s str,
}

/// A YAML block, two columns in.
fn diagnostics(scenario: &Scenario) -> String {
    let expectations = scenario.expectations.iter().map(|one| Expected {
        at: detail::within(scenario, one),
        line: one.line,
        column: one.column,
        expected: &one.expected,
        actual: &one.actual,
    });
    let diagnostics = Diagnostics {
        message: detail::message(scenario),
        severity: scenario.verdict.to_string(),
        level: scenario.level.to_string(),
        profile: &scenario.profile,
        file: &scenario.file,
        expectations: expectations.collect(),
        command: &scenario.command,
    };
    // Strings and numbers only.
    let yaml = serde_yaml::to_string(&diagnostics).expect("diagnostics can always be written as YAML");
    let block = format!("---\n{yaml}...\n");
    block.lines().map(|line| format!("  {line}").trim_end().to_owned() + "\n").collect()
}

/// On one line, with what TAP reads as marks escaped.
fn escape(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('#', "\\#")
}

fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control()).collect::<Vec<_>>().join(" ").trim().to_owned()
}
