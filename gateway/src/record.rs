//! What is known of one exchange when it has ended: the source of its log line and its metrics.
//! The record leaves the request path exactly once, whatever happens, when its holder lets go of it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::access_log::Kept;
use crate::asked::Asked;
use crate::cost::{Cost, Lookup};
use crate::error::Reason;
use crate::telemetry::Sink;
use crate::trace::Trace;
use crate::tracing::Tracing;
use crate::usage::Usage;

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The whole answer was relayed.
    Complete,
    /// The client left.
    ClientClosed,
    /// The provider broke off, or could not be reached.
    UpstreamFailed,
    /// A deadline passed.
    TimedOut,
    /// The gateway answered by itself.
    Rejected,
}

impl End {
    /// The value in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientClosed => "client_closed",
            Self::UpstreamFailed => "upstream_failed",
            Self::TimedOut => "timed_out",
            Self::Rejected => "rejected",
        }
    }
}

/// One upstream request.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The provider's name within its backend.
    pub provider: Arc<str>,
    /// `host:port`
    pub endpoint: Box<str>,
    /// `probe` of a provider that may return, or `evicted` where all were out of rotation and this was the least bad.
    pub standing: Option<&'static str>,
    /// Status of the answer, if one came.
    pub status: Option<u16>,
    /// Why it failed.
    pub error: Option<Box<str>>,
    /// Health takes its answer for a good one.
    pub good: bool,
    /// From the record's `started` to the attempt's.
    pub started: Duration,
    /// How long it took to have a connection; `None` where one was idle, or none came to be.
    pub connect: Option<Duration>,
    /// From the start of the attempt to its answer or failure.
    pub duration: Duration,
    /// What its failure is called where no answer came.
    pub error_type: Option<&'static str>,
    /// `gen_ai.provider.name`, of an AI backend.
    pub system: Option<&'static str>,
    /// The configured model, where it replaces the client's.
    pub model: Option<Arc<str>>,
    /// Its own span; of exported traces the parent that the provider is told.
    pub span_id: u64,
}

/// Everything about one exchange.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each field is the log field of the same name; see `impl Serialize`")]
pub struct Record {
    pub started: Instant,
    pub time: SystemTime,
    pub request_id: Box<str>,
    pub trace: Trace,
    /// Set where its spans are exported.
    pub tracing: Option<Arc<Tracing>>,
    pub peer: IpAddr,
    pub method: http::Method,
    pub version: http::Version,
    pub host: Box<str>,
    pub path: Box<str>,
    pub port: u16,
    pub gateway: Option<Arc<str>>,
    pub listener: Option<Arc<str>>,
    pub route: Option<Arc<str>>,
    pub rule: Option<Arc<str>>,
    /// The condition on the path that matched, where spans are named after it.
    pub matched: Option<Box<str>>,
    pub backend: Option<Arc<str>>,
    pub operation: Option<&'static str>,
    pub system: Option<&'static str>,
    pub requested_model: Option<Box<str>>,
    pub upstream_model: Option<Arc<str>>,
    pub response_model: Option<Box<str>>,
    pub upstream_request_id: Option<Box<str>>,
    pub stream: bool,
    /// What the request says about how it is to be answered.
    pub asked: Option<Box<Asked>>,
    pub usage: Option<Usage>,
    /// Set by the telemetry thread, as is `cost`.
    pub lookup: Option<Lookup>,
    pub cost: Option<Cost>,
    pub attempts: Vec<Attempt>,
    pub status: u16,
    pub first_token: Option<Duration>,
    pub duration: Duration,
    pub response_bytes: u64,
    pub end: End,
    pub reason: Option<Reason>,
    pub error: Option<Box<str>>,
    pub request_body: Option<bytes::Bytes>,
    pub response_body: Option<Vec<u8>>,
    /// For an access log with expressions.
    pub kept: Option<Box<Kept>>,
}

impl Record {
    /// Nothing is known yet: what an exchange begins with, at this moment.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            started: Instant::now(),
            time: SystemTime::now(),
            request_id: "".into(),
            trace: Trace { trace_id: 0, span_id: 0, parent_id: 0, flags: 0, passes: false },
            tracing: None,
            peer: Ipv4Addr::UNSPECIFIED.into(),
            method: http::Method::GET,
            version: http::Version::HTTP_11,
            host: "".into(),
            path: "".into(),
            port: 0,
            gateway: None,
            listener: None,
            route: None,
            rule: None,
            matched: None,
            backend: None,
            operation: None,
            system: None,
            requested_model: None,
            upstream_model: None,
            response_model: None,
            upstream_request_id: None,
            stream: false,
            asked: None,
            usage: None,
            lookup: None,
            cost: None,
            attempts: Vec::new(),
            status: 499,
            first_token: None,
            duration: Duration::ZERO,
            response_bytes: 0,
            end: End::ClientClosed,
            reason: None,
            error: None,
            request_body: None,
            response_body: None,
            kept: None,
        }
    }

    /// The model sent upstream: the configured one, else the client's.
    #[must_use]
    pub fn sent_model(&self) -> Option<&str> {
        self.upstream_model.as_deref().or(self.requested_model.as_deref())
    }

    /// Bytes of bodies and headers that it holds; nothing else of it is large.
    #[must_use]
    pub fn weight(&self) -> usize {
        let bodies =
            self.request_body.as_ref().map_or(0, |body| body.len()) + self.response_body.as_ref().map_or(0, Vec::len);
        bodies + self.kept.as_ref().map_or(0, |kept| kept.weight())
    }

    /// When it began.
    #[must_use]
    pub fn since_epoch(&self) -> Duration {
        self.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    /// `llm` or `http`.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        if self.operation.is_some() { "llm" } else { "http" }
    }

    /// Seconds per output token of a stream, from its first event on.
    #[must_use]
    pub fn time_per_output_token(&self) -> Option<f64> {
        let tokens = self.usage.map(|usage| usage.output).filter(|tokens| *tokens > 0)?;
        Some(self.duration.saturating_sub(self.first_token?).as_secs_f64() / tokens as f64)
    }
}

/// Longest model name that is written anywhere.
const MAX_MODEL: usize = 128;

/// A model's name as it is written.
#[must_use]
pub fn shortened(name: &str) -> &str {
    cut(name, MAX_MODEL)
}

/// As much of a text as fits, without half a character.
#[must_use]
pub fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("level", "info")?;
        map.serialize_entry("time", &timestamp(self.since_epoch()))?;
        map.serialize_entry("scope", "request")?;
        let optional = [("gateway", &self.gateway), ("listener", &self.listener), ("route_rule", &self.rule)];
        for (key, value) in optional.into_iter().chain([("route", &self.route), ("backend", &self.backend)]) {
            if let Some(value) = value {
                map.serialize_entry(key, &**value)?;
            }
        }
        if let Some(last) = self.attempts.last() {
            map.serialize_entry("endpoint", &last.endpoint)?;
            map.serialize_entry("provider", &*last.provider)?;
            if let Some(standing) = last.standing {
                map.serialize_entry("provider.standing", standing)?;
            }
        }
        map.serialize_entry("src.addr", &self.peer)?;
        map.serialize_entry("http.method", shortened(self.method.as_str()))?;
        map.serialize_entry("http.host", &self.host)?;
        map.serialize_entry("http.path", &self.path)?;
        map.serialize_entry("http.version", &format_args!("{:?}", self.version))?;
        map.serialize_entry("http.status", &self.status)?;
        map.serialize_entry("request.id", &self.request_id)?;
        if let Some(id) = &self.upstream_request_id {
            map.serialize_entry("upstream.request.id", id)?;
        }
        map.serialize_entry("trace.id", &format_args!("{:032x}", self.trace.trace_id))?;
        map.serialize_entry("span.id", &format_args!("{:016x}", self.trace.span_id))?;
        map.serialize_entry("protocol", self.protocol())?;
        self.serialize_gen_ai(&mut map)?;
        map.serialize_entry("attempts", &self.attempts.len())?;
        if self.attempts.len() > 1 {
            map.serialize_entry("retry.attempt", &(self.attempts.len() - 1))?;
        }
        if self.attempts.len() > 1 || self.attempts.iter().any(|attempt| attempt.error.is_some()) {
            map.serialize_entry("attempt.detail", &self.attempts)?;
        }
        map.serialize_entry("end", self.end.name())?;
        if let Some(reason) = self.reason {
            map.serialize_entry("reason", reason.name())?;
        }
        if let Some(error) = &self.error {
            map.serialize_entry("error", error)?;
        }
        if let Some(body) = &self.request_body {
            map.serialize_entry("request.body", &String::from_utf8_lossy(body))?;
        }
        if let Some(body) = &self.response_body {
            map.serialize_entry("response.body", &String::from_utf8_lossy(body))?;
        }
        map.serialize_entry("duration", &format_args!("{}ms", self.duration.as_millis()))?;
        map.end()
    }
}

impl Record {
    fn serialize_gen_ai<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let Some(operation) = self.operation else { return Ok(()) };
        map.serialize_entry("gen_ai.operation.name", operation)?;
        if let Some(system) = self.system {
            map.serialize_entry("gen_ai.provider.name", system)?;
        }
        if let Some(model) = self.sent_model() {
            map.serialize_entry("gen_ai.request.model", shortened(model))?;
        }
        if let Some(model) = &self.requested_model {
            map.serialize_entry("gen_ai.request.original_model", shortened(model))?;
        }
        if let Some(model) = &self.response_model {
            map.serialize_entry("gen_ai.response.model", shortened(model))?;
        }
        if let Some(usage) = self.usage {
            map.serialize_entry("gen_ai.usage.input_tokens", &usage.input)?;
            map.serialize_entry("gen_ai.usage.output_tokens", &usage.output)?;
            if usage.cached > 0 {
                map.serialize_entry("gen_ai.usage.cache_read.input_tokens", &usage.cached)?;
            }
            if usage.cache_written > 0 {
                map.serialize_entry("gen_ai.usage.cache_creation.input_tokens", &usage.cache_written)?;
            }
            if usage.reasoning > 0 {
                map.serialize_entry("gen_ai.usage.reasoning_tokens", &usage.reasoning)?;
            }
        }
        if let Some(first) = self.first_token {
            map.serialize_entry("agw.ai.time_to_first_token", &first.as_secs_f64())?;
        }
        if let Some(each) = self.time_per_output_token() {
            map.serialize_entry("agw.ai.time_per_output_token", &each)?;
        }
        if let Some(cost) = &self.cost {
            map.serialize_entry("agw.ai.usage.cost.total", &format_args!("{}", cost.total()))?;
        }
        if let Some(asked) = &self.asked {
            asked.each().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        }
        Ok(())
    }
}

impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("provider", &*self.provider)?;
        map.serialize_entry("endpoint", &self.endpoint)?;
        if let Some(standing) = self.standing {
            map.serialize_entry("standing", standing)?;
        }
        if let Some(status) = self.status {
            map.serialize_entry("status", &status)?;
        }
        if let Some(error) = &self.error {
            map.serialize_entry("error", error)?;
        }
        map.serialize_entry("duration", &format_args!("{}ms", self.duration.as_millis()))?;
        map.end()
    }
}

/// RFC 3339 in UTC with microseconds.
pub(crate) fn timestamp(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (days, of_day) = (i64::try_from(seconds / 86_400).unwrap_or(0), seconds % 86_400);
    // civil date from days since 1970-01-01 (Gregorian calendar, eras of 400 years)
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z", since_epoch.subsec_micros())
}

/// A record on its way; handed over when dropped, as `client_closed` unless an end was told.
#[derive(Debug)]
pub struct Pending {
    record: Option<Box<Record>>,
    sink: Sink,
}

impl Pending {
    /// Begins to hold a record.
    #[must_use]
    pub fn new(record: Record, sink: Sink) -> Self {
        sink.core.begin();
        Self { record: Some(Box::new(record)), sink }
    }
}

impl std::ops::Deref for Pending {
    type Target = Record;
    fn deref(&self) -> &Record {
        self.record.as_deref().expect("only drop takes the record")
    }
}

impl std::ops::DerefMut for Pending {
    fn deref_mut(&mut self) -> &mut Record {
        self.record.as_deref_mut().expect("only drop takes the record")
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.duration = record.started.elapsed();
            self.sink.core.end();
            self.sink.send(record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_rfc_3339() {
        assert_eq!(timestamp(Duration::ZERO), "1970-01-01T00:00:00.000000Z");
        assert_eq!(timestamp(Duration::from_micros(1_709_210_096_000_007)), "2024-02-29T12:34:56.000007Z");
    }
}
