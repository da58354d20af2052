//! What the gateway answers by itself: one table from cause to status, reason and OpenAI error object.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

/// The flat cause of a refusal, for log and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No listener, route, operation or backend.
    NotFound,
    /// The request itself is wrong.
    InvalidRequest,
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
    /// The connection cannot be used further.
    pub close: bool,
}

impl Rejection {
    /// A rejection with status, reason, code and message; the rest by field update.
    #[must_use]
    pub fn new(status: StatusCode, reason: Reason, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, code, message: message.into(), retry_after: None, allow: None, close: false }
    }

    /// 400: the client must change the request.
    #[must_use]
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Reason::InvalidRequest, code, message)
    }

    /// The OpenAI error object as an HTTP response.
    #[must_use]
    pub fn response(&self, request_id: &str) -> Response<Bytes> {
        let kind = if self.status.is_server_error() { "server_error" } else { "invalid_request_error" };
        let body = serde_json::json!({
            "error": {"message": self.message, "type": kind, "param": null, "code": self.code}
        });
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-request-id", id);
        }
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
