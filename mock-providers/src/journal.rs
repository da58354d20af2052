//! What a provider saw: requests, connections, and how each ended.
//!
//! Owns the records and what of them may be shown. Refuses to judge them: expectations live with the scenarios.
//! Records keep what came over the wire, secrets included; `Debug` and `Serialize` mask them.

mod recorder;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Serialize, Serializer};
use smallvec::SmallVec;

use crate::request::RequestHead;

pub(crate) use recorder::Recorder;

/// Everything a provider saw so far, oldest first.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Journal {
    /// The requests, by arrival of their heads.
    pub requests: Vec<RequestRecord>,
    /// The connections, by acceptance.
    pub connections: Vec<ConnectionRecord>,
}

/// One request and what became of it. Times count from the origin of the run.
#[derive(Clone, Default, Serialize)]
pub struct RequestRecord {
    /// Counts from 1 within the provider.
    pub seq: u64,
    /// The provider's name.
    pub provider: Arc<str>,
    /// [`ConnectionRecord::id`].
    pub connection: u64,
    /// Which request of its connection, from 1.
    pub on_connection: u32,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub http_version: &'static str,
    /// The stream of HTTP/2.
    pub stream_id: Option<u32>,
    /// When its head was complete.
    #[serde(serialize_with = "as_millis")]
    pub received_at: Duration,
    /// The request line and the headers.
    #[serde(flatten)]
    pub head: RequestHead,
    /// The body without its framing, as far as it came.
    #[serde(serialize_with = "as_text")]
    pub body: Bytes,
    /// Whether all of it came.
    pub body_complete: bool,
    /// When its last byte came, if it did.
    #[serde(serialize_with = "as_optional_millis")]
    pub body_at: Option<Duration>,
    /// The declared length.
    pub content_length: Option<u64>,
    /// Whether the body came in chunks.
    pub chunked: bool,
    /// What is wrong with the request's framing.
    pub malformed: Option<String>,
    /// The body's `model`.
    pub model: Option<String>,
    /// Whether the body says `stream: true`.
    pub stream: bool,
    /// The rule that answered; `default` when none did.
    pub rule: Arc<str>,
    /// What its `X-Mock-Session` header calls the session.
    pub session: Option<String>,
    /// What its draws follow from; none when no rule was looked for.
    pub draws: Option<Draws>,
    /// The first rules that were passed over, each with what spoke against it.
    pub rejected: Vec<(String, String)>,
    /// A short hash of its tools, as `when: {tools_hash: …}` takes it; only where the provider has rules.
    pub tools_hash: Option<String>,
    /// The same of its system prompt.
    pub system_hash: Option<String>,
    /// The faults that were scripted for the answer, joined by `+`.
    pub fault: Option<String>,
    /// The scripted faults that this answer gave no chance to: a missing `[DONE]` of an answer in JSON.
    pub not_applicable: Vec<&'static str>,
    /// The silence that was scripted before the head.
    #[serde(serialize_with = "as_millis")]
    pub delay: Duration,
    /// What the answer, when it was none of success, said about asking again.
    pub advice: Option<Advice>,
    /// The status that was written.
    pub status: Option<u16>,
    /// When the response head had been written.
    #[serde(serialize_with = "as_optional_millis")]
    pub head_at: Option<Duration>,
    /// When, and how many bytes of the body, each write handed over.
    #[serde(serialize_with = "as_events")]
    pub events: SmallVec<[(Duration, usize); 1]>,
    /// Since when a write is waiting for the caller to read; none while all goes smoothly.
    #[serde(serialize_with = "as_optional_millis")]
    pub writing_since: Option<Duration>,
    /// The longest time that a single write took: above a few milliseconds, the caller's backpressure came this far.
    #[serde(serialize_with = "as_millis")]
    pub blocked: Duration,
    /// The body's bytes, encoded but without their framing, of all writes that were begun: one entry for each event.
    /// Only with [`Options::keep_sent`](crate::Options::keep_sent), and no more than that many bytes.
    #[serde(skip)]
    pub sent: Vec<Bytes>,
    /// How many bytes `sent` holds.
    #[serde(skip)]
    pub sent_bytes: usize,
    /// The usage that was reported, once all of its bytes were written.
    pub usage: Option<Usage>,
    /// How the exchange ended.
    pub end: End,
}

impl Journal {
    /// The connections that have not ended.
    pub fn open_connections(&self) -> impl Iterator<Item = &ConnectionRecord> {
        self.connections.iter().filter(|connection| connection.closed_at.is_none())
    }
}

impl RequestRecord {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }
}

impl fmt::Debug for RequestRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestRecord")
            .field("seq", &self.seq)
            .field("provider", &self.provider)
            .field("connection", &(self.connection, self.on_connection))
            .field("received_at", &self.received_at)
            .field("head", &self.head)
            .field("body", &self.body)
            .field("body_complete", &self.body_complete)
            .field("malformed", &self.malformed)
            .field("rule", &self.rule)
            .field("draws", &self.draws)
            .field("rejected", &self.rejected)
            .field("fault", &self.fault)
            .field("not_applicable", &self.not_applicable)
            .field("status", &self.status)
            .field("head_at", &self.head_at)
            .field("events", &self.events)
            .field("blocked", &self.blocked)
            .field("usage", &self.usage)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// What everything that was made up for a request follows from, beside the name of its rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Draws {
    /// The seed of the run.
    pub seed: u64,
    /// A hash of method, target and body.
    #[serde(serialize_with = "as_hex")]
    pub request: u64,
    /// How often this request was made, from 1; with `determinism: per_sequence` how many there were of any kind.
    pub occurrence: u64,
    /// The one number in 0..1 that chose among `faults`, where it mattered.
    pub roll: Option<f64>,
    /// The same for the rule's own fault.
    pub rule_roll: Option<f64>,
}

/// Token counts as reported to the caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Of the prompt, from a cache.
    pub cached_tokens: u64,
    /// Of the answer, reasoning.
    pub reasoning_tokens: u64,
}

/// What a failed answer's headers say about asking again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Not before this time has passed: `retry-after-ms`, or else `retry-after` in either form.
    #[serde(serialize_with = "as_optional_millis")]
    pub retry_after: Option<Duration>,
    /// `x-should-retry`.
    pub should_retry: Option<bool>,
}

impl Advice {
    /// What these headers of an answer with this status advise; nothing when it succeeded or says nothing.
    pub(crate) fn of(status: u16, headers: &[(impl AsRef<str>, impl AsRef<str>)]) -> Option<Self> {
        if status < 400 {
            return None;
        }
        let value = |wanted: &str| {
            let found = headers.iter().find(|(name, _)| name.as_ref().eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.as_ref().trim())
        };
        let seconds = |text: &str| Duration::try_from_secs_f64(text.parse().ok()?).ok();
        let until = |text: &str| httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok();
        let millis = value("retry-after-ms").and_then(|text| seconds(text).map(|time| time / 1000));
        let retry_after =
            millis.or_else(|| value("retry-after").and_then(|text| seconds(text).or_else(|| until(text))));
        let should_retry = value("x-should-retry").and_then(|text| text.parse().ok());
        (retry_after.is_some() || should_retry.is_some()).then_some(Self { retry_after, should_retry })
    }
}

impl Usage {
    /// Of prompt and answer together; what is scripted may be as large as it likes.
    pub(crate) fn total_tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It has not yet.
    #[default]
    Pending,
    /// All that HTTP asks for was written.
    Complete,
    /// The caller closed or reset the connection before that.
    ClientClosed {
        /// When it was noticed.
        #[serde(serialize_with = "as_millis")]
        at: Duration,
    },
    /// The script, or the stop of the provider, cut it short.
    Fault,
}

/// Who ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// The caller.
    Client,
    /// This provider, as a healthy one may.
    Mock,
    /// This provider, because the script says that something goes wrong.
    Fault,
}

/// One accepted connection.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ConnectionRecord {
    /// Counts from 1 within the provider.
    pub id: u64,
    /// Where it came from.
    pub peer: Option<SocketAddr>,
    /// When it was accepted.
    #[serde(serialize_with = "as_millis")]
    pub opened_at: Duration,
    /// When its end was seen or made.
    #[serde(serialize_with = "as_optional_millis")]
    pub closed_at: Option<Duration>,
    /// Who ended it.
    pub closed_by: Option<Peer>,
    /// Whether by RST.
    pub reset: bool,
    /// The faults that happened to it, joined by `+`; those of its requests are told there.
    pub fault: Option<String>,
    /// The faults that were scripted for it but found nothing to change: a certificate without TLS.
    pub not_applicable: Vec<&'static str>,
    /// How many requests it carried.
    pub requests: u32,
    /// How many bytes of the application (HTTP, after decryption) came in, by its last request or its end.
    pub taken: u64,
    /// What the handshake showed, when it succeeded.
    pub tls: Option<TlsFacts>,
    /// Why the handshake failed, when it did.
    pub tls_failure: Option<TlsFailure>,
}

/// What a TLS handshake showed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TlsFacts {
    /// The server name asked for.
    pub sni: Option<String>,
    /// The protocol agreed on.
    pub alpn: Option<String>,
    /// The version of TLS, such as `TLSv1_3`.
    pub version: Option<String>,
}

/// What is known of a TLS handshake that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TlsFailure {
    /// The server name asked for.
    pub sni: Option<String>,
    /// The alert by which the caller refused, such as `UnknownCA`.
    pub alert: Option<String>,
    /// What went wrong, in words.
    pub reason: String,
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn as_millis<S: Serializer>(time: &Duration, writer: S) -> Result<S::Ok, S::Error> {
    writer.serialize_f64(millis(*time))
}

fn as_optional_millis<S: Serializer>(time: &Option<Duration>, writer: S) -> Result<S::Ok, S::Error> {
    time.map(millis).serialize(writer)
}

fn as_events<S: Serializer>(events: &[(Duration, usize)], writer: S) -> Result<S::Ok, S::Error> {
    writer.collect_seq(events.iter().map(|(at, bytes)| (millis(*at), bytes)))
}

fn as_hex<S: Serializer>(hash: &u64, writer: S) -> Result<S::Ok, S::Error> {
    writer.collect_str(&format_args!("{hash:016x}"))
}

fn as_text<S: Serializer>(body: &Bytes, writer: S) -> Result<S::Ok, S::Error> {
    writer.serialize_str(&String::from_utf8_lossy(body))
}
