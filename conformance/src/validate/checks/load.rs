//! LOD: what becomes of answers when many are asked for at once.

use serde_json::json;

use super::super::answer::Answer;
use super::super::ask::{NUMBER, Way};
use super::super::check::{Case, Check, Level};
use super::super::chunks::first;
use super::super::facts::by;
use super::super::finding::Finding;
use super::{asks, text};

/// How many at once.
const MANY: usize = 16;
const WHY: &str = "answers belong to their requests";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "LOD-01",
        level: Level::Recommended,
        title: "16 chats at once are all answered, each with its own answer",
        anchor: WHY,
        recognises: &[],
        asks: |facts| {
            let prompt = format!("Repeat exactly: k{NUMBER}z");
            asks([by(Way::Together(MANY), facts.chat(&prompt, json!({facts.limit: 12})))])
        },
        judge: |case, finding| judged(case, finding, text),
    },
    Check {
        id: "LOD-02",
        level: Level::Recommended,
        title: "16 streams at once all end, each with its own chunks",
        anchor: WHY,
        recognises: &[],
        asks: |facts| {
            let prompt = format!("Repeat exactly: k{NUMBER}z");
            asks([by(Way::Together(MANY), facts.chat(&prompt, json!({"stream": true, facts.limit: 12})))])
        },
        judge: |case, finding| {
            judged(case, finding, |answer| first(answer.stream()).text);
            streams(case, finding);
        },
    },
];

fn judged(case: &Case<'_>, finding: &mut Finding, said: impl Fn(&Answer) -> String) {
    let answers = case.all(0);
    let bad: Vec<&Answer> = answers.iter().filter(|answer| answer.status() != Some(200)).collect();
    if let Some(one) = bad.first() {
        finding.fail(format!("{} of {} failed: {}", bad.len(), answers.len(), one.refusal()));
    }
    let texts: Vec<String> = answers.iter().map(said).collect();
    let nonce = |number: usize| format!("k{number}z");
    for (number, text) in texts.iter().enumerate() {
        let strange = (0..answers.len()).find(|other| *other != number && text.contains(&nonce(*other)));
        if let Some(other) = strange.filter(|_| !text.contains(&nonce(number))) {
            finding.fail(format!("the answer to request {number} has what request {other} asked for: {text:?}"));
        }
    }
    if !texts.iter().enumerate().any(|(number, text)| text.contains(&nonce(number))) {
        finding.note("the model did not repeat what it was asked to, so that answers could not be told apart");
    }
}

fn streams(case: &Case<'_>, finding: &mut Finding) {
    let mut ids = Vec::new();
    for (number, answer) in case.all(0).iter().enumerate().filter(|(_, answer)| answer.status() == Some(200)) {
        let chunks = &answer.stream().chunks;
        let mut own: Vec<&str> =
            chunks.iter().filter_map(|chunk| chunk.value["id"].as_str()).filter(|id| !id.is_empty()).collect();
        own.dedup();
        finding.expect(own.len() <= 1, || format!("stream {number} has {} ids", own.len()));
        ids.extend(own.first().copied());
        let ended = !first(answer.stream()).finishes.is_empty() || answer.stream().done > 0;
        finding.expect(ended, || format!("stream {number} has no end"));
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    finding.expect(ids.len() == count, || format!("{count} streams have {} different ids", ids.len()));
}
