//! RSN: where a model's thoughts are.

use serde_json::json;

use super::super::check::{Case, Check, Level};
use super::super::finding::Finding;
use super::{asks, text};

pub(super) const CHECKS: &[Check] = &[Check {
    id: "RSN-01",
    level: Level::Recommended,
    title: "Thoughts are in `reasoning_content` or nowhere, and their tokens are part of the answer's",
    anchor: "OpenAI API, reasoning; the convention of DeepSeek",
    recognises: &["reasoning_renamed"],
    asks: |facts| asks([facts.chat("Think first: what is 7 times 8?", json!({facts.limit: 48}))]),
    judge: thoughts,
}];

fn thoughts(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !finding.accepted(answer) {
        return;
    }
    let message = &answer.value()["choices"][0]["message"];
    let thought = |name: &str| message[name].as_str().is_some_and(|text| !text.is_empty());
    if thought("reasoning_content") {
        finding.note("thoughts are in `reasoning_content`");
    } else if thought("reasoning") {
        finding.deviates("reasoning_renamed", "thoughts are in $.choices[0].message.reasoning");
    } else if text(answer).contains("<think>") {
        finding.note("thoughts are in the content, between <think> tags: every client shows them");
    }
    let usage = &answer.value()["usage"];
    let reasoning = usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap_or(0);
    let completion = usage["completion_tokens"].as_u64().unwrap_or(0);
    finding.expect(reasoning <= completion, || {
        format!("reasoning_tokens: {reasoning} are more than all {completion} completion_tokens")
    });
}
