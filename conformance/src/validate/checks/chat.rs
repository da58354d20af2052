//! CHT-01 to CHT-05, CHT-08 to CHT-10: what a chat completion is, and what limits it.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::check::{Case, Check, Level};
use super::super::finding::Finding;
use super::super::shape::{CHAT, FINISHES, USAGE};
use super::{asks, finish, shaped, text};

const API: &str = "OpenAI API, /chat/completions";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "CHT-01",
        level: Level::Required,
        title: "A chat completion has the types of the API, and says something",
        anchor: API,
        recognises: &[],
        asks: |facts| asks([facts.plain()]),
        judge: completion,
    },
    Check {
        id: "CHT-02",
        level: Level::Required,
        title: "The finish reason is one of the API's",
        anchor: API,
        recognises: &["eos_token", "tool_call_singular", "finish_empty", "finish_camel_case", "missing_finish"],
        asks: |facts| asks([facts.plain()]),
        judge: |case, finding| finish_known(&case.answer(0).value()["choices"][0], finding),
    },
    Check {
        id: "CHT-03",
        level: Level::Required,
        title: "The usage is there, and adds up",
        anchor: API,
        recognises: &["usage_omitted"],
        asks: |facts| asks([facts.plain()]),
        judge: usage,
    },
    Check {
        id: "CHT-04",
        level: Level::Recommended,
        title: "`refusal` and `logprobs` are there, ids differ, and members are the API's",
        anchor: API,
        recognises: &["vllm_fields", "timings", "matched_stop"],
        asks: |facts| asks([facts.plain(), facts.chat("Say goodbye in five words.", json!({}))]),
        judge: members,
    },
    Check {
        id: "CHT-05",
        level: Level::Required,
        title: "A system message and a history of turns are taken",
        anchor: API,
        recognises: &[],
        asks: |facts| {
            let messages = json!([
                {"role": "system", "content": "You answer in few words."},
                {"role": "user", "content": "My name is Ada."},
                {"role": "assistant", "content": "Hello, Ada."},
                {"role": "user", "content": "Say hello again."},
            ]);
            asks([facts.chat_of(messages, json!({}))])
        },
        judge: |case, finding| {
            shaped(finding, case.answer(0), &CHAT);
        },
    },
    Check {
        id: "CHT-08",
        level: Level::Required,
        title: "`max_tokens: 1` ends the answer with `length`",
        anchor: API,
        recognises: &["missing_finish", "finish_camel_case"],
        asks: |facts| {
            asks([facts.chat("Write a long story.", json!({"max_completion_tokens": null, "max_tokens": 1}))])
        },
        judge: |case, finding| limited(case, finding, "max_tokens"),
    },
    Check {
        id: "CHT-09",
        level: Level::Required,
        title: "`max_completion_tokens: 1` ends the answer with `length`",
        anchor: API,
        recognises: &["max_completion_tokens_ignored", "unknown_fields_422", "missing_finish", "finish_camel_case"],
        asks: |facts| {
            asks([facts.chat("Write a long story.", json!({"max_tokens": null, "max_completion_tokens": 1}))])
        },
        judge: |case, finding| limited(case, finding, "max_completion_tokens"),
    },
    Check {
        id: "CHT-10",
        level: Level::Recommended,
        title: "A stop string ends the answer, and is not part of it",
        anchor: API,
        recognises: &[],
        asks: |facts| asks([facts.chat("Repeat exactly: 1 2 3 4 5 6 7 8 9", json!({"stop": ["5"]}))]),
        judge: stopped,
    },
];

fn completion(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !shaped(finding, answer, &CHAT) {
        return;
    }
    let choices = answer.value()["choices"].as_array().map_or(0, Vec::len);
    finding.expect(choices == 1, || format!("$.choices: expected one, got {choices}"));
    let message = &answer.value()["choices"][0]["message"];
    let says = ["content", "tool_calls", "refusal", "reasoning_content", "reasoning"];
    let said = says.iter().any(|name| message.get(*name).is_some_and(|value| !value.is_null()));
    finding.expect(said, || "$.choices[0].message: neither content nor a tool call nor a refusal".to_owned());
}

/// Judges the finish reason of a choice.
pub(super) fn finish_known(choice: &Value, finding: &mut Finding) {
    let path = "$.choices[0].finish_reason";
    match &choice["finish_reason"] {
        Value::String(word) if FINISHES.contains(&word.as_str()) => {}
        Value::String(word) if word.is_empty() => finding.deviates("finish_empty", format!("{path} is \"\"")),
        Value::String(word) if word == "eos_token" => finding.deviates("eos_token", format!("{path} is \"eos_token\"")),
        Value::String(word) if word == "tool_call" => {
            finding.deviates("tool_call_singular", format!("{path} is \"tool_call\""));
        }
        Value::Null if choice.get("finishReason").is_some() => {
            finding.deviates("finish_camel_case", "$.choices[0] has `finishReason` instead of `finish_reason`");
        }
        Value::Null => finding.deviates("missing_finish", format!("{path} is null or missing")),
        other => finding.fail(format!("{path}: expected one of {}, got {other}", FINISHES.join(", "))),
    }
}

fn usage(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !finding.accepted(answer) {
        return;
    }
    let usage = &answer.value()["usage"];
    if usage.is_null() {
        finding.deviates("usage_omitted", "$.usage is missing");
        return;
    }
    let misfits = USAGE.misfits(usage);
    for misfit in &misfits {
        finding.fail(misfit.replacen('$', "$.usage", 1));
    }
    if misfits.is_empty() {
        adds_up(usage, finding);
    }
}

/// Judges whether the parts are those of the sum.
pub(super) fn adds_up(usage: &Value, finding: &mut Finding) {
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let (prompt, completion, total) = (count("prompt_tokens"), count("completion_tokens"), count("total_tokens"));
    finding.expect(prompt.checked_add(completion) == Some(total), || {
        format!("$.usage.total_tokens: expected {prompt} + {completion}, got {total}")
    });
}

fn members(case: &Case<'_>, finding: &mut Finding) {
    let (one, other) = (case.answer(0), case.answer(1));
    if !(finding.accepted(one) && finding.accepted(other)) {
        return;
    }
    let choice = &one.value()["choices"][0];
    foreign(one.value(), finding);
    finding
        .expect(choice["message"].get("refusal").is_some(), || "$.choices[0].message.refusal: is missing".to_owned());
    finding.expect(choice.get("logprobs").is_some(), || "$.choices[0].logprobs: is missing".to_owned());
    let id = |answer: &Answer| answer.value()["id"].as_str().unwrap_or_default().to_owned();
    finding.expect(!id(one).is_empty(), || "$.id: is empty".to_owned());
    finding.expect(id(one) != id(other), || format!("$.id: `{}` twice, for different requests", id(one)));
}

/// Notes members that are known from one backend or another.
fn foreign(value: &Value, finding: &mut Finding) {
    let choice = &value["choices"][0];
    let of_vllm = ["prompt_logprobs", "kv_transfer_params"].iter().filter(|name| value.get(**name).is_some());
    let of_vllm: Vec<String> = of_vllm
        .map(|name| format!("$.{name}"))
        .chain(choice.get("stop_reason").map(|_| "$.choices[0].stop_reason".to_owned()))
        .collect();
    if !of_vllm.is_empty() {
        finding.deviates("vllm_fields", format!("besides the API's members there are {}", of_vllm.join(", ")));
    }
    if value.get("timings").is_some() {
        finding.deviates("timings", "besides the API's members there is $.timings");
    }
    if choice.get("matched_stop").is_some() {
        finding.deviates("matched_stop", "besides the API's members there is $.choices[0].matched_stop");
    }
}

fn limited(case: &Case<'_>, finding: &mut Finding, name: &'static str) {
    let answer = case.answer(0);
    let refused = answer.status() == Some(400) && answer.error_message().is_some_and(|message| message.contains(name));
    if refused && case.facts.limit != name {
        finding.unsupported(answer.refusal());
        return;
    }
    if !finding.accepted(answer) {
        return;
    }
    let usage = &answer.value()["usage"];
    let thought = usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap_or(0);
    let words = text(answer).split_whitespace().count() as u64;
    let used = usage["completion_tokens"].as_u64().map_or(words, |used| used.saturating_sub(thought));
    if used > 1 {
        let seen = format!("{name}: 1 is answered with {used} tokens, and ends with `{}`", finish(answer));
        match name {
            "max_completion_tokens" => finding.deviates("max_completion_tokens_ignored", seen),
            _ => finding.fail(seen),
        }
        return;
    }
    let known = finding.deviations.len();
    finish_known(&answer.value()["choices"][0], finding);
    match finish(answer) {
        "length" => {}
        "stop" => finding.note("the answer ended by itself after one token"),
        _ if finding.deviations.len() > known => {}
        other => finding.fail(format!("$.choices[0].finish_reason: expected \"length\", got \"{other}\"")),
    }
}

fn stopped(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !finding.accepted(answer) {
        return;
    }
    let said = text(answer);
    if said.contains('5') {
        finding.fail(format!("the stop string \"5\" is in the answer {said:?}"));
    } else if finish(answer) != "stop" {
        finding.note(format!("the answer ended with `{}` before the stop string could come", finish(answer)));
    }
}
