//! `POST /moderations`.
//!
//! Owns the shape of a verdict for each input. Refuses to judge: nothing is ever flagged.

use serde_json::{Map, Value, json};

use super::{ApiError, parameters};
use crate::answer::Context;
use crate::digest::BASE62;
use crate::plan::Answer;
use crate::request::Request;

const DEFAULT_MODEL: &str = "omni-moderation-latest";
const CATEGORIES: &[&str] = &[
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

/// Answers a moderation request.
pub(super) fn answer(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let body = parameters::object(request)?;
    let model = parameters::given(body, "model").map_or(Ok(DEFAULT_MODEL), |_| parameters::model(body))?;
    let count = match body.get("input").ok_or_else(|| ApiError::missing("input"))? {
        Value::Array(items) if items.iter().all(Value::is_string) => items.len(),
        Value::String(_) | Value::Array(_) => 1,
        _ => return Err(ApiError::wrong_type("input", "a string or an array")),
    };
    let id = context.random.branch("id").word(29, BASE62);
    let body = json!({
        "id": format!("modr-{id}"),
        "model": context.respond.model.as_deref().unwrap_or(model),
        "results": vec![harmless(); count],
    });
    Ok(Answer::json(200, body.to_string(), None))
}

fn harmless() -> Value {
    let each = |value: Value| -> Map<String, Value> {
        CATEGORIES.iter().map(|&category| (category.to_owned(), value.clone())).collect()
    };
    json!({
        "flagged": false,
        "categories": each(json!(false)),
        "category_scores": each(json!(0.0001)),
        "category_applied_input_types": each(json!(["text"])),
    })
}
