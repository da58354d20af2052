//! The shapes of what providers must have seen: requests, connections, and how exchanges ended there.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, JsonMatchers, ShareExpect};
use crate::matcher::Matcher;
use crate::scenario::text::{Span, optional_duration};

/// What a provider must have seen.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderExpect {
    /// Number of requests.
    #[serde(default)]
    pub count: Option<At<Matcher>>,
    /// Its part of all upstream requests.
    #[serde(default)]
    pub share: Option<At<ShareExpect>>,
    /// Requests by arrival, as many as are listed.
    #[serde(default)]
    pub requests: Vec<At<RequestExpect>>,
    /// Holds for every request.
    #[serde(default)]
    pub every_request: Option<RequestExpect>,
    /// Whether all request bodies are the same bytes.
    #[serde(default)]
    pub body_equal: Option<At<bool>>,
    /// On the time from each request to the next.
    #[serde(default)]
    pub gaps: Option<GapsExpect>,
    /// Most requests that were answered at the same time.
    #[serde(default)]
    pub at_once: Option<At<Matcher>>,
    /// On the connections that were opened.
    #[serde(default)]
    pub connections: Option<ConnectionsExpect>,
}

/// On the time between the arrivals of requests.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GapsExpect {
    /// None is shorter.
    pub at_least: At<Span>,
}

/// What one upstream request must look like.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestExpect {
    /// The method.
    #[serde(default)]
    pub method: Option<At<Matcher>>,
    /// The path without query.
    #[serde(default)]
    pub path: Option<At<Matcher>>,
    /// The query without `?`.
    #[serde(default)]
    pub query: Option<At<Matcher>>,
    /// Headers by lower-case name.
    #[serde(default)]
    pub headers: BTreeMap<String, At<Matcher>>,
    /// Parts of the JSON body.
    #[serde(default)]
    pub json: JsonMatchers,
    /// The body as text.
    #[serde(default)]
    pub body: Option<At<Matcher>>,
    /// How the body was framed.
    #[serde(default)]
    pub framing: Option<FramingExpect>,
    /// How the exchange ended, as the provider saw it.
    #[serde(default)]
    pub end: Option<At<EndExpect>>,
    /// Some write of the answer had to wait so long: backpressure reached the provider.
    #[serde(default)]
    pub blocked_at_least: Option<At<Span>>,
    /// Milliseconds since the request before it at this provider.
    #[serde(default)]
    pub after_previous: Option<At<Matcher>>,
    /// On the TLS of its connection.
    #[serde(default)]
    pub tls: Option<TlsExpect>,
}

/// On TLS between target and provider.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsExpect {
    /// The server name that the target asked for.
    #[serde(default)]
    pub sni: Option<At<Matcher>>,
}

impl RequestExpect {
    /// The first of its matchers, for its place in the file.
    pub fn place(&self) -> Option<&At<Matcher>> {
        let plain = [&self.method, &self.path, &self.query, &self.body, &self.after_previous];
        let headers = self.headers.values().next();
        plain.into_iter().flatten().next().or(headers).or_else(|| self.json.0.first().map(|(_, matcher)| matcher))
    }
}

/// How the body of an upstream request was framed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FramingExpect {
    /// `exact`: one Content-Length equal to the body; `absent`: none.
    #[serde(default)]
    pub content_length: Option<At<ContentLength>>,
    /// Whether it was chunked.
    #[serde(default)]
    pub chunked: Option<At<bool>>,
}

/// On the Content-Length header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContentLength {
    /// Once, and equal to the body's length.
    Exact,
    /// Not there.
    Absent,
}

/// How an upstream exchange must have ended: exactly one of the keys.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndExpect {
    /// The answer was written whole.
    #[serde(default)]
    pub complete: Option<bool>,
    /// The gateway closed, this soon after the client did.
    #[serde(default)]
    pub client_closed: Option<ClosedWithin>,
    /// The scripted fault ended it.
    #[serde(default)]
    pub fault: Option<bool>,
}

/// A bound on how late a close was passed on.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClosedWithin {
    /// After the client's own close; default 1 s.
    #[serde(default, deserialize_with = "optional_duration")]
    #[schemars(with = "Option<Span>")]
    pub within: Option<Duration>,
}

/// On the connections a provider saw.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionsExpect {
    /// How many were opened.
    #[serde(default)]
    pub count: Option<At<Matcher>>,
    /// How many are open now.
    #[serde(default)]
    pub open: Option<At<Matcher>>,
    /// Most requests on one connection.
    #[serde(default)]
    pub most_requests: Option<At<Matcher>>,
    /// Whether any used TLS.
    #[serde(default)]
    pub tls: Option<At<bool>>,
}
