//! What the gateway answers by itself: one table from cause to status, reason and OpenAI error object.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use crate::snapshot::Operation;

/// The flat cause of a refusal, for log and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No listener, route, operation or backend.
    NotFound,
    /// The request itself is wrong.
    InvalidRequest,
    /// No client key, or one that is not accepted.
    ApiKeyAuth,
    /// A backend that cannot be used as configured.
    NoHealthyBackend,
    /// The provider could not be reached or broke off.
    UpstreamFailure,
    /// A deadline passed.
    Timeout,
    /// The gateway's own limits.
    Overload,
    /// Answered by a filter.
    DirectResponse,
}

impl Reason {
    /// The label value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotFound => "NotFound",
            Self::InvalidRequest => "InvalidRequest",
            Self::ApiKeyAuth => "APIKeyAuth",
            Self::NoHealthyBackend => "NoHealthyBackend",
            Self::UpstreamFailure => "UpstreamFailure",
            Self::Timeout => "Timeout",
            Self::Overload => "Overload",
            Self::DirectResponse => "DirectResponse",
        }
    }
}

/// A request that ends in the gateway.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// HTTP status.
    pub status: StatusCode,
    /// For log and metrics.
    pub reason: Reason,
    /// OpenAI `error.code`.
    pub code: &'static str,
    /// OpenAI `error.message`; never holds a secret.
    pub message: String,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `Allow`.
    pub allow: Option<&'static str>,
    /// `WWW-Authenticate`.
    pub challenge: Option<&'static str>,
    /// `Accept-Encoding`, of bodies in another request (RFC 9110 section 12.5.3).
    pub accept_encoding: Option<&'static str>,
    /// The connection cannot be used further.
    pub close: bool,
}

impl Rejection {
    /// A rejection with status, reason, code and message; the rest by field update.
    #[must_use]
    pub fn new(status: StatusCode, reason: Reason, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            code,
            message: message.into(),
            retry_after: None,
            allow: None,
            challenge: None,
            accept_encoding: None,
            close: false,
        }
    }

    /// 400: the client must change the request.
    #[must_use]
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Reason::InvalidRequest, code, message)
    }

    /// The OpenAI error object as an HTTP response.
    #[must_use]
    pub fn response(&self, request_id: &str) -> Response<Bytes> {
        let mut response = Response::new(object(self.status, self.code, &self.message));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-request-id", id);
        }
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
        }
        let told = [(ALLOW, self.allow), (WWW_AUTHENTICATE, self.challenge), (ACCEPT_ENCODING, self.accept_encoding)];
        for (name, value) in told {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The OpenAI error object; of a 429 with the `type` and `code` that clients take for a rate limit.
#[must_use]
pub fn object(status: StatusCode, code: &str, message: &str) -> Bytes {
    let (kind, code) = match status {
        StatusCode::TOO_MANY_REQUESTS => ("requests", "rate_limit_exceeded"),
        _ if status.is_server_error() => ("server_error", code),
        _ => ("invalid_request_error", code),
    };
    let body = serde_json::json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    body.to_string().into()
}

/// An error inside a stream, in the form that clients of the operation know.
#[must_use]
pub fn stream_event(operation: Operation, code: &str, message: &str) -> Bytes {
    let (name, data) = match operation {
        Operation::Messages => {
            let error = serde_json::json!({"type": "api_error", "message": message});
            ("event: error\n", serde_json::json!({"type": "error", "error": error}))
        }
        Operation::Responses => {
            ("event: error\n", serde_json::json!({"type": "error", "code": code, "message": message, "param": null}))
        }
        _ => {
            let error = serde_json::json!({"message": message, "type": "server_error", "param": null, "code": code});
            ("", serde_json::json!({"error": error}))
        }
    };
    format!("{name}data: {data}\n\n").into()
}
