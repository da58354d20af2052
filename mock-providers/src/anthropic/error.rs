//! Anthropic's error envelope and the table of its errors.
//!
//! Owns status, type and message of every error. Refuses to repeat a caller's key.

use serde_json::{Value, json};

use super::request_id;
use crate::digest::Random;
use crate::plan::Answer;

/// One error, as Anthropic says it.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    status: u16,
    message: String,
    allow: Option<&'static str>,
}

impl ApiError {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), allow: None }
    }

    /// A 400 about one place of the request.
    pub(crate) fn invalid(place: &str, why: &str) -> Self {
        Self::new(400, format!("{place}: {why}"))
    }

    /// A place of the request that must be there.
    pub(crate) fn missing(place: &str) -> Self {
        Self::invalid(place, "field required")
    }

    pub(crate) fn not_json() -> Self {
        Self::new(400, "the body of the request is not a JSON object")
    }

    pub(crate) fn not_found(what: String) -> Self {
        Self::new(404, what)
    }

    pub(crate) fn wrong_key() -> Self {
        Self::new(401, "invalid API key")
    }

    pub(crate) fn missing_key(status: u16) -> Self {
        Self::new(status, "x-api-key: the header is required, or a bearer token in its stead")
    }

    pub(crate) fn wrong_method(allowed: &'static str) -> Self {
        Self { allow: Some(allowed), ..Self::new(405, format!("the method is not allowed: use {allowed}")) }
    }

    /// What a bare status means at Anthropic.
    pub(crate) fn of_status(status: u16, message: Option<&str>) -> Self {
        let usual = match status {
            401 => "invalid API key",
            402 => "there is a problem with billing",
            403 => "the key has no permission for this resource",
            404 => "no such resource",
            405 => "the method is not allowed",
            413 => "the request is larger than it may be",
            429 => "the rate limit is reached",
            504 => "the request took too long",
            529 => "Overloaded",
            _ if status < 500 => "the request is not valid",
            _ => "Internal server error",
        };
        Self::new(status, message.unwrap_or(usual))
    }

    /// The error as a response.
    pub(crate) fn answer(self, random: &Random) -> Answer {
        let error = json!({ "type": kind(self.status), "message": self.message });
        let mut answer = Answer::json(self.status, envelope(Some(error), Some(&request_id(random))).to_string(), None);
        answer.headers.extend(self.allow.map(|method| ("allow".into(), method.into())));
        answer
    }
}

/// The type of error that a status has.
fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        _ if status < 500 => "invalid_request_error",
        _ => "api_error",
    }
}

/// What stands around an error; without one, around an internal one. Events of a stream have no id.
pub(crate) fn envelope(error: Option<Value>, request_id: Option<&str>) -> Value {
    let error = error.unwrap_or_else(|| json!({ "type": kind(500), "message": "Internal server error" }));
    let mut envelope = json!({ "type": "error", "error": error });
    if let Some(id) = request_id {
        envelope["request_id"] = id.into();
    }
    envelope
}
