//! JUnit XML: one suite per profile, one testcase per scenario, the failure's text inside.

use super::detail;
use super::escape::xml as escape;
use super::model::{Report, Scenario};
use crate::outcome::Verdict;

/// The whole document.
pub fn text(report: &Report) -> String {
    let (failed, errors, _) = counts(&report.scenarios.iter().collect::<Vec<_>>());
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml.push_str(&format!(
        "<testsuites name=\"windtunnel\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\">\n",
        report.scenarios.len(),
        failed,
        errors,
        report.run.duration
    ));
    for (name, scenarios) in detail::by_profile(report) {
        suite(&mut xml, report, name, &scenarios);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, report: &Report, name: &str, scenarios: &[&Scenario]) {
    let (failed, errors, skipped) = counts(scenarios);
    let time: f64 = scenarios.iter().map(|scenario| scenario.duration).sum();
    xml.push_str(&format!(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{time:.3}\">\n",
        escape(name),
        scenarios.len(),
        failed,
        errors,
        skipped
    ));
    let seed = report.run.seed.map_or_else(|| "none".to_owned(), |seed| seed.to_string());
    xml.push_str(&format!("    <properties><property name=\"seed\" value=\"{seed}\"/></properties>\n"));
    for scenario in scenarios {
        testcase(xml, scenario);
    }
    xml.push_str("  </testsuite>\n");
}

/// Failed, errors, and what counts as skipped: left out, or failed as was announced.
fn counts(scenarios: &[&Scenario]) -> (usize, usize, usize) {
    let count = |fits: fn(&Scenario) -> bool| scenarios.iter().filter(|one| fits(one)).count();
    let skipped = |one: &Scenario| matches!(one.verdict, Verdict::Skipped | Verdict::Unsupported) || one.is_excused();
    (count(Scenario::fails), count(|one| one.verdict == Verdict::Error), count(skipped))
}

fn testcase(xml: &mut String, scenario: &Scenario) {
    xml.push_str(&format!(
        "    <testcase classname=\"{}\" name=\"{}: {}\" file=\"{}\" time=\"{:.3}\"",
        escape(&scenario.profile),
        escape(&scenario.id),
        escape(&scenario.title),
        escape(&scenario.file),
        scenario.duration
    ));
    let (message, body) = (escape(&detail::message(scenario)), escape(&detail::text(scenario)));
    let inner = match scenario.verdict {
        Verdict::Pass | Verdict::Informational => {
            xml.push_str("/>\n");
            return;
        }
        _ if scenario.is_excused() => {
            let issue = scenario.expected_failure.as_ref().map(|excuse| excuse.issue.as_str()).unwrap_or_default();
            format!("<skipped message=\"known failure ({}): {message}\"/>", escape(issue))
        }
        Verdict::Fail | Verdict::Flaky => format!("<failure message=\"{message}\">{body}</failure>"),
        Verdict::Error => format!("<error message=\"{message}\">{body}</error>"),
        Verdict::Skipped | Verdict::Unsupported => format!("<skipped message=\"{message}\"/>"),
    };
    xml.push_str(&format!(">\n      {inner}\n    </testcase>\n"));
}
