//! The response object in each of its states.
//!
//! Owns its members and what they repeat of the request. Refuses to know how it is sent.

use serde_json::{Map, Value, json};

use super::request::Asked;
use crate::openai::completion::Completion;
use crate::openai::parameters::given;

/// What changes while a response is made.
#[derive(Default)]
pub(super) struct State {
    pub(super) status: &'static str,
    /// Why it is incomplete.
    pub(super) reason: Option<&'static str>,
    pub(super) output: Vec<Value>,
    pub(super) usage: Value,
}

/// The response object.
pub(super) fn object(asked: &Asked<'_>, completion: &Completion<'_>, state: State) -> Value {
    let own = |name: &str| asked.body.get(name).cloned().unwrap_or(Value::Null);
    let or = |name: &str, usual: Value| given(asked.body, name).cloned().unwrap_or(usual);
    json!({
        "id": completion.id("resp_"),
        "object": "response",
        "created_at": completion.created,
        "status": state.status,
        "background": asked.background,
        "error": null,
        "incomplete_details": state.reason.map(|reason| json!({ "reason": reason })),
        "instructions": own("instructions"),
        "max_output_tokens": own("max_output_tokens"),
        "max_tool_calls": own("max_tool_calls"),
        "model": completion.model,
        "output": state.output,
        "parallel_tool_calls": or("parallel_tool_calls", true.into()),
        "previous_response_id": own("previous_response_id"),
        "prompt_cache_key": own("prompt_cache_key"),
        "reasoning": reasoning(asked),
        "safety_identifier": own("safety_identifier"),
        "service_tier": completion.service_tier,
        "store": asked.store,
        "temperature": or("temperature", 1.0.into()),
        "text": text(asked.body),
        "tool_choice": or("tool_choice", "auto".into()),
        "tools": or("tools", json!([])),
        "top_logprobs": or("top_logprobs", 0.into()),
        "top_p": or("top_p", 1.0.into()),
        "truncation": or("truncation", "disabled".into()),
        "usage": state.usage,
        "user": own("user"),
        "metadata": or("metadata", json!({})),
    })
}

/// What it was asked with; a model that thinks does so at medium effort.
fn reasoning(asked: &Asked<'_>) -> Value {
    let reasoning = asked.body.get("reasoning");
    let own = |name: &str| reasoning.and_then(|group| group.get(name)).filter(|value| !value.is_null()).cloned();
    let effort = own("effort").or_else(|| asked.thinks().then(|| "medium".into()));
    json!({ "effort": effort, "summary": own("summary") })
}

fn text(body: &Map<String, Value>) -> Value {
    let mut text = json!({ "format": { "type": "text" }, "verbosity": "medium" });
    if let (Some(Value::Object(asked)), Some(text)) = (given(body, "text"), text.as_object_mut()) {
        text.extend(
            asked.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())),
        );
    }
    text
}
