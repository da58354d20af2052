//! The verdict table, the failures, and the sums by profile, for people.

use crate::outcome::{Counts, Run, Verdict};
use crate::render::{self, Style};
use crate::scenario::Level;

/// The whole text.
pub fn text(run: &Run, style: Style) -> String {
    let mut text = String::new();
    for outcome in &run.outcomes {
        let time = format!("{:.2}s", outcome.duration.as_secs_f64());
        text.push_str(&format!(
            "{} {:7} {:6} {:10} {time:>7}  {}\n",
            style.verdict(outcome.verdict, 11),
            outcome.id,
            outcome.level,
            outcome.profile,
            outcome.title
        ));
    }
    for outcome in run.outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Pass) {
        let failure = render::failure(outcome, run.sabotage.as_deref(), style);
        if !failure.is_empty() {
            text.push_str(&format!("\n{}\n{failure}", "─".repeat(100)));
        }
    }
    text.push_str(&not_run(run));
    text.push_str(&profiles(run));
    text.push_str(&excuses(run));
    text.push_str(&last_line(run, style));
    text
}

/// One line a profile: its result, and how much of each level holds. Never one number for all.
fn profiles(run: &Run) -> String {
    let head = ["profile", "result", "must", "should", "may", "skipped", "unsupported"];
    let mut text = format!(
        "\n{:11} {:8} {:>7} {:>7} {:>7} {:>8} {:>12}\n",
        head[0], head[1], head[2], head[3], head[4], head[5], head[6]
    );
    for (name, outcomes) in run.profiles() {
        let held = |level| {
            let counts = Counts::of(outcomes.iter().copied().filter(|outcome| outcome.level == level));
            match (counts.executed() - counts.informational, counts.informational) {
                (0, 0) => "-".to_owned(),
                (0, measured) => format!("{measured} info"),
                (executed, _) => format!("{}/{executed}", counts.passed),
            }
        };
        let all = Counts::of(outcomes.iter().copied());
        let result = run.result_of(name, None, &outcomes);
        let left_out = run.left_out_of(name, None);
        let (must, should, may) = (held(Level::Must), held(Level::Should), held(Level::May));
        text.push_str(&format!(
            "{name:11} {result:8} {must:>7} {should:>7} {may:>7} {:>8} {:>12}\n",
            all.skipped + left_out,
            all.unsupported
        ));
    }
    text
}

/// What was not run, and why.
fn not_run(run: &Run) -> String {
    let mut text = String::new();
    for outcome in &run.outcomes {
        if let (Verdict::Skipped | Verdict::Unsupported, Some(why)) = (outcome.verdict, &outcome.why) {
            text.push_str(&format!("\n{:11} {:7} {why}", outcome.verdict, outcome.id));
        }
    }
    if text.is_empty() { text } else { format!("{text}\n") }
}

/// Known failures, and those that are none any more.
fn excuses(run: &Run) -> String {
    let mut text = String::new();
    for outcome in &run.outcomes {
        let Some(excuse) = &outcome.expected_failure else { continue };
        let what = match (outcome.passed_unexpectedly(), excuse.expired) {
            (true, _) => "UNEXPECTED PASS: take it out of the target file's expected_failures",
            (false, true) => "its excuse has expired; it counts as a failure",
            (false, false) if outcome.counts_as_failure() || outcome.verdict == Verdict::Pass => continue,
            (false, false) => "expected failure",
        };
        text.push_str(&format!("\n{} {what} ({}, until {})", outcome.id, excuse.issue, excuse.until));
    }
    if text.is_empty() { text } else { format!("{text}\n") }
}

fn last_line(run: &Run, style: Style) -> String {
    let counts = Counts::of(run.outcomes.iter());
    let mut parts = vec![format!("{} scenarios", counts.executed()), format!("{} passed", counts.passed)];
    let rest = [
        (counts.failed, "failed"),
        (counts.errors, "errors"),
        (counts.flaky, "flaky"),
        (counts.informational, "informational"),
        (counts.skipped, "skipped"),
        (counts.unsupported, "unsupported"),
    ];
    parts.extend(rest.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    let seed = run.seed.map(|seed| format!(", order {seed}")).unwrap_or_default();
    let sabotage = run.sabotage.as_ref().map(|name| format!(", sabotaged by {name}")).unwrap_or_default();
    let line = format!("{} in {:.1}s{seed}{sabotage}", parts.join(", "), run.duration.as_secs_f64());
    format!("\n{}\n", style.bold(&line))
}
