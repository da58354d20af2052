//! The messages of a chat: who said what, and whether each tool's answer has its call.
//!
//! Owns their validation. Refuses to look into images, sounds and files: it is enough that they are given.

use serde_json::{Map, Value};

use super::ApiError;
use super::parameters::given;
use super::place::Place;
use crate::request::member;

const ROLES: &[&str] = &["system", "assistant", "user", "function", "tool", "developer"];

/// The kinds of a content part, and the member that carries each.
const PARTS: &[(&str, &str)] = &[
    ("text", "text"),
    ("image_url", "image_url"),
    ("input_audio", "input_audio"),
    ("refusal", "refusal"),
    ("file", "file"),
];

/// Checks the shape of all messages.
pub(super) fn check(body: &Map<String, Value>) -> Result<(), ApiError> {
    let place = Place::of("messages");
    for (index, message) in place.array(member(body, "messages"), 1..=usize::MAX)?.iter().enumerate() {
        check_one(message, place.item(index))?;
    }
    Ok(())
}

fn check_one(message: &Value, place: Place<'_>) -> Result<(), ApiError> {
    let message = place.object(Some(message))?;
    let role = place.field("role").word(member(message, "role"), ROLES)?;
    let content = place.field("content");
    match given(message, "content") {
        None | Some(Value::String(_)) => {}
        Some(Value::Array(parts)) => {
            for (index, part) in parts.iter().enumerate() {
                check_part(part, role, content.item(index))?;
            }
        }
        Some(other) => return Err(content.wrong_type("a string or an array of objects", other)),
    }
    if role == "tool" {
        place.field("tool_call_id").text(message.get("tool_call_id"))?;
    }
    if let Some(calls) = given(message, "tool_calls").filter(|_| role == "assistant") {
        let place = place.field("tool_calls");
        for (index, call) in place.array(Some(calls), 1..=128)?.iter().enumerate() {
            check_call(call, place.item(index))?;
        }
    }
    Ok(())
}

fn check_part(part: &Value, role: &str, place: Place<'_>) -> Result<(), ApiError> {
    let part = place.object(Some(part))?;
    let allowed: &[&str] = match role {
        "user" => &["text", "image_url", "input_audio", "file"],
        "assistant" => &["text", "refusal"],
        _ => &["text"],
    };
    let kind = place.field("type").word(part.get("type"), allowed)?;
    let carrier = PARTS.iter().find(|(known, _)| *known == kind).map_or(kind, |(_, carrier)| carrier);
    let (place, value) = (place.field(carrier), part.get(carrier));
    match kind {
        "text" | "refusal" => place.text(value).map(|_| ()),
        "image_url" => {
            let image = place.object(value)?;
            place.field("url").text(image.get("url"))?;
            let detail = given(image, "detail");
            detail.map_or(Ok(()), |_| {
                place.field("detail").word(detail, &["auto", "low", "high", "original"]).map(|_| ())
            })
        }
        "input_audio" => {
            let audio = place.object(value)?;
            place.field("data").text(audio.get("data"))?;
            place.field("format").word(audio.get("format"), &["wav", "mp3"]).map(|_| ())
        }
        _ => place.object(value).map(|_| ()),
    }
}

fn check_call(call: &Value, place: Place<'_>) -> Result<(), ApiError> {
    let call = place.object(Some(call))?;
    place.field("id").text(call.get("id"))?;
    let kind = place.field("type").word(call.get("type"), &["function", "custom"])?;
    let own = place.field(kind);
    let inner = own.object(call.get(kind))?;
    own.field("name").text(inner.get("name"))?;
    let input = if kind == "function" { "arguments" } else { "input" };
    own.field(input).text(inner.get(input)).map(|_| ())
}

/// The calls of the last assistant message.
#[derive(Default)]
struct Open<'m> {
    known: Vec<&'m str>,
    unanswered: Vec<&'m str>,
}

/// Checks what messages mean together: content where it is needed, and an answer for each call right after it.
pub(super) fn check_turns(body: &Map<String, Value>) -> Result<(), ApiError> {
    let messages = member(body, "messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let place = Place::of("messages");
    let mut open = Open::default();
    for (index, message) in messages.iter().enumerate() {
        let place = place.item(index);
        let given = |name| message.as_object().and_then(|message| member(message, name));
        let role = given("role").and_then(Value::as_str).unwrap_or_default();
        if given("content") == Some(&Value::Null) && !matches!(role, "assistant" | "function") {
            return Err(place.field("content").wrong_type("a string or an array of objects", &Value::Null));
        }
        if role == "tool" {
            open.answer(given("tool_call_id").and_then(Value::as_str).unwrap_or_default(), place)?;
            continue;
        }
        open.check(place)?;
        let calls = given("tool_calls").and_then(Value::as_array).filter(|_| role == "assistant");
        let known: Vec<&str> = calls.into_iter().flatten().filter_map(|call| call.get("id")?.as_str()).collect();
        open = Open { unanswered: known.clone(), known };
    }
    open.check(place.item(messages.len().saturating_sub(1)))
}

impl Open<'_> {
    /// A tool's answer takes its call off the list.
    fn answer(&mut self, id: &str, place: Place<'_>) -> Result<(), ApiError> {
        if self.known.is_empty() {
            let message = "messages with role 'tool' must be a response to a preceding message with 'tool_calls'";
            return Err(place.field("role").inconsistent(format!("Invalid parameter: {message}.")));
        }
        if !self.known.contains(&id) {
            let message = "not found in 'tool_calls' of previous message";
            let message = format!("Invalid parameter: 'tool_call_id' of '{id}' {message}.");
            return Err(place.field("tool_call_id").inconsistent(message));
        }
        self.unanswered.retain(|waiting| *waiting != id);
        Ok(())
    }

    /// Nothing but answers may follow a call until it has one.
    fn check(&self, place: Place<'_>) -> Result<(), ApiError> {
        if self.unanswered.is_empty() {
            return Ok(());
        }
        let waiting = self.unanswered.join(", ");
        Err(place.field("role").inconsistent(format!(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
             'tool_call_id'. The following tool_call_ids did not have response messages: {waiting}"
        )))
    }
}
