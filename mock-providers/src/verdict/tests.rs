use proptest::prelude::*;

use super::*;
use crate::journal::{Advice, End};
use crate::request::RequestHead;

const BODY: &str = r#"{"model":"m-1","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A request at a provider, answered with 200 ten milliseconds later.
struct Made(RequestRecord);

fn made(provider: &str, seq: u64, at: u64) -> Made {
    Made(RequestRecord {
        seq,
        provider: provider.into(),
        received_at: ms(at),
        head: RequestHead::new("POST", "/v1/chat/completions", [("host", "a")].into_iter()),
        body: BODY.into(),
        body_complete: true,
        body_at: Some(ms(at)),
        rule: "default".into(),
        status: Some(200),
        head_at: Some(ms(at + 10)),
        end: End::Complete,
        ..RequestRecord::default()
    })
}

impl Made {
    fn status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    fn retry_after(mut self, millis: u64) -> Self {
        self.0.advice = Some(Advice { retry_after: Some(ms(millis)), should_retry: None });
        self
    }

    fn should_retry(mut self, should_retry: bool) -> Self {
        self.0.advice = Some(Advice { retry_after: None, should_retry: Some(should_retry) });
        self
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        let headers: Vec<(String, String)> =
            self.0.head.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let headers = headers.into_iter().chain([(name.to_owned(), value.to_owned())]);
        self.0.head = RequestHead::new("POST", "/v1/chat/completions", headers);
        self
    }

    fn body(mut self, body: &str) -> Self {
        self.0.body = body.to_owned().into();
        self
    }

    /// A stream whose writes come at these times.
    fn stream(mut self, writes: &[u64], end: End) -> Self {
        self.0.stream = true;
        self.0.events = writes.iter().map(|at| (ms(*at), 100)).collect();
        self.0.end = end;
        self
    }

    fn fault(mut self, fault: &str) -> Self {
        self.0.fault = Some(fault.to_owned());
        self
    }
}

/// The names found, at a time when nobody has given up yet.
fn names(made: Vec<Made>) -> Vec<&'static str> {
    named(made, &Policy::default(), 0)
}

fn named(made: Vec<Made>, policy: &Policy, later: u64) -> Vec<&'static str> {
    let records: Vec<RequestRecord> = made.into_iter().map(|made| made.0).collect();
    let last = records.iter().map(|record| record.received_at).max().unwrap_or_default();
    judge(&records, last + ms(later), policy).iter().map(|finding| finding.name).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn an_advice_to_wait_is_for_the_provider_that_gave_it() {
    let told = || made("a", 1, 0).status(429).retry_after(2000);
    assert_eq!(names(vec![told(), made("a", 2, 500)]), ["retry_after_ignored"]);
    assert_eq!(names(vec![told(), made("a", 2, 2015)]), NONE);
    assert_eq!(names(vec![told(), made("b", 1, 20)]), NONE);
    let other_key = made("a", 2, 500).header("authorization", "Bearer other");
    assert_eq!(names(vec![told(), other_key]), NONE);
}

#[test]
fn requests_side_by_side_are_nobodys_retries() {
    let told = |seq, at| made("a", seq, at).status(429).retry_after(2000);
    assert_eq!(names(vec![told(1, 0), told(2, 5), told(3, 30), told(4, 31)]), NONE);
    let session = |seq, at, who: &str| told(seq, at).header("x-client-request-id", who);
    assert_eq!(names(vec![session(1, 0, "one"), session(2, 40, "two")]), NONE);
}

#[test]
fn what_cannot_succeed_is_not_to_be_asked_again() {
    assert_eq!(names(vec![made("a", 1, 0).status(400), made("a", 2, 400).status(400)]), ["retried_non_retryable"]);
    assert_eq!(names(vec![made("a", 1, 0).status(401), made("b", 1, 400)]), NONE);
    for status in [408, 409, 429, 500, 529] {
        assert_eq!(names(vec![made("a", 1, 0).status(status), made("a", 2, 400)]), NONE, "{status}");
    }
    let never = made("a", 1, 0).status(503).should_retry(false);
    assert_eq!(names(vec![never, made("a", 2, 400)]), ["retried_non_retryable"]);
    assert_eq!(names(vec![made("a", 1, 0).status(400).should_retry(true), made("a", 2, 400)]), NONE);
}

#[test]
fn many_attempts_are_a_storm_and_hasty_ones_have_no_backoff() {
    let every = |pause: u64| (0..6).map(|n| made("a", n + 1, n * pause).status(503)).collect::<Vec<_>>();
    assert_eq!(names(every(20)), ["retry_storm", "no_backoff"]);
    assert_eq!(names(every(600)), ["retry_storm"]);
    assert_eq!(names(every(600).into_iter().take(5).collect()), NONE);
    let across = ["a", "b", "c"].map(|name| made(name, 1, 20).status(503));
    assert_eq!(names(across.into_iter().collect()), NONE);
}

#[test]
fn a_stream_that_had_begun_is_not_asked_for_again() {
    let broken = |writes: &[u64]| made("a", 1, 0).stream(writes, End::Fault);
    assert_eq!(names(vec![broken(&[10, 30, 50]), made("b", 1, 60)]), ["retried_after_stream_started"]);
    assert_eq!(names(vec![broken(&[10]), made("b", 1, 60)]), ["retried_after_stream_started"]);
    assert_eq!(names(vec![broken(&[]), made("b", 1, 60)]), NONE);
}

#[test]
fn a_conversation_that_goes_on_with_a_cut_answer_is_found() {
    let cut = || made("a", 1, 0).stream(&[10, 20], End::Complete).fault("truncate");
    let goes_on = r#"{"model":"m-1","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"Hel"},{"role":"user","content":"and?"}]}"#;
    assert_eq!(names(vec![cut(), made("a", 2, 900).body(goes_on)]), ["truncated_stream_accepted"]);
    assert_eq!(names(vec![cut(), made("a", 2, 400), made("a", 3, 900).body(goes_on)]), NONE);
    assert_eq!(names(vec![cut()]), NONE);
}

#[test]
fn providers_are_to_be_tried_in_their_order() {
    let policy = Policy { order: ["a", "b", "c"].map(str::to_owned).into(), ..Policy::default() };
    let fails = |name, at| made(name, 1, at).status(503);
    assert_eq!(named(vec![fails("a", 0), fails("b", 20), made("c", 1, 40)], &policy, 0), NONE);
    assert_eq!(named(vec![fails("a", 0), made("c", 1, 40)], &policy, 0), ["failover_order_wrong"]);
    assert_eq!(named(vec![made("b", 1, 0)], &policy, 0), ["failover_order_wrong"]);
    let rested = made("b", 1, 900).body("another");
    assert_eq!(named(vec![fails("a", 0), made("b", 2, 20), rested], &policy, 0), NONE);
}

#[test]
fn attempts_of_one_call_say_the_same() {
    let call = |seq, at, body: &str| made("a", seq, at).header("x-request-id", "r-1").body(body);
    let first = |body| call(1, 0, body).status(503);
    let renamed = BODY.replace("m-1", "m-2");
    assert_eq!(names(vec![first(BODY), call(2, 500, &renamed)]), NONE);
    let other = BODY.replace("hi", "ho");
    assert_eq!(names(vec![first(BODY), call(2, 500, &other)]), ["body_mutated"]);
    assert_eq!(names(vec![call(1, 0, BODY), call(2, 500, &other)]), NONE);
}

#[test]
fn keys_of_clients_are_found_wherever_they_stand_and_not_repeated() {
    let policy = Policy { client_keys: vec!["ck-canary-1".to_owned()], ..Policy::default() };
    for leak in [
        made("a", 1, 0).header("X-Forwarded-Authorization", "Bearer ck-canary-1"),
        made("a", 1, 0).body(r#"{"user":"ck-canary-1"}"#),
    ] {
        let findings = judge(&[leak.0], ms(10), &policy);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].name == "credential_leaked" && !findings[0].evidence.contains("canary"), "{findings:?}");
    }
    assert_eq!(named(vec![made("a", 1, 0).header("authorization", "Bearer sk-ours")], &policy, 0), NONE);
}

#[test]
fn a_cancelled_request_ends_soon() {
    let policy =
        Policy { cancelled: vec![Cancelled { containing: "\"hi\"".to_owned(), at_ms: 100 }], ..Policy::default() };
    let left = |at| made("a", 1, 0).stream(&[10], End::ClientClosed { at: ms(at) });
    assert_eq!(named(vec![left(150)], &policy, 0), NONE);
    assert_eq!(named(vec![left(1500)], &policy, 0), ["cancel_not_propagated"]);
    let pending = || made("a", 1, 0).stream(&[10], End::Pending);
    assert_eq!(named(vec![pending()], &policy, 1050), NONE);
    assert_eq!(named(vec![pending()], &policy, 1500), ["cancel_not_propagated"]);
}

#[test]
fn one_idempotency_key_is_served_once() {
    let keyed = |seq, at| made("a", seq, at).header("idempotency-key", "k-1");
    assert_eq!(names(vec![keyed(1, 0).status(503), keyed(2, 500)]), NONE);
    assert_eq!(names(vec![keyed(1, 0), keyed(2, 500)]), ["duplicate_charge"]);
}

#[test]
fn a_passing_failure_that_nobody_asks_again_is_given_up() {
    let patient = |status| named(vec![made("a", 1, 0).status(status)], &Policy::default(), 11_000);
    assert_eq!(patient(503), ["gave_up_without_retry"]);
    assert_eq!(patient(400), NONE);
    assert_eq!(patient(200), NONE);
    assert_eq!(named(vec![made("a", 1, 0).status(503)], &Policy::default(), 5000), NONE);
    let told = made("a", 1, 0).status(429).retry_after(20_000);
    assert_eq!(named(vec![told], &Policy::default(), 30_000), NONE);
    assert_eq!(named(vec![made("a", 1, 0).status(503), made("b", 1, 900)], &Policy::default(), 20_000), NONE);
}

#[test]
fn silence_is_not_waited_for_without_end() {
    let policy = Policy { read_timeout_ms: 5000, ..Policy::default() };
    let waits = |end| made("a", 1, 0).stream(&[10], end);
    assert_eq!(named(vec![waits(End::Pending)], &policy, 6000), ["no_read_timeout"]);
    assert_eq!(named(vec![waits(End::Pending)], &policy, 4000), NONE);
    assert_eq!(named(vec![waits(End::ClientClosed { at: ms(4000) })], &policy, 9000), NONE);
    assert_eq!(named(vec![made("a", 1, 0).stream(&[10, 7000], End::Complete)], &policy, 0), ["no_read_timeout"]);
}

/// A caller that does everything right: it waits as told, or longer each time, and stops at what cannot succeed.
fn well_behaved(
    provider: &str,
    at: u64,
    failures: &[u16],
    told: Option<u64>,
    body: &str,
    who: Option<&str>,
) -> Vec<Made> {
    let mut now = at;
    let mut attempts = Vec::new();
    for (index, status) in failures.iter().enumerate() {
        let mut attempt = made(provider, 0, now).status(*status).body(body);
        if let Some(who) = who {
            attempt = attempt.header("x-client-request-id", who);
        }
        let backoff = 400 << index;
        attempts.push(match told {
            Some(told) => attempt.retry_after(told),
            None => attempt,
        });
        now += 10 + told.unwrap_or(0).max(backoff);
    }
    let last = made(provider, 0, now).body(body);
    attempts.push(match who {
        Some(who) => last.header("x-client-request-id", who),
        None => last,
    });
    attempts
}

/// Callers without a name for their calls take turns with what they ask, so that each question is one caller's.
fn call() -> impl Strategy<Value = Call> {
    let failures = prop::collection::vec(prop::sample::select(vec![429_u16, 500, 503, 408]), 0..4);
    let who = prop::option::of("[a-z]{6}");
    (0..60_000_u64, failures, prop::option::of(0..5000_u64), 0..4_usize, who)
        .prop_map(|(at, failures, told, body, who)| Call { at, failures, told, body, who })
}

#[derive(Debug)]
struct Call {
    at: u64,
    failures: Vec<u16>,
    told: Option<u64>,
    body: usize,
    who: Option<String>,
}

impl Call {
    /// The attempts of the call of this number.
    fn attempts(self, number: usize) -> Vec<Made> {
        let Self { at, failures, told, body, who } = self;
        let question = match &who {
            Some(_) => format!("question {body}"),
            None => format!("question {body} of nobody {number}"),
        };
        well_behaved("a", at, &failures, told, &BODY.replace("hi", &question), who.as_deref())
    }
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

proptest! {
    #[test]
    fn callers_that_do_everything_right_are_accused_of_nothing(calls in prop::collection::vec(call(), 0..12)) {
        let attempts = calls.into_iter().enumerate().flat_map(|(number, call)| call.attempts(number));
        let mut records: Vec<RequestRecord> = attempts.map(|made| made.0).collect();
        records.sort_by_key(|record| record.received_at);
        records.iter_mut().zip(1..).for_each(|(record, seq)| record.seq = seq);
        let policy = Policy { client_keys: vec!["ck-of-nobody".to_owned()], ..Policy::default() };
        prop_assert_eq!(judge(&records, ms(200_000), &policy), vec![]);
    }
}
