//! JUnit XML: one suite per profile, one testcase per scenario, the failure's text inside.

use crate::outcome::{Counts, Outcome, Run, Verdict};
use crate::render::{self, Style};

/// The whole document.
pub fn text(run: &Run) -> String {
    let all = Counts::of(run.outcomes.iter());
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml.push_str(&format!(
        "<testsuites name=\"windtunnel\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\">\n",
        run.outcomes.len(),
        all.failed + all.flaky,
        all.errors,
        run.duration.as_secs_f64()
    ));
    for (name, outcomes) in run.profiles() {
        suite(&mut xml, run, name, &outcomes);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, run: &Run, name: &str, outcomes: &[&Outcome]) {
    let counts = Counts::of(outcomes.iter().copied());
    let time: f64 = outcomes.iter().map(|outcome| outcome.duration.as_secs_f64()).sum();
    xml.push_str(&format!(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{time:.3}\">\n",
        escape(name),
        outcomes.len(),
        counts.failed + counts.flaky,
        counts.errors,
        counts.skipped + counts.unsupported
    ));
    let seed = run.seed.map_or_else(|| "none".to_owned(), |seed| seed.to_string());
    xml.push_str(&format!("    <properties><property name=\"seed\" value=\"{seed}\"/></properties>\n"));
    for outcome in outcomes {
        testcase(xml, run, outcome);
    }
    xml.push_str("  </testsuite>\n");
}

fn testcase(xml: &mut String, run: &Run, outcome: &Outcome) {
    xml.push_str(&format!(
        "    <testcase classname=\"{}\" name=\"{}: {}\" file=\"{}\" time=\"{:.3}\"",
        escape(&outcome.profile),
        escape(&outcome.id),
        escape(&outcome.title),
        escape(&outcome.source.path.display().to_string()),
        outcome.duration.as_secs_f64()
    ));
    let body = escape(&render::failure(outcome, run.sabotage.as_deref(), Style::default()));
    let first = outcome.failures.first();
    let message = first.map(|failure| format!("expected {}, actual {}", failure.expected, failure.actual));
    let message = escape(&message.or_else(|| outcome.why.clone()).unwrap_or_default());
    let inner = match outcome.verdict {
        Verdict::Pass | Verdict::Informational => {
            xml.push_str("/>\n");
            return;
        }
        Verdict::Fail => format!("<failure message=\"{message}\">{body}</failure>"),
        Verdict::Flaky => format!("<failure message=\"flaky: {message}\">{body}</failure>"),
        Verdict::Error => format!("<error message=\"{message}\">{body}</error>"),
        Verdict::Skipped => "<skipped message=\"skipped\"/>".to_owned(),
        Verdict::Unsupported => {
            format!("<skipped message=\"unsupported: {}\"/>", escape(&outcome.needs.join(", ")))
        }
    };
    xml.push_str(&format!(">\n      {inner}\n    </testcase>\n"));
}

/// Escaped for text and attributes; characters that XML cannot hold are replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
