//! A response as a plan: which bytes leave when, and how it ends.
//!
//! Owns the shape that dialects fill, faults reshape and `deliver` carries out. Refuses to touch sockets.

mod deviate;
mod encoding;
mod events;
mod faults;
mod padding;

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::journal::Usage;
use crate::script::{Dialect, Encoding, ErrorCode, Framing, Respond, Tokenizer};

pub(crate) use encoding::accepts;
pub(crate) use events::Events;

/// A header as it goes out.
pub(crate) type Header = (Cow<'static, str>, Cow<'static, str>);

/// Everything about one response.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) before: Before,
    /// The silence before the head.
    pub(crate) delay: Duration,
    pub(crate) status: u16,
    /// All but those that tell the end of the body.
    pub(crate) headers: Vec<Header>,
    pub(crate) framing: Framing,
    /// How the body is encoded, once its content is settled.
    pub(crate) encoding: Option<Encoding>,
    /// The declared length, when a fault makes it differ from the pieces.
    pub(crate) declared: Option<usize>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) failure: Option<Failure>,
    pub(crate) ending: Ending,
    /// Bytes before a FIN, below the framing of HTTP.
    pub(crate) tail: Bytes,
    /// It goes out over HTTP/2.
    pub(crate) http2: bool,
    /// The error code of GOAWAY, said at the piece of that kind, or before the head where there is none.
    pub(crate) goaway: Option<ErrorCode>,
    /// The names of the faults in it.
    pub(crate) fault: Option<String>,
    /// Whose errors it reports.
    pub(crate) dialect: Dialect,
    /// What a token of it is.
    pub(crate) tokenizer: Tokenizer,
    /// The keys of faults that found nothing to change in this response.
    pub(crate) not_applicable: Vec<&'static str>,
}

/// What happens instead of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing: the head is sent.
    Answer,
    /// Silence for ever.
    Silence,
    /// A FIN.
    Fin,
    /// A reset.
    Reset,
    /// A reset of the stream alone; only of HTTP/2.
    ResetStream(ErrorCode),
}

/// How the body ends after its last piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As HTTP asks.
    Complete,
    /// As HTTP asks, but the script cut the content short.
    Cut,
    /// FIN without the HTTP terminator.
    Fin,
    /// A reset.
    Reset,
    /// A reset of the stream alone; only of HTTP/2.
    ResetStream(ErrorCode),
    /// Silence for ever.
    Silence,
}

/// Some bytes of the body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    /// The silence before them.
    pub(crate) gap: Duration,
    /// They begin a write of their own even without a gap.
    pub(crate) apart: bool,
    pub(crate) kind: Kind,
    /// How many tokens they say, once a fault has counted.
    pub(crate) tokens: u32,
    /// What they report as used.
    pub(crate) usage: Option<Usage>,
}

/// What an event is, for those who count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any event that is none of the others.
    #[default]
    Frame,
    /// The first delta of a choice.
    Role,
    /// Content or a piece of a tool call.
    Content,
    /// The end of a choice.
    Finish,
    /// Usage alone.
    Usage,
    /// `[DONE]`, or the terminal event of another dialect.
    Done,
    /// No event: here HTTP/2 announces the end of the connection.
    Goaway,
}

/// How a stream says that it failed, where that is not OpenAI's `data: {"error": …}`.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// The events for an error, after so many others.
    pub(crate) write: fn(error: &Value, events: usize, of: &Value) -> String,
    /// What they tell besides.
    pub(crate) of: Value,
}

/// What a dialect answers, before the script's headers and faults.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    /// Beside those that every answer has.
    pub(crate) headers: Vec<Header>,
    pub(crate) framing: Framing,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) failure: Option<Failure>,
}

impl Answer {
    /// A JSON body.
    pub(crate) fn json(status: u16, body: impl Into<Bytes>, usage: Option<Usage>) -> Self {
        let piece = Piece { bytes: body.into(), kind: Kind::Content, usage, ..Piece::default() };
        Self {
            status,
            content_type: "application/json",
            headers: Vec::new(),
            framing: Framing::ContentLength,
            pieces: vec![piece],
            failure: None,
        }
    }

    /// A stream of events.
    pub(crate) fn stream(pieces: Vec<Piece>) -> Self {
        Self {
            status: 200,
            content_type: "text/event-stream; charset=utf-8",
            headers: Vec::new(),
            framing: Framing::Chunked,
            pieces,
            failure: None,
        }
    }

    /// Makes it a plan, with the script's own wishes about the head.
    pub(crate) fn plan(self, respond: &Respond, common: impl IntoIterator<Item = Header>, delay: Duration) -> Plan {
        let content_type = respond.content_type.clone().map_or(Cow::Borrowed(self.content_type), Cow::Owned);
        let mut headers = Vec::with_capacity(8);
        headers.push(("content-type".into(), content_type));
        headers.extend(self.headers);
        headers.extend(common);
        for (name, values) in &respond.headers.0 {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.extend(values.0.iter().map(|value| (name.clone().into(), value.clone().into())));
        }
        Plan {
            before: Before::Answer,
            delay,
            status: self.status,
            headers,
            framing: respond.framing.unwrap_or(self.framing),
            encoding: None,
            declared: None,
            pieces: self.pieces,
            failure: self.failure,
            ending: Ending::Complete,
            tail: Bytes::new(),
            http2: false,
            goaway: None,
            fault: None,
            dialect: Dialect::default(),
            tokenizer: Tokenizer::default(),
            not_applicable: Vec::new(),
        }
    }
}

impl Plan {
    pub(crate) fn body_length(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes.len()).sum()
    }

    fn is_event_stream(&self) -> bool {
        let type_of = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        type_of.is_some_and(|(_, value)| value.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
    }

    fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// Whether the status, by HTTP, has no body.
    pub(crate) fn is_bodiless(&self) -> bool {
        matches!(self.status, 100..=199 | 204 | 304)
    }

    /// The head as it goes out. A scripted header wins over the one we would write.
    pub(crate) fn head(&self, head: &mut Vec<u8>, keep_alive: bool) {
        let mut number = itoa::Buffer::new();
        let mut write = |parts: &[&str]| parts.iter().for_each(|part| head.extend_from_slice(part.as_bytes()));
        write(&["HTTP/1.1 ", number.format(self.status), " ", reason(self.status), "\r\n"]);
        let mut line = |name: &str, value: &str| write(&[name, ": ", value, "\r\n"]);
        for (name, value) in &self.headers {
            line(name, value);
        }
        match self.framing {
            _ if self.is_bodiless() => {}
            Framing::ContentLength if !self.has_header("content-length") => {
                line("content-length", number.format(self.declared.unwrap_or_else(|| self.body_length())));
            }
            Framing::Chunked if !self.has_header("transfer-encoding") => line("transfer-encoding", "chunked"),
            _ => {}
        }
        if !keep_alive && !self.has_header("connection") {
            line("connection", "close");
        }
        head.extend_from_slice(b"\r\n");
    }

    /// Whether the connection can carry another request after this response.
    pub(crate) fn allows_reuse(&self) -> bool {
        let closes = |value: &str| value.split(',').any(|option| option.trim().eq_ignore_ascii_case("close"));
        self.framing != Framing::Close
            && !self.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("connection") && closes(value))
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        // HTTP allows an empty phrase; the space before it stays.
        _ => "",
    }
}
