//! JSN and LGP: structured output, and log probabilities.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::check::{Case, Check, Level};
use super::super::finding::Finding;
use super::super::shape::{LOGPROBS, Member, Shape, must};
use super::{asks, finish, refused, text};

const API: &str = "OpenAI API, structured outputs";
const PROBABILITIES: &str = "OpenAI API, logprobs";
const COLOURS: &[&str] = &["red", "green", "blue"];
/// What the schema of JSN-02 demands, for our own judge.
const ANSWER: Shape = Shape::Object(MEMBERS);
const MEMBERS: &[Member] = &[must("colour", Shape::Word(COLOURS)), must("ok", Shape::Bool)];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "JSN-01",
        level: Level::Optional,
        title: "`response_format: json_object` gives a JSON object",
        anchor: API,
        recognises: &["response_format_ignored"],
        asks: |facts| {
            let more = json!({"response_format": {"type": "json_object"}, facts.limit: 64});
            asks([facts.chat("Answer as JSON: an object whose key is \"colour\".", more)])
        },
        judge: object,
    },
    Check {
        id: "JSN-02",
        level: Level::Optional,
        title: "A strict `json_schema` is kept",
        anchor: API,
        recognises: &["response_format_ignored"],
        asks: |facts| {
            let schema = json!({
                "type": "object",
                "properties": {"colour": {"type": "string", "enum": COLOURS}, "ok": {"type": "boolean"}},
                "required": ["colour", "ok"],
                "additionalProperties": false,
            });
            let format =
                json!({"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": schema}});
            asks([facts.chat("Name a colour.", json!({"response_format": format, facts.limit: 64}))])
        },
        judge: schema,
    },
    Check {
        id: "JSN-03",
        level: Level::Optional,
        title: "A schema that is none is a 400",
        anchor: API,
        recognises: &["response_format_ignored"],
        asks: |facts| {
            let format = json!({"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": {"type": "windtunnel"}}});
            asks([facts.chat("Name a colour.", json!({"response_format": format, facts.limit: 16}))])
        },
        judge: |case, finding| {
            let answer = case.answer(0);
            if answer.status() == Some(200) {
                finding.deviates("response_format_ignored", "a schema of the type `windtunnel` is taken");
            } else {
                refused(finding, answer, &[400, 422]);
            }
        },
    },
    Check {
        id: "LGP-01",
        level: Level::Optional,
        title: "`logprobs` come with each token, and their bytes are the text",
        anchor: PROBABILITIES,
        recognises: &["logprobs_ignored"],
        asks: |facts| asks([facts.chat("Say hello.", json!({"logprobs": true, "top_logprobs": 2, facts.limit: 8}))]),
        judge: logprobs,
    },
    Check {
        id: "LGP-02",
        level: Level::Recommended,
        title: "`top_logprobs` without `logprobs` is a 400",
        anchor: PROBABILITIES,
        recognises: &["logprobs_ignored"],
        asks: |facts| {
            let alone = facts.chat("Say hello.", json!({"top_logprobs": 2, facts.limit: 4}));
            asks([alone, facts.chat("Say hello.", json!({"logprobs": true, "top_logprobs": 2, facts.limit: 8}))])
        },
        judge: |case, finding| {
            let answer = case.answer(0);
            if answer.status() == Some(200) {
                let taken = "`top_logprobs` without `logprobs` is taken";
                match case.answer(1).value()["choices"][0]["logprobs"]["content"].is_array() {
                    true => finding.fail(taken),
                    false => finding.deviates("logprobs_ignored", taken),
                }
            } else {
                refused(finding, answer, &[400, 422]);
            }
        },
    },
];

/// What the answer says, if it is JSON; why it cannot be said, if it was cut.
fn said(answer: &Answer, finding: &mut Finding) -> Option<Value> {
    if !finding.offered(answer) {
        return None;
    }
    let said = text(answer);
    if finish(answer) == "length" && serde_json::from_str::<Value>(&said).is_err() {
        finding.skipped("the answer was cut by the token limit");
        return None;
    }
    Some(serde_json::from_str(&said).unwrap_or(Value::String(said)))
}

fn object(case: &Case<'_>, finding: &mut Finding) {
    let Some(said) = said(case.answer(0), finding) else { return };
    if !said.is_object() {
        finding.deviates(
            "response_format_ignored",
            format!("json_object is answered with {}", super::super::shape::kind(&said)),
        );
    }
}

fn schema(case: &Case<'_>, finding: &mut Finding) {
    let Some(said) = said(case.answer(0), finding) else { return };
    let mut misfits = ANSWER.misfits(&said);
    let known = |name: &String| MEMBERS.iter().any(|member| member.name == name);
    let more = said.as_object().and_then(|fields| fields.keys().find(|name| !known(name)));
    misfits.extend(more.map(|name| format!("$.{name}: is not in the schema")));
    if let Some(misfit) = misfits.first() {
        finding.deviates("response_format_ignored", format!("the schema is not kept: {misfit}"));
    }
}

fn logprobs(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !finding.offered(answer) {
        return;
    }
    let given = &answer.value()["choices"][0]["logprobs"];
    if given.is_null() {
        finding.deviates("logprobs_ignored", "$.choices[0].logprobs is null or missing");
        return;
    }
    let misfits = LOGPROBS.misfits(given);
    for misfit in misfits.iter().take(3) {
        finding.fail(misfit.replacen('$', "$.choices[0].logprobs", 1));
    }
    if misfits.is_empty() {
        probable(given["content"].as_array().map_or(&[], Vec::as_slice), &text(answer), finding);
    }
}

fn probable(tokens: &[Value], said: &str, finding: &mut Finding) {
    let above = tokens.iter().find(|token| token["logprob"].as_f64().is_some_and(|value| value > 0.0));
    finding.expect(above.is_none(), || "a logprob is above 0".to_owned());
    let many = tokens.iter().filter_map(|token| token["top_logprobs"].as_array()).map(Vec::len).max().unwrap_or(0);
    finding.expect(many <= 2, || format!("top_logprobs: asked for 2, got {many}"));
    let all = tokens.iter().all(|token| token["bytes"].is_array());
    let bytes = tokens.iter().filter_map(|token| token["bytes"].as_array()).flatten();
    let bytes: Vec<u8> = bytes.filter_map(Value::as_u64).filter_map(|byte| u8::try_from(byte).ok()).collect();
    let text = String::from_utf8_lossy(&bytes);
    // Tokens that end an answer have bytes and no text.
    let same = text.starts_with(said) || said.contains('\u{fffd}') || said.starts_with(&*text);
    finding.expect(!all || same, || format!("the bytes of the tokens are {text:?}, the text is {said:?}"));
}
