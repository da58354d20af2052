//! Requests that are not simply read: answered before their body, read slowly, or cut off.
//!
//! Owns the order of such an exchange over HTTP/1.1. Refuses to decide when it happens: `rules` has, by the head alone.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::connection::{Arrival, note_body, permit, refuse_body, reply};
use crate::deliver::{After, Exchange};
use crate::journal::End;
use crate::provider::Shared;
use crate::request::{self, BodyProblem, Head, Length};
use crate::rules::Live;
use crate::script::{CloseDuringUpload, EarlyResponse, Fault, How};
use crate::wire::Wire;

/// When so many bytes at this rate are through.
pub(crate) fn due(begun: Instant, bytes: usize, rate: usize) -> Instant {
    begun + Duration::from_secs_f64(bytes as f64 / rate as f64)
}

/// Carries out an exchange whose fault was decided with its head.
pub(crate) async fn exchange(
    wire: &mut Wire,
    shared: &Shared,
    live: &Live,
    exchange: Exchange<'_>,
    head: &Head,
    fault: &Fault,
) -> After {
    let body_comes = head.length != Length::None;
    if let Some(cut) = fault.close_during_upload.as_ref().filter(|_| body_comes) {
        return cut_off(wire, exchange, head, fault, cut).await;
    }
    if let Some(then) = fault.early_response.filter(|_| body_comes) {
        return answer_first(wire, shared, live, exchange, head, fault, then).await;
    }
    if let Err(gone) = permit(wire, head).await {
        return exchange.gone(gone);
    }
    let begun = Instant::now();
    wire.rate = fault.read_slowly;
    let (body, problem) = request::read_body(wire, head.length, usize::MAX).await;
    wire.rate = None;
    wire.relax();
    if let Some(problem) = problem {
        exchange.recorder.update(exchange.seq, |record| record.body = body.clone());
        return refuse_body(wire, shared, head, exchange, problem, &body).await;
    }
    let slow = fault.read_slowly.filter(|_| !body.is_empty());
    if let Some(rate) = slow
        && let Err(gone) = wire.wait(Some(due(begun, body.len(), rate))).await
    {
        return exchange.gone(gone);
    }
    let done: &[&str] = if slow.is_some() { &["read_slowly"] } else { &[] };
    let arrival = Arrival { body, at: Some(exchange.now()), early: Some(fault), done };
    reply(wire, shared, live, exchange, head, arrival, head.keep_alive).await
}

/// Ends the connection once enough has come.
async fn cut_off(
    wire: &mut Wire,
    exchange: Exchange<'_>,
    head: &Head,
    fault: &Fault,
    CloseDuringUpload { after_bytes, how }: &CloseDuringUpload,
) -> After {
    if let Err(gone) = permit(wire, head).await {
        return exchange.gone(gone);
    }
    wire.rate = fault.read_slowly;
    let (body, problem) = request::read_body(wire, head.length, after_bytes.unwrap_or(0)).await;
    let at = problem.is_none().then(|| exchange.now());
    exchange.recorder.update(exchange.seq, |record| {
        note_body(record, body, at);
        record.fault = Some("close_during_upload".to_owned());
        record.end = End::Fault;
    });
    match (problem, how) {
        (Some(BodyProblem::Gone(gone)), _) => exchange.gone(gone),
        (_, How::Fin) => After::Fin,
        (_, How::Rst) => After::Reset,
    }
}

/// Answers, and then reads the body or leaves it.
async fn answer_first(
    wire: &mut Wire,
    shared: &Shared,
    live: &Live,
    exchange: Exchange<'_>,
    head: &Head,
    fault: &Fault,
    then: EarlyResponse,
) -> After {
    let arrival = Arrival { body: Bytes::new(), at: None, early: Some(fault), done: &["early_response"] };
    let keep_alive = head.keep_alive && then == EarlyResponse::Drain;
    let after = reply(wire, shared, live, exchange, head, arrival, keep_alive).await;
    if then == EarlyResponse::Close || !matches!(after, After::Reuse | After::Close) {
        return after;
    }
    wire.rate = fault.read_slowly;
    let (body, problem) = request::read_body(wire, head.length, usize::MAX).await;
    wire.rate = None;
    let at = problem.is_none().then(|| exchange.now());
    exchange.recorder.update(exchange.seq, |record| note_body(record, body, at));
    match problem {
        None => after,
        Some(BodyProblem::Gone(gone)) => After::Gone(gone),
        Some(_) => After::Close,
    }
}
