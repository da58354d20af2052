//! HDR: what headers tell.

use serde_json::json;

use super::super::answer::Answer;
use super::super::ask::Way;
use super::super::check::{Case, Check, Level};
use super::super::facts::by;
use super::super::finding::Finding;
use super::{asks, refused};

const API: &str = "OpenAI API, headers and rate limits";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "HDR-01",
        level: Level::Recommended,
        title: "Every answer has an `x-request-id` of its own",
        anchor: API,
        recognises: &[],
        asks: |facts| asks([facts.plain(), facts.stream(), facts.unknown_model()]),
        judge: ids,
    },
    Check {
        id: "HDR-02",
        level: Level::Optional,
        title: "Who asks too much is told when to come again",
        anchor: API,
        recognises: &[],
        asks: |facts| match facts.burst {
            Some(most) => asks([by(Way::Until429(most), facts.chat("Hi.", json!({facts.limit: 1})))]),
            None => Err("only with --burst N, which sends up to N requests to see a 429".to_owned()),
        },
        judge: limits,
    },
];

fn ids(case: &Case<'_>, finding: &mut Finding) {
    let all: Vec<&Answer> = (0..3).map(|ask| case.answer(ask)).collect();
    let given: Vec<&str> = all.iter().filter_map(|answer| answer.header("x-request-id")).collect();
    let missing = all.len() - given.len();
    finding.expect(missing == 0, || format!("x-request-id: is missing in {missing} of {} answers", all.len()));
    let mut different = given.clone();
    different.sort_unstable();
    different.dedup();
    finding.expect(different.len() == given.len(), || format!("x-request-id: the same twice: {}", given.join(", ")));
}

fn limits(case: &Case<'_>, finding: &mut Finding) {
    let answers = case.all(0);
    let Some(last) = answers.last().filter(|answer| answer.status() == Some(429)) else {
        finding.skipped(format!("no 429 within {} requests", answers.len()));
        return;
    };
    refused(finding, last, &[429]);
    let wait = last.header("retry-after").or(last.header("retry-after-ms"));
    finding.expect(wait.is_some(), || "retry-after: is missing in the 429".to_owned());
    let left: Vec<Option<&str>> =
        answers.iter().map(|answer| answer.header("x-ratelimit-remaining-requests")).collect();
    let numbers: Vec<u64> = left.iter().flatten().filter_map(|value| value.parse().ok()).collect();
    finding.expect(numbers.len() == left.iter().flatten().count(), || {
        "x-ratelimit-remaining-requests: is not an integer".to_owned()
    });
    // A minute that begins anew in between refills it once.
    let grown = numbers.windows(2).filter(|two| two[1] > two[0]).count();
    finding.expect(grown <= 1, || "x-ratelimit-remaining-requests: does not decrease".to_owned());
    if let Some(reset) = last.header("x-ratelimit-reset-requests") {
        finding.expect(is_duration(reset), || {
            format!("x-ratelimit-reset-requests: `{reset}` is no duration such as 6m0s or 20ms")
        });
    }
}

/// As Go writes durations.
fn is_duration(text: &str) -> bool {
    let units = ["ms", "h", "m", "s", "µs", "us", "ns"];
    let mut rest = text;
    while !rest.is_empty() {
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let unit = units.iter().find(|unit| after.starts_with(**unit));
        match unit {
            Some(unit) if after.len() < rest.len() => rest = &after[unit.len()..],
            _ => return false,
        }
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        assert!(["1s", "6m0s", "20ms", "1h2m3.5s"].iter().all(|text| is_duration(text)));
        assert!(["", "1", "s", "6m0", "2 s"].iter().all(|text| !is_duration(text)));
    }
}
