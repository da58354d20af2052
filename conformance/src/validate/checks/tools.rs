//! TOL-01 to TOL-04, TOL-09, TOL-10: calls of tools, and how their results come back.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::ask::Request;
use super::super::check::{Case, Check, Level};
use super::super::chunks::first;
use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::shape::CHAT;
use super::chat::finish_known;
use super::{asks, calls, finish, shaped};

pub(super) const API: &str = "OpenAI API, function calling";
/// Room for one call.
pub(super) const ROOM: u64 = 96;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "TOL-01",
        level: Level::Optional,
        title: "`tool_choice: required` gives a call whose arguments are a string of JSON",
        anchor: API,
        recognises: &[
            "unlisted_fields_ignored",
            "named_call_says_tool_calls",
            "tool_call_singular",
            "thought_signature",
        ],
        asks: |facts| asks([tools(facts, json!({"tool_choice": "required"}))]),
        judge: required,
    },
    Check {
        id: "TOL-02",
        level: Level::Optional,
        title: "A tool that is named is called, streamed and not",
        anchor: API,
        recognises: &[
            "named_call_says_tool_calls",
            "unlisted_fields_ignored",
            "eos_token",
            "missing_finish",
            "finish_camel_case",
        ],
        asks: |facts| {
            let choice = json!({"type": "function", "function": {"name": "get_weather"}});
            let plain = tools(facts, json!({"tool_choice": choice}));
            asks([plain, tools(facts, json!({"tool_choice": choice, "stream": true}))])
        },
        judge: named,
    },
    Check {
        id: "TOL-03",
        level: Level::Optional,
        title: "`tool_choice: none` gives no call",
        anchor: API,
        recognises: &[],
        asks: |facts| asks([tools(facts, json!({"tool_choice": "none", facts.limit: 24}))]),
        judge: |case, finding| {
            let answer = case.answer(0);
            if finding.offered(answer) {
                finding
                    .expect(calls(answer).is_empty(), || "a tool is called, though `tool_choice` is none".to_owned());
            }
        },
    },
    Check {
        id: "TOL-04",
        level: Level::Optional,
        title: "The result of a call is answered in text",
        anchor: API,
        recognises: &["thought_signature"],
        asks: |facts| asks([history(facts, json!(""))]),
        judge: answered,
    },
    Check {
        id: "TOL-09",
        level: Level::Optional,
        title: "`parallel_tool_calls: false` gives one call at most",
        anchor: API,
        recognises: &[],
        asks: |facts| {
            let more = json!({"tool_choice": "required", "parallel_tool_calls": false});
            asks([both(facts, more)])
        },
        judge: |case, finding| {
            let answer = case.answer(0);
            if finding.offered(answer) {
                let count = calls(answer).len();
                finding.expect(count <= 1, || format!("{count} calls, though `parallel_tool_calls` is false"));
            }
        },
    },
    Check {
        id: "TOL-10",
        level: Level::Optional,
        title: "An assistant message with calls may have `content: null`",
        anchor: API,
        recognises: &["thought_signature"],
        asks: |facts| asks([history(facts, Value::Null)]),
        judge: answered,
    },
];

fn function(name: &str, member: &str) -> Value {
    let parameters = json!({
        "type": "object", "properties": {member: {"type": "string"}}, "required": [member], "additionalProperties": false,
    });
    json!({"type": "function", "function": {"name": name, "description": "For one place.", "parameters": parameters}})
}

/// A question that one tool answers.
pub(super) fn tools(facts: &Facts, more: Value) -> Request {
    let mut body = json!({"tools": [function("get_weather", "city")], facts.limit: ROOM});
    merge(&mut body, more);
    facts.chat("What is the weather in Paris? Call the tool.", body)
}

/// A question that takes two tools.
pub(super) fn both(facts: &Facts, more: Value) -> Request {
    let mut body =
        json!({"tools": [function("get_weather", "city"), function("get_time", "city")], facts.limit: 2 * ROOM});
    merge(&mut body, more);
    facts.chat("What are both the weather and the time in Paris? Call both tools.", body)
}

fn merge(body: &mut Value, more: Value) {
    if let (Value::Object(body), Value::Object(more)) = (body, more) {
        body.extend(more);
    }
}

fn history(facts: &Facts, content: Value) -> Request {
    let call = json!({"id": "call_windtunnel1", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Paris\"}"}});
    let messages = json!([
        {"role": "user", "content": "What is the weather in Paris?"},
        {"role": "assistant", "content": content, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_windtunnel1", "content": "{\"sky\":\"clear\"}"},
    ]);
    facts.chat_of(messages, json!({"tools": [function("get_weather", "city")]}))
}

fn required(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !finding.offered(answer) {
        return;
    }
    let Some(call) = calls(answer).first() else {
        match finish(answer) {
            "length" => finding.skipped("the answer was cut before there was a call"),
            _ => finding.deviates("unlisted_fields_ignored", "`tool_choice: required` is answered without a call"),
        }
        return;
    };
    shaped(finding, answer, &CHAT);
    signed(call, finding);
    let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
    let whole = serde_json::from_str::<Value>(arguments).is_ok();
    match finish(answer) {
        "tool_calls" | "length" => {}
        "tool_call" => finding.deviates("tool_call_singular", "finish_reason is \"tool_call\""),
        "stop" => finding.deviates("named_call_says_tool_calls", "a call that was required ends with \"stop\""),
        other => finding.note(format!("the call ends with \"{other}\"")),
    }
    if finish(answer) != "length" && call["function"]["arguments"].is_string() {
        finding.expect(whole, || format!("the arguments are not JSON: {arguments:?}"));
    }
}

/// Notes what Gemini wants back.
fn signed(call: &Value, finding: &mut Finding) {
    if !call["extra_content"]["google"]["thought_signature"].is_null() {
        finding.deviates("thought_signature", "the call carries $.extra_content.google.thought_signature");
    }
}

fn named(case: &Case<'_>, finding: &mut Finding) {
    let (plain, stream) = (case.answer(0), case.answer(1));
    if !(finding.offered(plain) && finding.offered(stream)) {
        return;
    }
    let streamed = first(stream.stream());
    let (calls, in_stream) = (calls(plain), streamed.calls());
    let cut = finish(plain) == "length" || streamed.finish() == "length";
    if calls.is_empty() || in_stream.is_empty() {
        match cut {
            true => finding.skipped("the answer was cut before there was a call"),
            false => finding.deviates("unlisted_fields_ignored", "a named `tool_choice` is answered without a call"),
        }
        return;
    }
    let names = [calls[0]["function"]["name"].as_str().unwrap_or_default(), &in_stream[0].name];
    finding
        .expect(names == ["get_weather"; 2], || format!("expected a call of get_weather, got {}", names.join(" and ")));
    finish_known(&plain.value()["choices"][0], finding);
    ends_alike(finish(plain), streamed.finish(), finding);
}

/// Both `stop` and `tool_calls` are in use; a difference between the two modes is not.
fn ends_alike(plain: &str, streamed: &str, finding: &mut Finding) {
    if plain == "stop" && streamed == "tool_calls" {
        let seen = "a call of a named tool ends with \"stop\" in JSON, with \"tool_calls\" streamed";
        finding.deviates("named_call_says_tool_calls", seen);
    }
    finding.note(format!("a call of a named tool ends with \"{plain}\", streamed with \"{streamed}\""));
}

fn answered(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if wants_signature(answer) {
        finding.deviates("thought_signature", answer.refusal());
    } else if finding.offered(answer) {
        shaped(finding, answer, &CHAT);
    }
}

fn wants_signature(answer: &Answer) -> bool {
    answer.status() == Some(400) && answer.error_message().is_some_and(|message| message.contains("thought_signature"))
}
