//! `POST /completions`, the API from before chat.
//!
//! Owns its shape, plain and as a stream, around the same completion that chat has. Refuses calls of tools (they are
//! left out), log probabilities and `echo`.

use serde_json::{Map, Value, json};

use super::chat::Wishes;
use super::completion::{Choice, Completion, Part};
use super::parameters::{count, flag, include_usage, model, object, stops};
use super::stream::done;
use super::{ApiError, usage};
use crate::answer::Context;
use crate::pace::Pace;
use crate::plan::{Answer, Kind, Piece};
use crate::request::Request;

/// However many prompts there are.
const MAX_CHOICES: usize = 2048;

/// Answers a request for a completion, plain or as a stream.
pub(super) fn answer(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let wishes = validate(object(request)?)?;
    let completion = Completion::new(request, &wishes, context);
    Ok(match wishes.stream {
        true => Answer::stream(pieces(&completion, wishes.include_usage, context.pace())),
        false => Answer::json(200, json(&completion), completion.usage),
    })
}

fn validate(body: &Map<String, Value>) -> Result<Wishes<'_>, ApiError> {
    let stream = flag(body, "stream")?;
    let prompts = match body.get("prompt").ok_or_else(|| ApiError::missing("prompt"))? {
        Value::Array(items) if items.first().is_some_and(|item| !item.is_number()) => items.len(),
        Value::String(_) | Value::Array(_) => 1,
        _ => return Err(ApiError::wrong_type("prompt", "a string or an array")),
    };
    Ok(Wishes {
        model: model(body)?,
        stream,
        include_usage: include_usage(body, stream)?,
        choices: count(body, "n", 1, 128)?.unwrap_or(1).saturating_mul(prompts).min(MAX_CHOICES),
        max_tokens: count(body, "max_tokens", 1, u64::MAX)?,
        stops: stops(body)?,
        ..Wishes::default()
    })
}

fn texts(choice: &Choice) -> impl Iterator<Item = &String> {
    choice.parts.iter().flat_map(|part| match part {
        Part::Text(deltas) => deltas.as_slice(),
        Part::Call { .. } => &[],
    })
}

/// What the body and all chunks share.
fn frame(completion: &Completion, choices: Value) -> Value {
    json!({
        "id": format!("cmpl-{}", completion.id),
        "object": "text_completion",
        "created": completion.created,
        "model": completion.model,
        "system_fingerprint": completion.fingerprint,
        "choices": choices,
    })
}

fn choice(index: usize, text: &str, finish: Option<&str>) -> Value {
    json!({ "text": text, "index": index, "logprobs": null, "finish_reason": finish })
}

fn json(completion: &Completion) -> String {
    let choices = completion.choices.iter().enumerate().map(|(index, own)| {
        let text: String = texts(own).map(String::as_str).collect();
        choice(index, &text, Some(&own.finish))
    });
    let mut body = frame(completion, choices.collect());
    if let Some(used) = &completion.usage {
        body["usage"] = usage::chat_json(used);
    }
    body.to_string()
}

fn pieces(completion: &Completion, include_usage: bool, mut pace: Pace) -> Vec<Piece> {
    let used = completion.usage.filter(|_| include_usage);
    let chunk = |choices: Value| {
        let mut chunk = frame(completion, choices);
        if used.is_some() {
            chunk["usage"] = Value::Null;
        }
        chunk
    };
    let event = |chunk: Value| Piece { bytes: format!("data: {chunk}\n\n").into(), ..Piece::default() };
    let mut pieces = Vec::new();
    for (index, own) in completion.choices.iter().enumerate() {
        let deltas = texts(own).map(|text| event(chunk(json!([choice(index, text, None)]))));
        pieces.extend(deltas.map(|piece| Piece { gap: pace.next(), kind: Kind::Content, ..piece }));
        let finish = event(chunk(json!([choice(index, "", Some(&own.finish))])));
        pieces.push(Piece { gap: pace.next(), ..finish });
    }
    if let Some(used) = used {
        let mut last = frame(completion, json!([]));
        last["usage"] = usage::chat_json(&used);
        pieces.push(Piece { usage: Some(used), ..event(last) });
    }
    pieces.push(done());
    pieces
}
