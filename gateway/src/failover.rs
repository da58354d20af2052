//! Choose, send, and again elsewhere: the attempts of one exchange on an AI backend.
//! Ends with an answer that may be relayed, or with the reason why there is none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Response, StatusCode};
use hyper::body::Incoming;

use crate::admit::Admitted;
use crate::error::{Reason, Rejection};
use crate::exchange::Exchange;
use crate::health::Failure;
use crate::record::Attempt;
use crate::relay::{Answer, InFlight, Relay, Reply, tap_for};
use crate::send::{self, NoAnswer, Outbound};
use crate::snapshot::{AiBackend, Credential, Operation, Provider, Rule};
use crate::upstream::{Connection, UpstreamBody};
use crate::{headers, operation, select};

/// Error answers up to this size are searched for the provider's key.
const MASKED_ERROR: usize = 256 * 1024;
/// How long such an answer may take to arrive where the rule has no deadline.
const MASKED_TIME: Duration = Duration::from_secs(10);

/// What became of one attempt.
#[expect(clippy::large_enum_variant, reason = "the large variant is the common one, and it lives for a moment")]
enum Outcome {
    Answered(Response<()>, Answer),
    Failed(NoAnswer),
    /// An answer that broke before any of it was sent on. `movable` for a stream before its commit point.
    Uncommitted {
        why: String,
        movable: bool,
    },
}

impl Outcome {
    fn status(&self) -> Option<StatusCode> {
        if let Self::Answered(head, _) = self { Some(head.status()) } else { None }
    }

    /// Nothing was accepted: another provider may have the request without asking anyone.
    fn free_to_move(&self) -> bool {
        match self {
            Self::Answered(head, _) => {
                matches!(head.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::Failed(cause) => cause.nothing_accepted(),
            Self::Uncommitted { movable, .. } => *movable,
        }
    }
}

/// Serves an admitted request from one of the backend's providers.
///
/// # Errors
/// The gateway's own answer, when no provider gave one that can be relayed.
pub async fn serve(
    mut exchange: Exchange,
    rule: &Arc<Rule>,
    index: usize,
    backend: &Arc<AiBackend>,
    mut admitted: Admitted,
) -> Result<Response<Reply>, (Exchange, Rejection)> {
    exchange.worker.shared.earn_retry();
    let mut tried: Vec<Arc<Provider>> = Vec::new();
    loop {
        let random = exchange.worker.random();
        let Some(provider) = select::choose(backend, &tried, Instant::now(), random) else {
            if tried.is_empty() {
                let message = format!("backend {} has no provider", backend.name);
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                return Err((exchange, Rejection::new(status, Reason::NoHealthyBackend, "no_provider", message)));
            }
            tried.clear();
            continue;
        };
        let provider = provider.clone();
        tried.push(provider.clone());
        let outcome = match attempt(&mut exchange, rule, index, &provider, backend, &tried, &mut admitted).await {
            Ok(outcome) => outcome,
            Err(rejection) => return Err((exchange, rejection)),
        };
        book(&mut exchange, backend, &provider, &outcome);
        if may_try_again(&exchange, rule, backend, &tried, &admitted, &outcome) {
            back_off(rule).await;
            continue;
        }
        let who = format!("provider {} of {}", provider.name, backend.name);
        return match outcome {
            Outcome::Answered(head, answer) => Ok(relay(exchange, head, answer, backend, &provider, admitted).await),
            Outcome::Failed(cause) => Err((exchange, cause.rejection(&who))),
            Outcome::Uncommitted { why, .. } => {
                let message = format!("{who}: {why}");
                let status = StatusCode::BAD_GATEWAY;
                Err((exchange, Rejection::new(status, Reason::UpstreamFailure, "upstream_broken", message)))
            }
        };
    }
}

/// One attempt on one provider.
async fn attempt(
    exchange: &mut Exchange,
    rule: &Arc<Rule>,
    index: usize,
    provider: &Arc<Provider>,
    backend: &AiBackend,
    tried: &[Arc<Provider>],
    admitted: &mut Admitted,
) -> Result<Outcome, Rejection> {
    let started = Instant::now();
    exchange.record.system = Some(provider.system);
    exchange.record.upstream_model.clone_from(&provider.model);
    let endpoint = format!("{}:{}", provider.endpoint.host, provider.endpoint.port).into();
    let note = Attempt {
        provider: provider.name.clone(),
        endpoint,
        status: None,
        error: None,
        duration: std::time::Duration::ZERO,
    };
    let ask_usage = admitted.operation.has_stream_options();
    let body = match (&admitted.prompt, admitted.stream.take()) {
        (Some(prompt), _) => {
            let pieces = prompt.pieces(provider.model.as_deref(), ask_usage && prompt.stream);
            send::pieces(&exchange.head.method, pieces)
        }
        (None, Some(stream)) => UpstreamBody::Stream(stream),
        (None, None) => UpstreamBody::Pieces(Default::default()),
    };
    let passthrough = matches!(provider.credential, Credential::Passthrough);
    let query = exchange.head.uri.query().map(|query| match passthrough {
        true => query.into(),
        false => headers::query_without_credentials(query),
    });
    let target = operation::upstream_path(admitted.operation, &provider.path, &admitted.path, query.as_deref());
    let ai = admitted.operation != Operation::Passthrough;
    let outbound =
        Outbound { endpoint: &provider.endpoint, target, credential: &provider.credential, rule, backend: index, ai };
    let mut request = send::build(exchange, &outbound, body)?;
    if provider.system == "anthropic" {
        let version = http::HeaderValue::from_static("2023-06-01");
        request.headers_mut().entry("anthropic-version").or_insert(version);
    }
    exchange.record.attempts.push(note);
    let in_flight = InFlight::begin(provider.health.clone());
    let pool = &exchange.worker.pool;
    let sent = send::attempt(pool, &provider.endpoint, request, rule.timeouts.backend_request, exchange.deadline).await;
    let outcome = match sent {
        Err(cause) => Outcome::Failed(cause),
        Ok((response, connection)) => {
            let untried = select::choose(backend, tried, Instant::now(), 0).is_some();
            let movable = untried && admitted.repeatable();
            receive(admitted, response, connection, in_flight, movable).await
        }
    };
    if let Some(note) = exchange.record.attempts.last_mut() {
        note.duration = started.elapsed();
        note.status = outcome.status().map(|status| status.as_u16());
        note.error = match &outcome {
            Outcome::Answered(..) => None,
            Outcome::Failed(cause) => Some(cause.rejection("provider").message.into()),
            Outcome::Uncommitted { why, .. } => Some(why.as_str().into()),
        };
    }
    Ok(outcome)
}

/// Reads the head, and of a stream what comes before its commit point while it could still move elsewhere.
async fn receive(
    admitted: &Admitted,
    response: Response<Incoming>,
    connection: Connection,
    in_flight: InFlight,
    movable: bool,
) -> Outcome {
    let (mut head, body) = response.into_parts();
    let event_stream = headers::is_event_stream(&head.headers) && head.status.is_success();
    let framed = head.headers.contains_key(CONTENT_LENGTH) || head.headers.contains_key(TRANSFER_ENCODING);
    let bodiless = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let plain = !head.headers.contains_key(CONTENT_ENCODING);
    headers::strip_hop_by_hop(&mut head.headers);
    let prompt = admitted.prompt.as_ref();
    let hide = event_stream
        && plain
        && admitted.operation.has_stream_options()
        && prompt.is_some_and(|prompt| prompt.stream && !prompt.asked_usage);
    if hide {
        head.headers.remove(CONTENT_LENGTH);
    }
    let tap = tap_for(admitted.operation, event_stream, plain, hide);
    let mut answer = Answer::new(body, tap, !framed && !bodiless, connection, Some(in_flight));
    if event_stream
        && movable
        && let Err(broken) = answer.hold().await
    {
        return Outcome::Uncommitted { why: broken.to_string(), movable: true };
    }
    if let Err(broken) = answer.peek().await {
        return Outcome::Uncommitted { why: broken.to_string(), movable: event_stream };
    }
    Outcome::Answered(Response::from_parts(head, ()), answer)
}

/// Tells the provider's health what the attempt was like.
fn book(exchange: &mut Exchange, backend: &AiBackend, provider: &Arc<Provider>, outcome: &Outcome) {
    let now = Instant::now();
    let failure = match outcome {
        Outcome::Answered(head, _) => match head.status() {
            // a limit on the caller's own key says nothing about the provider
            StatusCode::TOO_MANY_REQUESTS if matches!(provider.credential, Credential::Passthrough) => return,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some(Failure::Refused),
            status if status.is_server_error() => Some(Failure::Broken),
            _ => None,
        },
        Outcome::Failed(cause) if cause.nothing_accepted() => Some(Failure::Refused),
        Outcome::Failed(_) | Outcome::Uncommitted { .. } => Some(Failure::Broken),
    };
    let Some(failure) = failure else {
        let latency = exchange.record.attempts.last().map_or(Default::default(), |attempt| attempt.duration);
        return provider.health.good(latency);
    };
    let hint = match outcome {
        Outcome::Answered(head, _) => send::retry_after(head.headers()),
        _ => None,
    };
    let alone = !select::others_live(backend, provider, now);
    provider.health.failed(failure, backend.eviction.as_ref(), hint, alone, now);
}

/// Configured retries first; without them one failover to an untried provider, when nothing was accepted.
fn may_try_again(
    exchange: &Exchange,
    rule: &Rule,
    backend: &AiBackend,
    tried: &[Arc<Provider>],
    admitted: &Admitted,
    outcome: &Outcome,
) -> bool {
    if !admitted.repeatable() || matches!(outcome, Outcome::Failed(NoAnswer::RequestTimeout)) {
        return false;
    }
    if let Some(again) = configured_retry(exchange, rule, outcome.status()) {
        return again;
    }
    let tried_before = |other: &Arc<Provider>| tried.iter().any(|known| Arc::ptr_eq(known, other));
    let untried = backend.groups.iter().flatten().any(|other| select::usable(other) && !tried_before(other));
    let own_limit = outcome.status() == Some(StatusCode::TOO_MANY_REQUESTS)
        && tried.last().is_some_and(|provider| matches!(provider.credential, Credential::Passthrough));
    exchange.record.attempts.len() == 1
        && untried
        && !own_limit
        && outcome.free_to_move()
        && exchange.worker.shared.spend_retry()
}

/// What the rule's own retry says after an attempt with this status, or without an answer; `None` without one.
#[must_use]
pub fn configured_retry(exchange: &Exchange, rule: &Rule, status: Option<StatusCode>) -> Option<bool> {
    let retry = rule.retry.as_ref()?;
    let retries = exchange.record.attempts.len().saturating_sub(1);
    let too_late = exchange.deadline.is_some_and(|end| Instant::now() + retry.backoff >= end);
    let listed = status.is_none_or(|status| retry.codes.contains(&status));
    Some(listed && !too_late && retries < retry.attempts as usize)
}

/// Waits as long as the rule's retry asks for between attempts.
pub async fn back_off(rule: &Rule) {
    if let Some(backoff) = rule.retry.as_ref().map(|retry| retry.backoff).filter(|wait| !wait.is_zero()) {
        tokio::time::sleep(backoff).await;
    }
}

/// Hands an answer to the client.
async fn relay(
    mut exchange: Exchange,
    head: Response<()>,
    mut answer: Answer,
    backend: &Arc<AiBackend>,
    provider: &Arc<Provider>,
    admitted: Admitted,
) -> Response<Reply> {
    let (mut parts, ()) = head.into_parts();
    exchange.record.status = parts.status.as_u16();
    let error = parts.status.is_client_error() || parts.status.is_server_error();
    if let (Credential::Inject { value, .. }, true) = (&provider.credential, error) {
        // a provider that repeats the key in its error must not tell it to the caller
        let secret = value.as_bytes();
        let secret = secret.strip_prefix(b"Bearer ").unwrap_or(secret);
        let leaks = |value: &http::HeaderValue| memchr::memmem::find(value.as_bytes(), secret).is_some();
        let leaking: Vec<_> =
            parts.headers.iter().filter(|(_, value)| leaks(value)).map(|(name, _)| name.clone()).collect();
        for name in leaking {
            parts.headers.remove(name);
        }
        let until = exchange.deadline.unwrap_or_else(|| Instant::now() + MASKED_TIME);
        answer.mask(secret, MASKED_ERROR, until).await;
    }
    if exchange.worker.shared.log_bodies {
        exchange.record.response_body = Some(Vec::new());
    }
    let deadline = exchange.deadline.filter(|_| !headers::is_event_stream(&parts.headers));
    let deadline = deadline.map(|at| Box::pin(tokio::time::sleep_until(at.into())));
    let mut response = Response::from_parts(parts, Reply::Full(None));
    exchange.finish_head(&mut response);
    let provider = Some((backend.clone(), provider.clone()));
    let relay =
        Relay { answer, record: exchange.record, worker: exchange.worker, provider, deadline, hold: admitted.hold };
    *response.body_mut() = relay.begin();
    response
}
