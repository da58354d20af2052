//! A report for submission, in the shape that Gateway API implementations know: core is `must`, extended the rest.

use std::collections::BTreeSet;

use serde::Serialize;

use super::date;
use super::model::{Profile, Report, Scenario};
use crate::outcome::{Counts, Verdict};
use crate::scenario::Level;

/// The whole document.
pub fn text(report: &Report) -> String {
    // Strings and numbers only.
    serde_yaml::to_string(&document(report)).expect("a report can always be written as YAML")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'r> {
    api_version: &'static str,
    kind: &'static str,
    implementation: Implementation<'r>,
    date: String,
    suite: SuiteFacts<'r>,
    mode: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sabotage: Option<&'r str>,
    profiles: Vec<ProfileResult<'r>>,
    reproduce: &'r str,
}

#[derive(Serialize)]
struct Implementation<'r> {
    organization: &'r str,
    project: &'r str,
    url: &'r str,
    version: &'r str,
    contact: Vec<&'r str>,
}

#[derive(Serialize)]
struct SuiteFacts<'r> {
    version: &'r str,
    scenarios: usize,
    digest: &'r str,
}

#[derive(Serialize)]
struct ProfileResult<'r> {
    name: &'r str,
    result: &'r str,
    core: Part<'r>,
    extended: Extended<'r>,
    summary: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'r> {
    result: &'static str,
    statistics: Counts,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped_tests: Vec<&'r str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_tests: Vec<&'r str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extended<'r> {
    #[serde(flatten)]
    part: Part<'r>,
    supported_features: Vec<&'r str>,
    unsupported_features: Vec<&'r str>,
}

fn document(report: &Report) -> Document<'_> {
    let target = &report.target;
    Document {
        api_version: "windtunnel/v1",
        kind: "ConformanceReport",
        implementation: Implementation {
            organization: &target.organization,
            project: &target.project,
            url: &target.url,
            version: &target.version,
            contact: Some(target.contact.as_str()).filter(|contact| !contact.is_empty()).into_iter().collect(),
        },
        date: date::timestamp(report.run.started),
        suite: SuiteFacts {
            version: &report.suite.version,
            scenarios: report.suite.scenarios,
            digest: &report.suite.scenarios_digest,
        },
        mode: &target.mode,
        sabotage: report.run.sabotage.as_deref(),
        profiles: report.profiles.iter().map(|profile| result(report, profile)).collect(),
        reproduce: &report.run.command,
    }
}

fn result<'r>(report: &'r Report, profile: &'r Profile) -> ProfileResult<'r> {
    let of = |must: bool| {
        let members = report.scenarios.iter().filter(|scenario| scenario.profile == profile.name);
        let levels = if must { vec![&profile.must] } else { vec![&profile.should, &profile.may] };
        let left_out = levels.iter().any(|level| level.result == "partial");
        let part = part(members.filter(|scenario| (scenario.level == Level::Must) == must).collect());
        // What nobody asked for stands in no list, and is missing all the same.
        if left_out && part.result == "success" { Part { result: "partial", ..part } } else { part }
    };
    let (core, extended) = (of(true), of(false));
    let summary = format!("{}. {}.", sentence("Core", &core), sentence("Extended", &extended));
    let [supported_features, unsupported_features] =
        [&profile.supported, &profile.unsupported].map(|names| names.iter().map(String::as_str).collect());
    let extended = Extended { part: extended, supported_features, unsupported_features };
    ProfileResult { name: &profile.name, result: &profile.result, core, extended, summary }
}

fn part(scenarios: Vec<&Scenario>) -> Part<'_> {
    let ids = |verdicts: &[Verdict]| {
        let fitting = scenarios.iter().filter(|scenario| verdicts.contains(&scenario.verdict));
        fitting.map(|scenario| scenario.id.as_str()).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let statistics = Counts::of_verdicts(scenarios.iter().map(|scenario| scenario.verdict));
    Part {
        result: outcome(&scenarios),
        skipped_tests: ids(&[Verdict::Skipped, Verdict::Unsupported]),
        failed_tests: ids(&[Verdict::Fail, Verdict::Flaky, Verdict::Error]),
        statistics,
    }
}

/// Of a part alone: unlike in the result of a profile, every failure counts.
fn outcome(scenarios: &[&Scenario]) -> &'static str {
    let any = |fits: fn(&Scenario) -> bool| scenarios.iter().any(|one| fits(one));
    match () {
        () if any(|one| matches!(one.verdict, Verdict::Fail | Verdict::Flaky)) => "failure",
        () if any(|one| matches!(one.verdict, Verdict::Error | Verdict::Skipped)) => "partial",
        () if any(|one| one.verdict == Verdict::Unsupported && one.claimed) => "partial",
        () if any(|one| one.verdict == Verdict::Pass) => "success",
        () => "none",
    }
}

fn sentence(what: &str, part: &Part) -> String {
    let Counts { passed, failed, errors, flaky, skipped, unsupported, .. } = part.statistics;
    let all = passed + failed + errors + flaky + skipped + unsupported;
    match part.result {
        "none" if part.statistics.informational > 0 => format!("{what}: {} measured", part.statistics.informational),
        "none" => format!("{what}: none"),
        "success" => format!("{what}: all {passed} passed"),
        _ => {
            let (bad, left_out) = (failed + errors + flaky, skipped + unsupported);
            format!("{what}: {passed} of {all} passed, {bad} failed, {left_out} left out")
        }
    }
}
