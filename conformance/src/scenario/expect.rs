//! The shapes of expectations: on one exchange, on providers, on telemetry, on canaries.
//! How they are judged is `crate::expect`.

mod providers;
mod status;
mod telemetry;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::At;
use super::text::{JsonPath, Pairs, Span};
use crate::matcher::Matcher;

pub use providers::{
    ClosedWithin, ConnectionsExpect, ContentLength, EndExpect, FramingExpect, GapsExpect, ProviderExpect,
    RequestExpect, TlsExpect,
};
pub use status::{ConditionExpect, StatusExpect};
pub use telemetry::{CounterExpect, DeltaExpect, HistogramExpect, SeriesExpect, TelemetryExpect, TokensExpect};

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
    /// The code with which the HTTP/2 stream was reset, such as `PROTOCOL_ERROR`.
    #[serde(default)]
    pub reset: Option<At<Matcher>>,
    /// The code with which the gateway has said that it ends the HTTP/2 connection, such as `NO_ERROR`.
    #[serde(default)]
    pub goaway: Option<At<Matcher>>,
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
    /// At least one of these holds as a whole.
    #[serde(default)]
    pub any_of: Vec<At<ExchangeExpect>>,
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
    /// What the target says about its objects.
    #[serde(default)]
    pub status: Vec<At<StatusExpect>>,
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

/// One value or a list of them.
#[derive(Debug, Clone)]
pub struct OneOrList<T>(pub Vec<T>);

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
