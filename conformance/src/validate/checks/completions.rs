//! CMP: completions of the old kind.

use serde_json::{Value, json};

use super::super::ask::Way;
use super::super::check::{Case, Check, Level};
use super::super::chunks::first;
use super::super::facts::by;
use super::super::finding::Finding;
use super::super::shape::COMPLETION;
use super::chat::finish_known;
use super::streaming::streamed;
use super::{asks, shaped};

const API: &str = "OpenAI API, /completions";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "CMP-01",
        level: Level::Optional,
        title: "A completion is cut by its limit, streamed and not",
        anchor: API,
        recognises: &["missing_finish", "missing_done", "eos_token", "finish_camel_case"],
        asks: |facts| {
            let more = json!({"prompt": "Once upon a time", "max_tokens": 4});
            let streamed = json!({"prompt": "Once upon a time", "max_tokens": 4, "stream": true});
            asks([facts.post("/completions", more), facts.post("/completions", streamed)])
        },
        judge: both_modes,
    },
    Check {
        id: "CMP-02",
        level: Level::Optional,
        title: "Two prompts have two choices",
        anchor: API,
        recognises: &[],
        asks: |facts| {
            asks([by(Way::Last, facts.post("/completions", json!({"prompt": ["One", "Two"], "max_tokens": 4})))])
        },
        judge: two_prompts,
    },
];

fn both_modes(case: &Case<'_>, finding: &mut Finding) {
    let (plain, stream) = (case.answer(0), case.answer(1));
    if !finding.offered(plain) || !shaped(finding, plain, &COMPLETION) {
        return;
    }
    // A model may end by itself before the limit.
    finish_known(&plain.value()["choices"][0], finding);
    if !streamed(stream, finding) {
        return;
    }
    let chunk = &stream.stream().chunks[0].value;
    let kind = &chunk["object"];
    finding
        .expect(kind == "text_completion", || format!("$.object: expected \"text_completion\", got {kind} streamed"));
    if first(stream.stream()).finishes.is_empty() {
        finding.deviates("missing_finish", "the stream has no finish_reason");
    }
    if stream.stream().done == 0 {
        finding.deviates("missing_done", "the stream ends without `data: [DONE]`");
    }
}

fn two_prompts(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !finding.offered(answer) || !shaped(finding, answer, &COMPLETION) {
        return;
    }
    let choices = answer.value()["choices"].as_array().map_or(&[][..], Vec::as_slice);
    let indexes: Vec<&Value> = choices.iter().map(|choice| &choice["index"]).collect();
    finding
        .expect(indexes == [&json!(0), &json!(1)], || format!("$.choices[*].index: expected 0 and 1, got {indexes:?}"));
}
