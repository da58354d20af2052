//! The parameters of a request's body, read as OpenAI reads them.
//!
//! Owns the errors for what is missing, of a wrong type or out of range. Refuses to reject fields that it does not know.

use serde_json::{Map, Value};

use super::ApiError;
use crate::request::Request;

/// The body, which must be an object.
pub(super) fn object<'r>(request: &'r Request<'_>) -> Result<&'r Map<String, Value>, ApiError> {
    request.json.as_ref().and_then(Value::as_object).ok_or_else(ApiError::not_json)
}

/// The model, which must be named.
pub(super) fn model(body: &Map<String, Value>) -> Result<&str, ApiError> {
    let model = body.get("model").ok_or_else(|| ApiError::missing("model"))?;
    let model = model.as_str().ok_or_else(|| ApiError::wrong_type("model", "a string"))?;
    if model.is_empty() { Err(ApiError::missing("model")) } else { Ok(model) }
}

/// The value, unless it is absent or null.
pub(super) fn given<'v>(body: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    body.get(name).filter(|value| !value.is_null())
}

/// A boolean, false when absent.
pub(super) fn flag(body: &Map<String, Value>, name: &str) -> Result<bool, ApiError> {
    given(body, name).map_or(Ok(false), |v| v.as_bool().ok_or_else(|| ApiError::wrong_type(name, "a boolean")))
}

/// Checks a number that may be absent.
pub(super) fn between(body: &Map<String, Value>, name: &str, low: f64, high: f64) -> Result<(), ApiError> {
    let Some(value) = given(body, name) else { return Ok(()) };
    let value = value.as_f64().ok_or_else(|| ApiError::wrong_type(name, "a number"))?;
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(ApiError::wrong_value(name, &format!("it is not between {low} and {high}")))
}

/// A whole number that may be absent.
pub(super) fn count(body: &Map<String, Value>, name: &str, low: u64, high: u64) -> Result<Option<usize>, ApiError> {
    let Some(value) = given(body, name) else { return Ok(None) };
    if !value.is_number() {
        return Err(ApiError::wrong_type(name, "an integer"));
    }
    let value = value.as_u64().filter(|value| (low..=high).contains(value));
    let value = value.ok_or_else(|| ApiError::wrong_value(name, &format!("it is not an integer from {low} on")))?;
    Ok(Some(usize::try_from(value).unwrap_or(usize::MAX)))
}

/// Whether a stream is to report its usage.
pub(super) fn include_usage(body: &Map<String, Value>, stream: bool) -> Result<bool, ApiError> {
    let Some(options) = given(body, "stream_options") else { return Ok(false) };
    let options = options.as_object().ok_or_else(|| ApiError::wrong_type("stream_options", "an object"))?;
    if !stream {
        return Err(ApiError::wrong_value("stream_options", "it is only allowed when 'stream' is true"));
    }
    flag(options, "include_usage")
}

/// The stop strings.
pub(super) fn stops(body: &Map<String, Value>) -> Result<Vec<&str>, ApiError> {
    let wrong = || ApiError::wrong_type("stop", "a string or an array of strings");
    match given(body, "stop") {
        None => Ok(Vec::new()),
        Some(Value::String(stop)) => Ok(vec![stop]),
        Some(Value::Array(stops)) if stops.len() > 4 => {
            Err(ApiError::wrong_value("stop", "it has more than 4 strings"))
        }
        Some(Value::Array(stops)) => stops.iter().map(|stop| stop.as_str().ok_or_else(wrong)).collect(),
        Some(_) => Err(wrong()),
    }
}
