//! Finished records → spans: one of the server, one of the client per attempt, with exact times and given ids.
//! What an attribute is called is the business of the [`dialect`]; what prompts and answers look like, of [`messages`]; how spans are written, of
//! [`write`](mod@write).

pub mod dialect;
pub mod messages;
#[cfg(test)]
pub(crate) mod tests;
pub mod write;

use std::borrow::Cow;
use std::time::Duration;

use crate::cost::Usd;
use crate::record::{Attempt, End, Record};
use dialect::{Dialect, Fact, Side};

/// Longest text of an attribute, bodies included.
const MAX_TEXT: usize = 16 * 1024;
/// Most attributes of a span.
const MAX_ATTRIBUTES: usize = 128;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// An integer.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// Several strings.
    Texts(Vec<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or(Self::Float(number as f64), Self::Int)
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Number(number) => {
                number.as_i64().map_or_else(|| Self::Float(number.as_f64().unwrap_or_default()), Self::Int)
            }
            serde_json::Value::Array(all) if all.iter().all(serde_json::Value::is_string) => {
                let text = |value: serde_json::Value| value.as_str().map(str::to_owned);
                Self::Texts(all.into_iter().filter_map(text).collect())
            }
            other => Self::Text(other.to_string()),
        }
    }
}

/// One span, of the trace of its record.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Whether it is the server's or that of an attempt.
    pub side: Side,
    /// Its id.
    pub id: u64,
    /// The id of the span above; 0 for none.
    pub parent: u64,
    /// What it is shown as.
    pub name: String,
    /// From the record's start.
    pub started: Duration,
    /// From the record's start.
    pub ended: Duration,
    /// By name, in the dialect's order.
    pub attributes: Vec<(Cow<'static, str>, Value)>,
    /// It failed, with what is known of why.
    pub failed: Option<String>,
}

/// The spans of a finished exchange, the server's first; none where the filter says so.
#[must_use]
pub fn of(record: &Record, dialect: &Dialect) -> Vec<Span> {
    let Some(tracing) = &record.tracing else { return Vec::new() };
    let told = |expression: &crate::cel::Expression| match &record.kept {
        Some(kept) => expression.value(&kept.scope(record)),
        None => expression.value(&crate::access_log::bare_scope(record)),
    };
    if tracing.filter.as_ref().and_then(told) == Some(false.into()) {
        return Vec::new();
    }
    let mut spans = vec![server(record, dialect)];
    spans.extend((0..record.attempts.len()).map(|index| client(record, index, dialect)));
    for span in &mut spans {
        span.attributes.retain(|(name, _)| !tracing.remove.iter().any(|removed| **removed == **name));
    }
    for (name, expression) in &tracing.add {
        let Some(value) = told(expression) else { continue };
        if &**name == "span.name" {
            spans[0].name = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            continue;
        }
        let attributes = &mut spans[0].attributes;
        attributes.retain(|(given, _)| **given != **name);
        if attributes.len() < MAX_ATTRIBUTES {
            attributes.push((Cow::Owned(name.to_string()), value.into()));
        }
    }
    spans
}

fn server(record: &Record, dialect: &Dialect) -> Span {
    let facts = Facts { record, attempt: None };
    let method = method(record);
    Span {
        side: Side::Server,
        id: record.trace.span_id,
        parent: record.trace.parent_id,
        name: record.matched.as_ref().map_or_else(|| method.to_owned(), |path| format!("{method} {path}")),
        started: Duration::ZERO,
        ended: record.duration,
        attributes: facts.told(dialect, Side::Server),
        failed: facts.error_type().map(|_| record.error.as_deref().unwrap_or_default().to_owned()),
    }
}

fn client(record: &Record, index: usize, dialect: &Dialect) -> Span {
    let attempt = &record.attempts[index];
    let facts = Facts { record, attempt: Some((attempt, index + 1 == record.attempts.len())) };
    let operation = record.operation.filter(|_| dialect.client_named_by_model);
    let name = match (operation, facts.sent_model()) {
        (Some(operation), Some(model)) => format!("{operation} {}", crate::record::shortened(model)),
        (Some(operation), None) => operation.to_owned(),
        (None, _) => method(record).to_owned(),
    };
    let ended = if facts.goes_on() { record.duration } else { attempt.started + attempt.duration };
    Span {
        side: Side::Client,
        id: attempt.span_id,
        parent: record.trace.span_id,
        name,
        started: attempt.started,
        ended: ended.max(attempt.started),
        attributes: facts.told(dialect, Side::Client),
        failed: facts.error_type().map(|_| attempt.error.as_deref().unwrap_or_default().to_owned()),
    }
}

/// A method that is not known must not name spans.
fn method(record: &Record) -> &str {
    match record.method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH" | "CONNECT" | "TRACE") => known,
        _ => "HTTP",
    }
}

/// What can be said of an exchange, or of one attempt of it and whether it is the last.
struct Facts<'a> {
    record: &'a Record,
    attempt: Option<(&'a Attempt, bool)>,
}

impl Facts<'_> {
    fn told(&self, dialect: &Dialect, side: Side) -> Vec<(Cow<'static, str>, Value)> {
        let table = if side == Side::Server { dialect.server } else { dialect.client };
        let named = table.iter().filter_map(|(fact, name)| Some((Cow::Borrowed(*name), self.value(*fact)?)));
        let asked = self.record.asked.iter().chain(&self.record.asked_aside);
        let asked = asked.filter(|_| dialect.parameters == side).flat_map(|asked| asked.each());
        named.chain(asked.map(|(name, value)| (Cow::Borrowed(name), value.clone().into()))).collect()
    }

    /// The configured model, else the client's.
    fn sent_model(&self) -> Option<&str> {
        let record = self.record;
        let configured = self.attempt.map_or(&record.upstream_model, |(attempt, _)| &attempt.model);
        configured.as_deref().or(record.requested_model.as_deref())
    }

    /// Its answer was relayed, or it was cancelled: it ended with the exchange.
    fn goes_on(&self) -> bool {
        self.attempt.is_some_and(|(attempt, last)| last && attempt.error.is_none())
    }

    /// The span failed; of a server only where the gateway did, or the answer says so.
    fn error_type(&self) -> Option<String> {
        let record = self.record;
        let broken = matches!(record.end, End::UpstreamFailed | End::TimedOut);
        match self.attempt {
            None if record.status < 500 && !broken => None,
            None => Some(match (record.reason, broken) {
                (Some(reason), _) => reason.name().to_owned(),
                (None, true) => record.end.name().to_owned(),
                (None, false) => record.status.to_string(),
            }),
            Some((Attempt { error_type: Some(why), .. }, _)) => Some((*why).to_owned()),
            Some((Attempt { status: Some(status), .. }, _)) if *status >= 400 => Some(status.to_string()),
            Some(_) if self.goes_on() && broken => Some(record.end.name().to_owned()),
            Some(_) => None,
        }
    }

    fn value(&self, fact: Fact) -> Option<Value> {
        let record = self.record;
        let text = |text: Option<&str>| text.map(Value::from);
        let model = |name: Option<&str>| name.map(|name| crate::record::shortened(name).into());
        // a failed attempt used nothing that is known
        let answered = self.attempt.is_none_or(|(attempt, last)| last && attempt.status.is_some());
        let usage = record.usage.filter(|_| answered);
        let particulars = record.particulars.as_ref().filter(|_| answered);
        let some = |tokens: u64| (tokens > 0).then(|| tokens.into());
        let cost = record.cost.filter(|_| answered);
        let price = |cost: Usd| Some(Value::Text(cost.to_string()));
        let price_of = |tokens: u64, cost: Usd| price(cost).filter(|_| tokens > 0);
        let last = self.attempt.map(|(attempt, _)| attempt).or(record.attempts.last());
        match fact {
            Fact::Gateway => text(record.gateway.as_deref()),
            Fact::Listener => text(record.listener.as_deref()),
            Fact::Route => text(record.route.as_deref()),
            Fact::Rule => text(record.rule.as_deref()),
            Fact::PathMatch => text(record.matched.as_deref()),
            Fact::Backend => text(record.backend.as_deref()),
            Fact::Provider => text(last.map(|attempt| &*attempt.provider)),
            Fact::Endpoint => text(last.map(|attempt| &*attempt.endpoint)),
            Fact::Standing => text(last.and_then(|attempt| attempt.standing)),
            Fact::Resend => {
                let (attempt, _) = self.attempt?;
                let index = record.attempts.iter().position(|other| std::ptr::eq(other, attempt))?;
                (index > 0).then(|| Value::from(index as u64))
            }
            Fact::Method => text(Some(record.method.as_str())),
            Fact::Host => text(Some(&record.host)),
            Fact::Path => text(Some(&record.path)),
            Fact::Scheme => text(Some(record.scheme)),
            Fact::Version => text(version(record.version)),
            Fact::Status => match self.attempt {
                None => Some(u64::from(record.status).into()),
                Some((attempt, _)) => attempt.status.map(|status| u64::from(status).into()),
            },
            Fact::ServerAddress => text(
                last.and_then(|attempt| attempt.endpoint.rsplit_once(':'))
                    .map(|(host, _)| host.trim_matches(['[', ']'])),
            ),
            Fact::ServerPort => {
                let port = last.and_then(|attempt| attempt.endpoint.rsplit_once(':')?.1.parse::<u64>().ok());
                port.map(Value::from)
            }
            Fact::Peer => Some(Value::Text(record.peer.to_string())),
            Fact::OwnPort => Some(u64::from(record.port).into()),
            Fact::RequestId => text(Some(&record.request_id)),
            Fact::UpstreamRequestId => text(record.upstream_request_id.as_deref()),
            Fact::Operation => text(record.operation),
            Fact::System => {
                let system = self.attempt.map_or(record.system, |(attempt, _)| attempt.system);
                text(system.filter(|_| record.operation.is_some()))
            }
            Fact::RequestModel => model(self.sent_model()),
            Fact::OriginalModel => model(record.requested_model.as_deref()),
            Fact::ResponseModel => model(record.response_model.as_deref().filter(|_| answered)),
            Fact::ResponseId => text(particulars?.id()),
            Fact::FinishReasons => {
                let why = particulars?.finish_reasons();
                (!why.is_empty()).then(|| Value::Texts(why.into_iter().map(str::to_owned).collect()))
            }
            Fact::AudioInputTokens => some(particulars?.audio_input),
            Fact::AudioOutputTokens => some(particulars?.audio_output),
            Fact::ImageOutputTokens => some(particulars?.image_output),
            Fact::Stream => record.operation.map(|_| Value::Bool(record.stream)),
            Fact::InputTokens => usage.map(|usage| usage.input.into()),
            Fact::OutputTokens => usage.map(|usage| usage.output.into()),
            Fact::CachedTokens => some(usage?.cached),
            Fact::CacheWrittenTokens => some(usage?.cache_written),
            Fact::ReasoningTokens => some(usage?.reasoning),
            Fact::Cost => price(cost?.total()),
            Fact::InputCost => price(cost?.input),
            Fact::OutputCost => price(cost?.output),
            Fact::CachedCost => price_of(usage?.cached, cost?.cache_read),
            Fact::CacheWrittenCost => price_of(usage?.cache_written, cost?.cache_write),
            Fact::ReasoningCost => price_of(usage?.reasoning, cost?.reasoning),
            Fact::FirstToken => record.first_token.filter(|_| answered).map(|first| {
                let since = self.attempt.map_or(Duration::ZERO, |(attempt, _)| attempt.started);
                Value::Float(first.saturating_sub(since).as_secs_f64())
            }),
            Fact::TimePerToken => record.time_per_output_token().filter(|_| answered).map(Value::Float),
            Fact::Attempts => Some((record.attempts.len() as u64).into()),
            Fact::End => text(Some(record.end.name())),
            Fact::Reason => text(record.reason.map(crate::error::Reason::name)),
            Fact::ErrorType => self.error_type().map(Value::Text),
            Fact::RequestBody => self.content(record.request_body.as_deref()).map(as_text),
            Fact::ResponseBody => self.content(record.response_body.as_deref()).map(as_text),
            Fact::Instructions => messages::instructions(self.talk(record.request_body.as_deref())?).map(Value::Text),
            Fact::InputMessages => messages::input(self.talk(record.request_body.as_deref())?).map(Value::Text),
            Fact::OutputMessages => {
                let body = record.response_body.as_deref().filter(|_| answered);
                messages::output(self.talk(body)?).map(Value::Text)
            }
        }
    }

    /// A body, where content is told.
    fn content<'b>(&self, body: Option<&'b [u8]>) -> Option<&'b [u8]> {
        let told = self.record.tracing.as_ref().is_some_and(|tracing| tracing.content);
        body.filter(|_| told && self.record.operation.is_some())
    }

    /// The body of an operation that is a talk.
    fn talk<'b>(&self, body: Option<&'b [u8]>) -> Option<&'b [u8]> {
        self.content(body).filter(|_| matches!(self.record.operation, Some("chat" | "text_completion")))
    }
}

fn as_text(body: &[u8]) -> Value {
    Value::Text(String::from_utf8_lossy(&body[..body.len().min(MAX_TEXT)]).into_owned())
}

fn version(version: http::Version) -> Option<&'static str> {
    match version {
        http::Version::HTTP_2 => Some("2"),
        http::Version::HTTP_11 => Some("1.1"),
        http::Version::HTTP_10 => Some("1.0"),
        _ => None,
    }
}
