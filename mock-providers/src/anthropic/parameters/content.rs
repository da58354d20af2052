//! Messages and their blocks.
//!
//! Owns what a block must have, and that calls of tools and their results answer each other. Refuses to look into
//! images and documents.

use std::collections::HashSet;

use serde_json::Value;

use super::super::ApiError;

/// Types of blocks, each with the members it must have and whether they are strings.
const BLOCKS: &[(&str, &[(&str, bool)])] = &[
    ("text", &[("text", true)]),
    ("image", &[("source", false)]),
    ("document", &[("source", false)]),
    ("search_result", &[("source", true), ("title", true), ("content", false)]),
    ("thinking", &[("thinking", true), ("signature", true)]),
    ("redacted_thinking", &[("data", true)]),
    ("tool_use", &[("id", true), ("name", true), ("input", false)]),
    ("tool_result", &[("tool_use_id", true)]),
    ("server_tool_use", &[("id", true), ("name", true), ("input", false)]),
    ("container_upload", &[("file_id", true)]),
];

/// The messages, which must be some.
pub(super) fn messages(messages: &Value) -> Result<(), ApiError> {
    let messages = messages.as_array().ok_or_else(|| ApiError::invalid("messages", "it must be an array"))?;
    if messages.is_empty() {
        return Err(ApiError::invalid("messages", "at least one message is required"));
    }
    for (index, message) in messages.iter().enumerate() {
        let place = format!("messages.{index}");
        match message.get("role").and_then(Value::as_str) {
            Some("user" | "assistant" | "system") => {}
            Some(_) => return Err(ApiError::invalid(&format!("{place}.role"), "it must be user, assistant or system")),
            None => return Err(ApiError::missing(&format!("{place}.role"))),
        }
        let content = message.get("content").ok_or_else(|| ApiError::missing(&format!("{place}.content")))?;
        let last_answer = index + 1 == messages.len() && message["role"] == "assistant";
        self::content(content, &format!("{place}.content"), last_answer)?;
    }
    results(messages)
}

/// The system prompt: a string, or blocks of text.
pub(super) fn system(system: &Value) -> Result<(), ApiError> {
    match system {
        Value::String(_) => Ok(()),
        Value::Array(blocks) => blocks.iter().enumerate().try_for_each(|(index, item)| {
            let place = format!("system.{index}");
            match item.get("type").and_then(Value::as_str) {
                Some("text") => block(item, &place),
                _ => Err(ApiError::invalid(&format!("{place}.type"), "it must be text")),
            }
        }),
        _ => Err(ApiError::invalid("system", "it must be a string or an array of text blocks")),
    }
}

fn content(content: &Value, place: &str, may_be_empty: bool) -> Result<(), ApiError> {
    let empty = match content {
        Value::String(text) => text.is_empty(),
        Value::Array(blocks) => {
            blocks.iter().enumerate().try_for_each(|(index, item)| block(item, &format!("{place}.{index}")))?;
            blocks.is_empty()
        }
        _ => return Err(ApiError::invalid(place, "it must be a string or an array of blocks")),
    };
    if empty && !may_be_empty { Err(ApiError::invalid(place, "it must not be empty")) } else { Ok(()) }
}

fn block(block: &Value, place: &str) -> Result<(), ApiError> {
    let kind = block.get("type").and_then(Value::as_str).ok_or_else(|| ApiError::missing(&format!("{place}.type")))?;
    let Some((_, members)) = BLOCKS.iter().find(|(known, _)| *known == kind) else {
        // Anthropic's own tools have types of their own.
        let known = kind.ends_with("_tool_result") || kind.ends_with("_tool_use");
        return if known { Ok(()) } else { Err(ApiError::invalid(&format!("{place}.type"), "it is no known block")) };
    };
    for (name, is_text) in *members {
        let place = format!("{place}.{kind}.{name}");
        let member = block.get(*name).ok_or_else(|| ApiError::missing(&place))?;
        if *is_text && !member.is_string() {
            return Err(ApiError::invalid(&place, "it must be a string"));
        }
    }
    match (kind, block.get("content")) {
        ("tool_result", Some(result)) => content(result, &format!("{place}.tool_result.content"), true),
        ("tool_use", _) if !block["input"].is_object() => {
            Err(ApiError::invalid(&format!("{place}.tool_use.input"), "it must be an object"))
        }
        _ => Ok(()),
    }
}

/// The values of a member in all blocks of this type.
fn ids<'v>(message: &'v Value, kind: &'v str, member: &'v str) -> impl Iterator<Item = &'v str> {
    let blocks = message.get("content").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let of_kind = blocks.iter().filter(move |block| block.get("type").and_then(Value::as_str) == Some(kind));
    of_kind.filter_map(move |block| block.get(member)?.as_str())
}

/// Every call has its result in the next message, and every result its call in the one before.
fn results(messages: &[Value]) -> Result<(), ApiError> {
    for (index, message) in messages.iter().enumerate() {
        let before = index.checked_sub(1).map_or(&Value::Null, |before| &messages[before]);
        let called: HashSet<&str> = ids(before, "tool_use", "id").collect();
        for id in ids(message, "tool_result", "tool_use_id") {
            if !called.contains(id) {
                let why = format!("the result for {id} has no tool_use in the message before");
                return Err(ApiError::invalid(&format!("messages.{index}"), &why));
            }
        }
        let Some(after) = messages.get(index + 1) else { continue };
        let answered: HashSet<&str> = ids(after, "tool_result", "tool_use_id").collect();
        for id in ids(message, "tool_use", "id") {
            if !answered.contains(id) {
                let why = format!("the tool_use {id} has no tool_result in the next message");
                return Err(ApiError::invalid(&format!("messages.{index}"), &why));
            }
        }
    }
    Ok(())
}

/// Whether the last message brings the result of a tool.
pub(super) fn ends_with_a_result(messages: &Value) -> bool {
    let last = messages.as_array().and_then(|messages| messages.last());
    last.is_some_and(|message| ids(message, "tool_result", "tool_use_id").next().is_some())
}
