//! SDK: what the official SDKs would make of the streams that were recorded.

use serde_json::{Value, json};

use super::super::check::{Case, Check, Level};
use super::super::chunks::{choices, first};
use super::super::finding::Finding;
use super::super::stream::Oddity;
use super::asks;
use super::streaming::long;
use super::tools::both;

pub(super) const CHECKS: &[Check] = &[Check {
    id: "SDK-01",
    level: Level::Recommended,
    title: "No frame of any stream makes openai-python or openai-node raise",
    anchor: "openai-python 3.52, openai-node 7.55, as observed",
    recognises: &["comments_as_data", "index_missing", "index_always_zero"],
    asks: |facts| {
        let calls = both(facts, json!({"tool_choice": "required", "stream": true}));
        asks([facts.stream(), facts.stream_with_usage(), long(facts), calls])
    },
    judge,
}];

fn judge(case: &Case<'_>, finding: &mut Finding) {
    for ask in 0..4 {
        let answer = case.answer(ask);
        if answer.status() != Some(200) {
            continue;
        }
        for problem in answer.stream().raises() {
            match problem.oddity {
                Oddity::CommentAsData => finding.deviates("comments_as_data", problem.to_string()),
                _ => finding.fail(problem.to_string()),
            }
        }
        let flat = answer.stream().chunks.iter().any(|chunk| chunk.value["object"] == "error");
        finding.expect(!flat, || {
            "an error inside a stream has no `error` around it: both SDKs take it for a chunk".to_owned()
        });
        let odd = choices(&answer.stream().chunks).any(|(_, choice)| !choice["delta"].is_object());
        finding.expect(!odd, || "a choice without `delta`: both SDKs' stream helpers raise".to_owned());
    }
    joined(case, finding);
}

/// What the stream helpers make of calls.
fn joined(case: &Case<'_>, finding: &mut Finding) {
    let one = first(case.answer(3).stream());
    if one.deltas.iter().any(|delta| delta.get("index").is_none()) {
        let seen = "a tool delta without `index`: openai-python raises TypeError, openai-node OpenAIError";
        finding.deviates("index_missing", seen);
        return;
    }
    let glued = |arguments: &str| {
        let mut values = serde_json::Deserializer::from_str(arguments).into_iter::<Value>();
        values.by_ref().filter(Result::is_ok).count() > 1
    };
    if let Some(call) = one.calls().iter().find(|call| glued(&call.arguments)) {
        finding.deviates("index_always_zero", format!("both SDKs glue calls together: {}", call.arguments));
    }
}
