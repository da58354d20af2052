//! The shapes of expectations: on one exchange, on providers, on telemetry, on canaries.
//! How they are judged is `crate::expect`.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::At;
use super::text::{JsonPath, Pairs, Span, optional_duration};
use crate::matcher::Matcher;

/// Matchers on JSON values, by JSONPath.
pub type JsonMatchers = Pairs<At<Matcher>, JsonPath>;

/// What the client must see of one exchange.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExchangeExpect {
    /// The status code.
    #[serde(default)]
    pub status: Option<At<Matcher>>,
    /// Response headers by lower-case name.
    #[serde(default)]
    pub headers: BTreeMap<String, At<Matcher>>,
    /// Parts of a JSON body.
    #[serde(default)]
    pub json: JsonMatchers,
    /// The whole body as text.
    #[serde(default)]
    pub body: Option<At<Matcher>>,
    /// The body as a stream of server-sent events.
    #[serde(default)]
    pub stream: Option<StreamExpect>,
    /// How the answer ended; a list names several possibilities.
    #[serde(default)]
    pub ended: Option<At<OneOrList<Ended>>>,
    /// What came is what the serving provider sent, and ended as that did: the same bytes, or of a stream the same
    /// events; of an answer that broke off, its beginning, and no terminator. A usage chunk may be hidden, an error event
    /// may follow; where the provider gave no whole answer, an error object of the gateway's own will do.
    #[serde(default)]
    pub as_sent: Option<At<bool>>,
    /// Bytes behind the end of the answer.
    #[serde(default)]
    pub extra: Option<At<Matcher>>,
    /// The answer was complete this soon.
    #[serde(default)]
    pub within: Option<At<Span>>,
    /// The answer was not complete before.
    #[serde(default)]
    pub not_before: Option<At<Span>>,
    /// The provider that received the last attempt.
    #[serde(default)]
    pub served_by: Option<At<Matcher>>,
    /// How many upstream requests were made for it.
    #[serde(default)]
    pub attempts: Option<At<Matcher>>,
    /// Holds for every upstream request that was made for it.
    #[serde(default)]
    pub every_attempt: Option<RequestExpect>,
    /// With `repeat`: how often each status came; 0 stands for no answer.
    #[serde(default)]
    pub statuses: BTreeMap<u16, At<Matcher>>,
    /// With `repeat`: 99 of 100 exchanges were complete this soon.
    #[serde(default)]
    pub p99: Option<At<Span>>,
    /// With `repeat`: how the exchanges spread over the providers.
    #[serde(default)]
    pub distribution: BTreeMap<String, At<ShareExpect>>,
}

/// How the client saw the answer end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The transfer was complete.
    Clean,
    /// The connection closed or was reset before the transfer was complete.
    Aborted,
    /// Nothing more came until the deadline.
    TimedOut,
    /// There was no connection.
    Refused,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Ended::Clean => "clean",
            Ended::Aborted => "aborted",
            Ended::TimedOut => "timed out",
            Ended::Refused => "refused",
        })
    }
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// At least once.
    Present,
    /// Not at all.
    Absent,
    /// Once and no more.
    ExactlyOnce,
}

/// What the client must see of a stream.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamExpect {
    /// Number of events, `[DONE]` not counted.
    #[serde(default)]
    pub events: Option<At<Matcher>>,
    /// The events one by one, as many as are listed.
    #[serde(default)]
    pub payloads: Vec<EventExpect>,
    /// All content deltas of choice 0 put together.
    #[serde(default)]
    pub text: Option<At<Matcher>>,
    /// All tool calls of choice 0 put together: `[{id, name, arguments}]`.
    #[serde(default)]
    pub tool_calls: JsonMatchers,
    /// The finish reasons seen in choice 0.
    #[serde(default)]
    pub finish_reason: Option<At<Matcher>>,
    /// The `[DONE]` event.
    #[serde(default)]
    pub done: Option<At<Presence>>,
    /// An event with a non-null `usage`.
    #[serde(default)]
    pub usage_chunk: Option<At<Presence>>,
    /// An event whose payload has `error`.
    #[serde(default)]
    pub error_event: Option<At<Presence>>,
    /// The replacement character U+FFFD anywhere.
    #[serde(default)]
    pub replacement_character: Option<At<Presence>>,
    /// true: a clean end of transfer with `[DONE]`; false: neither of both may make it look complete.
    #[serde(default)]
    pub complete: Option<At<bool>>,
    /// The first event arrived this soon.
    #[serde(default)]
    pub first_event_within: Option<At<Span>>,
    /// Gaps between events that must have survived.
    #[serde(default)]
    pub gaps_at_least: Option<At<Gaps>>,
}

/// One event of a stream.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventExpect {
    /// The data.
    #[serde(default)]
    pub data: Option<At<Matcher>>,
    /// The data as JSON.
    #[serde(default)]
    pub json: JsonMatchers,
    /// The event's type.
    #[serde(default)]
    pub event: Option<At<Matcher>>,
}

/// Gaps between the arrivals of events.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gaps {
    /// The least length of such a gap.
    pub gap: Span,
    /// How many there must be.
    pub times: usize,
}

/// A part of all requests: exactly one of the keys.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareExpect {
    /// The expected probability; judged by the binomial bound at 99.99 %.
    #[serde(default)]
    pub binomial: Option<f64>,
    /// On the number of requests.
    #[serde(default)]
    pub count: Option<Matcher>,
    /// On the part of all requests, 0 to 1.
    #[serde(default)]
    pub share: Option<Matcher>,
}

/// What must hold at the end.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FinalExpect {
    /// What each provider saw.
    #[serde(default)]
    pub providers: BTreeMap<String, ProviderExpect>,
    /// What telemetry shows.
    #[serde(default)]
    pub telemetry: Option<TelemetryExpect>,
    /// The target's memory.
    #[serde(default)]
    pub memory: Option<MemoryExpect>,
    /// Where secrets must never appear.
    #[serde(default)]
    pub canary: BTreeMap<String, At<CanaryExpect>>,
}

/// On the resident memory of the target's process.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryExpect {
    /// From before the first step to its highest point at most so much, such as `64MiB`.
    pub growth: At<super::text::Size>,
}

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

/// What telemetry must show, as differences to before the first step.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TelemetryExpect {
    /// How long to poll until everything is equal; default is the target's.
    #[serde(default, deserialize_with = "optional_duration")]
    #[schemars(with = "Option<Span>")]
    pub settle: Option<Duration>,
    /// Request counters.
    #[serde(default)]
    pub requests: Option<OneOrList<CounterExpect>>,
    /// Token counters.
    #[serde(default)]
    pub tokens: Option<OneOrList<TokensExpect>>,
    /// Each entry is matched by a record of its own.
    #[serde(default)]
    pub log: Vec<At<BTreeMap<String, At<Matcher>>>>,
    /// Holds for every record.
    #[serde(default)]
    pub log_every: BTreeMap<String, At<Matcher>>,
    /// Number of records.
    #[serde(default)]
    pub log_count: Option<At<Matcher>>,
    /// Whether the metrics are well-formed Prometheus text.
    #[serde(default)]
    pub exposition: Option<At<bool>>,
    /// On the number of series.
    #[serde(default)]
    pub series: Option<SeriesExpect>,
    /// Labels of every series of the request counter.
    #[serde(default)]
    pub labels: BTreeMap<String, At<Matcher>>,
    /// The sum of the request counter over all statuses is the number of exchanges that reached the target.
    #[serde(default)]
    pub conserved: Option<At<bool>>,
    /// Input tokens that came from a cache.
    #[serde(default)]
    pub cached_tokens: Option<DeltaExpect>,
    /// Time to the first token of streams.
    #[serde(default)]
    pub ttft: Option<HistogramExpect>,
    /// Time per output token of streams.
    #[serde(default)]
    pub time_per_output_token: Option<HistogramExpect>,
}

/// On the number of series.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeriesExpect {
    /// How many are new.
    pub growth: At<Matcher>,
}

/// On a histogram of times, as differences.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistogramExpect {
    /// New samples.
    #[serde(default)]
    pub count: Option<At<Matcher>>,
    /// Their mean in milliseconds.
    #[serde(default)]
    pub mean: Option<At<Matcher>>,
}

/// One value or a list of them.
#[derive(Debug, Clone)]
pub struct OneOrList<T>(pub Vec<T>);

/// The request counter, over all series that carry these labels.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CounterExpect {
    /// By how much it grew.
    pub delta: At<Matcher>,
    /// Only this status.
    #[serde(default)]
    pub status: Option<u16>,
    /// Only this reason, as the target names it.
    #[serde(default)]
    pub reason: Option<String>,
    /// Only this route, by name.
    #[serde(default)]
    pub route: Option<String>,
    /// Only this backend, by name.
    #[serde(default)]
    pub backend: Option<String>,
}

/// The token counters, over all series that carry these labels.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokensExpect {
    /// The mock provider whose reported usage `reported` means; default all of them.
    #[serde(default)]
    pub provider: Option<At<String>>,
    /// Only this model, requested or answered.
    #[serde(default)]
    pub model: Option<String>,
    /// Only this backend, by name.
    #[serde(default)]
    pub backend: Option<String>,
    /// Input tokens.
    #[serde(default)]
    pub input: Option<DeltaExpect>,
    /// Output tokens.
    #[serde(default)]
    pub output: Option<DeltaExpect>,
}

/// By how much a counter grew; the word `reported` stands for what the mock reported.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeltaExpect {
    /// A matcher, or `reported`.
    pub delta: At<Matcher>,
}

/// Where a secret must never appear.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CanaryExpect {
    /// In addition to the places of every secret.
    #[serde(default)]
    pub never_at: Vec<At<String>>,
    /// Taken out of the places of every secret.
    #[serde(default)]
    pub allowed_at: Vec<At<String>>,
}
