//! Choose, send, and again elsewhere: the attempts of one exchange on an AI backend.
//! Ends with an answer that may be relayed, or with the reason why there is none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Response, StatusCode};

use crate::admit::Admitted;
use crate::answer::{Answer, InFlight};
use crate::cel::{Answered, Expression, Scope};
use crate::commit::{self, Served};
use crate::error::{Reason, Rejection};
use crate::exchange::Exchange;
use crate::health::{Failed, Failure};
use crate::receive::{Uncommitted, receive};
use crate::record::Attempt;
use crate::relay::Reply;
use crate::select::{Choice, Standing};
use crate::send::{self, NoAnswer, ToProvider};
use crate::snapshot::{AiBackend, Credential, Provider, Rule};
use crate::tries::{self, Tries};
use crate::upstream::UpstreamBody;
use crate::{hint, select};

/// Longest time that events before the commit point are held.
const COMMIT_WAIT: Duration = Duration::from_millis(100);

/// What became of one attempt.
#[expect(clippy::large_enum_variant, reason = "the large variant is the common one, and it lives for a moment")]
enum Outcome {
    Answered(Response<()>, Answer),
    Failed(NoAnswer),
    Uncommitted(Uncommitted),
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
        if let Self::Answered(head, _) = self { hint::pause(head.status(), head.headers()) } else { None }
    }

    /// What the provider itself says about another try.
    fn should_retry(&self) -> Option<bool> {
        if let Self::Answered(head, _) = self { hint::should_retry(head.status(), head.headers()) } else { None }
    }

    /// Nothing was accepted: another provider may have the request without asking anyone.
    fn free_to_move(&self) -> bool {
        match self {
            Self::Answered(head, _) => {
                let refused = matches!(head.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
                refused || self.should_retry() == Some(true)
            }
            Self::Failed(cause) => cause.nothing_accepted(),
            Self::Uncommitted(answer) => answer.movable,
        }
    }
}

/// Serves an admitted request from one of the backend's providers.
///
/// # Errors
/// The gateway's own answer, when no provider gave one that can be relayed.
pub async fn serve(
    mut exchange: Box<Exchange>,
    rule: &Arc<Rule>,
    index: usize,
    backend: &Arc<AiBackend>,
    mut admitted: Admitted,
) -> Result<Response<Reply>, (Box<Exchange>, Rejection)> {
    exchange.worker.shared.earn_retry();
    let mut tries = Tries::default();
    let random = exchange.worker.random();
    let Some(mut choice) = select::choose(backend, &[], exchange.session, Instant::now(), random) else {
        let message = format!("backend {} has no provider", backend.name);
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return Err((exchange, Rejection::new(status, Reason::NoHealthyBackend, "no_provider", message)));
    };
    loop {
        tries.ask(&choice.provider);
        let outcome = match attempt(&mut exchange, rule, index, &choice, backend, tries.asked(), &mut admitted).await {
            Ok(outcome) => outcome,
            Err(rejection) => return Err((exchange, rejection)),
        };
        book(&mut exchange, backend, &choice, &outcome);
        let provider = choice.provider;
        // a probe ends here: what it saw is booked
        drop(choice.standing);
        tries.note(&provider, outcome.pause(), outcome.should_retry());
        if may_try_again(&exchange, rule, backend, tries.asked(), &admitted, &outcome)
            && let Some(pause) = tries.pause(&exchange, rule, backend)
            && exchange.worker.shared.spend_retry()
        {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            // not before: much may have happened meanwhile, and nobody else could probe whom this one waits for
            if let Some(next) = tries.next(&exchange, backend) {
                choice = next;
                continue;
            }
        }
        let who = || format!("provider {} of {}", provider.name, backend.name);
        return match outcome {
            Outcome::Answered(head, answer) => {
                let served = Served {
                    head,
                    answer,
                    provider,
                    backend: backend.clone(),
                    operation: admitted.operation,
                    hold: admitted.hold,
                    idle: rule.timeouts.response_idle,
                };
                commit::relay(exchange, served).await
            }
            Outcome::Failed(cause) => Err(ended(exchange, backend, cause.rejection(&who()))),
            Outcome::Uncommitted(answer) => Err(ended(exchange, backend, answer.broken.rejection(&who()))),
        };
    }
}

fn ended(exchange: Box<Exchange>, backend: &AiBackend, rejection: Rejection) -> (Box<Exchange>, Rejection) {
    let rejection = tries::last_word(&exchange, backend, rejection);
    (exchange, rejection)
}

/// One attempt on one provider.
async fn attempt(
    exchange: &mut Exchange,
    rule: &Arc<Rule>,
    index: usize,
    choice: &Choice,
    backend: &AiBackend,
    tried: &[Arc<Provider>],
    admitted: &mut Admitted,
) -> Result<Outcome, Rejection> {
    let started = Instant::now();
    let provider = &choice.provider;
    exchange.record.system = Some(provider.system);
    exchange.record.upstream_model = provider.model_name();
    let note = Attempt {
        provider: provider.name.clone(),
        endpoint: provider.endpoint.authority.clone(),
        standing: choice.standing.name(),
        status: None,
        error: None,
        good: false,
        started: started - exchange.record.started,
        connect: None,
        duration: std::time::Duration::ZERO,
        error_type: None,
        system: Some(provider.system),
        model: provider.model_name(),
        span_id: exchange.worker.span_id(),
    };
    let ask_usage = admitted.operation.has_stream_options();
    let body = match (&admitted.prompt, admitted.stream.take()) {
        (Some(prompt), _) => {
            let pieces = prompt.pieces(provider.model.as_ref(), ask_usage && prompt.stream);
            send::pieces(&exchange.head.method, pieces)
        }
        (None, Some(stream)) => stream,
        (None, None) => UpstreamBody::Pieces(Default::default()),
    };
    let to = ToProvider {
        provider,
        operation: admitted.operation,
        path: &admitted.path,
        rule,
        backend: Some(index),
        span_id: note.span_id,
    };
    let request = send::to_provider(exchange, &to, body)?;
    // most exchanges need one
    exchange.record.attempts.reserve_exact(1);
    exchange.record.attempts.push(note);
    let in_flight = InFlight::begin(provider.health.clone());
    let pool = &exchange.worker.pool;
    let sent = send::attempt(pool, &provider.endpoint, request, rule.timeouts.backend_request, exchange.deadline).await;
    let outcome = match sent {
        Err(cause) => Outcome::Failed(cause),
        Ok((response, connection)) => {
            if let Some(note) = exchange.record.attempts.last_mut() {
                note.connect = connection.took;
            }
            let hold = hold_until(exchange, rule, backend, tried, admitted);
            let received = receive(admitted, response, connection, in_flight, hold).await;
            received.map_or_else(Outcome::Uncommitted, |(head, answer)| Outcome::Answered(head, answer))
        }
    };
    if let Some(note) = exchange.record.attempts.last_mut() {
        note.duration = started.elapsed();
        note.status = outcome.status().map(|status| status.as_u16());
        (note.error, note.error_type) = match &outcome {
            Outcome::Answered(..) => (None, None),
            Outcome::Failed(cause) => {
                let rejection = cause.rejection("provider");
                (Some(rejection.message.into()), Some(rejection.code))
            }
            Outcome::Uncommitted(answer) => (Some(answer.broken.to_string().into()), Some(answer.broken.code())),
        };
    }
    Ok(outcome)
}

/// Tells the provider's health what the attempt was like. An answer brings a provider back that was out.
fn book(exchange: &mut Exchange, backend: &AiBackend, choice: &Choice, outcome: &Outcome) {
    let provider = &choice.provider;
    let judged = outcome.answered().and_then(|answered| {
        // an expression that cannot be evaluated says that nothing is wrong
        Some(holds(backend.unhealthy.as_ref()?, exchange, Some(answered)).unwrap_or(false))
    });
    let of_the_client = matches!(outcome, Outcome::Failed(cause) if cause.of_the_client());
    if judged.is_none() && (of_the_client || own_limit(provider, outcome.status())) {
        return;
    }
    if let Some(failure) = failure(provider, outcome, judged) {
        let now = Instant::now();
        let spared = select::spared(backend, provider, failure, now);
        let (rule, hint) = (backend.eviction.as_ref(), outcome.pause());
        let probe = matches!(choice.standing, Standing::Probed(_));
        provider.health.failed(Failed { failure, rule, hint, spared, probe }, now);
        return;
    }
    if !matches!(choice.standing, Standing::Serving) {
        provider.health.restore();
    }
    let Some(attempt) = exchange.record.attempts.last_mut() else { return };
    attempt.good = true;
    // an error comes fast and says nothing of how fast the provider is
    if outcome.status().is_some_and(|status| !status.is_client_error()) {
        provider.health.good(attempt.duration);
    }
}

/// A limit on the caller's own key says nothing about the provider.
fn own_limit(provider: &Provider, status: Option<StatusCode>) -> bool {
    status == Some(StatusCode::TOO_MANY_REQUESTS) && matches!(provider.credential, Credential::Passthrough)
}

/// How an attempt failed, as far as the provider's health is concerned; of an answer, a policy's expression decides.
fn failure(provider: &Provider, outcome: &Outcome, judged: Option<bool>) -> Option<Failure> {
    let status = match outcome {
        Outcome::Answered(head, _) => head.status(),
        Outcome::Failed(cause) if cause.nothing_accepted() => return Some(Failure::Refused),
        Outcome::Failed(_) | Outcome::Uncommitted(_) => return Some(Failure::Broken),
    };
    if judged == Some(false) {
        return None;
    }
    let our_key = matches!(provider.credential, Credential::Inject { .. }) && judged.is_none();
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(Failure::Limited),
        StatusCode::SERVICE_UNAVAILABLE => Some(Failure::Refused),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if our_key => Some(Failure::Denied),
        status => (judged == Some(true) || status.is_server_error()).then_some(Failure::Broken),
    }
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
    if matches!(outcome, Outcome::Failed(NoAnswer::RequestTimeout)) {
        return false;
    }
    // a provider that asks for another try has its way where the rule grants one
    let answered = outcome.answered().filter(|_| outcome.should_retry() != Some(true));
    if let Some(again) = configured_retry(exchange, rule, answered) {
        return again && admitted.repeatable();
    }
    let own_limit = tried.last().is_some_and(|provider| own_limit(provider, outcome.status()));
    let movable = outcome.free_to_move() && !own_limit && tries_left(exchange, rule);
    movable && select::any_untried(backend, tried) && admitted.repeatable()
}

/// Until when events before the commit point are held: not at all where the stream could not move elsewhere, and no
/// longer than it could.
fn hold_until(
    exchange: &Exchange,
    rule: &Rule,
    backend: &AiBackend,
    tried: &[Arc<Provider>],
    admitted: &Admitted,
) -> Option<Instant> {
    let movable = tries_left(exchange, rule)
        && select::any_untried(backend, tried)
        && exchange.worker.shared.may_retry()
        && configured_retry(exchange, rule, None) != Some(false)
        && admitted.repeatable();
    if !movable {
        return None;
    }
    let usual = Instant::now() + COMMIT_WAIT;
    let last = exchange.deadline.map_or(Some(usual), |end| end.checked_sub(backoff(rule)));
    last.map(|last| last.min(usual))
}

/// Whether the rule, or the built-in failover, grants another try. `attempts: 0` switches all of it off.
fn tries_left(exchange: &Exchange, rule: &Rule) -> bool {
    let most = rule.retry.as_ref().map_or(1, |retry| retry.attempts as usize);
    exchange.record.attempts.len() <= most
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
    let too_late = exchange.deadline.is_some_and(|end| Instant::now() + retry.backoff >= end);
    let says = |expression: &Option<Arc<Expression>>, answered| holds(expression.as_ref()?, exchange, answered);
    let listed = answered.is_none_or(|answered| {
        retry.codes.contains(&answered.status) || says(&retry.condition, Some(answered)) == Some(true)
    });
    let permitted = || retry.precondition.is_none() || says(&retry.precondition, None) == Some(true);
    Some(listed && !too_late && tries_left(exchange, rule) && permitted())
}

/// The pause that the rule's retry asks for between attempts.
#[must_use]
pub fn backoff(rule: &Rule) -> Duration {
    rule.retry.as_ref().map(|retry| retry.backoff).unwrap_or_default()
}
