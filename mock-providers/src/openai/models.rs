//! `GET /models`, `GET` and `DELETE /models/{id}`, and which models requests may name.
//!
//! Owns the list. Where the script lists no models, requests may name any but one
//! that says itself that it is missing.

use serde_json::{Value, json};

use super::{ApiError, decoded};
use crate::answer::Context;
use crate::plan::Answer;
use crate::request::Request;
use crate::script::{Model, ModelKind, Provider};

/// When those models were made of which the script does not say it, unless answers claim to be older.
const CREATED: u64 = 1_767_225_600;

const USUAL: &[&str] = &[
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4.1",
    "gpt-4.1-mini",
    "o4-mini",
    "gpt-3.5-turbo-instruct",
    "text-embedding-3-small",
    "text-embedding-3-large",
    "omni-moderation-latest",
];

/// Refuses a model that is not there, or not for this.
pub(super) fn known(request: &Request<'_>, provider: &Provider, kind: ModelKind) -> Result<(), ApiError> {
    let Some(name) = request.model().filter(|name| !name.is_empty()) else { return Ok(()) };
    if provider.lacks(name) {
        return Err(ApiError::unknown_model(name));
    }
    match provider.model(name) {
        Some(Model { kind: Some(own), .. }) if *own != kind => Err(ApiError::unfit_model(name)),
        _ => Ok(()),
    }
}

/// All of them.
pub(super) fn list(context: &Context<'_>) -> Answer {
    let object = |model: &Model| object(model, context);
    let models: Vec<Value> = match &context.provider.models {
        Some(models) => models.iter().map(object).collect(),
        None => USUAL.iter().map(|id| object(&usual(id))).collect(),
    };
    Answer::json(200, json!({ "object": "list", "data": models }).to_string(), None)
}

/// One of them; its id may be percent-encoded.
pub(super) fn retrieve(context: &Context<'_>, id: &str) -> Result<Answer, ApiError> {
    let model = find(context.provider, &decoded(id))?;
    Ok(Answer::json(200, object(&model, context).to_string(), None))
}

/// Says that a fine-tune is gone, though the list stays as it is scripted.
pub(super) fn delete(provider: &Provider, id: &str) -> Result<Answer, ApiError> {
    let id = decoded(id);
    let model = find(provider, &id)?;
    if !id.starts_with("ft:") {
        return Err(ApiError::undeletable_model(&id));
    }
    Ok(Answer::json(200, json!({ "id": model.id, "object": "model", "deleted": true }).to_string(), None))
}

/// A model by its id; any fine-tune is there where no models are listed.
fn find(provider: &Provider, id: &str) -> Result<Model, ApiError> {
    let found = match &provider.models {
        Some(_) => provider.model(id).cloned(),
        None => (USUAL.contains(&id) || id.starts_with("ft:")).then(|| usual(id)),
    };
    found.ok_or_else(|| ApiError::unknown_model(id))
}

fn usual(id: &str) -> Model {
    Model { id: id.to_owned(), ..Model::default() }
}

fn object(model: &Model, context: &Context<'_>) -> Value {
    json!({
        "id": model.id,
        "object": "model",
        "created": model.created.unwrap_or(CREATED.min(context.created)),
        "owned_by": model.owned_by.as_deref().unwrap_or("system"),
    })
}
