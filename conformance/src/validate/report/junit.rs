//! JUnit XML: one suite per area, one testcase per check, what was seen inside.

use super::super::checks::AREAS;
use super::super::finding::Verdict;
use super::super::outcome::{Checked, Outcome};
use super::lines;
use crate::report::xml as escape;

/// The whole document.
pub fn text(outcome: &Outcome) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml.push_str(&format!(
        "<testsuites name=\"windtunnel validate\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\">\n",
        outcome.checks.len(),
        outcome.failing(),
        outcome.checks.iter().filter(|check| unasked(outcome, check)).count(),
        outcome.took.as_secs_f64()
    ));
    for (area, title) in AREAS {
        let checks: Vec<&Checked> = outcome.checks.iter().filter(|check| check.id.starts_with(area)).collect();
        if !checks.is_empty() {
            suite(&mut xml, outcome, title, &checks);
        }
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// Whether it is an error: it counts, or nothing was asked any more, and it was not asked.
fn unasked(outcome: &Outcome, check: &Checked) -> bool {
    check.verdict == Verdict::Skipped && (check.open || (check.due && outcome.stopped.is_some()))
}

fn suite(xml: &mut String, outcome: &Outcome, title: &str, checks: &[&Checked]) {
    let failures = checks.iter().filter(|check| check.fails).count();
    let passed = checks.iter().filter(|check| check.verdict == Verdict::Pass).count();
    let errors = checks.iter().filter(|check| unasked(outcome, check)).count();
    let count = checks.len();
    let skipped = count - passed - failures - errors;
    xml.push_str(&format!(
        "  <testsuite name=\"{}\" tests=\"{count}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">\n",
        escape(title)
    ));
    for check in checks {
        testcase(xml, title, check, unasked(outcome, check));
    }
    xml.push_str("  </testsuite>\n");
}

/// What was not asked, and counts, is an error. What does not count at this level is skipped with its reason: JUnit has
/// no word for it.
fn testcase(xml: &mut String, title: &str, check: &Checked, unasked: bool) {
    let name = format!("{}: {}", check.id, check.title);
    xml.push_str(&format!("    <testcase classname=\"{}\" name=\"{}\"", escape(title), escape(&name)));
    let lines = lines(check);
    let message = escape(lines.first().map_or("", String::as_str));
    let body = escape(&[lines.join("\n"), check.transcript.join("\n\n")].join("\n\n"));
    xml.push_str(&match (check.verdict, check.fails) {
        (Verdict::Pass, _) => "/>\n".to_owned(),
        _ if unasked => format!(">\n      <error type=\"unasked\" message=\"{message}\"/>\n    </testcase>\n"),
        (verdict, true) => {
            format!(">\n      <failure type=\"{verdict}\" message=\"{message}\">{body}</failure>\n    </testcase>\n")
        }
        (verdict, false) => format!(">\n      <skipped message=\"{verdict}: {message}\"/>\n    </testcase>\n"),
    });
}
