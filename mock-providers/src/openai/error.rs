//! OpenAI's error envelope and the table of its errors.
//!
//! Owns status, type, param and code of every error. Refuses to repeat a caller's key in full.

use serde_json::json;

use crate::plan::Answer;

/// One error, as OpenAI says it.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    status: u16,
    message: String,
    kind: &'static str,
    param: Option<String>,
    code: Option<&'static str>,
    allow: Option<&'static str>,
}

const INVALID: &str = "invalid_request_error";

impl ApiError {
    fn new(status: u16, kind: &'static str, code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), kind, param: None, code, allow: None }
    }

    /// A 400 about one parameter.
    pub(crate) fn parameter(param: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self { param: Some(param.to_owned()), ..Self::new(400, INVALID, Some(code), message) }
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

    pub(crate) fn malformed(reason: &str) -> Self {
        Self::new(400, INVALID, None, format!("Malformed HTTP request: {reason}."))
    }

    pub(crate) fn too_large() -> Self {
        Self::of_status(413, None)
    }

    pub(crate) fn missing_key() -> Self {
        Self::new(401, INVALID, None, "No API key was given: send it as a bearer token in the Authorization header.")
    }

    pub(crate) fn wrong_key(key: &str) -> Self {
        let masked = mask(key);
        Self::new(401, INVALID, Some("invalid_api_key"), format!("Incorrect API key provided: {masked}."))
    }

    pub(crate) fn unknown_model(model: &str) -> Self {
        let message = format!("The model '{model}' does not exist or you do not have access to it.");
        Self { param: Some("model".to_owned()), ..Self::new(404, INVALID, Some("model_not_found"), message) }
    }

    pub(crate) fn unknown_path(method: &str, path: &str) -> Self {
        Self::new(404, INVALID, None, format!("Invalid URL ({method} {path})"))
    }

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
        let (kind, code, usual) = match status {
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
        };
        Self::new(status, kind, code, message.unwrap_or(usual))
    }

    /// The error as a response.
    pub(crate) fn answer(self) -> Answer {
        let body = json!({
            "error": { "message": self.message, "type": self.kind, "param": self.param, "code": self.code }
        });
        let mut answer = Answer::json(self.status, body.to_string(), None);
        answer.headers.extend(self.allow.map(|method| ("allow".into(), method.into())));
        if self.status == 401 {
            answer.headers.push(("www-authenticate".into(), "Bearer".into()));
        }
        answer
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
