//! How a request is judged by a provider that is not OpenAI: what it passes over, and what it refuses.
//!
//! Owns the keys of faults that concern the request. The dialect never knows: it sees a request without what is passed
//! over, or none at all.

use serde_json::{Map, Value, json};

use crate::plan::Answer;
use crate::request::Request;
use crate::script::{Fault, Stage};

/// What Mistral knows, of chat and embeddings.
const MISTRAL: &[&str] = &[
    "model",
    "messages",
    "input",
    "prompt",
    "suffix",
    "temperature",
    "top_p",
    "max_tokens",
    "min_tokens",
    "stream",
    "stop",
    "random_seed",
    "response_format",
    "tools",
    "tool_choice",
    "presence_penalty",
    "n",
    "prediction",
    "parallel_tool_calls",
    "safe_prompt",
    "encoding_format",
    "output_dimension",
    "output_dtype",
    "metadata",
];

/// What has become of a request.
#[derive(Default)]
pub(crate) struct Judged<'a> {
    /// What the dialect sees instead.
    pub(crate) heard: Option<Request<'a>>,
    /// Why it sees nothing.
    pub(crate) refusal: Option<Answer>,
    /// The keys that took effect.
    pub(crate) done: Vec<&'static str>,
    /// The keys that found nothing to judge.
    pub(crate) not_applicable: Vec<&'static str>,
}

/// Judges a request, where anything is to be judged.
pub(crate) fn judge<'a>(request: &Request<'a>, fault: &Fault) -> Judged<'a> {
    let mut judged = Judged::default();
    let Some(body) = request.json.as_ref().and_then(Value::as_object).filter(|_| fault.reaches(Stage::Semantic)) else {
        return judged;
    };
    for (name, refuse) in REFUSALS {
        let refusal = refuse(fault, body);
        judged.note(name, refusal.as_ref().map(Option::is_some));
        judged.refusal = judged.refusal.or(refusal.flatten());
    }
    let ignored: Vec<&String> = fault.ignored_fields.iter().filter(|name| body.contains_key(*name)).collect();
    judged.note("ignored_fields", (!fault.ignored_fields.is_empty()).then_some(!ignored.is_empty()));
    if !ignored.is_empty() {
        let mut rest = body.clone();
        rest.retain(|name, _| !ignored.contains(&name));
        judged.heard = Some(Request::of(request.head, Some(rest.into())));
    }
    judged
}

impl Judged<'_> {
    fn note(&mut self, name: &'static str, took_effect: Option<bool>) {
        match took_effect {
            Some(true) => self.done.push(name),
            Some(false) => self.not_applicable.push(name),
            None => {}
        }
    }
}

/// A key, and whether it refuses: none when it is not given.
type Refusal = fn(&Fault, &Map<String, Value>) -> Option<Option<Answer>>;

const REFUSALS: &[(&str, Refusal)] = &[
    ("refused_fields", |fault, body| (!fault.refused_fields.is_empty()).then(|| refused_field(fault, body))),
    ("unknown_fields_422", |fault, body| fault.unknown_fields_422.then(|| unknown_fields(body))),
    ("one_choice_only", |fault, body| {
        let several = body.get("n").and_then(Value::as_u64).is_some_and(|n| n > 1);
        fault.one_choice_only.then(|| several.then(|| invalid("n", "n must be exactly 1.")))
    }),
    ("developer_role_rejected", |fault, body| {
        fault.developer_role_rejected.then(|| developer(body).then(|| invalid("messages", "Unexpected message role.")))
    }),
    ("developer_role_500", |fault, body| {
        let error =
            json!({"code": 500, "message": "Unexpected message role in the chat template", "type": "server_error"});
        fault.developer_role_500.then(|| developer(body).then(|| envelope(500, error)))
    }),
    ("base64_unsupported", |fault, body| {
        let asked = body.get("encoding_format").is_some_and(|format| format == "base64");
        fault.base64_unsupported.then(|| asked.then(|| invalid("encoding_format", "Only float is supported.")))
    }),
    ("thought_signature_required", |fault, body| {
        fault.thought_signature_required.then(|| {
            unsigned(body)
                .then(|| invalid("messages", "Function call is missing a thought_signature in functionCall parts."))
        })
    }),
];

fn envelope(status: u16, error: Value) -> Answer {
    Answer::json(status, json!({ "error": error }).to_string(), None)
}

fn invalid(param: &str, message: &str) -> Answer {
    envelope(400, json!({"message": message, "type": "invalid_request_error", "param": param, "code": null}))
}

fn refused_field(fault: &Fault, body: &Map<String, Value>) -> Option<Answer> {
    let name = fault.refused_fields.iter().find(|name| body.contains_key(*name))?;
    Some(invalid(name, &format!("Unsupported parameter: '{name}'.")))
}

fn unknown_fields(body: &Map<String, Value>) -> Option<Answer> {
    let unknown = body.iter().filter(|(name, _)| !MISTRAL.contains(&name.as_str()));
    let details: Vec<Value> = unknown
        .map(|(name, input)| {
            let why = "Extra inputs are not permitted";
            json!({"type": "extra_forbidden", "loc": ["body", name], "msg": why, "input": input})
        })
        .collect();
    (!details.is_empty()).then(|| Answer::json(422, json!({ "detail": details }).to_string(), None))
}

fn messages(body: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    body.get("messages").and_then(Value::as_array).into_iter().flatten()
}

fn developer(body: &Map<String, Value>) -> bool {
    messages(body).any(|message| message.get("role").is_some_and(|role| role == "developer"))
}

/// Whether a call in the history lacks its signature.
fn unsigned(body: &Map<String, Value>) -> bool {
    let calls = messages(body).filter_map(|message| message.get("tool_calls")?.as_array()).flatten();
    let signed = |call: &Value| call.pointer("/extra_content/google/thought_signature").is_some();
    calls.into_iter().any(|call| !signed(call))
}
