use crate::support::{HI, HI_STREAM, chat, provider, settled};

async fn statuses(yaml: &str, requests: usize) -> Vec<u16> {
    let mock = provider(yaml).await;
    let mut statuses = Vec::new();
    for _ in 0..requests {
        statuses.push(chat(&mock, HI).await.status);
    }
    statuses
}

#[tokio::test]
async fn counted_triggers_pick_the_requests_that_they_name() {
    for (trigger, expected) in [
        ("first: 2", [503, 503, 200, 200, 200, 200]),
        ("after: 4", [200, 200, 200, 200, 503, 503]),
        ("every: 3", [200, 200, 503, 200, 200, 503]),
        ("nth: [2, 5]", [200, 503, 200, 200, 503, 200]),
        ("times: 1", [503, 200, 200, 200, 200, 200]),
        ("after: 1, every: 2, times: 2", [200, 503, 200, 503, 200, 200]),
        ("probability: 0", [200; 6]),
        ("probability: 1", [503; 6]),
    ] {
        assert_eq!(statuses(&format!("faults: [{{{trigger}, status: 503}}]"), 6).await, expected, "{trigger}");
        let own = format!("{{respond: {{text: fine}}, fault: {{{trigger}, status: 503}}}}");
        assert_eq!(statuses(&own, 6).await, expected, "a rule's own fault, {trigger}");
    }
}

#[tokio::test]
async fn only_requests_that_a_fault_is_about_are_counted() {
    let mock = provider("faults: [{when: {stream: true}, nth: [2], status: 503}]").await;
    let mut statuses = Vec::new();
    for body in [HI, HI_STREAM, HI, HI_STREAM, HI_STREAM] {
        statuses.push(chat(&mock, body).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 503, 200]);
    mock.reset_counts();
    assert_eq!((chat(&mock, HI_STREAM).await.status, chat(&mock, HI_STREAM).await.status), (200, 503));
}

#[tokio::test]
async fn a_list_shares_one_roll_and_at_most_one_of_it_happens() {
    let mock =
        provider("faults: [{probability: 0.5, status: 503}, {probability: 0.5, status: 429}, {status: 500}]").await;
    for _ in 0..60 {
        chat(&mock, HI).await;
    }
    let records = settled(&mock).await.requests;
    let count = |status| records.iter().filter(|record| record.status == Some(status)).count();
    assert_eq!((count(503) + count(429), count(500)), (60, 0), "together they are certain, so the third never happens");
    assert!(count(503) > 15 && count(429) > 15, "{} and {}", count(503), count(429));
    for record in records {
        let roll = record.draws.and_then(|draws| draws.roll).expect("a roll decided");
        assert_eq!(record.status, Some(if roll < 0.5 { 503 } else { 429 }));
    }
}

#[tokio::test]
async fn a_rules_own_fault_lies_over_that_of_the_list() {
    let mock = provider("{faults: [{status: 503, dribble: {bytes: 100, gap: 0ms}}], fault: {status: 429}}").await;
    assert_eq!(chat(&mock, HI).await.status, 429);
    assert_eq!(settled(&mock).await.requests[0].fault.as_deref(), Some("status+dribble"));
}

#[test]
fn triggers_that_make_no_sense_are_refused_with_a_reason() {
    use mock_providers::script::Config;
    for (yaml, part) in [
        ("{providers: {a: {faults: [{probability: 2}]}}}", "between 0 and 1"),
        ("{providers: {a: {faults: [{probability: -0.1}]}}}", "between 0 and 1"),
        ("{providers: {a: {faults: [{every: 0}]}}}", "no interval"),
        ("{providers: {a: {faults: [{during: {from: 5s, to: 5s}}]}}}", "not after its beginning"),
        ("{providers: {a: {faults: [{when: {nth: 2}}]}}}", "an `nth` of its own"),
        ("{providers: {a: {rules: [{when: {any_of: [{nth: 2}]}}]}}}", "not inside"),
        ("{providers: {a: {rules: [{when: {last_user: {matches: a, regex: b}}}]}}}", "the same key"),
        ("{states: {m: {initial: up, states: {down: {}}}}}", "its states are: down"),
        ("{states: {m: {initial: up, states: {up: {}}, schedule: [{at: 1s, to: x}]}}}", "goes to `x`"),
        ("{clock: {created: now}}", "nor `real`"),
    ] {
        let error = serde_saphyr::from_str::<Config>(yaml).expect_err(yaml).to_string();
        assert!(error.contains(part), "{yaml}: {error}");
    }
}
