//! OpenAI's error envelope and the table of its errors.
//!
//! Owns status, type, param and code of every error. Refuses to repeat a caller's key in full.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::azure;
use crate::plan::Answer;

type Word = Cow<'static, str>;

/// One error, as OpenAI says it.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) message: String,
    kind: Word,
    param: Option<String>,
    code: Option<Word>,
    allow: Option<&'static str>,
    shape: Shape,
}

/// Which members an error has.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// OpenAI's four.
    Full,
    /// Azure's own errors: code and message alone.
    Bare,
    /// Azure's filter: OpenAI's four, the status, and why.
    Filtered,
}

const INVALID: &str = "invalid_request_error";
const FILTERED: &str = "content_policy_violation";

impl ApiError {
    fn new(status: u16, kind: &'static str, code: Option<&'static str>, message: impl Into<String>) -> Self {
        let (kind, code) = (kind.into(), code.map(Word::from));
        Self { status, message: message.into(), kind, param: None, code, allow: None, shape: Shape::Full }
    }

    /// Azure's own form.
    pub(crate) fn bare(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { shape: Shape::Bare, ..Self::new(status, INVALID, Some(code), message) }
    }

    /// The same error as Azure says it: only errors about the request itself keep OpenAI's form.
    pub(crate) fn at_azure(self) -> Self {
        let code = match (self.status, self.code.as_deref()) {
            (400, Some(FILTERED)) => {
                return Self { code: Some("content_filter".into()), shape: Shape::Filtered, ..self };
            }
            (400 | 413 | 415 | 422, _) => return self,
            (401, _) => return Self::bare(401, "401", azure::DENIED),
            (404, Some("model_not_found")) => "DeploymentNotFound".into(),
            (500, _) => "InternalServerError".into(),
            (503, _) => "ServiceUnavailable".into(),
            (status, _) => Word::from(status.to_string()),
        };
        match self.shape {
            Shape::Full => Self { code: Some(code), shape: Shape::Bare, ..self },
            Shape::Bare | Shape::Filtered => self,
        }
    }

    /// A prompt that the content filter does not let through.
    pub(crate) fn filtered() -> Self {
        let message = "The prompt was refused by the content filter. Change it and try again.";
        Self::new(400, INVALID, Some(FILTERED), message).about("prompt")
    }

    /// About one parameter.
    fn about(self, param: &str) -> Self {
        Self { param: Some(param.to_owned()), ..self }
    }

    /// A 400 about one parameter.
    pub(crate) fn parameter(param: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, INVALID, Some(code), message).about(param)
    }

    /// A 400 about a parameter that does not fit the others.
    pub(crate) fn inconsistent(param: &str, message: impl Into<String>) -> Self {
        Self { param: Some(param.to_owned()), ..Self::new(400, INVALID, None, message) }
    }

    /// A parameter that must be there.
    pub(crate) fn missing(param: &str) -> Self {
        Self::parameter(param, "missing_required_parameter", format!("Missing required parameter: '{param}'."))
    }

    /// A parameter of the wrong type.
    pub(crate) fn wrong_type(param: &str, expected: &str) -> Self {
        Self::parameter(param, "invalid_type", format!("Invalid type for '{param}': expected {expected}."))
    }

    /// A parameter out of its range.
    pub(crate) fn wrong_value(param: &str, why: &str) -> Self {
        Self::parameter(param, "invalid_value", format!("Invalid value for '{param}': {why}."))
    }

    pub(crate) fn not_json() -> Self {
        Self::new(400, INVALID, None, "The body of the request is not valid JSON.")
    }

    pub(crate) fn no_body() -> Self {
        Self::new(400, INVALID, None, "The request has no body: send a JSON object.")
    }

    pub(crate) fn not_an_object() -> Self {
        Self::new(400, INVALID, None, "The body of the request is JSON, but not an object.")
    }

    /// A body of another type than JSON.
    pub(crate) fn wrong_content_type(given: &str) -> Self {
        Self::new(415, INVALID, None, format!("Unsupported content type: '{given}'. Send application/json."))
    }

    /// A header that is not as it must be.
    pub(crate) fn bad_header(name: &str, why: &str) -> Self {
        Self::new(400, INVALID, None, format!("Invalid header '{name}': {why}."))
    }

    pub(crate) fn missing_key(status: u16) -> Self {
        let message = "No API key was given: send it as a bearer token in the Authorization header.";
        Self { code: None, ..Self::of_status(status, Some(message)) }
    }

    pub(crate) fn wrong_key(key: &str) -> Self {
        let masked = mask(key);
        Self::new(401, INVALID, Some("invalid_api_key"), format!("Incorrect API key provided: {masked}."))
    }

    pub(crate) fn unknown_model(model: &str) -> Self {
        let message = format!("The model '{model}' does not exist or you do not have access to it.");
        Self::new(404, INVALID, Some("model_not_found"), message).about("model")
    }

    /// A model that is there, but cannot do this.
    pub(crate) fn unfit_model(model: &str) -> Self {
        let message = format!("The model '{model}' cannot be used with this operation.");
        Self::new(404, INVALID, Some("model_not_found"), message).about("model")
    }

    /// A model that is not the caller's to delete.
    pub(crate) fn undeletable_model(model: &str) -> Self {
        Self::new(403, "request_forbidden", None, format!("The model '{model}' is no fine-tune of yours."))
    }

    /// A stored response that is not, or no longer, there.
    pub(crate) fn unknown_response(id: &str) -> Self {
        Self::new(404, INVALID, None, format!("No response with the id '{id}' is stored."))
    }

    /// The response that a request goes on from is not there.
    pub(crate) fn unknown_previous_response(id: &str) -> Self {
        let message = format!("The previous response '{id}' is not stored.");
        Self::parameter("previous_response_id", "previous_response_not_found", message)
    }

    /// More tokens than a model, or one request, takes.
    pub(crate) fn too_many_tokens(param: &str, tokens: u64, limit: u64) -> Self {
        let message = format!("'{param}' has {tokens} tokens, the limit is {limit}.");
        Self::parameter(param, "context_length_exceeded", message)
    }

    /// More tokens than one request of embeddings takes.
    pub(crate) fn too_many_tokens_together(tokens: u64, limit: u64) -> Self {
        let name = "max_tokens_per_request";
        Self::new(400, name, Some(name), format!("The inputs have {tokens} tokens together, the limit is {limit}."))
    }

    /// No rule of the script answers; `nearest` says which came close.
    pub(crate) fn unanswered(nearest: &str) -> Self {
        let closest = if nearest.is_empty() { "there are no rules" } else { nearest };
        let message = format!("No rule of the mock provider's script answers this request: {closest}.");
        Self::new(404, INVALID, Some("no_rule_matched"), message)
    }

    pub(crate) fn unknown_path(method: &str, path: &str) -> Self {
        Self::new(404, INVALID, None, format!("Invalid URL ({method} {path})"))
    }

    /// A method that a known path does not have.
    pub(crate) fn wrong_method(method: &str, allowed: &'static str, path: &str) -> Self {
        let message = format!("{method} is not supported on {path}: use {allowed}.");
        Self { allow: Some(allowed), ..Self::new(405, INVALID, Some("method_not_supported"), message) }
    }

    /// A limit is reached.
    pub(crate) fn limit(
        status: u16,
        kind: &'static str,
        code: Option<&'static str>,
        message: impl Into<String>,
    ) -> Self {
        Self::new(status, kind, code, message)
    }

    /// What a bare status means at OpenAI.
    pub(crate) fn of_status(status: u16, message: Option<&str>) -> Self {
        let (kind, code, usual) = usual(status);
        Self::new(status, kind, code, message.unwrap_or(usual))
    }

    /// The error as a response.
    pub(crate) fn answer(self) -> Answer {
        let Self { status, message, kind, param, code, allow, shape } = self;
        let body = match shape {
            Shape::Full => json!({ "message": message, "type": kind, "param": param, "code": code }),
            Shape::Bare => json!({ "code": code, "message": message }),
            Shape::Filtered => json!({
                "message": message, "type": null, "param": param, "code": code, "status": status,
                "innererror": azure::innererror(),
            }),
        };
        let mut answer = Answer::json(status, json!({ "error": body }).to_string(), None);
        answer.headers.extend(allow.map(|methods| ("allow".into(), methods.into())));
        if status == 401 {
            answer.headers.push(("www-authenticate".into(), "Bearer".into()));
        }
        answer
    }
}

/// What is reported in the middle of a stream, unless the script says it.
pub(crate) fn usual_error() -> Value {
    let (kind, code, message) = usual(500);
    json!({ "message": message, "type": kind, "param": null, "code": code })
}

/// The table of statuses: type, code and message.
fn usual(status: u16) -> (&'static str, Option<&'static str>, &'static str) {
    match status {
        401 => (INVALID, Some("invalid_api_key"), "Incorrect API key provided."),
        402 => (INVALID, Some("billing_not_active"), "Billing is not active for this account."),
        403 => (
            "request_forbidden",
            Some("unsupported_country_region_territory"),
            "Country, region, or territory not supported.",
        ),
        404 => (INVALID, Some("model_not_found"), "The model does not exist or you do not have access to it."),
        405 => (INVALID, Some("method_not_supported"), "The method is not supported."),
        408 => (INVALID, None, "The request took too long to arrive."),
        409 => (INVALID, None, "The resource was changed by another request."),
        413 => (INVALID, None, "The request body is too large."),
        415 => (INVALID, None, "The content type is not supported."),
        422 => (INVALID, None, "The request could not be processed."),
        429 => ("requests", Some("rate_limit_exceeded"), "Rate limit reached. Please try again later."),
        503 => ("service_unavailable", None, "The engine is currently overloaded. Please try again later."),
        _ if status < 500 => (INVALID, None, "The request is not valid."),
        _ => ("server_error", None, "The server had an error while processing your request."),
    }
}

/// Enough of a key to recognise it, too little to use it.
fn mask(key: &str) -> String {
    let characters: Vec<char> = key.chars().collect();
    if characters.len() < 12 {
        return "*".repeat(characters.len());
    }
    let (start, end) = (&characters[..3], &characters[characters.len() - 4..]);
    format!("{}****{}", start.iter().collect::<String>(), end.iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn a_key_is_never_repeated_in_full() {
        assert_eq!(mask("sk-proj-0123456789"), "sk-****6789");
        assert_eq!(mask("short"), "*****");
    }
}
