//! Stage admit: is this a request that may go to an AI backend, and what does it ask for?
//! Nothing has been sent anywhere when this stage refuses.

use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use http::{Method, StatusCode};
use http_body::Body;

use crate::asked::Asked;
use crate::edit::Prompt;
use crate::error::{Reason, Rejection};
use crate::exchange::Exchange;
use crate::operation;
use crate::path::{self, Reading};
use crate::received::Received;
use crate::relay::LOGGED_BODY;
use crate::snapshot::{Operation, RouteEntry, Rule};
use crate::upstream::{Passing, UpstreamBody};
use crate::worker::{BODY_LIMIT, Hold};

/// Bytes of a request body by which a second is earned beyond the time for bodies.
const FAIR_PACE: u64 = 8 * 1024;
/// Largest body to a static backend that is held for retries.
const REPEATABLE: u64 = 64 * 1024;
/// How long the rest of a refused body is read, so that the client can read the refusal.
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// A request that was admitted to an AI backend.
#[derive(Debug)]
pub struct Admitted {
    /// What it asks for.
    pub operation: Operation,
    /// The path after rewrites.
    pub path: String,
    /// Its body; `None` where the operation has none or it is not looked at.
    pub prompt: Option<Prompt>,
    /// A body that is passed on unread.
    pub stream: Option<UpstreamBody>,
    /// Room held for the body.
    pub hold: Option<Hold>,
    /// Its spans are exported: more is read of the answer.
    pub traced: bool,
}

impl Admitted {
    /// Whether the same request may be sent to another provider: its body is held, and it refers to no state.
    #[must_use]
    pub fn repeatable(&self) -> bool {
        match &self.prompt {
            Some(prompt) => !prompt.is_stateful(),
            None => self.operation == Operation::Models,
        }
    }
}

/// Checks method and body, and reads the body whole; `routes` are the backend's own operations.
///
/// # Errors
/// 404 unknown path, 405 wrong method, 400 not JSON, 408 too slow, 413 too large, 415 encoded, 503 out of room.
pub async fn admit(
    exchange: &mut Exchange,
    entry: &RouteEntry,
    routes: &[(Box<str>, Operation)],
    path: String,
    body: Received,
) -> Result<Admitted, Rejection> {
    let operation = match check_head(exchange, entry, routes, &path) {
        Ok(operation) => operation,
        Err(rejection) => {
            discard(exchange, body);
            return Err(rejection);
        }
    };
    let traced = exchange.record.tracing.is_some();
    if operation == Operation::Passthrough || operation == Operation::Models {
        let passing = Passing::new(body, exchange.worker.shared.body_timeout);
        let stream = (operation == Operation::Passthrough).then_some(UpstreamBody::Stream(passing));
        return Ok(Admitted { operation, path, prompt: None, stream, hold: None, traced });
    }
    let (body, hold) = read_body(exchange, entry.rule.body_limit, body).await?;
    let mut prompt = Prompt::read(body).map_err(|error| {
        Rejection::invalid("invalid_json", format!("the request body is not acceptable JSON: {error}"))
    })?;
    if prompt.model_is_no_name() {
        return Err(Rejection::invalid("invalid_model", "model must be a string"));
    }
    exchange.record.requested_model = prompt.requested_model.take();
    exchange.record.stream = prompt.stream;
    exchange.record.asked = prompt.asked.take();
    if traced {
        exchange.record.asked_aside = Asked::aside(&prompt.body);
    }
    if exchange.worker.shared.log_bodies || exchange.record.kept.as_ref().is_some_and(|kept| kept.uses().request_body) {
        // what waits to be logged is no longer counted as held: a large body is not kept for it
        let body = &prompt.body;
        let kept = if body.len() <= LOGGED_BODY { body.clone() } else { Bytes::copy_from_slice(&body[..LOGGED_BODY]) };
        exchange.record.request_body = Some(kept);
    }
    Ok(Admitted { operation, path, prompt: Some(prompt), stream: None, hold: Some(hold), traced })
}

/// What can be decided before the body has arrived.
fn check_head(
    exchange: &mut Exchange,
    entry: &RouteEntry,
    routes: &[(Box<str>, Operation)],
    path: &str,
) -> Result<Operation, Rejection> {
    let received = exchange.head.uri.path();
    let named = operation::of(path, received, &entry.matcher.path, routes);
    if let Ok(Reading { lenient: Some(lenient), .. }) = path::read(path)
        && operation::of(&lenient, received, &entry.matcher.path, routes) != named
    {
        let message =
            "some servers read the path as that of another operation: send it without `//`, `\\`, `;`, `%2F` and `%5C`";
        return Err(Rejection::invalid("ambiguous_path", message));
    }
    let operation = named.ok_or_else(|| {
        let message = format!("no operation at {path}: an AI backend serves the OpenAI paths below its route");
        Rejection::new(StatusCode::NOT_FOUND, Reason::NotFound, "unknown_path", message)
    })?;
    exchange.record.operation = Some(operation.name());
    check_method(&exchange.head.method, operation)?;
    let mut encodings = exchange.head.headers.get_all(CONTENT_ENCODING).iter();
    let encoding = encodings.find(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    match encoding.filter(|_| operation != Operation::Passthrough) {
        None => Ok(operation),
        Some(encoding) => {
            let message = format!("content-encoding {encoding:?} is not supported: send the body as it is");
            let code = "unsupported_content_encoding";
            let refused = Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Reason::InvalidRequest, code, message);
            Err(Rejection { accept_encoding: Some("identity"), ..refused })
        }
    }
}

fn check_method(method: &Method, operation: Operation) -> Result<(), Rejection> {
    match operation.method() {
        Some(needed) if needed != *method => {
            let message = format!("method {method} is not allowed here: use {needed}");
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let refused = Rejection::new(status, Reason::InvalidRequest, "method_not_allowed", message);
            Err(Rejection { allow: Some(if needed == Method::GET { "GET" } else { "POST" }), ..refused })
        }
        _ => Ok(()),
    }
}

/// Reads a body whole. One chunk stays as it is; several are copied once, into room of the announced size.
async fn read_body(exchange: &mut Exchange, limit: usize, mut body: Received) -> Result<(Bytes, Hold), Rejection> {
    let announced =
        exchange.head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        discard(exchange, body);
        return Err(too_large(limit));
    }
    let mut hold = Hold::of(exchange.worker.clone());
    let mut first: Option<Bytes> = None;
    let mut whole = BytesMut::new();
    let (mut length, mut body_end) = (0, exchange.record.started + exchange.worker.shared.body_timeout);
    while !body.is_end_stream()
        && let Some(chunk) = next_chunk(&mut body, exchange.deadline.map_or(body_end, |end| end.min(body_end))).await?
    {
        length += chunk.len();
        body_end += Duration::from_micros(chunk.len() as u64 * 1_000_000 / FAIR_PACE);
        if length > limit {
            discard(exchange, body);
            return Err(too_large(limit));
        }
        if !hold.grow(chunk.len()) {
            discard(exchange, body);
            return Err(no_room());
        }
        match &first {
            None => first = Some(chunk),
            Some(start) => {
                if whole.is_empty() {
                    whole.reserve(announced.unwrap_or(length).max(length));
                    whole.extend_from_slice(start);
                }
                whole.extend_from_slice(&chunk);
            }
        }
    }
    let body = if whole.is_empty() { first.unwrap_or_default() } else { whole.freeze() };
    Ok((body, hold))
}

/// A body for a static backend.
#[derive(Debug)]
pub enum StaticBody {
    /// Whole, so that the request can be sent again; empty ones take no room.
    Held(Bytes, Option<Hold>),
    /// As it arrives.
    Passing(Passing),
}

/// Holds a body that a configured retry may have to send again, if it is announced to be small; others pass.
///
/// # Errors
/// As [`admit`], where it is held.
pub async fn repeatable_body(exchange: &mut Exchange, rule: &Rule, body: Received) -> Result<StaticBody, Rejection> {
    if body.is_end_stream() {
        return Ok(StaticBody::Held(Bytes::new(), None));
    }
    if rule.retry.is_none() || body.size_hint().upper().is_none_or(|length| length > REPEATABLE) {
        return Ok(StaticBody::Passing(Passing::new(body, exchange.worker.shared.body_timeout)));
    }
    let (bytes, room) = read_body(exchange, BODY_LIMIT, body).await?;
    Ok(StaticBody::Held(bytes, Some(room)))
}

async fn next_chunk(body: &mut Received, until: Instant) -> Result<Option<Bytes>, Rejection> {
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
        let frame = tokio::time::timeout_at(until.into(), frame).await.map_err(|_| slow_body())?;
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(_)) => {
                let broken = Rejection::invalid("incomplete_body", "the request body broke off");
                return Err(Rejection { close: true, ..broken });
            }
        }
    }
}

/// Reads on, within bounds, while the refusal goes out, so that it is not lost to a reset of the connection.
/// A client that waits to be asked for its body (`Expect`) is not asked.
pub(crate) fn discard(exchange: &Exchange, mut body: Received) {
    if body.is_end_stream() || exchange.head.headers.contains_key(EXPECT) {
        return;
    }
    let end = Instant::now() + DISCARD_TIME;
    let rest = async move {
        let mut left = 2 * BODY_LIMIT;
        while let Ok(Some(chunk)) = next_chunk(&mut body, end).await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                return;
            }
        }
    };
    // whatever is left when the time is up, the connection closes
    tokio::task::spawn_local(rest);
}

fn too_large(limit: usize) -> Rejection {
    let message = format!("the request body is larger than {limit} bytes");
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    Rejection { close: true, ..Rejection::new(status, Reason::InvalidRequest, "request_body_too_large", message) }
}

/// The answer to a client that does not send its body.
pub(crate) fn slow_body() -> Rejection {
    let message = "the request body did not arrive in time";
    let slow = Rejection::new(StatusCode::REQUEST_TIMEOUT, Reason::Timeout, "request_timeout", message);
    Rejection { close: true, ..slow }
}

fn no_room() -> Rejection {
    let message = "too many large requests are in flight";
    let full = Rejection::new(StatusCode::SERVICE_UNAVAILABLE, Reason::Overload, "overloaded", message);
    Rejection { retry_after: Some(Duration::from_secs(1)), close: true, ..full }
}
