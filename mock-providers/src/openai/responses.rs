//! `POST /responses`: the request and the response object.
//!
//! Owns its validation and its JSON, around the same completion that chat has. Refuses state: nothing is stored, and
//! `previous_response_id` means nothing.

mod events;

use serde_json::{Map, Value, json};

use super::chat::Wishes;
use super::completion::{Completion, Part};
use super::parameters::{count, flag, model, object};
use super::{ApiError, usage};
use crate::answer::Context;
use crate::plan::Answer;
use crate::request::Request;

/// Answers a request for a response, plain or as a stream of typed events.
pub(super) fn answer(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let wishes = validate(object(request)?)?;
    let completion = Completion::new(request, &wishes, context);
    Ok(match wishes.stream {
        true => Answer::stream(events::pieces(&completion, context.pace())),
        false => Answer::json(200, whole(&completion).to_string(), completion.usage),
    })
}

fn validate(body: &Map<String, Value>) -> Result<Wishes<'_>, ApiError> {
    match body.get("input").ok_or_else(|| ApiError::missing("input"))? {
        Value::String(_) | Value::Array(_) => {}
        _ => return Err(ApiError::wrong_type("input", "a string or an array of items")),
    }
    Ok(Wishes {
        model: model(body)?,
        stream: flag(body, "stream")?,
        choices: 1,
        max_tokens: count(body, "max_output_tokens", 1, u64::MAX)?,
        ..Wishes::default()
    })
}

/// The stretches of the answer: each becomes an item.
fn parts(completion: &Completion) -> &[Part] {
    completion.choices.first().map_or(&[], |choice| choice.parts.as_slice())
}

/// Whether `max_output_tokens` cut the answer.
fn is_incomplete(completion: &Completion) -> bool {
    completion.choices.first().is_some_and(|choice| choice.finish == "length")
}

/// The finished response.
fn whole(completion: &Completion) -> Value {
    let items = parts(completion).iter().enumerate();
    let items: Vec<Value> = items.map(|(index, part)| item(&completion.id, index, part, true)).collect();
    let status = if is_incomplete(completion) { "incomplete" } else { "completed" };
    response(completion, status, items, completion.usage.as_ref().map(usage::responses_json))
}

/// The response object in one of its states.
fn response(completion: &Completion, status: &str, output: Vec<Value>, usage: Option<Value>) -> Value {
    let details = (status == "incomplete").then(|| json!({ "reason": "max_output_tokens" }));
    json!({
        "id": format!("resp_{}", completion.id),
        "object": "response",
        "created_at": completion.created,
        "status": status,
        "error": null,
        "incomplete_details": details,
        "instructions": null,
        "max_output_tokens": null,
        "model": completion.model,
        "output": output,
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "store": false,
        "temperature": 1.0,
        "text": { "format": { "type": "text" } },
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage,
        "metadata": {},
    })
}

/// The id of the item at this place.
fn item_id(response: &str, index: usize, part: &Part) -> String {
    let prefix = if matches!(part, Part::Text(_)) { "msg" } else { "fc" };
    format!("{prefix}_{response}{index}")
}

/// An item, finished or just begun.
fn item(response: &str, index: usize, part: &Part, finished: bool) -> Value {
    let id = item_id(response, index, part);
    let status = if finished { "completed" } else { "in_progress" };
    match part {
        Part::Text(deltas) => {
            let content: Vec<Value> = if finished { vec![text_part(&deltas.concat())] } else { Vec::new() };
            json!({ "id": id, "type": "message", "status": status, "role": "assistant", "content": content })
        }
        Part::Call { id: call, name, arguments } => {
            let arguments = if finished { arguments.concat() } else { String::new() };
            json!({
                "id": id, "type": "function_call", "status": status,
                "call_id": call, "name": name, "arguments": arguments,
            })
        }
    }
}

fn text_part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}
