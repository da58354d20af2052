//! The input of a response: a text, or items.
//!
//! Owns what makes an item valid, and the list that a stored response shows of them. Refuses to understand tools that
//! only OpenAI could run: their items pass as they are.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::openai::ApiError;

const ROLES: &[&str] = &["user", "assistant", "system", "developer"];
const PARTS: &[&str] =
    &["input_text", "input_image", "input_file", "input_audio", "output_text", "refusal", "text", "summary_text"];

/// Checks the input; calls that are answered must be in it, or else among those of the previous response.
pub(super) fn check(input: Option<&Value>, earlier: Option<&[String]>) -> Result<(), ApiError> {
    let items = match input {
        None => return Err(ApiError::missing("input")),
        Some(Value::String(_)) => return Ok(()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(ApiError::wrong_type("input", "a string or an array of items")),
    };
    for (index, item) in items.iter().enumerate() {
        let param = format!("input[{index}]");
        let item = item.as_object().ok_or_else(|| ApiError::wrong_type(&param, "an object"))?;
        let kind = match item.get("type") {
            None => "message",
            Some(kind) => kind.as_str().ok_or_else(|| ApiError::wrong_type(&format!("{param}.type"), "a string"))?,
        };
        check_item(kind, item, &param)?;
    }
    let referred = items.iter().any(|item| item.get("type").and_then(Value::as_str) == Some("item_reference"));
    let earlier = earlier.into_iter().flatten().map(String::as_str);
    let known: HashSet<&str> = calls(items).chain(earlier).collect();
    let unknown = answered(items).find(|id| !known.contains(id));
    match unknown {
        Some(id) if !referred => {
            Err(ApiError::wrong_value("input", &format!("it has the output of a call '{id}', but no such call")))
        }
        _ => Ok(()),
    }
}

/// The ids of the calls in these items.
pub(super) fn calls(items: &[Value]) -> impl Iterator<Item = &str> {
    call_ids(items, "function_call")
}

fn answered(items: &[Value]) -> impl Iterator<Item = &str> {
    call_ids(items, "function_call_output")
}

fn call_ids<'v>(items: &'v [Value], kind: &'static str) -> impl Iterator<Item = &'v str> {
    let of_kind = items.iter().filter(move |item| item.get("type").and_then(Value::as_str) == Some(kind));
    of_kind.filter_map(|item| item.get("call_id")?.as_str())
}

fn check_item(kind: &str, item: &Map<String, Value>, param: &str) -> Result<(), ApiError> {
    let text = |name: &str| {
        let param = format!("{param}.{name}");
        let value = item.get(name).ok_or_else(|| ApiError::missing(&param))?;
        value.as_str().ok_or_else(|| ApiError::wrong_type(&param, "a string"))
    };
    match kind {
        "message" => {
            if !ROLES.contains(&text("role")?) {
                let why = format!("it is none of {}", ROLES.join(", "));
                return Err(ApiError::wrong_value(&format!("{param}.role"), &why));
            }
            content(item.get("content"), &format!("{param}.content"))
        }
        "function_call" => text("call_id").and(text("name")).and(text("arguments")).map(|_| ()),
        "function_call_output" => text("call_id").and(content(item.get("output"), &format!("{param}.output"))),
        "reasoning" => match item.get("summary") {
            Some(Value::Array(_)) => Ok(()),
            Some(_) => Err(ApiError::wrong_type(&format!("{param}.summary"), "an array of parts")),
            None => Err(ApiError::missing(&format!("{param}.summary"))),
        },
        "item_reference" => text("id").map(|_| ()),
        "compaction" => Ok(()),
        other if other.ends_with("_call") || other.ends_with("_output") || other.starts_with("mcp_") => Ok(()),
        _ => Err(ApiError::wrong_value(&format!("{param}.type"), "it is no known item")),
    }
}

/// A string, or parts of known types.
fn content(content: Option<&Value>, param: &str) -> Result<(), ApiError> {
    let parts = match content {
        None => return Err(ApiError::missing(param)),
        Some(Value::String(_)) => return Ok(()),
        Some(Value::Array(parts)) => parts,
        Some(_) => return Err(ApiError::wrong_type(param, "a string or an array of parts")),
    };
    for (index, part) in parts.iter().enumerate() {
        let param = format!("{param}[{index}]");
        let part = part.as_object().ok_or_else(|| ApiError::wrong_type(&param, "an object"))?;
        let kind = part.get("type").ok_or_else(|| ApiError::missing(&format!("{param}.type")))?;
        let kind = kind.as_str().filter(|kind| PARTS.contains(kind));
        let kind = kind.ok_or_else(|| {
            ApiError::wrong_value(&format!("{param}.type"), &format!("it is none of {}", PARTS.join(", ")))
        })?;
        if kind.ends_with("text") && !part.get("text").is_some_and(Value::is_string) {
            return Err(ApiError::missing(&format!("{param}.text")));
        }
    }
    Ok(())
}

/// The items as a list shows them: each with an id, a type and parts.
pub(super) fn listed(input: &Value, response: &str) -> Vec<Value> {
    match input {
        Value::Array(items) => items.iter().enumerate().map(|(index, item)| complete(item, response, index)).collect(),
        text => vec![complete(&json!({ "role": "user", "content": text }), response, 0)],
    }
}

fn complete(item: &Value, response: &str, index: usize) -> Value {
    let mut item = item.clone();
    // A lenient provider takes anything.
    if !item.is_object() {
        return item;
    }
    let kind = item.get("type").and_then(Value::as_str).unwrap_or("message").to_owned();
    let prefix = match kind.as_str() {
        "message" => "msg",
        "function_call" => "fc",
        "function_call_output" => "fco",
        "reasoning" => "rs",
        _ => "item",
    };
    if item.get("id").is_none_or(Value::is_null) {
        item["id"] = format!("{prefix}_{response}i{index}").into();
    }
    if kind == "message" {
        let part = if item["role"] == "assistant" { "output_text" } else { "input_text" };
        if let Some(Value::String(text)) = item.get("content") {
            item["content"] = json!([{ "type": part, "text": text }]);
        }
        item["status"] = "completed".into();
    }
    item["type"] = kind.into();
    item
}
