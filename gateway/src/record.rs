//! What is known of one exchange when it has ended: the source of its log line ([`line`]) and its metrics.
//! The record leaves the request path exactly once, whatever happens, when its holder lets go of it.

mod line;
mod place;

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::access_log::Kept;
use crate::asked::Asked;
use crate::cost::{Cost, Lookup};
use crate::error::Reason;
use crate::particulars::Particulars;
use crate::telemetry::Sink;
use crate::trace::Trace;
use crate::tracing::Tracing;
use crate::usage::Usage;

pub use line::PlaceText;
pub(crate) use line::timestamp;
pub use place::Place;

/// Bytes of a text in a small record.
const MOST_ROOM: usize = 512;
/// Attempts in a small record.
const MOST_ATTEMPTS: usize = 4;

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
    pub endpoint: Arc<str>,
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
#[expect(missing_docs, reason = "each field is the log field of the same name; see `line`")]
pub struct Record {
    pub started: Instant,
    pub time: SystemTime,
    pub request_id: String,
    pub trace: Trace,
    /// Set where its spans are exported.
    pub tracing: Option<Arc<Tracing>>,
    /// The caller's `tracestate`, where spans are exported.
    pub trace_state: Option<Box<str>>,
    pub peer: IpAddr,
    pub method: http::Method,
    pub version: http::Version,
    /// `https` behind a listener's certificate, else `http`.
    pub scheme: &'static str,
    pub host: String,
    pub path: String,
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
    /// What only spans tell of that, where they are exported.
    pub asked_aside: Option<Box<Asked>>,
    /// Of the answer, where spans are exported.
    pub particulars: Option<Box<Particulars>>,
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
    /// Number of the core that made it, if one did.
    pub core: Option<usize>,
}

/// Records that go from thread to thread, each in its place.
pub type Records = Vec<Box<Record>>;

impl Record {
    /// Nothing is known yet: what an exchange begins with, at this moment.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            started: Instant::now(),
            time: SystemTime::now(),
            request_id: String::new(),
            trace: Trace { trace_id: 0, span_id: 0, parent_id: 0, flags: 0, passes: false },
            tracing: None,
            trace_state: None,
            peer: Ipv4Addr::UNSPECIFIED.into(),
            method: http::Method::GET,
            version: http::Version::HTTP_11,
            scheme: "http",
            host: String::new(),
            path: String::new(),
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
            asked_aside: None,
            particulars: None,
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
            core: None,
        }
    }

    /// Becomes an empty one that keeps its room: what the next exchange has to say finds its place there.
    pub fn clear(&mut self) {
        let mut room = [&mut self.request_id, &mut self.host, &mut self.path].map(std::mem::take);
        room.iter_mut().for_each(String::clear);
        let ([request_id, host, path], mut attempts) = (room, std::mem::take(&mut self.attempts));
        attempts.clear();
        *self = Self { request_id, host, path, attempts, ..Self::empty() };
    }

    /// Lets go of bodies and headers, and of what only spans tell.
    pub fn lighten(&mut self) {
        (self.request_body, self.response_body, self.kept) = (None, None, None);
        (self.tracing, self.trace_state, self.asked_aside, self.particulars) = (None, None, None, None);
    }

    /// Whether what is left of a lightened one is no more than usual.
    #[must_use]
    pub fn is_small(&self) -> bool {
        let room = [&self.request_id, &self.host, &self.path].map(String::capacity);
        let texts = [&self.requested_model, &self.response_model, &self.upstream_request_id, &self.error];
        let texts = texts.map(|text| text.as_ref().map_or(0, |text| text.len()));
        room.into_iter().chain(texts).all(|bytes| bytes <= MOST_ROOM) && self.attempts.capacity() <= MOST_ATTEMPTS
    }

    /// The model sent upstream: the configured one, else the client's.
    #[must_use]
    pub fn sent_model(&self) -> Option<&str> {
        self.upstream_model.as_deref().or(self.requested_model.as_deref())
    }

    /// Bytes of bodies, headers and a model's name that it holds; nothing else of it is large.
    #[must_use]
    pub fn weight(&self) -> usize {
        let bodies =
            self.request_body.as_ref().map_or(0, |body| body.len()) + self.response_body.as_ref().map_or(0, Vec::len);
        let model = self.requested_model.as_ref().map_or(0, |model| model.len());
        let model = if model > MAX_MODEL { model } else { 0 };
        bodies + model + self.kept.as_ref().map_or(0, |kept| kept.weight())
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

    /// Whether a provider said anything.
    #[must_use]
    pub fn answered(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.status.is_some())
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

/// A record on its way; handed over when dropped, as `client_closed` unless an end was told.
#[derive(Debug)]
pub struct Pending {
    record: Option<Box<Record>>,
    sink: Rc<Sink>,
}

impl Pending {
    /// Begins an empty record.
    #[must_use]
    pub fn new(sink: Rc<Sink>) -> Self {
        sink.core.begin();
        Self { record: Some(sink.blank()), sink }
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
