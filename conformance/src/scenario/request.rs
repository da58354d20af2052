//! The shape of a client's request, and of clients that take their time or leave.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::text::{self, OneOrMany};

/// An HTTP request, written byte by byte by the client.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `get: /path`
    #[serde(default)]
    pub get: Option<String>,
    /// `post: /path`
    #[serde(default)]
    pub post: Option<String>,
    /// `put: /path`
    #[serde(default)]
    pub put: Option<String>,
    /// `delete: /path`
    #[serde(default)]
    pub delete: Option<String>,
    /// `patch: /path`
    #[serde(default)]
    pub patch: Option<String>,
    /// `head: /path`
    #[serde(default)]
    pub head: Option<String>,
    /// `options: /path`
    #[serde(default)]
    pub options: Option<String>,
    /// The Gateway listener's port; needed only when there are several.
    #[serde(default)]
    pub port: Option<u16>,
    /// The Host header; default is the listener's address.
    #[serde(default)]
    pub host: Option<String>,
    /// More headers, in this order; a list repeats the header.
    #[serde(default)]
    pub headers: text::Pairs<OneOrMany>,
    /// A JSON body (compact, keys in this order).
    #[serde(default)]
    pub json: Option<Value>,
    /// An exact body.
    #[serde(default)]
    pub body: Option<String>,
    /// An exact body of bytes that are not text, in base64.
    #[serde(default)]
    pub body_base64: Option<String>,
    /// The whole request as it goes on the wire; `\n` is written as CRLF in the head.
    #[serde(default)]
    pub raw: Option<String>,
    /// The same in base64, for bytes that are not text or line ends that are not CRLF.
    #[serde(default)]
    pub raw_base64: Option<String>,
    /// Send the body in chunks of this many bytes with `Transfer-Encoding: chunked`.
    #[serde(default)]
    pub chunked: Option<usize>,
    /// Over HTTP/2, by prior knowledge. Headers go on the wire as they are, those that begin with a colon among the first.
    #[serde(default)]
    pub http2: bool,
    /// The HTTP/2 connection of this name, which the first request opens; default is one of its own.
    #[serde(default)]
    pub connection: Option<String>,
    /// Write slowly.
    #[serde(default)]
    pub write: Option<SlowWrite>,
    /// Read slowly.
    #[serde(default)]
    pub read: Option<SlowRead>,
    /// Keep the connection open this long after the answer, to see what else comes.
    #[serde(default, deserialize_with = "text::optional_duration")]
    #[schemars(with = "Option<text::Span>")]
    pub hold: Option<Duration>,
    /// One of the target's own endpoints instead of a listener.
    #[serde(default)]
    pub at: Option<Endpoint>,
    /// Close the connection early; of HTTP/2, reset the stream.
    #[serde(default)]
    pub close_after: Option<CloseAfter>,
    /// Give up after this long; default 10 s.
    #[serde(default, deserialize_with = "text::optional_duration")]
    #[schemars(with = "Option<text::Span>")]
    pub deadline: Option<Duration>,
}

impl Request {
    /// Method and path as written; `None` unless exactly one is given (or `raw`).
    pub fn target(&self) -> Option<(&'static str, &str)> {
        let all = [
            ("GET", &self.get),
            ("POST", &self.post),
            ("PUT", &self.put),
            ("DELETE", &self.delete),
            ("PATCH", &self.patch),
            ("HEAD", &self.head),
            ("OPTIONS", &self.options),
        ];
        let mut given = all.iter().filter_map(|(method, path)| path.as_deref().map(|path| (*method, path)));
        let first = given.next()?;
        given.next().is_none().then_some(first)
    }
}

/// An endpoint of the target that serves no traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// Readiness.
    Ready,
    /// Metrics.
    Metrics,
}

/// The request leaves in pieces.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowWrite {
    /// Size of a piece.
    pub bytes: usize,
    /// Pause between two pieces.
    pub gap: text::Span,
}

/// The client stops reading for a while.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowRead {
    /// After so many bytes of the connection.
    #[serde(default)]
    pub after_bytes: usize,
    /// For so long.
    pub pause: text::Span,
}

/// When the client walks away: exactly one of the keys.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseAfter {
    /// After so many complete events of a stream.
    #[serde(default)]
    pub events: Option<usize>,
    /// After so many bytes of the body.
    #[serde(default)]
    pub bytes: Option<usize>,
    /// Once a provider has received the request, before an answer.
    #[serde(default)]
    pub before_head: Option<bool>,
}
