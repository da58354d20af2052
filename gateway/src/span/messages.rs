//! Prompts and answers in the form of OpenTelemetry's GenAI conventions: JSON arrays of messages with their parts, made of
//! the bodies of Chat Completions, Completions, Responses and Messages. A body may be cut off ([`mend`]) and an answer be a
//! stream ([`stream`]); what is made of it is always valid JSON and never longer than an attribute may be.
//! Pictures and sounds are not told, only that there were some.

mod mend;
mod stream;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::MAX_TEXT;
use crate::record::cut;

/// Texts are shortened to this, and further, where the whole is too long.
const LONG: usize = 8 * 1024;
/// Texts are not shortened below this; then the oldest messages are left out.
const SHORT: usize = 64;

/// Bytes of the shortest message: `{"role":"","parts":[]}`.
const SHORTEST: usize = 22;

/// `gen_ai.input.messages` of a request's body.
#[must_use]
pub fn input(body: &[u8]) -> Option<String> {
    let request = mend::read(body)?;
    let messages = match (&request["messages"], &request["input"], &request["prompt"]) {
        (Value::Array(messages), ..) => messages.iter().flat_map(message).collect(),
        (_, Value::Array(items), _) => items.iter().map(item).collect(),
        (_, text @ Value::String(_), _) | (_, _, text) => {
            let prompts = text.as_array().map_or(std::slice::from_ref(text), Vec::as_slice);
            prompts.iter().filter(|prompt| prompt.is_string()).map(|prompt| said("user", parts(prompt))).collect()
        }
    };
    capped(messages)
}

/// `gen_ai.system_instructions` of a request's body: those that stand apart from the messages.
#[must_use]
pub fn instructions(body: &[u8]) -> Option<String> {
    let request = mend::read(body)?;
    let apart = ["instructions", "system"].into_iter().find_map(|name| request.get(name))?;
    capped(parts(apart))
}

/// `gen_ai.output.messages` of an answer's body, whole or a stream.
#[must_use]
pub fn output(body: &[u8]) -> Option<String> {
    let answer = if body.trim_ascii_start().starts_with(b"{") { mend::read(body)? } else { stream::whole(body) };
    let choice = |choice: &Value| {
        let spoken = match choice.get("message") {
            Some(message) => message_parts(message),
            None => parts(&choice["text"]),
        };
        ended(said("assistant", spoken), &choice["finish_reason"])
    };
    let messages = match (&answer["choices"], &answer["output"], &answer["content"]) {
        (Value::Array(choices), ..) => choices.iter().map(choice).collect(),
        (_, Value::Array(items), _) => {
            let spoken = items.iter().flat_map(item_parts).collect();
            let cut_off = &answer["incomplete_details"]["reason"];
            vec![ended(said("assistant", spoken), if cut_off.is_null() { &answer["status"] } else { cut_off })]
        }
        (_, _, content @ Value::Array(_)) => vec![ended(said("assistant", parts(content)), &answer["stop_reason"])],
        _ => return None,
    };
    capped(messages)
}

fn said(role: &str, parts: Vec<Value>) -> Value {
    json!({"role": role, "parts": parts})
}

fn ended(mut message: Value, why: &Value) -> Value {
    if why.is_string() {
        message["finish_reason"] = why.clone();
    }
    message
}

fn text(content: &Value) -> Value {
    json!({"type": "text", "content": content})
}

fn call(id: &Value, name: &Value, arguments: &Value) -> Value {
    let read = arguments.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    json!({"type": "tool_call", "id": id, "name": name, "arguments": read.as_ref().unwrap_or(arguments)})
}

fn response(id: &Value, response: &Value) -> Value {
    // a list has parts, among which may be pictures
    let response = if response.is_array() { parts(response).into() } else { response.clone() };
    json!({"type": "tool_call_response", "id": id, "response": response})
}

/// A message of Chat Completions or of Messages; what tools answered is a message of their own.
fn message(message: &Value) -> Vec<Value> {
    let role = message["role"].as_str().unwrap_or("user");
    if role == "tool" {
        return vec![said(role, vec![response(&message["tool_call_id"], &message["content"])])];
    }
    let (answers, rest): (Vec<_>, Vec<_>) =
        message_parts(message).into_iter().partition(|part| part["type"] == "tool_call_response");
    let both = [said("tool", answers), said(role, rest)];
    let empty = |message: &Value| message["parts"].as_array().is_some_and(Vec::is_empty);
    both.into_iter().filter(|message| !empty(message)).collect()
}

fn message_parts(message: &Value) -> Vec<Value> {
    let reasoning = message.get("reasoning_content").filter(|text| text.is_string());
    let mut all: Vec<Value> = reasoning.map(|text| json!({"type": "reasoning", "content": text})).into_iter().collect();
    all.extend(parts(&message["content"]));
    all.extend(message.get("refusal").filter(|refusal| refusal.is_string()).map(text));
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    all.extend(calls.map(|one| call(&one["id"], &one["function"]["name"], &one["function"]["arguments"])));
    all
}

/// A member of a Responses request's `input`.
fn item(item: &Value) -> Value {
    let role = match item["type"].as_str() {
        Some("function_call_output") => "tool",
        None | Some("message") => item["role"].as_str().unwrap_or("user"),
        Some(_) => "assistant",
    };
    said(role, item_parts(item))
}

fn item_parts(item: &Value) -> Vec<Value> {
    match item["type"].as_str() {
        Some("function_call") => vec![call(&item["call_id"], &item["name"], &item["arguments"])],
        Some("function_call_output") => vec![response(&item["call_id"], &item["output"])],
        Some("reasoning") => {
            let thoughts = item["summary"].as_array().into_iter().flatten();
            thoughts.map(|thought| json!({"type": "reasoning", "content": thought["text"]})).collect()
        }
        None | Some("message") => parts(&item["content"]),
        Some(other) => vec![json!({"type": other})],
    }
}

/// Content: a text, or a list of parts.
fn parts(content: &Value) -> Vec<Value> {
    match content {
        Value::String(_) => vec![text(content)],
        Value::Array(all) => all.iter().map(part).collect(),
        _ => Vec::new(),
    }
}

fn part(part: &Value) -> Value {
    match part["type"].as_str() {
        Some("text" | "input_text" | "output_text") => text(&part["text"]),
        Some("refusal") => text(&part["refusal"]),
        Some("thinking") => json!({"type": "reasoning", "content": part["thinking"]}),
        Some("tool_use") => call(&part["id"], &part["name"], &part["input"]),
        Some("tool_result") => response(&part["tool_use_id"], &part["content"]),
        Some(kind) => {
            let place = part["image_url"]["url"].as_str().or(part["image_url"].as_str());
            match place.filter(|place| !place.starts_with("data:")) {
                Some(place) => json!({"type": "uri", "modality": "image", "uri": place}),
                None => json!({"type": kind}),
            }
        }
        None if part.is_string() => text(part),
        None => json!({"type": "unknown"}),
    }
}

/// An array that fits; nothing where nothing is left of it.
fn capped(mut all: Vec<Value>) -> Option<String> {
    // a message has no fewer bytes: of more than fit the oldest are not looked at
    all.drain(..all.len().saturating_sub(MAX_TEXT / SHORTEST));
    let size = |all: &[Value]| all.iter().map(|one| one.to_string().len() + 1).sum::<usize>() + 1;
    let mut longest = LONG;
    while size(&all) > MAX_TEXT && longest >= SHORT {
        all.iter_mut().for_each(|one| shorten(one, longest));
        longest /= 2;
    }
    let mut room = MAX_TEXT - 1;
    let fits = all.iter().rev().take_while(|one| {
        let left = room.checked_sub(one.to_string().len() + 1);
        room = left.unwrap_or(0);
        left.is_some()
    });
    let kept = all.split_off(all.len() - fits.count());
    (!kept.is_empty()).then(|| Value::Array(kept).to_string())
}

/// Cuts every text in it that is longer than so many bytes.
fn shorten(value: &mut Value, longest: usize) {
    match value {
        Value::String(text) if text.len() > longest => *text = format!("{}…", cut(text, longest)),
        Value::Array(all) => all.iter_mut().for_each(|one| shorten(one, longest)),
        Value::Object(members) => members.values_mut().for_each(|one| shorten(one, longest)),
        _ => (),
    }
}
