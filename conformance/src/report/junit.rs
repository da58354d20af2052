//! JUnit XML: one suite per profile, one testcase per scenario, the failure's text inside.

use super::detail;
use super::escape::xml as escape;
use super::model::{Report, Scenario};
use crate::outcome::Verdict;

/// The whole document.
pub fn text(report: &Report) -> String {
    let all = &report.summary;
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml.push_str(&format!(
        "<testsuites name=\"windtunnel\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\">\n",
        report.scenarios.len(),
        all.failed + all.flaky,
        all.errors,
        report.run.duration
    ));
    for (name, scenarios) in detail::by_profile(report) {
        suite(&mut xml, report, name, &scenarios);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, report: &Report, name: &str, scenarios: &[&Scenario]) {
    let count = |verdicts: &[Verdict]| scenarios.iter().filter(|one| verdicts.contains(&one.verdict)).count();
    let time: f64 = scenarios.iter().map(|scenario| scenario.duration).sum();
    xml.push_str(&format!(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{time:.3}\">\n",
        escape(name),
        scenarios.len(),
        count(&[Verdict::Fail, Verdict::Flaky]),
        count(&[Verdict::Error]),
        count(&[Verdict::Skipped, Verdict::Unsupported])
    ));
    let seed = report.run.seed.map_or_else(|| "none".to_owned(), |seed| seed.to_string());
    xml.push_str(&format!("    <properties><property name=\"seed\" value=\"{seed}\"/></properties>\n"));
    for scenario in scenarios {
        testcase(xml, scenario);
    }
    xml.push_str("  </testsuite>\n");
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
        Verdict::Fail | Verdict::Flaky => format!("<failure message=\"{message}\">{body}</failure>"),
        Verdict::Error => format!("<error message=\"{message}\">{body}</error>"),
        Verdict::Skipped | Verdict::Unsupported => format!("<skipped message=\"{message}\"/>"),
    };
    xml.push_str(&format!(">\n      {inner}\n    </testcase>\n"));
}
