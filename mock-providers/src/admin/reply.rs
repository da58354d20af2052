//! Answers of the admin API and its refusals, all of one shape.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use serde_json::{Value, json};

use crate::fleet::{FleetError, TextError};

pub(super) type Body = Full<Bytes>;

/// What is sent.
#[derive(Debug)]
pub(super) struct Reply {
    status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Reply {
    pub(super) fn json(value: &impl Serialize) -> Self {
        let body = serde_json::to_string_pretty(value).expect("records and values have text keys");
        Self::text("application/json", body + "\n")
    }

    pub(super) fn text(content_type: &'static str, body: String) -> Self {
        Self { status: 200, content_type, headers: Vec::new(), body }
    }

    /// One value a line.
    pub(super) fn lines(values: &[impl Serialize]) -> Self {
        let line = |value| serde_json::to_string(value).expect("records and values have text keys") + "\n";
        Self::text("application/x-ndjson", values.iter().map(line).collect())
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    #[must_use]
    pub(super) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(super) fn response(self, head_only: bool) -> Response<Body> {
        let length = self.body.len();
        let mut response = Response::new(Full::from(if head_only { String::new() } else { self.body }));
        *response.status_mut() = StatusCode::from_u16(self.status).expect("ours are in range");
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CONTENT_LENGTH, length.into());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// Why there is no other answer.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
    hint: Option<String>,
    place: Option<(u64, u64)>,
    headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), hint: None, place: None, headers: Vec::new() }
    }

    /// Something in the request is wrong.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "bad_request", message)
    }

    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new(404, "not_found", message)
    }

    #[must_use]
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn reply(self) -> Reply {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(hint) = self.hint {
            error["hint"] = hint.into();
        }
        if let Some((line, column)) = self.place {
            (error["line"], error["column"]) = (line.into(), column.into());
        }
        let mut reply = Reply::json(&json!({"error": error})).status(self.status);
        reply.headers = self.headers;
        reply
    }
}

impl From<TextError> for Refusal {
    fn from(error: TextError) -> Self {
        let place = (error.line > 0).then_some((error.line, error.column));
        Self { place, ..Self::new(400, "bad_document", error.reason) }
    }
}

impl From<FleetError> for Refusal {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::Text(error) => error.into(),
            FleetError::Changed { .. } => Self::new(412, "changed_meanwhile", error.to_string()),
            FleetError::NoRule(..) => Self::missing(error.to_string()),
            FleetError::Start(_) => Self::new(409, "cannot_start", error.to_string()),
            FleetError::SameAddress(..) | FleetError::Edit(_) | FleetError::Script(_) => Self::bad(error.to_string()),
        }
    }
}

/// The shape of every refusal.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["error"],
        "properties": {"error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "hint": {"type": "string", "description": "What to try instead."},
                "line": {"type": "integer", "description": "Of the document that was sent, from 1."},
                "column": {"type": "integer"}
            }
        }}
    })
}
