use super::*;
use crate::request::{Head, loose};

const SECOND: Duration = Duration::from_secs(1);

fn limits(yaml: &str) -> Arc<Limits> {
    Arc::new(Limits::new(serde_saphyr::from_str(yaml).expect("well-formed")))
}

fn head(key: &str) -> Head {
    loose(format!("POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer {key}\r\n\r\n").as_bytes())
}

/// Asks where there is no need to wait.
fn ask(limits: &Arc<Limits>, key: &str, body: &str, now: Duration) -> Turn {
    let head = head(key);
    let request = Request::new(&head, body.as_bytes());
    now_or_never(&mut Box::pin(limits.admit(&request, Dialect::Openai, || now))).expect("no need to wait")
}

fn hi(max_tokens: u64) -> String {
    format!(r#"{{"model":"m","max_tokens":{max_tokens},"messages":[{{"role":"user","content":"a b c d"}}]}}"#)
}

/// What `hi` is estimated at, without an answer.
const PROMPT: u64 = 10;

fn used(tokens: u64) -> Answer {
    let usage = crate::journal::Usage { prompt_tokens: PROMPT, completion_tokens: tokens, ..Default::default() };
    Answer::json(200, "{}", Some(usage))
}

fn header(answer: &Answer, name: &str) -> Option<String> {
    answer.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.to_string())
}

/// Answers, and ends the turn.
fn answered(turn: &Turn, mut answer: Answer) -> Answer {
    turn.answered(&mut answer, Style::Openai);
    turn.end();
    answer
}

#[test]
fn requests_over_the_limit_pass_after_the_time_they_are_told() {
    let limits = limits("{rpm: 3}");
    for _ in 0..3 {
        assert_eq!(ask(&limits, "k", &hi(1), SECOND).refusal, None);
    }
    let now = Duration::from_millis(1234);
    // The three were never answered, and have given back what they took.
    assert_eq!(ask(&limits, "k", &hi(1), now).refusal, None);
    for _ in 0..3 {
        answered(&ask(&limits, "k", &hi(1), now), used(1));
    }
    let turn = ask(&limits, "k", &hi(1), now);
    let Some(Refusal::Spent { of, limit, used, requested, wait }) = turn.refusal else { panic!("it passed") };
    assert_eq!((of, limit, used, requested, wait), (Measure::Requests, 3, 3, 1, 20 * SECOND));
    let refused = answered(&turn, Answer::json(429, "{}", None));
    assert_eq!(header(&refused, "retry-after").as_deref(), Some("20"));
    assert_eq!(header(&refused, "retry-after-ms").as_deref(), Some("20000"));
    assert_eq!(header(&refused, "x-ratelimit-remaining-requests").as_deref(), Some("0"));
    assert_eq!(header(&refused, "x-ratelimit-reset-requests").as_deref(), Some("1m0s"));
    assert_eq!(header(&refused, "x-ratelimit-limit-tokens"), None);
    assert!(ask(&limits, "k", &hi(1), now + wait - Duration::from_nanos(1)).refusal.is_some());
    assert_eq!(ask(&limits, "k", &hi(1), now + wait).refusal, None);
}

#[test]
fn tokens_are_reserved_first_and_corrected_to_what_was_used() {
    let limits = limits("{tpm: 1000}");
    let turn = ask(&limits, "k", &hi(500), SECOND);
    let mut answer = used(90);
    turn.answered(&mut answer, Style::Openai);
    assert_eq!(header(&answer, "x-ratelimit-remaining-tokens").as_deref(), Some("490"));
    // While it is under way its 510 are gone.
    let Some(Refusal::Spent { of, used: taken, requested, .. }) = ask(&limits, "k", &hi(500), SECOND).refusal else {
        panic!("it passed")
    };
    assert_eq!((of, taken, requested), (Measure::Tokens, 510, 510));
    turn.end();
    let next = answered(&ask(&limits, "k", &hi(500), SECOND), used(0));
    assert_eq!(header(&next, "x-ratelimit-remaining-tokens").as_deref(), Some("390"));
}

#[test]
fn an_answer_of_unforeseen_length_is_counted_when_it_is_known() {
    let limits = limits("{tpm: 1000}");
    let body = r#"{"model":"m","messages":[{"role":"user","content":"a b c d"}]}"#;
    let answer = answered(&ask(&limits, "k", body, SECOND), used(40));
    assert_eq!(header(&answer, "x-ratelimit-remaining-tokens").as_deref(), Some("950"));
    let error = answered(&ask(&limits, "k", body, SECOND), Answer::json(500, "{}", None));
    assert_eq!(header(&error, "x-ratelimit-remaining-tokens").as_deref(), Some("950"));
}

#[test]
fn more_than_was_foreseen_makes_the_next_wait_longer() {
    let limits = limits("{tpm: 60}");
    answered(&ask(&limits, "k", &hi(1), SECOND), used(110));
    let Some(Refusal::Spent { wait, .. }) = ask(&limits, "k", &hi(1), SECOND).refusal else { panic!("it passed") };
    assert_eq!(wait, 71 * SECOND, "60 too many, and 11 for this one");
}

#[test]
fn a_request_larger_than_the_limit_is_told_so_and_not_to_wait() {
    let limits = limits("{rpm: 5, tpm: 100}");
    let turn = ask(&limits, "k", &hi(91), SECOND);
    assert_eq!(turn.refusal, Some(Refusal::TooLarge { of: Measure::Tokens, limit: 100, requested: 101 }));
    let answer = answered(&turn, Answer::json(429, "{}", None));
    assert_eq!((header(&answer, "retry-after"), header(&answer, "retry-after-ms")), (None, None));
    assert_eq!(header(&answer, "x-ratelimit-remaining-requests").as_deref(), Some("5"), "it cost nothing");
}

#[test]
fn of_two_quotas_the_longer_wait_is_told() {
    let limits = limits("{rpm: 1, tpm: 20}");
    answered(&ask(&limits, "k", &hi(1), SECOND), used(10));
    let Some(Refusal::Spent { of, wait, .. }) = ask(&limits, "k", &hi(1), SECOND).refusal else { panic!("it passed") };
    assert_eq!((of, wait), (Measure::Requests, 60 * SECOND));
    assert_eq!(ask(&limits, "k", &hi(1), 61 * SECOND).refusal, None);
}

#[test]
fn a_quota_belongs_to_a_key_a_model_or_all() {
    let second = |yaml: &str, key: &str, model: &str| {
        let limits = limits(yaml);
        answered(&ask(&limits, "k", &hi(1), SECOND), used(1));
        let body = hi(1).replace(r#""m""#, &format!("\"{model}\""));
        ask(&limits, key, &body, SECOND).refusal.is_some()
    };
    assert!(second("{rpm: 1}", "k", "other") && !second("{rpm: 1}", "other", "m"));
    assert!(second("{rpm: 1, scope: model}", "other", "m") && !second("{rpm: 1, scope: model}", "k", "other"));
    assert!(second("{rpm: 1, scope: provider}", "other", "other"));
}

#[test]
fn headers_are_for_refusals_alone_or_for_nobody_when_the_script_says_so() {
    let count = |yaml: &str| {
        let limits = limits(yaml);
        let passed = answered(&ask(&limits, "k", &hi(1), SECOND), used(1)).headers.len();
        (passed, answered(&ask(&limits, "k", &hi(1), SECOND), Answer::json(429, "{}", None)).headers.len())
    };
    assert_eq!(count("{rpm: 1}"), (3, 5));
    assert_eq!(count("{rpm: 1, headers: on_limit}"), (0, 5));
    assert_eq!(count("{rpm: 1, headers: never}"), (0, 0));
}

#[test]
fn a_full_provider_refuses_and_a_place_is_free_when_its_turn_has_ended() {
    let limits = limits("{rpm: 9, concurrent: 2, queue: {when_full: 503}}");
    let (one, two) = (ask(&limits, "k", &hi(1), SECOND), ask(&limits, "k", &hi(1), SECOND));
    assert_eq!((one.busy, two.busy), (0.0, 1.0));
    let full = ask(&limits, "k", &hi(1), SECOND);
    let answer = crate::script::WhenFull::Unavailable;
    assert_eq!(full.refusal, Some(Refusal::Full { limit: 2, queue: 0, answer }));
    let told = answered(&full, Answer::json(503, "{}", None));
    assert_eq!(header(&told, "x-ratelimit-remaining-requests").as_deref(), Some("7"), "who is refused pays nothing");
    drop(one);
    assert_eq!(ask(&limits, "k", &hi(1), SECOND).refusal, None);
}

#[tokio::test]
async fn who_waits_in_line_is_served_in_order_and_who_leaves_it_makes_room() {
    let limits = limits("{rpm: 99, concurrent: 1, queue: {max: 2}}");
    let head = head("k");
    let body = hi(1);
    let request = Request::new(&head, body.as_bytes());
    let place = ask(&limits, "k", &body, SECOND);
    let mut first = Box::pin(limits.admit(&request, Dialect::Openai, || SECOND));
    let mut second = Box::pin(limits.admit(&request, Dialect::Openai, || SECOND));
    assert!(now_or_never(&mut first).is_none() && now_or_never(&mut second).is_none());
    assert!(matches!(ask(&limits, "k", &body, SECOND).refusal, Some(Refusal::Full { queue: 2, .. })));
    // The first in line leaves: there is room for one more, and the second comes first.
    drop(first);
    let mut third = Box::pin(limits.admit(&request, Dialect::Openai, || SECOND));
    assert!(now_or_never(&mut third).is_none());
    drop(place);
    let served = now_or_never(&mut second).expect("the place is free");
    assert!(served.refusal.is_none() && now_or_never(&mut third).is_none());
    let answer = answered(&served, used(1));
    assert_eq!(header(&answer, "x-ratelimit-remaining-requests").as_deref(), Some("97"), "two are charged, not three");
    assert!(now_or_never(&mut third).is_some_and(|turn| turn.refusal.is_none()));
}

fn now_or_never<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn accounts_that_owe_nothing_are_forgotten() {
    let limits = limits("{rpm: 60}");
    for key in 0..MAX_ACCOUNTS {
        ask(&limits, &key.to_string(), &hi(1), SECOND);
    }
    answered(&ask(&limits, "0", &hi(1), SECOND), used(1));
    ask(&limits, "one more", &hi(1), SECOND);
    assert_eq!(limits.accounts.lock().unwrap().len(), 2);
}
