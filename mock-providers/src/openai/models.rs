//! `GET /models` and `GET /models/{id}`.
//!
//! Owns the list; refuses to restrict chat to it.

use serde_json::{Value, json};

use super::{ApiError, CREATED};
use crate::plan::Answer;
use crate::script::Provider;

const USUAL: &[&str] = &["gpt-4o", "gpt-4o-mini", "gpt-4.1-mini", "text-embedding-3-small", "text-embedding-3-large"];

fn ids(provider: &Provider) -> Vec<&str> {
    match &provider.models {
        Some(models) => models.iter().map(|model| model.id.as_str()).collect(),
        None => USUAL.to_vec(),
    }
}

fn model(id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": CREATED, "owned_by": "system" })
}

/// All of them.
pub(super) fn list(provider: &Provider) -> Answer {
    let models: Vec<Value> = ids(provider).into_iter().map(model).collect();
    Answer::json(200, json!({ "object": "list", "data": models }).to_string(), None)
}

/// One of them; slashes in its id may be percent-encoded.
pub(super) fn retrieve(provider: &Provider, id: &str) -> Result<Answer, ApiError> {
    let id = id.replace("%2F", "/").replace("%2f", "/");
    if ids(provider).contains(&id.as_str()) {
        return Ok(Answer::json(200, model(&id).to_string(), None));
    }
    Err(ApiError::unknown_model(&id))
}
