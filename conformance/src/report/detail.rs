//! What several forms tell alike: counts that matter, why a scenario is not a pass in one sentence, and everything
//! about it as text.

use super::model::{Expectation, LevelCounts, Report, Scenario};
use crate::outcome::{Counts, Verdict};
use crate::render;

impl LevelCounts {
    /// Scenarios that hold, or were measured only.
    pub fn held(&self) -> usize {
        self.counts.passed.saturating_add(self.counts.informational)
    }

    /// Scenarios that count: all but those that need what the target does not claim.
    pub fn claimed(&self) -> usize {
        let Counts { passed, failed, errors, flaky, skipped, informational, .. } = self.counts;
        [passed, failed, errors, flaky, skipped, informational].into_iter().fold(0, usize::saturating_add)
    }
}

impl Scenario {
    /// Whether it failed and that counts.
    pub fn fails(&self) -> bool {
        matches!(self.verdict, Verdict::Fail | Verdict::Flaky) && !self.is_excused()
    }

    /// Whether it failed as was announced, and still may.
    pub fn is_excused(&self) -> bool {
        let excused = self.expected_failure.as_ref().is_some_and(|excuse| !excuse.expired);
        matches!(self.verdict, Verdict::Fail | Verdict::Flaky) && excused
    }
}

/// One sentence: what is wrong, or why it was left out.
pub(super) fn message(scenario: &Scenario) -> String {
    let first = scenario.expectations.first();
    let failed = first.map(|one| format!("expected {}, actual {}", one.expected, one.actual));
    match scenario.verdict {
        Verdict::Pass | Verdict::Informational => String::new(),
        Verdict::Skipped | Verdict::Unsupported => left_out(scenario),
        Verdict::Flaky => format!("flaky: {}", failed.unwrap_or_else(|| repeats(scenario))),
        Verdict::Fail | Verdict::Error => {
            scenario.error.clone().or(failed).or_else(|| scenario.why.clone()).unwrap_or_default()
        }
    }
}

/// Why it was not run.
fn left_out(scenario: &Scenario) -> String {
    let verdict = scenario.verdict;
    match &scenario.why {
        Some(why) if !why.is_empty() => format!("{verdict}: {why}"),
        _ if verdict == Verdict::Unsupported => format!("{verdict}: {}", scenario.needs.join(", ")),
        _ => verdict.to_string(),
    }
}

/// How often it passed.
pub(super) fn repeats(scenario: &Scenario) -> String {
    let passed = scenario.repeats.iter().filter(|verdict| **verdict == Verdict::Pass).count();
    format!("passed {passed} of {} times", scenario.repeats.len())
}

/// Places, expected, actual, the transcript, and how to run it again.
pub(super) fn text(scenario: &Scenario) -> String {
    let mut text = format!("{} {}: {}\n", scenario.verdict, scenario.id, scenario.title);
    if scenario.repeats.len() > 1 {
        text.push_str(&format!("{}\n", repeats(scenario)));
    }
    for reason in reasons(scenario) {
        text.push_str(&format!("{}\n", reason.trim_end()));
    }
    for one in &scenario.expectations {
        let place = render::place(scenario.file.as_ref(), one.line, one.column, one.width, &one.source);
        text.push_str(&format!("\n{place}"));
        text.push_str(&format!("   = at:       {}\n", within(scenario, one)));
        text.push_str(&format!("   = expected: {}\n", hanging(&one.expected)));
        text.push_str(&format!("   = actual:   {}\n", hanging(&one.actual)));
    }
    if !scenario.transcript.0.is_empty() {
        text.push_str(&format!("\n{}", render::transcript(&scenario.transcript)));
    }
    if !scenario.command.is_empty() {
        text.push_str(&format!("\nrun only this one: {}\n", scenario.command));
    }
    text
}

/// Why it is an error, unsupported or skipped, each reason once.
pub(super) fn reasons(scenario: &Scenario) -> Vec<&str> {
    let mut reasons: Vec<&str> = [&scenario.error, &scenario.why].into_iter().flatten().map(String::as_str).collect();
    reasons.dedup();
    reasons
}

/// The path without the scenario's id.
pub(super) fn within<'e>(scenario: &Scenario, expectation: &'e Expectation) -> &'e str {
    let path = expectation.path.strip_prefix(&scenario.id).and_then(|rest| rest.strip_prefix('.'));
    path.unwrap_or(&expectation.path)
}

/// `file:line:column`, as far as known.
pub(super) fn spot(file: &str, expectation: &Expectation) -> String {
    match (expectation.line, expectation.column) {
        (0, _) => file.to_owned(),
        (line, 0) => format!("{file}:{line}"),
        (line, column) => format!("{file}:{line}:{column}"),
    }
}

fn hanging(text: &str) -> String {
    text.trim_end().replace('\n', "\n               ")
}

/// The scenarios of each profile in the report's order, those of no listed profile at the end.
pub(super) fn by_profile(report: &Report) -> Vec<(&str, Vec<&Scenario>)> {
    let mut groups: Vec<(&str, Vec<&Scenario>)> = Vec::new();
    let listed = report.profiles.iter().map(|profile| profile.name.as_str());
    for name in listed.chain(report.scenarios.iter().map(|scenario| scenario.profile.as_str())) {
        if !groups.iter().any(|(known, _)| *known == name) {
            let members = report.scenarios.iter().filter(|scenario| scenario.profile == name).collect();
            groups.push((name, members));
        }
    }
    groups.retain(|(_, members)| !members.is_empty());
    groups
}
