//! TOL-05 to TOL-08: calls in streams, where the official SDKs join deltas by their `index`.

use serde_json::{Value, json};

use super::super::check::{Case, Check, Level};
use super::super::chunks::{Streamed, first};
use super::super::finding::Finding;
use super::streaming::streamed;
use super::tools::{API, both, tools};
use super::{asks, calls, finish};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "TOL-05",
        level: Level::Optional,
        title: "A streamed call begins with index, id and name, and goes on with arguments alone",
        anchor: API,
        recognises: &["index_missing", "whole_calls", "thought_signature"],
        asks: |facts| asks([tools(facts, json!({"tool_choice": "required", "stream": true}))]),
        judge: one_call,
    },
    Check {
        id: "TOL-06",
        level: Level::Optional,
        title: "Each of two streamed calls has an index of its own",
        anchor: API,
        recognises: &["index_always_zero"],
        asks: |facts| asks([both(facts, json!({"tool_choice": "required", "stream": true}))]),
        judge: two_calls,
    },
    Check {
        id: "TOL-07",
        level: Level::Optional,
        title: "A streamed call ends with `tool_calls`",
        anchor: API,
        recognises: &["streamed_call_says_stop", "tool_call_singular"],
        asks: |facts| asks([tools(facts, json!({"tool_choice": "required", "stream": true}))]),
        judge: ended,
    },
    Check {
        id: "TOL-08",
        level: Level::Optional,
        title: "A call that the token limit cuts ends with `length`, streamed and not",
        anchor: API,
        recognises: &[
            "cut_call_says_tool_calls",
            "cut_call_errors",
            "integer_error_code",
            "named_call_says_tool_calls",
        ],
        asks: |facts| {
            let plain = tools(facts, json!({"tool_choice": "required", facts.limit: 2}));
            asks([plain, tools(facts, json!({"tool_choice": "required", facts.limit: 2, "stream": true}))])
        },
        judge: cut,
    },
];

/// The choice, if it has a call to look at.
fn called(case: &Case<'_>, finding: &mut Finding) -> Option<Streamed> {
    let answer = case.answer(0);
    if !finding.offered(answer) || !streamed(answer, finding) {
        return None;
    }
    let one = first(answer.stream());
    if one.deltas.is_empty() {
        finding.skipped("the model made no call");
        return None;
    }
    Some(one)
}

fn one_call(case: &Case<'_>, finding: &mut Finding) {
    let Some(one) = called(case, finding) else { return };
    if one.deltas.iter().any(|delta| delta.get("index").is_none()) {
        finding.deviates("index_missing", "$.choices[0].delta.tool_calls[0].index: expected integer, is missing");
        return;
    }
    if one.deltas.iter().any(|delta| !delta["extra_content"]["google"]["thought_signature"].is_null()) {
        finding.deviates("thought_signature", "a delta carries $.extra_content.google.thought_signature");
    }
    let path = "$.choices[0].delta.tool_calls[0]";
    let typed = one.deltas.iter().all(|delta| matches!(delta["function"]["arguments"], Value::Null | Value::String(_)));
    finding.expect(typed, || format!("{path}.function.arguments: expected string, got an object"));
    let begun = &one.deltas[0];
    for (name, value) in [("id", &begun["id"]), ("function.name", &begun["function"]["name"])] {
        let given = value.as_str().is_some_and(|text| !text.is_empty());
        finding.expect(given, || format!("{path}.{name}: is missing in the first delta of the call"));
    }
    for call in one.calls() {
        finding.expect(!call.repeated, || {
            format!("{path}: a later delta has an id or name again, and the SDKs append it")
        });
        let whole = serde_json::from_str::<Value>(&call.arguments).is_ok();
        let good = whole || !typed || one.finish() == "length";
        finding.expect(good, || format!("the arguments are not JSON when joined: {:?}", call.arguments));
        if call.deltas == 1 && call.arguments.len() > 2 {
            finding.deviates("whole_calls", format!("the call of {} comes in one delta", call.name));
        }
    }
}

fn two_calls(case: &Case<'_>, finding: &mut Finding) {
    let Some(one) = called(case, finding) else { return };
    let ids: Vec<&str> =
        one.deltas.iter().filter_map(|delta| delta["id"].as_str()).filter(|id| !id.is_empty()).collect();
    let mut different = ids.clone();
    different.dedup();
    if one.deltas.iter().any(|delta| delta.get("index").is_none()) {
        finding.skipped("deltas have no index; see TOL-05");
    } else if different.len() < 2 {
        finding.skipped("the model made one call only");
    } else if one.calls().len() < different.len() {
        let seen = format!("{} calls share an index: {}", different.len(), different.join(", "));
        finding.deviates("index_always_zero", seen);
    }
}

fn ended(case: &Case<'_>, finding: &mut Finding) {
    let Some(one) = called(case, finding) else { return };
    match one.finish() {
        "tool_calls" => {}
        "length" => finding.skipped("the call was cut by the token limit"),
        "stop" => finding.deviates("streamed_call_says_stop", "a streamed call ends with \"stop\""),
        "tool_call" => finding.deviates("tool_call_singular", "a streamed call ends with \"tool_call\""),
        "" => finding.skipped("the stream has no finish_reason; see STR-06"),
        other => finding.fail(format!("finish_reason: expected \"tool_calls\", got \"{other}\"")),
    }
}

fn cut(case: &Case<'_>, finding: &mut Finding) {
    let (plain, stream) = (case.answer(0), case.answer(1));
    if !(finding.offered(plain) && finding.offered(stream)) {
        return;
    }
    if let Some(error) = stream.stream().error() {
        finding.deviates("cut_call_errors", format!("the stream breaks off with an error: {error}"));
        if error["code"].is_number() {
            finding.deviates("integer_error_code", format!("$.error.code is the number {}", error["code"]));
        }
        return;
    }
    let one = first(stream.stream());
    let whole = |arguments: &str| serde_json::from_str::<Value>(arguments).is_ok_and(|value| value.is_object());
    let fits =
        calls(plain).first().is_some_and(|call| whole(call["function"]["arguments"].as_str().unwrap_or_default()));
    if fits || one.calls().first().is_some_and(|call| whole(&call.arguments)) {
        finding.skipped("the call was done before the limit came");
        return;
    }
    if one.finish().is_empty() || finish(plain).is_empty() {
        finding.skipped("there is no finish_reason; see CHT-02 and STR-06");
        return;
    }
    if one.finish() == "tool_calls" {
        finding.deviates("cut_call_says_tool_calls", "a streamed call that was cut ends with \"tool_calls\"");
    } else {
        finding.expect(one.finish() == "length", || {
            format!("finish_reason: expected \"length\", got \"{}\" streamed", one.finish())
        });
    }
    match finish(plain) {
        "length" => {}
        "stop" => finding.deviates("named_call_says_tool_calls", "a call that was required and cut ends with \"stop\""),
        other => finding.fail(format!("finish_reason: expected \"length\", got \"{other}\"")),
    }
}
