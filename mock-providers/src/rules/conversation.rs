//! The messages of a conversation, in the shapes of all APIs.
//!
//! Owns telling who speaks and which tools have answered. Refuses to look at anything but `messages`, `input`, `prompt`.

use serde_json::Value;

use crate::request::text_of;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    System,
    User,
    Assistant,
    Tool,
}

/// One message, or an item in its place.
pub(super) struct Message<'r> {
    pub(super) role: Role,
    pub(super) text: String,
    /// The calls whose results it brings, and the results.
    pub(super) results: Vec<(&'r str, String)>,
    pub(super) image: bool,
}

/// A message, or what stands in its place; tokens are none.
pub(super) fn message(item: &Value) -> Option<Message<'_>> {
    let of = |role, text| Some(Message { role, text, results: Vec::new(), image: false });
    if let Value::String(text) = item {
        return of(Role::User, text.clone());
    }
    let fields = item.as_object()?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let content = fields.get("content").unwrap_or(&Value::Null);
    match (text("role"), text("type")) {
        (Some("system" | "developer"), _) => of(Role::System, text_of(content)),
        (Some("assistant"), _) => of(Role::Assistant, text_of(content)),
        (Some("tool" | "function"), _) => {
            let results = vec![(text("tool_call_id").unwrap_or_default(), text_of(content))];
            Some(Message { role: Role::Tool, text: text_of(content), results, image: false })
        }
        (None, Some("function_call_output" | "custom_tool_call_output")) => {
            let output = fields.get("output").map(text_of).unwrap_or_default();
            let results = vec![(text("call_id").unwrap_or_default(), output.clone())];
            Some(Message { role: Role::Tool, text: output, results, image: false })
        }
        (None, Some(kind)) if kind.starts_with("input_") || kind == "text" => {
            Some(user(std::slice::from_ref(item), text("text").unwrap_or_default().to_owned()))
        }
        (None, Some(kind)) if kind != "message" => of(Role::Assistant, String::new()),
        _ => Some(user(content.as_array().map_or(&[][..], Vec::as_slice), text_of(content))),
    }
}

/// A user's message; in Anthropic's API it also brings the results of tools.
fn user(parts: &[Value], text: String) -> Message<'_> {
    let kind = |part: &Value, kinds: &[&str]| part["type"].as_str().is_some_and(|kind| kinds.contains(&kind));
    let results = parts.iter().filter(|part| kind(part, &["tool_result"])).map(|part| {
        let id = part["tool_use_id"].as_str().unwrap_or_default();
        (id, text_of(&part["content"]))
    });
    let image = parts.iter().any(|part| kind(part, &["image", "image_url", "input_image"]));
    Message { role: Role::User, text, results: results.collect(), image }
}
