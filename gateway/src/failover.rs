//! Choose, send, and again elsewhere: the attempts of one exchange on an AI backend.
//! Ends with an answer that may be relayed, or with the reason why there is none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Response, StatusCode};
use hyper::body::Incoming;

use crate::admit::Admitted;
use crate::answer::{Answer, Broken, Form, InFlight, Tap};
use crate::cel::{Answered, Expression, Scope};
use crate::commit::{self, Served};
use crate::decode::Decoder;
use crate::error::{Reason, Rejection};
use crate::exchange::Exchange;
use crate::health::Failure;
use crate::record::Attempt;
use crate::relay::Reply;
use crate::send::{self, NoAnswer, Outbound};
use crate::snapshot::{AiBackend, Credential, Operation, Provider, Rule};
use crate::upstream::{Connection, UpstreamBody};
use crate::{headers, operation, select};

/// Longest wait before a provider that asked for a pause is asked again for the same request.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of one attempt.
#[expect(clippy::large_enum_variant, reason = "the large variant is the common one, and it lives for a moment")]
enum Outcome {
    Answered(Response<()>, Answer),
    Failed(NoAnswer),
    /// An answer that broke before any of it was sent on. `movable` for a stream before its commit point.
    Uncommitted {
        broken: Broken,
        movable: bool,
    },
}

impl Outcome {
    fn status(&self) -> Option<StatusCode> {
        self.answered().map(|answered| answered.status)
    }

    /// The answer as expressions see it.
    fn answered(&self) -> Option<Answered<'_>> {
        let Self::Answered(head, _) = self else { return None };
        Some(Answered { status: head.status(), headers: head.headers() })
    }

    /// How long the provider asks to be left alone.
    fn pause(&self) -> Option<Duration> {
        if let Self::Answered(head, _) = self { send::retry_after(head.headers()) } else { None }
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

/// The providers that were asked for one request.
#[derive(Debug, Default)]
struct Tries {
    /// In this round: when all were asked, the next round begins.
    asked: Vec<Arc<Provider>>,
    /// Those that asked for a pause (Retry-After), and its end.
    pauses: Vec<(Arc<Provider>, Instant)>,
}

impl Tries {
    fn note(&mut self, provider: &Arc<Provider>, outcome: &Outcome, now: Instant) {
        self.pauses.retain(|(other, _)| !Arc::ptr_eq(other, provider));
        self.pauses.extend(outcome.pause().map(|pause| (provider.clone(), now + pause)));
    }

    /// How long the provider still wants to be left alone.
    fn pause_of(&self, provider: &Arc<Provider>, now: Instant) -> Duration {
        let pause = self.pauses.iter().find(|(other, _)| Arc::ptr_eq(other, provider));
        pause.map_or(Duration::ZERO, |(_, end)| end.saturating_duration_since(now))
    }

    /// When the first of them is ready again.
    fn soonest(&self, now: Instant) -> Option<Duration> {
        self.pauses.iter().map(|(_, end)| end.saturating_duration_since(now)).min()
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
    let mut tries = Tries::default();
    let Some(first) = select::choose(backend, &[], Instant::now(), exchange.worker.random()) else {
        let message = format!("backend {} has no provider", backend.name);
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return Err((exchange, Rejection::new(status, Reason::NoHealthyBackend, "no_provider", message)));
    };
    let mut provider = first.clone();
    loop {
        tries.asked.push(provider.clone());
        let outcome = match attempt(&mut exchange, rule, index, &provider, backend, &tries.asked, &mut admitted).await {
            Ok(outcome) => outcome,
            Err(rejection) => return Err((exchange, rejection)),
        };
        book(&mut exchange, backend, &provider, &outcome);
        tries.note(&provider, &outcome, Instant::now());
        if may_try_again(&exchange, rule, backend, &tries.asked, &admitted, &outcome)
            && let Some((next, pause)) = next(&exchange, rule, backend, &mut tries)
        {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            provider = next;
            continue;
        }
        let who = format!("provider {} of {}", provider.name, backend.name);
        return match outcome {
            Outcome::Answered(head, answer) => {
                let several = exchange.record.attempts.len() > 1;
                let served = Served {
                    head,
                    answer,
                    provider,
                    backend: backend.clone(),
                    operation: admitted.operation,
                    hold: admitted.hold,
                    soonest: tries.soonest(Instant::now()).filter(|_| several),
                    idle: rule.timeouts.response_idle,
                };
                commit::relay(exchange, served).await
            }
            Outcome::Failed(cause) => Err((exchange, cause.rejection(&who))),
            Outcome::Uncommitted { broken, .. } => Err((exchange, broken.rejection(&who))),
        };
    }
}

/// Whom to ask next, and after which pause. A provider that was asked before is not asked again before the end of
/// the pause it asked for; `None` when that does not fit.
fn next(exchange: &Exchange, rule: &Rule, backend: &AiBackend, tries: &mut Tries) -> Option<(Arc<Provider>, Duration)> {
    let (now, random) = (Instant::now(), exchange.worker.random());
    let untried = select::choose(backend, &tries.asked, now, random).filter(|provider| select::usable(provider));
    let provider = match untried {
        Some(provider) => provider,
        None => {
            tries.asked.clear();
            select::choose(backend, &[], now, random)?
        }
    };
    let asked_for = tries.pause_of(provider, now);
    let pause = backoff(rule).max(asked_for);
    let fits = asked_for <= PATIENCE && exchange.deadline.is_none_or(|end| now + pause < end);
    fits.then(|| (provider.clone(), pause))
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
        good: false,
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
            let movable = select::any_untried(backend, tried) && admitted.repeatable();
            receive(admitted, response, connection, in_flight, movable).await
        }
    };
    if let Some(note) = exchange.record.attempts.last_mut() {
        note.duration = started.elapsed();
        note.status = outcome.status().map(|status| status.as_u16());
        note.error = match &outcome {
            Outcome::Answered(..) => None,
            Outcome::Failed(cause) => Some(cause.rejection("provider").message.into()),
            Outcome::Uncommitted { broken, .. } => Some(broken.to_string().into()),
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
    let ours = admitted.operation != Operation::Passthrough;
    let decoder = if ours { Decoder::take_over(&mut head.headers) } else { None };
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
    let tap = Tap::of(admitted.operation, event_stream, plain, hide);
    let form = Form { tap, decoder, close_delimited: !framed && !bodiless };
    let mut answer = Answer::new(body, form, connection, Some(in_flight));
    if event_stream
        && movable
        && let Err(broken) = answer.hold().await
    {
        return Outcome::Uncommitted { broken, movable: true };
    }
    if let Err(broken) = answer.peek().await {
        return Outcome::Uncommitted { broken, movable: event_stream };
    }
    Outcome::Answered(Response::from_parts(head, ()), answer)
}

/// Tells the provider's health what the attempt was like.
fn book(exchange: &mut Exchange, backend: &AiBackend, provider: &Arc<Provider>, outcome: &Outcome) {
    let now = Instant::now();
    let judged = outcome.answered().and_then(|answered| {
        // an expression that cannot be evaluated says that nothing is wrong
        Some(holds(backend.unhealthy.as_ref()?, exchange, Some(answered)).unwrap_or(false))
    });
    let failure = match outcome {
        Outcome::Answered(head, _) if judged.is_some() => judged.filter(|unhealthy| *unhealthy).map(|_| {
            let refused = matches!(head.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            if refused { Failure::Refused } else { Failure::Broken }
        }),
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
        let Some(attempt) = exchange.record.attempts.last_mut() else { return };
        attempt.good = true;
        return provider.health.good(attempt.duration);
    };
    let alone = !select::others_live(backend, provider, now);
    provider.health.failed(failure, backend.eviction.as_ref(), outcome.pause(), alone, now);
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
    if let Some(again) = configured_retry(exchange, rule, outcome.answered()) {
        return again;
    }
    let own_limit = outcome.status() == Some(StatusCode::TOO_MANY_REQUESTS)
        && tried.last().is_some_and(|provider| matches!(provider.credential, Credential::Passthrough));
    exchange.record.attempts.len() == 1
        && select::any_untried(backend, tried)
        && !own_limit
        && outcome.free_to_move()
        && exchange.worker.shared.spend_retry()
}

/// What an expression says of the exchange and of an answer.
fn holds(expression: &Expression, exchange: &Exchange, response: Option<Answered<'_>>) -> Option<bool> {
    let scope = Scope { record: &exchange.record, request_headers: Some(&exchange.head.headers), response };
    expression.holds(&scope)
}

/// What the rule's own retry says after an attempt with this answer, or without one; `None` without a retry.
#[must_use]
pub fn configured_retry(exchange: &Exchange, rule: &Rule, answered: Option<Answered<'_>>) -> Option<bool> {
    let retry = rule.retry.as_ref()?;
    let retries = exchange.record.attempts.len().saturating_sub(1);
    let too_late = exchange.deadline.is_some_and(|end| Instant::now() + retry.backoff >= end);
    let says = |expression: &Option<Arc<Expression>>, answered| holds(expression.as_ref()?, exchange, answered);
    let listed = answered.is_none_or(|answered| {
        retry.codes.contains(&answered.status) || says(&retry.condition, Some(answered)) == Some(true)
    });
    let permitted = || retry.precondition.is_none() || says(&retry.precondition, None) == Some(true);
    Some(listed && !too_late && retries < retry.attempts as usize && permitted())
}

/// The pause that the rule's retry asks for between attempts.
#[must_use]
pub fn backoff(rule: &Rule) -> Duration {
    rule.retry.as_ref().map(|retry| retry.backoff).unwrap_or_default()
}
