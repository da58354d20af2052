//! `GET /models` and `GET /models/{id}`.
//!
//! Owns the list and its pages; refuses to restrict messages to it where the script names no models.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::ApiError;
use super::calendar::rfc3339;
use crate::answer::Context;
use crate::plan::Answer;
use crate::script::{Model, Provider};

const USUAL: &[&str] = &["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-4-5-20251001"];
/// When all models were made, unless the script says it, or answers claim to be older.
const CREATED: u64 = 1_735_689_600;
const USUAL_LIMIT: usize = 20;
const LIMITS: std::ops::RangeInclusive<usize> = 1..=1000;

fn all(provider: &Provider) -> Vec<Cow<'_, Model>> {
    match &provider.models {
        Some(models) => models.iter().map(Cow::Borrowed).collect(),
        None => USUAL.iter().map(|id| Cow::Owned(Model { id: (*id).to_owned(), ..Model::default() })).collect(),
    }
}

fn json_of(model: &Model, context: &Context<'_>) -> Value {
    json!({
        "type": "model",
        "id": model.id,
        "display_name": display_name(&model.id),
        "created_at": rfc3339(model.created.unwrap_or(CREATED.min(context.created))),
        "lifecycle": "active",
        "max_input_tokens": model.context_window,
        "max_tokens": model.max_output,
    })
}

/// An id as people write it: `claude-haiku-4-5-20251001` is `Claude Haiku 4 5`.
fn display_name(id: &str) -> String {
    let is_date = |word: &&str| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_digit());
    let words = id.split('-').filter(|word| !is_date(word) && !word.is_empty()).map(|word| {
        let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        first.to_uppercase() + rest
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A page of them.
pub(super) fn list(context: &Context<'_>, query: Option<&str>) -> Result<Answer, ApiError> {
    let parameter = |name: &str| {
        let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
    };
    let limit = parameter("limit").map_or(Some(USUAL_LIMIT), |text| text.parse().ok());
    let limit = limit.filter(|limit| LIMITS.contains(limit));
    let limit = limit.ok_or_else(|| ApiError::invalid("limit", "it is no number from 1 to 1000"))?;
    let all = all(context.provider);
    let place = |name: &str| parameter(name).and_then(|id| all.iter().position(|model| model.id == id));
    let (start, end) = match (place("after_id"), place("before_id")) {
        (Some(after), _) => (after + 1, (after + 1 + limit).min(all.len())),
        (None, Some(before)) => (before.saturating_sub(limit), before),
        (None, None) => (0, limit.min(all.len())),
    };
    let has_more = if place("before_id").is_some() { start > 0 } else { end < all.len() };
    let page = &all[start..end];
    let data: Vec<Value> = page.iter().map(|model| json_of(model, context)).collect();
    let id = |model: Option<&Cow<'_, Model>>| model.map(|model| model.id.clone());
    let body = json!({ "data": data, "has_more": has_more, "first_id": id(page.first()), "last_id": id(page.last()) });
    Ok(Answer::json(200, body.to_string(), None))
}

/// One of them; slashes in its id may be percent-encoded.
pub(super) fn retrieve(context: &Context<'_>, id: &str) -> Result<Answer, ApiError> {
    let id = id.replace("%2F", "/").replace("%2f", "/");
    match all(context.provider).into_iter().find(|model| model.id == id) {
        Some(model) => Ok(Answer::json(200, json_of(&model, context).to_string(), None)),
        None => Err(ApiError::not_found(format!("model: {id}"))),
    }
}
