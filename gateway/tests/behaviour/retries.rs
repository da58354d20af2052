//! Retries as configured: how many, how far apart, and not before a provider wants them. Evictions end with a probe.

use std::time::Duration;

use mock_providers::{End, MockProvider};

use crate::support::{Answer, Running, chat, pool, provider, start};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;

fn with_retry(providers: &[&MockProvider], retry: &str) -> String {
    let manifests = pool(providers, "");
    manifests.replace("  rules:\n    - backendRefs", &format!("  rules:\n    - retry: {retry}\n      backendRefs"))
}

async fn ask(running: &Running) -> Answer {
    let address = running.address();
    tokio::task::spawn_blocking(move || chat(address, ASK)).await.unwrap()
}

/// Time between the first two requests that a provider saw.
fn gap(mock: &MockProvider) -> Duration {
    let seen = mock.journal().requests;
    seen[1].received_at - seen[0].received_at
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_comes_as_often_and_as_late_as_configured() {
    let mock = provider("a", "{respond: {status: 503}}").await;
    let running = start(&with_retry(&[&mock], "{attempts: 2, codes: [503], backoff: 150ms}"));
    assert_eq!(ask(&running).await.status, 503);
    assert_eq!(mock.journal().requests.len(), 3);
    assert!(gap(&mock) >= Duration::from_millis(150));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_provider_is_asked_again_only_after_its_retry_after() {
    let refused = "{respond: {status: 429, headers: {retry-after-ms: '400'}}}";
    let mock = provider("a", &format!("{{sequence: [{refused}, {{respond: {{text: ok}}}}]}}")).await;
    let running = start(&with_retry(&[&mock], "{attempts: 1, codes: [429]}"));
    assert_eq!(ask(&running).await.status, 200);
    assert!(gap(&mock) >= Duration::from_millis(400), "{:?}", gap(&mock));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_after_that_is_too_long_goes_to_the_client() {
    let mock = provider("a", "{respond: {status: 429, headers: {retry-after: '30'}}}").await;
    let running = start(&with_retry(&[&mock], "{attempts: 3, codes: [429]}"));
    let answer = ask(&running).await;
    assert_eq!((answer.status, answer.header("retry-after"), mock.journal().requests.len()), (429, Some("30"), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_refuse_the_client_may_come_back_when_the_first_is_ready() {
    let refused = |after: &str| format!("{{respond: {{status: 429, headers: {{retry-after: '{after}'}}}}}}");
    let (a, b) = (provider("a", &refused("7")).await, provider("b", &refused("20")).await);
    let running = start(&pool(&[&a, &b], ""));
    let answer = ask(&running).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("7")), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_waits_for_its_backoff_keeps_nobody_from_probing() {
    let a = provider("a", "{sequence: [{respond: {status: 503}}, {respond: {text: a}}]}").await;
    let b = provider("b", "{sequence: [{respond: {status: 503, delay_head: 1500ms}}, {respond: {text: b}}]}").await;
    let health = "  policies: {health: {eviction: {duration: 1s}}}\n";
    let retry = "retry: {attempts: 1, codes: [503], backoff: 3s}";
    let manifests = pool(&[&a, &b], health);
    let running = start(
        &manifests.replace("  rules:\n    - backendRefs", &format!("  rules:\n    - {retry}\n      backendRefs")),
    );
    let address = running.address();
    // evicts a, and waits
    let first = tokio::task::spawn_blocking(move || chat(address, ASK));
    let away = |text: &str| {
        text.lines().any(|line| {
            line.starts_with("agentgateway_provider_in_rotation{") && line.contains("\"a\"") && line.ends_with(" 0")
        })
    };
    let running = tokio::task::spawn_blocking(move || {
        running.metrics_once(away);
        running
    });
    let running = running.await.unwrap();
    // finds a away, is refused by b when a is due, and waits
    let second = tokio::task::spawn_blocking(move || chat(address, ASK));
    b.wait_until(|journal| journal.requests.len() == 1 && matches!(journal.requests[0].end, End::Complete)).await;
    let third = ask(&running).await;
    assert!(third.text().contains("\"a\""), "{third:?}");
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    let log = tokio::task::spawn_blocking(move || running.stop()).await.unwrap();
    assert_eq!((first.status, second.status), (200, 200), "{log:#?}");
    assert_eq!(log[0]["provider.standing"], "probe", "the third ends first: {log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listed_codes_move_a_request_and_others_do_not() {
    for (retry, served_by_b) in [("{attempts: 1, codes: [401, 402]}", 1), ("{attempts: 1, codes: [503]}", 0)] {
        let (a, b) = (provider("a", "{respond: {status: 401}}").await, provider("b", "{respond: {text: b}}").await);
        let running = start(&with_retry(&[&a, &b], retry));
        ask(&running).await;
        assert_eq!(b.journal().requests.len(), served_by_b, "{retry}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_was_evicted_from_a_shared_group_gets_traffic_again() {
    let script = "{sequence: [{respond: {status: 503}}, {respond: {text: ok}}]}";
    let (a, b) = (provider("a", script).await, provider("b", "{respond: {text: b}}").await);
    let policies = "      policies: {health: {eviction: {duration: 1s}}}\n".replace("      policies", "  policies");
    let manifests = pool(&[&a, &b], &policies);
    // one group of two
    let manifests = manifests.replacen("}]\n        - providers: [", "}, ", 1);
    let running = start(&manifests);
    let address = running.address();
    let rounds = tokio::task::spawn_blocking(move || {
        // until the provider was met, evicted, and came back
        while a.journal().requests.len() < 2 {
            assert_eq!(chat(address, ASK).status, 200);
        }
        let seen = a.journal().requests;
        seen[1].received_at - seen[0].received_at
    });
    let away = tokio::time::timeout(Duration::from_secs(30), rounds).await.expect("a probe").unwrap();
    assert!(away >= Duration::from_millis(950) && away < Duration::from_millis(1500), "{away:?}");
}
