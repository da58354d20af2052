//! The verdict table, the failures, and the sums by profile, for people.

use crate::outcome::{Counts, Run, Verdict};
use crate::render::{self, Style};

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
    text.push_str(&format!(
        "\n{:11} {:8} {:>6} {:>6} {:>6} {:>6}\n",
        "profile", "result", "passed", "failed", "error", "flaky"
    ));
    for (name, outcomes) in run.profiles() {
        let counts = Counts::of(outcomes.into_iter());
        text.push_str(&format!(
            "{name:11} {:8} {:6} {:6} {:6} {:6}\n",
            counts.result(),
            counts.passed,
            counts.failed,
            counts.errors,
            counts.flaky
        ));
    }
    text.push_str(&last_line(run, style));
    text
}

fn last_line(run: &Run, style: Style) -> String {
    let counts = Counts::of(run.outcomes.iter());
    let mut parts = vec![format!("{} scenarios", counts.executed()), format!("{} passed", counts.passed)];
    let rest = [
        (counts.failed, "failed"),
        (counts.errors, "errors"),
        (counts.flaky, "flaky"),
        (counts.skipped, "skipped"),
        (counts.unsupported, "unsupported"),
    ];
    parts.extend(rest.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    let seed = run.seed.map(|seed| format!(", order {seed}")).unwrap_or_default();
    let sabotage = run.sabotage.as_ref().map(|name| format!(", sabotaged by {name}")).unwrap_or_default();
    let line = format!("{} in {:.1}s{seed}{sabotage}", parts.join(", "), run.duration.as_secs_f64());
    format!("\n{}\n", style.bold(&line))
}
