//! ERR: what errors look like. That there is one is judged by each check; in what shape, by ERR-05 alone.

use serde_json::{Value, json};

use super::super::answer::{Answer, cut};
use super::super::ask::Request;
use super::super::check::{Case, Check, Level};
use super::super::facts::{CHAT, Facts};
use super::super::finding::Finding;
use super::super::shape::ERROR;
use super::{asks, refused};

const API: &str = "OpenAI API, error codes";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "ERR-01",
        level: Level::Required,
        title: "A body that is not JSON is a 400 with a JSON error",
        anchor: API,
        recognises: &[],
        asks: |_| asks([broken()]),
        judge: |case, finding| {
            refused(finding, case.answer(0), &[400, 422]);
        },
    },
    Check {
        id: "ERR-02",
        level: Level::Required,
        title: "Without messages, with none, or without a model a chat is a 400",
        anchor: API,
        recognises: &[],
        asks: |facts| {
            asks([
                without_messages(facts),
                facts.chat_of(json!([]), json!({})),
                facts.chat("Hello.", json!({"model": null})),
            ])
        },
        judge: incomplete,
    },
    Check {
        id: "ERR-03",
        level: Level::Required,
        title: "A model that does not exist is a 404",
        anchor: API,
        recognises: &[],
        asks: |facts| asks([facts.unknown_model()]),
        judge: unknown_model,
    },
    Check {
        id: "ERR-04",
        level: Level::Required,
        title: "A prompt that is too long is a 400",
        anchor: API,
        recognises: &["overflow_exceed_context_size", "overflow_500", "overflow_200"],
        asks: |facts| Ok(vec![facts.too_long(json!({}))?]),
        judge: too_long,
    },
    Check {
        id: "ERR-05",
        level: Level::Recommended,
        title: "An error is an object `error` with message, type, param and code",
        anchor: API,
        recognises: &[
            "flat_error",
            "integer_error_code",
            "string_error",
            "array_error",
            "untyped_error",
            "openai_error_on_messages",
        ],
        asks: |facts| {
            let messages = Request::post("/messages", &json!({"model": facts.model}));
            asks([facts.unknown_model(), without_messages(facts), broken(), messages])
        },
        judge: envelopes,
    },
    Check {
        id: "ERR-06",
        level: Level::Recommended,
        title: "A body that is said to be no JSON is a 400 or 415",
        anchor: "RFC 9110, 15.5.16",
        recognises: &[],
        asks: |facts| asks([facts.plain().typed("text/plain")]),
        judge: |case, finding| {
            let answer = case.answer(0);
            if answer.status() == Some(200) {
                finding.note("a body of the type text/plain is read as JSON");
            } else {
                refused(finding, answer, &[400, 415, 422]);
            }
        },
    },
];

fn broken() -> Request {
    Request::text(CHAT, "{\"model\": \"m\", \"messages\": [")
}

fn without_messages(facts: &Facts) -> Request {
    facts.chat_of(Value::Null, json!({"messages": null}))
}

fn incomplete(case: &Case<'_>, finding: &mut Finding) {
    let rows = [("messages", "without messages"), ("messages", "with no message"), ("model", "without a model")];
    for (ask, (what, without)) in rows.into_iter().enumerate() {
        let answer = case.answer(ask);
        if ask == 2 && answer.status() == Some(200) {
            finding.note("without a model the backend takes the one that it has");
            continue;
        }
        // FastAPI's servers say 422, with the field in `detail`.
        if answer.status() == Some(200) {
            finding.fail(format!("{without} a chat is answered 200"));
        } else if refused(finding, answer, &[400, 422]) {
            let named = String::from_utf8_lossy(&answer.body).contains(what);
            finding.expect(named, || format!("the error does not name `{what}`; {}", answer.refusal()));
        }
    }
}

fn unknown_model(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if refused(finding, answer, &[404, 400]) && answer.error_code().as_deref() != Some("model_not_found") {
        finding.note(format!("the code is `{}`, not `model_not_found`", answer.error_code().unwrap_or_default()));
    }
}

fn too_long(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    match answer.status() {
        Some(200) if answer.value().get("error").is_some() => {
            finding.deviates("overflow_200", "HTTP 200, and the error in the body");
        }
        Some(200) => finding.fail("the prompt was cut without a word: 200 for more tokens than the window has"),
        Some(500..=599) => finding.deviates("overflow_500", answer.refusal()),
        _ if answer.value()["error"]["type"] == "exceed_context_size_error" => {
            finding.deviates("overflow_exceed_context_size", answer.refusal());
        }
        _ if refused(finding, answer, &[400, 413])
            && answer.error_code().as_deref() != Some("context_length_exceeded") =>
        {
            let code = answer.error_code().unwrap_or_default();
            finding.note(format!("the code is `{code}`, not `context_length_exceeded`"));
        }
        _ => {}
    }
}

fn envelopes(case: &Case<'_>, finding: &mut Finding) {
    for ask in 0..3 {
        let answer = case.answer(ask);
        if answer.status().is_some_and(|status| status >= 400) {
            envelope(answer, finding);
        }
    }
    // Only a backend that has the path can mix it up.
    let messages = case.answer(3);
    let there = matches!(messages.status(), Some(400 | 422));
    let openai = messages.value()["error"]["type"].is_string();
    if there && openai && messages.value().get("type").is_none() {
        finding.deviates("openai_error_on_messages", "/messages has OpenAI's envelope, not Anthropic's");
    }
}

/// Judges the shape of one error.
fn envelope(answer: &Answer, finding: &mut Finding) {
    let value = answer.value();
    let seen = || {
        format!(
            "{} is answered {}: {}",
            answer.request.path,
            answer.status().unwrap_or(0),
            cut(&value.to_string(), 120)
        )
    };
    match value {
        Value::Array(_) => return finding.deviates("array_error", seen()),
        Value::Object(fields) if !fields.contains_key("error") => {
            let flat = fields.get("object").is_some_and(|object| object == "error");
            return if flat {
                finding.deviates("flat_error", seen())
            } else {
                finding.fail(format!("$.error: is missing; {}", seen()))
            };
        }
        Value::Object(_) => {}
        _ => return finding.fail(answer.refusal()),
    }
    let error = &value["error"];
    if error.is_string() {
        finding.deviates("string_error", seen());
    } else if error.get("type").is_none() && value.get("message").is_some() {
        finding.deviates("untyped_error", seen());
    } else if error["code"].is_number() {
        finding.deviates("integer_error_code", format!("$.error.code is the number {}", error["code"]));
    } else {
        for misfit in ERROR.misfits(value) {
            finding.fail(format!("{misfit} ({})", answer.request.path));
        }
    }
}
