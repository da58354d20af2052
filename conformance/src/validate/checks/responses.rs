//! RSP: the Responses API.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::check::{Case, Check, Level};
use super::super::finding::Finding;
use super::super::shape::{OUTPUT_MESSAGE, RESPONSE, RESPONSE_USAGE};
use super::{asks, shaped};

const API: &str = "OpenAI API, /responses";
/// The events with which a response may end.
const ENDS: &[&str] = &["response.completed", "response.incomplete", "response.failed", "error"];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "RSP-01",
        level: Level::Optional,
        title: "A response is complete, with a message and its usage",
        anchor: API,
        recognises: &["usage_omitted"],
        asks: |facts| {
            asks([facts.post("/responses", json!({"input": "Say hello.", "max_output_tokens": 64, "store": false}))])
        },
        judge: response,
    },
    Check {
        id: "RSP-02",
        level: Level::Optional,
        title: "The events of a response are named, numbered and in order",
        anchor: API,
        recognises: &["missing_done"],
        asks: |facts| {
            let more = json!({"input": "Say hello.", "max_output_tokens": 64, "store": false, "stream": true});
            asks([facts.post("/responses", more)])
        },
        judge: events,
    },
    Check {
        id: "RSP-03",
        level: Level::Optional,
        title: "A function is called with a `call_id`, under which its result is taken",
        anchor: API,
        recognises: &["unlisted_fields_ignored"],
        asks: |facts| {
            let parameters = json!({
                "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false,
            });
            let tool = json!({"type": "function", "name": "get_weather", "parameters": parameters, "strict": true});
            let call = json!({
                "input": "What is the weather in Paris?", "tools": [tool], "tool_choice": "required",
                "max_output_tokens": 128, "store": false,
            });
            let history = json!([
                {"role": "user", "content": "What is the weather in Paris?"},
                {"type": "function_call", "call_id": "call_windtunnel1", "name": "get_weather", "arguments": "{\"city\":\"Paris\"}"},
                {"type": "function_call_output", "call_id": "call_windtunnel1", "output": "clear"},
            ]);
            let result = json!({"input": history, "tools": [tool], "max_output_tokens": 64, "store": false});
            asks([facts.post("/responses", call), facts.post("/responses", result)])
        },
        judge: function,
    },
];

fn items<'a>(answer: &'a Answer, kind: &str) -> Vec<&'a Value> {
    let output = answer.value()["output"].as_array().map_or(&[][..], Vec::as_slice);
    output.iter().filter(|item| item["type"] == kind).collect()
}

fn response(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !finding.offered(answer) || !shaped(finding, answer, &RESPONSE) {
        return;
    }
    let status = answer.value()["status"].as_str().unwrap_or_default();
    let known = status == "completed" || status == "incomplete";
    finding.expect(known, || format!("$.status: expected \"completed\", got \"{status}\""));
    match &answer.value()["usage"] {
        Value::Null => finding.deviates("usage_omitted", "$.usage is null or missing"),
        usage => {
            for misfit in RESPONSE_USAGE.misfits(usage) {
                finding.fail(misfit.replacen('$', "$.usage", 1));
            }
        }
    }
    let messages = items(answer, "message");
    if status == "completed" {
        finding.expect(!messages.is_empty(), || "$.output: has no message".to_owned());
    }
    for misfit in messages.iter().flat_map(|message| OUTPUT_MESSAGE.misfits(message)).take(3) {
        finding.fail(misfit.replacen('$', "$.output[*]", 1));
    }
}

fn events(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !finding.offered(answer) {
        return;
    }
    let chunks = &answer.stream().chunks;
    let kind = |value: &Value| value["type"].as_str().unwrap_or_default().to_owned();
    if let Some(chunk) = chunks.iter().find(|chunk| chunk.event != kind(&chunk.value)) {
        finding.fail(format!("the event `{}` has the type `{}`", chunk.event, kind(&chunk.value)));
        return;
    }
    let kinds: Vec<String> = chunks.iter().map(|chunk| kind(&chunk.value)).collect();
    in_order(&kinds, finding);
    let numbers = chunks.iter().map(|chunk| chunk.value["sequence_number"].as_u64());
    let numbered = numbers.enumerate().all(|(index, number)| number == Some(index as u64));
    finding.expect(numbered, || "$.sequence_number: is not 0, 1, 2, …".to_owned());
}

/// What must come before what, where both are there.
const ORDER: &[&str] = &[
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
];

fn in_order(kinds: &[String], finding: &mut Finding) {
    let begins = kinds.first().is_some_and(|first| first == ORDER[0]);
    finding.expect(begins, || {
        format!("the first event is `{}`, not `{}`", kinds.first().map_or("", String::as_str), ORDER[0])
    });
    let ends = kinds.iter().filter(|kind| ENDS.contains(&kind.as_str())).count();
    let ended = kinds.last().is_some_and(|last| ENDS.contains(&last.as_str()));
    if ends == 0 {
        finding.deviates("missing_done", "no event ends the response");
        return;
    }
    finding.expect(ends == 1 && ended, || format!("expected one event that ends the response, at the end; got {ends}"));
    let first: Vec<(usize, &str)> =
        ORDER.iter().filter_map(|kind| Some((kinds.iter().position(|seen| seen == kind)?, *kind))).collect();
    if let Some(two) = first.windows(2).find(|two| two[0].0 > two[1].0) {
        finding.fail(format!("`{}` comes before `{}`", two[1].1, two[0].1));
    }
    let whole = ["response.output_item.added", "response.output_item.done"];
    for kind in whole.iter().filter(|kind| !kinds.iter().any(|seen| seen == *kind)) {
        finding.fail(format!("there is no `{kind}`"));
    }
}

fn function(case: &Case<'_>, finding: &mut Finding) {
    let (call, result) = (case.answer(0), case.answer(1));
    if !finding.offered(call) || !shaped(finding, call, &RESPONSE) {
        return;
    }
    let calls = items(call, "function_call");
    match calls.first() {
        None if call.value()["status"] == "incomplete" => finding.skipped("the answer was cut before there was a call"),
        None => {
            finding.deviates("unlisted_fields_ignored", "`tool_choice: required` is answered without a function_call");
        }
        Some(call) => {
            for name in ["call_id", "name", "arguments"] {
                finding.expect(call[name].is_string(), || {
                    format!("$.output[*].{name}: expected string, got {}", call[name])
                });
            }
        }
    }
    shaped(finding, result, &RESPONSE);
}
