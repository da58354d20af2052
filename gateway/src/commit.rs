//! The last look at an AI backend's answer before the client gets it: whole where a deadline asks for it,
//! without the provider's key, an OpenAI error object where the provider's error is none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use memchr::memmem::Finder;
use serde::de::IgnoredAny;

use crate::answer::Answer;
use crate::error::{self, Rejection};
use crate::exchange::Exchange;
use crate::relay::{Relay, Reply, Timers, broke};
use crate::snapshot::{AiBackend, Credential, Operation, Provider};
use crate::worker::Hold;
use crate::{headers, hint, select};

/// Error answers up to this size are read whole.
const WHOLE_ERROR: usize = 256 * 1024;
/// How long such an answer may take to arrive where the rule has no deadline.
const ERROR_TIME: Duration = Duration::from_secs(10);
/// Answers up to this size are read whole where the rule has a deadline.
const WHOLE_ANSWER: usize = 1024 * 1024;
/// Bytes of a provider's plain text that are quoted.
const QUOTED: usize = 500;

const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");

/// An answer that nobody will replace any more, and what it needs to be relayed.
#[derive(Debug)]
pub struct Served {
    /// Status and headers.
    pub head: Response<()>,
    /// The body.
    pub answer: Answer,
    /// Who gave it.
    pub provider: Arc<Provider>,
    /// The provider's backend.
    pub backend: Arc<AiBackend>,
    /// What was asked for.
    pub operation: Operation,
    /// Room of the request body.
    pub hold: Option<Hold>,
    /// Longest pause within the answer.
    pub idle: Option<Duration>,
}

/// Hands an answer to the client.
///
/// # Errors
/// The gateway's own answer, when the provider's broke while it was read ahead.
pub async fn relay(mut exchange: Box<Exchange>, served: Served) -> Result<Response<Reply>, (Box<Exchange>, Rejection)> {
    let Served { head, mut answer, provider, backend, operation, hold, idle } = served;
    let (mut parts, ()) = head.into_parts();
    let error = parts.status.is_client_error() || parts.status.is_server_error();
    let streamed = headers::is_event_stream(&parts.headers);
    let who = || format!("provider {} of {}", provider.name, backend.name);
    let deadline = exchange.deadline.filter(|_| !streamed);
    let read = match exchange.deadline {
        until if error => answer.gather(WHOLE_ERROR, until.unwrap_or_else(|| Instant::now() + ERROR_TIME)).await,
        Some(until) if !streamed => answer.gather(WHOLE_ANSWER, until).await,
        _ => Ok(()),
    };
    if let Err(broken) = read {
        broke(&backend, &provider);
        let rejection = broken.rejection(&who());
        return Err((exchange, rejection));
    }
    if let Credential::Inject { value, .. } = &provider.credential {
        let secret = value.as_bytes();
        let secret = secret.strip_prefix(b"Bearer ").unwrap_or(secret);
        remove_leaking(&mut parts.headers, secret);
        if error {
            answer.mask(secret);
        }
    }
    if error && operation != Operation::Passthrough {
        as_error_object(&mut parts, &mut answer, &who());
        offer_soonest(&mut parts, &backend);
    }
    note(&mut exchange, &mut parts);
    exchange.settle_session(Some(&provider.name));
    let mut response = Response::from_parts(parts, Reply::Full(None));
    exchange.finish_head(&mut response);
    let relay = Relay {
        answer,
        timers: Timers::new(deadline, idle),
        record: exchange.record,
        worker: exchange.worker,
        provider: Some((backend, provider)),
        operation,
        hold,
        breaking: None,
    };
    *response.body_mut() = relay.begin();
    Ok(response)
}

/// Status and identity of the answer go into the record; the request id that the client sees is the record's.
fn note(exchange: &mut Exchange, parts: &mut Parts) {
    let record = &mut exchange.record;
    if let Some(theirs) = parts.headers.remove(headers::REQUEST_ID) {
        record.upstream_request_id = theirs.to_str().ok().map(Into::into);
        parts.headers.insert(UPSTREAM_REQUEST_ID, theirs);
    }
    record.status = parts.status.as_u16();
    let asked = record.kept.as_ref().is_some_and(|kept| kept.uses().response_body);
    record.response_body = (exchange.worker.shared.log_bodies || asked).then(Vec::new);
}

/// A provider that repeats its key in a header must not tell it to the caller.
fn remove_leaking(headers: &mut HeaderMap, secret: &[u8]) {
    let secret = Finder::new(secret);
    let leaks = |value: &HeaderValue| secret.find(value.as_bytes()).is_some();
    let leaking: Vec<_> = headers.iter().filter(|(_, value)| leaks(value)).map(|(name, _)| name.clone()).collect();
    for name in leaking {
        headers.remove(name);
    }
}

/// An error that is JSON stays as it is, whatever its fields; pages, texts and nothing at all are put into an object.
fn as_error_object(parts: &mut Parts, answer: &mut Answer, who: &str) {
    let gathered = answer.gathered();
    let json = match &gathered {
        Some(body) => serde_json::from_slice::<IgnoredAny>(body).is_ok(),
        // longer than what is read whole: believe the head
        None => headers::is_json(&parts.headers),
    };
    let bodiless = parts.status == StatusCode::NOT_MODIFIED;
    if json || bodiless {
        return;
    }
    let mut message = format!("{who} answered {} without a JSON error", parts.status);
    let text = parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if let Some(body) = gathered.filter(|body| text && !body.is_empty()) {
        let quoted = String::from_utf8_lossy(&body[..body.len().min(QUOTED)]);
        message = format!("{message}: {}", quoted.trim_end());
    }
    let body: Bytes = error::object(parts.status, "upstream_error", &message);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    answer.replace(body);
}

/// When all providers are away, the client may come back when the first of them returns.
fn offer_soonest(parts: &mut Parts, backend: &AiBackend) {
    if !matches!(parts.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return;
    }
    let Some(soonest) = select::soonest(backend, Instant::now()) else { return };
    if hint::retry_after(&parts.headers).is_none_or(|own| own > soonest) {
        parts.headers.remove("retry-after-ms");
        let seconds = soonest.as_secs() + u64::from(soonest.subsec_nanos() > 0);
        parts.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}
