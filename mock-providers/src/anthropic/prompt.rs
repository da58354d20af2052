//! The prompt of a request, and `POST /messages/count_tokens`.
//!
//! Owns how many tokens a prompt has: its texts, the JSON of its tools and calls, three for each message and three
//! more, and a thousand for an image or a document that is no text. Refuses to fetch or decode what it counts.

use serde_json::{Value, json};

use super::ApiError;
use super::parameters::{self, object};
use crate::answer::Context;
use crate::plan::Answer;
use crate::request::Request;
use crate::script::Tokenizer;

const PER_MESSAGE: u64 = 3;
const PER_PICTURE: u64 = 1000;

/// Counts instead of answering.
pub(super) fn answer(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    parameters::prompt(object(request)?, context.provider)?;
    let count = tokens(request, context.tokenizer);
    Ok(Answer::json(200, json!({ "input_tokens": count }).to_string(), None))
}

/// The tokens of the whole prompt.
pub(super) fn tokens(request: &Request<'_>, tokenizer: Tokenizer) -> u64 {
    let system = request.field("system").map_or(0, |system| content(system, tokenizer));
    let messages = request.field("messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let said: u64 = messages.iter().filter_map(|message| message.get("content")).map(|c| content(c, tokenizer)).sum();
    let tools = request.field("tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let tools: u64 = tools.iter().map(|tool| tokenizer.count(&tool.to_string())).sum();
    system + said + tools + PER_MESSAGE * (messages.len() as u64 + 1)
}

fn content(content: &Value, tokenizer: Tokenizer) -> u64 {
    match content {
        Value::String(text) => tokenizer.count(text),
        Value::Array(blocks) => blocks.iter().map(|item| block(item, tokenizer)).sum(),
        _ => 0,
    }
}

fn block(block: &Value, tokenizer: Tokenizer) -> u64 {
    let of = |name: &str| block.get(name).map_or(0, |value| content(value, tokenizer));
    match block.get("type").and_then(Value::as_str) {
        Some("text") => of("text"),
        Some("tool_use") => of("name") + block.get("input").map_or(0, |input| tokenizer.count(&input.to_string())),
        Some("document") => match block.get("source").and_then(|source| source.get("data")) {
            Some(data) if block["source"]["type"] == "text" => content(data, tokenizer),
            _ => PER_PICTURE,
        },
        Some("image") => PER_PICTURE,
        // Earlier thoughts are not read again.
        Some("thinking" | "redacted_thinking") => 0,
        _ => of("content"),
    }
}
