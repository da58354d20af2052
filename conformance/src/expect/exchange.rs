//! What the client saw of one exchange.

use std::time::Duration;

use serde_json::Value;

use super::{Judge, as_sent, header, pairs, parse, stream};
use crate::client::{End, Exchange};
use crate::matcher::Seen;
use crate::scenario::At;
use crate::scenario::expect::{Ended, ExchangeExpect};

/// Who served an exchange, by its nonce.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// The provider of the last attempt.
    pub by: Option<String>,
    /// Upstream requests in all.
    pub attempts: usize,
    /// Statuses of the answers before the last attempt.
    pub before: Vec<u16>,
    /// The bytes of the last answer's body.
    pub sent: Vec<u8>,
    /// The last answer was what the provider had to say, and all of it was sent.
    pub whole: bool,
    /// Its transfer ended in order, whatever was missing in it.
    pub in_order: bool,
}

/// Judges one exchange.
pub fn judge(judge: &mut Judge<'_>, expect: &ExchangeExpect, exchange: &Exchange, served: &Served) {
    let no_answer = || Value::from(exchange.end.to_string());
    judge.maybe(".status", expect.status.as_ref(), || match exchange.status() {
        Some(status) => Seen::one(status),
        None => Seen::one(no_answer()),
    });
    let headers = exchange.head.as_ref().map(|head| head.headers.as_slice()).unwrap_or_default();
    for (name, matcher) in &expect.headers {
        judge.check(&format!(".headers[{name}]"), matcher, &header(pairs(headers), name));
    }
    if !expect.json.is_empty() {
        let document = parse(&exchange.body);
        judge.json(".json", &expect.json, document.as_ref().map_err(Clone::clone));
    }
    judge.maybe(".body", expect.body.as_ref(), || Seen::Bytes(exchange.body.clone()));
    if let Some(expect) = &expect.stream {
        judge.below(".stream", |judge| stream::judge(judge, expect, exchange));
    }
    if let Some(wanted) = &expect.as_sent {
        as_sent::judge(judge, wanted, exchange, served);
    }
    any_of(judge, &expect.any_of, exchange, served);
    ended(judge, expect, exchange);
    judge.maybe(".served_by", expect.served_by.as_ref(), || Seen::maybe(served.by.clone()));
    judge.maybe(".attempts", expect.attempts.as_ref(), || Seen::one(served.attempts));
}

/// One of several possibilities must hold as a whole; else the failures of the closest are told.
fn any_of(judge: &mut Judge<'_>, several: &[At<ExchangeExpect>], exchange: &Exchange, served: &Served) {
    let mut closest: Option<Judge<'_>> = None;
    for (index, one) in several.iter().enumerate() {
        let mut inner = judge.inner(&format!(".any_of[{index}]"));
        self::judge(&mut inner, &one.value, exchange, served);
        if inner.failures.is_empty() {
            return;
        }
        if closest.as_ref().is_none_or(|closest| inner.failures.len() < closest.failures.len()) {
            closest = Some(inner);
        }
    }
    judge.failures.extend(closest.into_iter().flat_map(|closest| closest.failures));
}

fn ended(judge: &mut Judge<'_>, expect: &ExchangeExpect, exchange: &Exchange) {
    if let Some(wanted) = &expect.ended {
        let actual = class(&exchange.end);
        if !wanted.value.0.iter().any(|wanted| actual == Some(*wanted)) {
            let names: Vec<String> = wanted.value.0.iter().map(ToString::to_string).collect();
            judge.fail(".ended", wanted, names.join(" or "), exchange.end.to_string());
        }
    }
    judge.maybe(".reset", expect.reset.as_ref(), || match &exchange.end {
        End::StreamReset(code) => Seen::one(code.clone()),
        _ => Seen::Values(Vec::new()),
    });
    judge.maybe(".goaway", expect.goaway.as_ref(), || Seen::maybe(exchange.goaway.clone()));
    judge.maybe(".extra", expect.extra.as_ref(), || match exchange.extra.is_empty() {
        true => Seen::Values(Vec::new()),
        false => Seen::Bytes(exchange.extra.clone()),
    });
    let took = took(exchange);
    if let Some(limit) = expect.within.as_ref().filter(|limit| took > limit.value.0 + judge.slack) {
        judge.late(".within", limit, format!("within {:?}", limit.value.0), millis(took));
    }
    if let Some(limit) = expect.not_before.as_ref().filter(|limit| took < limit.value.0) {
        judge.fail(".not_before", limit, format!("not before {:?}", limit.value.0), millis(took));
    }
}

/// From the first byte sent to the end.
fn took(exchange: &Exchange) -> Duration {
    exchange.ended_at.saturating_sub(exchange.sent_at)
}

/// Judges what all exchanges of a repeat show together.
pub fn judge_all(judge: &mut Judge<'_>, expect: &ExchangeExpect, exchanges: &[Exchange]) {
    for (status, matcher) in &expect.statuses {
        let count = exchanges.iter().filter(|exchange| exchange.status().unwrap_or(0) == *status).count();
        judge.check(&format!(".statuses.{status}"), matcher, &Seen::one(count));
    }
    if let Some(limit) = &expect.p99 {
        let mut times: Vec<Duration> = exchanges.iter().map(took).collect();
        times.sort_unstable();
        let slow = times.get((times.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default();
        if slow > limit.value.0 + judge.slack {
            judge.late(".p99", limit, format!("within {:?}", limit.value.0), millis(slow));
        }
    }
}

/// A duration as people read it.
pub(super) fn millis(time: Duration) -> String {
    format!("{:.1}ms", time.as_secs_f64() * 1e3)
}

fn class(end: &End) -> Option<Ended> {
    match end {
        End::Clean => Some(Ended::Clean),
        End::ClosedEarly | End::Reset | End::StreamReset(_) | End::Malformed(_) => Some(Ended::Aborted),
        End::TimedOut => Some(Ended::TimedOut),
        End::NotConnected(_) => Some(Ended::Refused),
        End::WeClosed => None,
    }
}
