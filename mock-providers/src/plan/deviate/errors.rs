//! Errors in other shapes and other places: flat, as text, in an array, inside a stream, with status 200.
//!
//! Owns every spelling of an error but the dialects' own. Refuses to decide that there is one.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::super::{Ending, Kind, Piece, Plan};
use super::Asked;
use super::body::{edit, replace, value};
use crate::script::{ErrorEvent, ErrorShape, Fault, OverflowAs};

const DONE: &[u8] = b"data: [DONE]\n\n";
const STREAM: &str = "text/event-stream; charset=utf-8";

/// What stands under `error`.
fn inner(error: &Value) -> Map<String, Value> {
    match error {
        Value::Object(fields) => fields.clone(),
        Value::String(text) => Map::from_iter([("message".to_owned(), text.as_str().into())]),
        other => Map::from_iter([("message".to_owned(), other.clone())]),
    }
}

fn message(error: &Value) -> Value {
    inner(error).get("message").cloned().unwrap_or_else(|| "unknown error".into())
}

/// An error in its envelope.
fn shaped(shape: ErrorShape, error: &Value) -> Value {
    match shape {
        ErrorShape::Object => json!({ "error": error }),
        ErrorShape::String => json!({ "error": message(error) }),
        ErrorShape::Array => json!([{ "error": error }]),
        ErrorShape::NoType => json!({"error": {"message": message(error)}, "message": message(error)}),
        ErrorShape::Flat => {
            let mut flat = Map::from_iter([("object".to_owned(), "error".into())]);
            flat.extend(inner(error));
            flat.into()
        }
    }
}

fn shape_of(fault: &Fault) -> Option<ErrorShape> {
    let shapes = [
        (fault.string_error, ErrorShape::String),
        (fault.array_error, ErrorShape::Array),
        (fault.flat_error, ErrorShape::Flat),
        (fault.untyped_error, ErrorShape::NoType),
    ];
    shapes.into_iter().find_map(|(given, shape)| given.then_some(shape))
}

/// The error of an answer that is one.
fn error_of(plan: &Plan) -> Option<Value> {
    if plan.status < 400 { None } else { value(plan)?.get("error").cloned() }
}

/// Writes the error of the answer in another shape; one inside a stream has it already.
pub(super) fn reshape(plan: &mut Plan, fault: &Fault, shape: ErrorShape) -> bool {
    if plan.is_event_stream() {
        return fault.error_event.is_some();
    }
    let Some(error) = error_of(plan) else { return false };
    replace(plan, shaped(shape, &error).to_string());
    true
}

/// As vLLM has it: the status as code, a class as type.
pub(super) fn integer_code(plan: &mut Plan, fault: &Fault) -> bool {
    if plan.is_event_stream() {
        return fault.error_event.is_some();
    }
    let status = plan.status;
    status >= 400 && edit(plan, |json| json.get_mut("error").is_some_and(|error| with_integer_code(error, status)))
}

fn with_integer_code(error: &mut Value, status: u16) -> bool {
    let class = match status {
        400 => "BadRequestError",
        401 => "AuthenticationError",
        404 => "NotFoundError",
        422 => "UnprocessableEntityError",
        429 => "RateLimitError",
        _ => "InternalServerError",
    };
    error.as_object_mut().is_some_and(|fields| {
        fields.insert("type".to_owned(), class.into());
        fields.insert("code".to_owned(), status.into());
        true
    })
}

/// Anthropic's envelope gives way to OpenAI's.
pub(super) fn openai(plan: &mut Plan) -> bool {
    plan.status >= 400
        && edit(plan, |json| {
            if json.get("type").and_then(Value::as_str) != Some("error") {
                return false;
            }
            let error = &json["error"];
            *json = json!({"error": {"message": error["message"], "type": error["type"], "param": null, "code": null}});
            true
        })
}

/// The script's error inside the stream; of a JSON answer it becomes the whole.
pub(super) fn report(plan: &mut Plan, fault: &Fault, event: &ErrorEvent) -> bool {
    let mut error = event.error.clone();
    if fault.integer_error_code {
        with_integer_code(error.get_or_insert_with(crate::openai::usual_error), 500);
    }
    let shape = event.shape.or(shape_of(fault));
    let reshaped = |shape| {
        let error = error.clone().unwrap_or_else(crate::openai::usual_error);
        Bytes::from(shaped(shape, &error).to_string())
    };
    if !plan.is_event_stream() {
        let body = match shape {
            Some(shape) => reshaped(shape),
            None => plan.dialect.error_body(error.as_ref(), &plan.headers),
        };
        return fail_whole(plan, body);
    }
    plan.cut(event.point());
    let bytes: Bytes = match (shape, &plan.failure) {
        (Some(shape), _) => [b"data: ", &*reshaped(shape), b"\n\n"].concat().into(),
        (None, Some(failure)) => {
            let error = error.clone().unwrap_or_else(crate::openai::usual_error);
            (failure.write)(&error, plan.pieces.len(), &failure.of).into()
        }
        (None, None) => plan.dialect.error_event(error.as_ref()),
    };
    let hidden = fault.failure_hidden && !plan.pieces.iter().any(|piece| piece.kind == Kind::Content);
    if hidden {
        plan.pieces.clear();
    }
    let last = if hidden { done() } else { Piece { bytes, ..Piece::default() } };
    plan.pieces.push(last);
    plan.ending = Ending::Cut;
    true
}

fn done() -> Piece {
    Piece { bytes: DONE.into(), kind: Kind::Done, ..Piece::default() }
}

/// The error as the whole answer; one that is an error already stays.
fn fail_whole(plan: &mut Plan, envelope: Bytes) -> bool {
    if plan.status >= 400 {
        return false;
    }
    plan.status = 500;
    become_type(plan, "application/json");
    plan.pieces.clear();
    replace(plan, envelope);
    true
}

fn become_type(plan: &mut Plan, content_type: &'static str) {
    plan.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    plan.headers.insert(0, ("content-type".into(), content_type.into()));
}

/// A successful stream of these events, and nothing else.
fn become_stream(plan: &mut Plan, pieces: Vec<Piece>) {
    plan.status = 200;
    become_type(plan, STREAM);
    plan.pieces = pieces;
}

/// What a provider makes of its own failure, when a stream was asked for.
pub(super) fn hide(plan: &mut Plan, fault: &Fault, asked: Asked) -> bool {
    if plan.is_event_stream() {
        return fault.error_event.is_some() && !plan.pieces.iter().any(|piece| piece.kind == Kind::Content);
    }
    let failed = plan.status >= 500 && asked.stream;
    if failed {
        become_stream(plan, vec![done()]);
    }
    failed
}

/// The answer to a prompt that is too long, as others give it.
pub(super) fn overflow(plan: &mut Plan, how: OverflowAs, asked: Asked) -> bool {
    let Some(error) = error_of(plan).filter(|error| error["code"] == "context_length_exceeded") else { return false };
    let message = message(&error);
    let event = || Piece { bytes: format!("data: {}\n\n", json!({ "error": error })).into(), ..Piece::default() };
    match how {
        OverflowAs::InStream | OverflowAs::Success if asked.stream => become_stream(plan, vec![event()]),
        OverflowAs::EmptyStream if asked.stream => become_stream(plan, Vec::new()),
        OverflowAs::InStream | OverflowAs::EmptyStream => return false,
        OverflowAs::Success => plan.status = 200,
        OverflowAs::ServerError => {
            plan.status = 500;
            replace(plan, json!({"error": {"code": 500, "message": message, "type": "server_error"}}).to_string());
        }
        OverflowAs::ExceedContextSize => {
            let numbers = numbers(message.as_str().unwrap_or_default());
            let n_ctx = numbers.first().copied().unwrap_or(0);
            let n_prompt_tokens = numbers.get(2).or(numbers.get(1)).copied().unwrap_or(0);
            let error = json!({
                "code": 400, "message": message, "type": "exceed_context_size_error",
                "n_prompt_tokens": n_prompt_tokens, "n_ctx": n_ctx,
            });
            replace(plan, json!({ "error": error }).to_string());
        }
    }
    true
}

/// OpenAI's message names the limit first, then all that was asked for, and how much of that is the prompt.
fn numbers(message: &str) -> Vec<u64> {
    let words = message.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
    words.filter_map(|word| word.parse().ok()).collect()
}

/// As LM Studio answers a path that it does not know.
pub(super) fn unknown_path(plan: &mut Plan) -> bool {
    let Some(error) = error_of(plan).filter(|_| plan.status == 404) else { return false };
    let message = message(&error);
    let Some(what) = message.as_str().and_then(|text| text.strip_prefix("Invalid URL ")) else { return false };
    plan.status = 200;
    replace(plan, json!({"error": format!("Unexpected endpoint or method {what}")}).to_string());
    true
}
