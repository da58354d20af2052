//! `windtunnel lint`: traps in agentgateway and Gateway API manifests, found without running anything.
//!
//! Reading order: [`Rule`] (one trap as data), [`rules`] (the table, one file a trap), [`set`] (the objects and what
//! refers to what), [`tree`] (YAML with places). Judges what agentgateway does with manifests, not what the reference
//! gateway does; how findings are shown is [`show`]'s business.

pub mod rules;
mod set;
pub mod show;
mod tree;

use std::fmt;

use gateway::yaml::Source;

pub use rules::RULES;
use set::Set;
use tree::Mark;

/// How bad a finding is; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Severity {
    /// Worth knowing, often meant.
    Info,
    /// Works, and bites later.
    Warning,
    /// Refused, or fails for every request that meets it.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One trap: what `--explain` tells of it, and how it is found.
#[derive(Debug)]
pub struct Rule {
    /// `D…` for those of the behaviour specification's list, `L…` for the others.
    pub id: &'static str,
    /// How bad a hit is, unless it says otherwise.
    pub severity: Severity,
    /// The trap in a few words.
    pub title: &'static str,
    /// What agentgateway does, in one or two sentences.
    pub why: &'static str,
    /// What to write instead.
    pub mend: &'static str,
    /// Manifests that trip it.
    pub bad: &'static str,
    /// The same, mended.
    pub good: &'static str,
    check: fn(&Set<'_>) -> Vec<Hit>,
}

impl Rule {
    /// The rule of this id, in any case.
    pub fn named(id: &str) -> Option<&'static Rule> {
        RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(id))
    }
}

/// What one rule found at one place.
#[derive(Debug)]
struct Hit {
    mark: Mark,
    what: String,
    mend: Option<String>,
    severity: Option<Severity>,
}

impl Hit {
    fn new(mark: Mark, what: impl Into<String>) -> Self {
        Self { mark, what: what.into(), mend: None, severity: None }
    }

    /// A mend that knows names and values of the place.
    fn mend(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }

    /// Better or worse than the rule's usual severity.
    fn severity(self, severity: Severity) -> Self {
        Self { severity: Some(severity), ..self }
    }
}

/// A trap in a manifest.
#[derive(Debug)]
pub struct Finding<'s> {
    /// Which trap.
    pub rule: &'static Rule,
    /// How bad it is here.
    pub severity: Severity,
    /// The file.
    pub source: &'s Source,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// How many characters are meant.
    pub width: usize,
    /// What is wrong here.
    pub what: String,
    /// What to write here instead.
    pub mend: String,
}

/// What was looked at, and what was found.
#[derive(Debug)]
pub struct Outcome<'s> {
    /// In the order of the files.
    pub findings: Vec<Finding<'s>>,
    /// How many objects there are of kinds that matter here.
    pub objects: usize,
}

/// Objects may name the rules that they break on purpose: `"D4, L15"`.
const ALLOW: &str = "windtunnel.dev/lint-allow";

/// Lints all sources together: what one names, another may hold.
pub fn lint<'s>(sources: &'s [Source]) -> Outcome<'s> {
    let set = Set::read(sources);
    let mut findings = Vec::new();
    for rule in RULES {
        for hit in (rule.check)(&set) {
            if !set.allowed(hit.mark, rule.id) {
                findings.push((hit.mark.source, finding(rule, hit, sources)));
            }
        }
    }
    // stable: at one place the table's order counts
    findings.sort_by_key(|(source, finding)| (*source, finding.line, finding.column));
    Outcome { findings: findings.into_iter().map(|(_, finding)| finding).collect(), objects: set.relevant() }
}

fn finding<'s>(rule: &'static Rule, hit: Hit, sources: &'s [Source]) -> Finding<'s> {
    let Mark { source, line, column, width } = hit.mark;
    // a value may go on in the next lines
    let text = sources[source].text.lines().nth(line - 1).unwrap_or_default();
    let rest = text.trim_end().chars().count().saturating_sub(column - 1).max(1);
    Finding {
        rule,
        severity: hit.severity.unwrap_or(rule.severity),
        source: &sources[source],
        line,
        column,
        width: width.min(rest),
        what: hit.what,
        mend: hit.mend.unwrap_or_else(|| rule.mend.trim_matches('\n').to_owned()),
    }
}

#[cfg(test)]
mod tests;
