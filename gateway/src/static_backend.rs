//! Choose, send and relay for a static backend: one backend, bytes as they are.
//! Owns its retries, as far as a body is held, and the beginning of a tunnel. Refuses to read what it relays.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Response, StatusCode, Uri};

use crate::admit::StaticBody;
use crate::answer::{Answer, Form, Tap};
use crate::cel::Answered;
use crate::exchange::Exchange;
use crate::received::Received;
use crate::record::Attempt;
use crate::relay::{Relay, Reply, Timers};
use crate::send::{self, Outbound};
use crate::snapshot::{Operation, RouteEntry, Rule, StaticBackend};
use crate::tunnel::Slot;
use crate::upstream::{self, Connection, UpstreamBody};
use crate::{admit, failover, headers, mirror, tunnel};

/// A static backend: both bodies go through as they are. What is held can be sent again.
pub async fn serve(
    mut exchange: Box<Exchange>,
    entry: &RouteEntry,
    index: usize,
    backend: &StaticBackend,
    path: &str,
    body: Received,
) -> Response<Reply> {
    let query = exchange.head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let target = format!("{path}{query}");
    let (held, mut passing) = match admit::repeatable_body(&mut exchange, &entry.rule, body).await {
        Ok(StaticBody::Held(bytes, room)) => {
            mirror::copy_held(&exchange, entry, index, path, &bytes);
            (Some((bytes, room)), None)
        }
        Ok(StaticBody::Passing(body)) => (None, Some(mirror::copy_stream(&exchange, entry, index, path, body))),
        Err(rejection) => return exchange.reject(rejection),
    };
    exchange.worker.shared.earn_retry();
    loop {
        let span_id = exchange.worker.span_id();
        let outbound = Outbound {
            endpoint: &backend.endpoint,
            target: Uri::try_from(target.as_str()),
            credential: &backend.credential,
            rule: &entry.rule,
            backend: Some(index),
            span_id,
            ai: false,
        };
        let pieces = held.iter().map(|(bytes, _)| bytes).filter(|bytes| !bytes.is_empty()).cloned();
        let sent = passing.take().unwrap_or_else(|| UpstreamBody::Pieces(pieces.collect()));
        let request = match send::build(&exchange, outbound, sent) {
            Ok(request) => request,
            Err(rejection) => return exchange.reject(rejection),
        };
        let started = begin_attempt(&mut exchange, backend, span_id);
        let limit = entry.rule.timeouts.backend_request;
        let sent = send::attempt(&exchange.worker.pool, &backend.endpoint, request, limit, exchange.deadline).await;
        let status = sent.as_ref().ok().map(|(response, _)| response.status());
        end_attempt(&mut exchange, status, sent.as_ref().err(), started);
        if let (Ok((_, connection)), Some(attempt)) = (&sent, exchange.record.attempts.last_mut()) {
            attempt.connect = connection.took;
        }
        let answered = sent.as_ref().ok();
        let answered =
            answered.map(|(response, _)| Answered { status: response.status(), headers: response.headers() });
        let timed_out = matches!(sent, Err(send::NoAnswer::RequestTimeout));
        if held.is_some()
            && !timed_out
            && failover::configured_retry(&exchange, &entry.rule, answered) == Some(true)
            && exchange.worker.shared.spend_retry()
        {
            tokio::time::sleep(failover::backoff(&entry.rule)).await;
            continue;
        }
        return match sent {
            Ok((response, connection)) => relay(exchange, &entry.rule, response, connection),
            Err(cause) => {
                let rejection = cause.rejection(&format!("backend {}", backend.name));
                exchange.reject(rejection)
            }
        };
    }
}

/// A WebSocket: begun once, on a connection of its own.
pub async fn serve_tunnel(
    mut exchange: Box<Exchange>,
    slot: &Slot,
    rule: &Arc<Rule>,
    index: usize,
    backend: &StaticBackend,
    path: &str,
) -> Response<Reply> {
    let query = exchange.head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let (endpoint, credential) = (&backend.endpoint, &backend.credential);
    let target = Uri::try_from(format!("{path}{query}"));
    let span_id = exchange.worker.span_id();
    let outbound = Outbound { endpoint, target, credential, rule, backend: Some(index), span_id, ai: false };
    let request = match send::build(&exchange, outbound, upstream::empty()) {
        Ok(request) => request,
        Err(rejection) => return exchange.reject(rejection),
    };
    let started = begin_attempt(&mut exchange, backend, span_id);
    let asked = tunnel::ask(&exchange.worker.pool, endpoint, request);
    let answer = send::within(asked, rule.timeouts.backend_request, exchange.deadline).await;
    let status = answer.as_ref().ok().map(tunnel::Answer::status);
    let error = answer.as_ref().err();
    end_attempt(&mut exchange, status, error, started);
    match answer {
        Ok(tunnel::Answer::Agreed(head, upstream)) => tunnel::agree(exchange, rule, slot, head, upstream),
        Ok(tunnel::Answer::Plain(response, connection)) => relay(exchange, rule, response, connection),
        Err(cause) => {
            let rejection = cause.rejection(&format!("backend {}", backend.name));
            exchange.reject(rejection)
        }
    }
}

/// Notes an attempt before it begins, so that one that is cancelled is told of; returns its beginning.
fn begin_attempt(exchange: &mut Exchange, backend: &StaticBackend, span_id: u64) -> Instant {
    let (started, record) = (Instant::now(), &mut *exchange.record);
    record.attempts.push(Attempt {
        provider: backend.name.clone(),
        endpoint: backend.endpoint.authority.clone(),
        standing: None,
        status: None,
        error: None,
        good: false,
        started: started - record.started,
        connect: None,
        duration: Duration::ZERO,
        error_type: None,
        system: None,
        model: None,
        span_id,
    });
    started
}

fn end_attempt(exchange: &mut Exchange, status: Option<StatusCode>, error: Option<&send::NoAnswer>, started: Instant) {
    let Some(attempt) = exchange.record.attempts.last_mut() else { return };
    attempt.status = status.map(|status| status.as_u16());
    let rejection = error.map(|cause| cause.rejection("backend"));
    attempt.error_type = rejection.as_ref().map(|rejection| rejection.code);
    attempt.error = rejection.map(|rejection| rejection.message.into());
    attempt.duration = started.elapsed();
}

fn relay(mut exchange: Box<Exchange>, rule: &Rule, response: Response<()>, connection: Connection) -> Response<Reply> {
    let (mut parts, ()) = response.into_parts();
    headers::strip_hop_by_hop(&mut parts.headers);
    exchange.record.status = parts.status.as_u16();
    exchange.settle_session(None);
    let mut response = Response::from_parts(parts, Reply::Full(None));
    exchange.finish_head(&mut response);
    let form = Form { tap: Tap::None, decoder: None, close_delimited: false, sized: false };
    let deadline = exchange.deadline.filter(|_| !headers::is_event_stream(response.headers()));
    let relay = Relay {
        answer: Answer::new(form, connection, None),
        record: exchange.record,
        worker: exchange.worker,
        provider: None,
        operation: Operation::Passthrough,
        timers: Timers::new(deadline, rule.timeouts.response_idle),
        hold: None,
        breaking: None,
    };
    *response.body_mut() = relay.begin();
    response
}
