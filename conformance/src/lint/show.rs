//! How findings are shown: like a compiler's for people, as JSON, and as GitHub's annotation lines.
//! No line that may hold a secret is shown in any of them.

use clap::ValueEnum;
use gateway::config::kind::Kind;
use gateway::yaml::Problem;
use serde_json::{Value, json};

use super::{Finding, RULES, Rule, Severity};
use crate::render::Style;

/// The ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// Annotation lines of GitHub Actions
    Github,
}

/// All findings, with a summary where the format has one.
pub fn show(findings: &[Finding<'_>], format: Format, style: Style) -> String {
    match format {
        Format::Text => {
            findings.iter().map(|finding| text(finding, style) + "\n").collect::<String>() + &summary(findings)
        }
        Format::Json => format!("{:#}\n", document(findings)),
        Format::Github => findings.iter().map(annotation).collect(),
    }
}

/// Like rustc: what, where with a caret, why, and what to write instead.
fn text(finding: &Finding<'_>, style: Style) -> String {
    let problem = problem(finding);
    let (label, code) = (format!("{}[{}]", finding.severity, finding.rule.id), code(finding.severity));
    let shown = problem.to_string();
    let (_, place) = shown.split_once('\n').unwrap_or_default();
    let gutter = " ".repeat(finding.line.to_string().len());
    let mut out = format!("{}{}\n", style.paint(code, &label), style.bold(&format!(": {}", finding.what)));
    for line in place.lines() {
        let caret = line.trim_start_matches(' ').strip_prefix("| ").filter(|rest| rest.trim_start().starts_with('^'));
        match caret {
            Some(rest) => out.push_str(&format!("{gutter} | {}\n", style.paint(code, rest))),
            None => out.push_str(&format!("{line}\n")),
        }
    }
    out.push_str(&format!("{gutter} = why: {}\n", wrapped(finding.rule.why, gutter.len() + " = why: ".len())));
    let mend = if finding.mend.contains('\n') { format!("\n{}", finding.mend) } else { format!(" {}", finding.mend) };
    out.push_str(&format!("{gutter} = mend:{}\n", mend.replace('\n', &format!("\n{gutter}     "))));
    out
}

fn code(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "31",
        Severity::Warning => "33",
        Severity::Info => "36",
    }
}

/// The place of a finding, as far as it may be shown.
fn problem(finding: &Finding<'_>) -> Problem {
    let problem = finding.source.problem_at(finding.line, finding.column, finding.what.clone());
    Problem { caret_len: finding.width.min(problem.caret_len.max(1)), ..problem }
}

const WIDTH: usize = 110;

/// Folded between words; further lines are indented.
fn wrapped(text: &str, indent: usize) -> String {
    let indent = "\n".to_owned() + &" ".repeat(indent);
    let mut out = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            out.push_str(&indent);
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out
}

fn count(findings: &[Finding<'_>], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
}

fn summary(findings: &[Finding<'_>]) -> String {
    let counted = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let [errors, warnings, infos] =
        [Severity::Error, Severity::Warning, Severity::Info].map(|one| count(findings, one));
    let Some(worst) = findings.iter().rev().max_by_key(|finding| finding.severity) else {
        return "no traps found\n".to_owned();
    };
    format!(
        "{}, {}, {}; `windtunnel lint --explain {}` tells more\n",
        counted(errors, "error"),
        counted(warnings, "warning"),
        counted(infos, "note"),
        worst.rule.id
    )
}

fn document(findings: &[Finding<'_>]) -> Value {
    let counts = |severity| count(findings, severity);
    json!({
        "schema": "windtunnel.lint/v1",
        "summary": {
            "error": counts(Severity::Error),
            "warning": counts(Severity::Warning),
            "info": counts(Severity::Info),
        },
        "findings": findings.iter().map(value).collect::<Vec<_>>(),
    })
}

fn value(finding: &Finding<'_>) -> Value {
    json!({
        "id": finding.rule.id,
        "severity": finding.severity.to_string(),
        "title": finding.rule.title,
        "file": finding.source.path.display().to_string(),
        "line": finding.line,
        "column": finding.column,
        "end_column": finding.column + finding.width,
        "what": finding.what,
        "why": finding.rule.why,
        "mend": finding.mend,
    })
}

/// `::warning file=…,line=…::…`
fn annotation(finding: &Finding<'_>) -> String {
    let command = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    };
    let file = property(&finding.source.path.display().to_string());
    let (line, column, end) = (finding.line, finding.column, finding.column + finding.width);
    let title = property(&format!("{}: {}", finding.rule.id, finding.rule.title));
    let message = data(&format!("{}\n{}\n\n{}", finding.what, finding.rule.why, finding.mend));
    format!("::{command} file={file},line={line},col={column},endColumn={end},title={title}::{message}\n")
}

/// GitHub's escapes of a message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// GitHub's escapes of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// All about one rule.
pub fn explain(rule: &Rule, style: Style) -> String {
    let indented = |text: &str| text.trim_matches('\n').replace('\n', "\n    ");
    format!(
        "{} ({}): {}\n\n{}\n\nwrite:\n    {}\n\nmanifests that trip it:\n    {}\n\nand mended:\n    {}\n",
        style.bold(rule.id),
        style.paint(code(rule.severity), &rule.severity.to_string()),
        style.bold(rule.title),
        wrapped(rule.why, 0),
        indented(rule.mend),
        indented(&applicable(rule.bad)),
        indented(&applicable(rule.good)),
    )
}

/// With the apiVersion of each object, which examples leave out.
fn applicable(manifests: &str) -> String {
    let version = |line: &str| Kind::named(line.strip_prefix("kind: ")?).map(Kind::api_version);
    let with = |(line, next): (&str, &str)| match version(line).filter(|_| !next.starts_with("apiVersion:")) {
        Some(version) => format!("apiVersion: {version}\n{line}\n"),
        None => format!("{line}\n"),
    };
    manifests.lines().zip(manifests.lines().skip(1).chain([""])).map(with).collect()
}

/// A line a rule.
pub fn list(style: Style) -> String {
    let line = |rule: &Rule| {
        let severity = style.paint(code(rule.severity), &format!("{:8}", rule.severity));
        format!("{:4} {severity} {}\n", rule.id, rule.title)
    };
    RULES.iter().map(line).collect()
}
