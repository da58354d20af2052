//! The events of a stream → the answer that they are parts of, in the form that its API has for a whole one. An event that
//! was cut off, or that says nothing of the answer's content, is left out.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::sse;

/// Most choices, blocks and calls that are put together.
const MOST: usize = 128;

/// What the events say together.
pub(super) fn whole(body: &[u8]) -> Value {
    let mut reader = sse::Reader::default();
    reader.push(Bytes::copy_from_slice(body));
    let mut answer = json!({});
    while let Some(event) = reader.next() {
        let event = sse::data(&event).and_then(|data| serde_json::from_slice::<Value>(&data).ok());
        if let Some(event) = event {
            take(&mut answer, &event);
        }
    }
    answer
}

fn take(answer: &mut Value, event: &Value) {
    for choice in event["choices"].as_array().into_iter().flatten() {
        take_choice(answer, choice);
    }
    match event["type"].as_str().unwrap_or_default() {
        "content_block_start" => {
            if let Some(block) = at(&mut answer["content"], &event["index"]) {
                *block = event["content_block"].clone();
            }
        }
        "content_block_delta" => {
            if let Some(block) = at(&mut answer["content"], &event["index"]) {
                take_block(block, &event["delta"]);
            }
        }
        "message_delta" => answer["stop_reason"] = event["delta"]["stop_reason"].clone(),
        "response.output_item.added" | "response.output_item.done" => {
            if let Some(item) = at(&mut answer["output"], &event["output_index"]) {
                *item = event["item"].clone();
            }
        }
        "response.output_text.delta" => {
            let item = at(&mut answer["output"], &event["output_index"]);
            if let Some(part) = item.and_then(|item| at(&mut item["content"], &event["content_index"])) {
                part["type"] = "output_text".into();
                append(&mut part["text"], &event["delta"]);
            }
        }
        "response.completed" | "response.incomplete" if event["response"].is_object() => {
            *answer = event["response"].clone();
        }
        _ => (),
    }
}

fn take_choice(answer: &mut Value, told: &Value) {
    let Some(choice) = at(&mut answer["choices"], &told["index"]) else { return };
    if told["finish_reason"].is_string() {
        choice["finish_reason"] = told["finish_reason"].clone();
    }
    append(&mut choice["text"], &told["text"]);
    let Some(delta) = told["delta"].as_object() else { return };
    let message = &mut choice["message"];
    for name in ["content", "reasoning_content", "refusal"] {
        append(&mut message[name], delta.get(name).unwrap_or(&Value::Null));
    }
    for told in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
        let Some(call) = at(&mut message["tool_calls"], &told["index"]) else { continue };
        if told["id"].is_string() {
            call["id"] = told["id"].clone();
        }
        append(&mut call["function"]["name"], &told["function"]["name"]);
        append(&mut call["function"]["arguments"], &told["function"]["arguments"]);
    }
}

fn take_block(block: &mut Value, delta: &Value) {
    append(&mut block["text"], &delta["text"]);
    append(&mut block["thinking"], &delta["thinking"]);
    // what stood there when the call began is an empty object
    if delta["partial_json"].is_string() && !block["input"].is_string() {
        block["input"] = "".into();
    }
    append(&mut block["input"], &delta["partial_json"]);
}

/// The member of a list with this index; a list begins with its first.
fn at<'a>(list: &'a mut Value, index: &Value) -> Option<&'a mut Value> {
    let index = usize::try_from(index.as_u64().unwrap_or(0)).ok().filter(|index| *index < MOST)?;
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    let all = list.as_array_mut()?;
    while all.len() <= index {
        all.push(Value::Object(Map::new()));
    }
    all.get_mut(index).filter(|member| member.is_object())
}

/// Appends a text, if it is one.
fn append(to: &mut Value, more: &Value) {
    match (to, more) {
        (Value::String(text), Value::String(more)) => text.push_str(more),
        (to, Value::String(more)) => *to = more.as_str().into(),
        _ => (),
    }
}
