//! One answer of a backend as checks see it: status, headers, JSON, stream, and what went wrong on the way.
//! Refuses verdicts; it says what an error looks like, not whether one was due.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use super::ask::Request;
use super::stream::Stream;
use crate::client::{End, Exchange, Leave};
use crate::wire::Head;

/// No answer to what is asked here is longer, and no stream so long; who sends more is left.
pub fn most(request: &Request) -> usize {
    const MIB: usize = 1024 * 1024;
    if request.streams() { MIB } else { 4 * MIB }
}

/// What came back for one request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked.
    pub request: Request,
    /// Its head, if one came.
    pub head: Option<Head>,
    /// Its body, as far as [`most`] goes.
    pub body: Vec<u8>,
    /// How it ended.
    pub end: End,
    /// After each read: time since the request was sent, and how much of the body there was.
    pub reads: Vec<(Duration, usize)>,
    /// From the first byte sent to the end.
    pub took: Duration,
    /// For how long this program did not get to read at most, as far as that was watched.
    pub lag: Duration,
    json: OnceLock<Option<Value>>,
    stream: OnceLock<Stream>,
}

impl Answer {
    /// Of what the client saw.
    pub fn of(request: Request, exchange: Exchange) -> Answer {
        let Exchange { call, head, mut body, mut end, reads, sent_at, ended_at, .. } = exchange;
        if end == End::WeClosed && matches!(call.leave, Leave::AfterBytes(_)) {
            end = End::Malformed(format!("a body of more than {} bytes", most(&request)));
        }
        body.truncate(most(&request));
        body.shrink_to_fit();
        let reads = reads.into_iter().map(|(at, size)| (at.saturating_sub(sent_at), size)).collect();
        let took = ended_at.saturating_sub(sent_at);
        Answer {
            request,
            head,
            body,
            end,
            reads,
            took,
            lag: Duration::ZERO,
            json: OnceLock::new(),
            stream: OnceLock::new(),
        }
    }

    /// The status code.
    pub fn status(&self) -> Option<u16> {
        self.head.as_ref().and_then(Head::status)
    }

    /// A header's first value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.as_ref().and_then(|head| head.get(name))
    }

    /// The media type without its parameters, in small letters.
    pub fn media_type(&self) -> String {
        let given = self.header("content-type").unwrap_or_default();
        given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The body as JSON, if it is.
    pub fn json(&self) -> Option<&Value> {
        self.json.get_or_init(|| serde_json::from_slice(&self.body).ok()).as_ref()
    }

    /// The body as a stream of events.
    pub fn stream(&self) -> &Stream {
        self.stream.get_or_init(|| Stream::read(&self.body))
    }

    /// The body as JSON; null where there is none.
    pub fn value(&self) -> &Value {
        const NULL: &Value = &Value::Null;
        self.json().unwrap_or(NULL)
    }

    /// Whether the body is a page for people.
    pub fn is_html(&self) -> bool {
        let start = String::from_utf8_lossy(&self.body[..self.body.len().min(256)]).trim_start().to_ascii_lowercase();
        self.media_type() == "text/html" || start.starts_with("<!doctype html") || start.starts_with("<html")
    }

    /// Why there is no whole answer, if there is none.
    pub fn trouble(&self) -> Option<String> {
        let asked = format!("{} {}", self.request.method, self.request.path);
        match &self.end {
            End::Clean | End::WeClosed => None,
            End::TimedOut if self.head.is_none() => Some(format!("{asked}: no answer within {}", seconds(self.took))),
            End::TimedOut => Some(format!("{asked}: the answer did not end within {}", seconds(self.took))),
            end => Some(format!("{asked}: {end}")),
        }
    }

    /// What the answer is, in a few words, for those who had expected another.
    pub fn refusal(&self) -> String {
        if let Some(trouble) = self.trouble() {
            return trouble;
        }
        let status = self.status().map_or_else(|| "nothing".to_owned(), |status| status.to_string());
        let coded = self.header("content-encoding").filter(|coding| !coding.eq_ignore_ascii_case("identity"));
        let what = match self.error_message() {
            None if coded.is_some() => {
                format!("a body in the coding `{}`, which nobody asked for", cut(coded.unwrap_or_default(), 40))
            }
            Some(message) => cut(&message, 160),
            None if self.is_html() => "an HTML page".to_owned(),
            None if self.body.is_empty() => "an empty body".to_owned(),
            None if self.json().is_some() => cut(&self.value().to_string(), 120),
            None => cut(&String::from_utf8_lossy(&self.body), 120),
        };
        format!("{} {} is answered {status}: {what}", self.request.method, self.request.path)
    }

    /// Whether this is a plain statement that the backend does not do that: a 4xx or 501 as JSON.
    pub fn says_no(&self) -> bool {
        let refused = matches!(self.status(), Some(400 | 403 | 404 | 405 | 415 | 422 | 501));
        let unrouted = matches!(self.status(), Some(404 | 405 | 501)) && !self.is_html();
        let named = self.status() == Some(500) && self.error_message().is_some_and(|message| names_missing(&message));
        unrouted || named || (refused && self.error_message().is_some())
    }

    /// What an error says, in any of the known shapes.
    pub fn error_message(&self) -> Option<String> {
        let value = self.json()?;
        let value = value.get(0).unwrap_or(value);
        let error = value.get("error").unwrap_or(value);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let detail = value.get("detail").map(|detail| text(detail).unwrap_or_else(|| detail.to_string()));
        text(error).or_else(|| error.get("message").and_then(text)).or(detail)
    }

    /// The code or type of an error, in any of the known shapes.
    pub fn error_code(&self) -> Option<String> {
        let value = self.json()?;
        let error = value.get("error").unwrap_or(value);
        let word = |name: &str| match error.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        word("code").or_else(|| word("type"))
    }
}

/// Whether a message says that something is not there at all.
fn names_missing(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["not support", "unsupported", "not implement", "not enabled", "not available"]
        .iter()
        .any(|words| message.contains(words))
}

/// A text of so many characters, and an ellipsis where there was more.
pub fn cut(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() { start + "…" } else { start }
}

/// A time for people.
pub fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.0} s", time.as_secs_f64())
    }
}
