//! Who is asked and how often: switched off failover, pools of keys, the provider's own word, the budget, and what
//! the client and the log are told in the end.

use mock_providers::MockProvider;

use crate::support::{Answer, Running, chat, pool, provider, start};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

fn with_retry(providers: &[&MockProvider], retry: &str) -> String {
    let manifests = pool(providers, "");
    manifests.replace("  rules:\n    - backendRefs", &format!("  rules:\n    - retry: {retry}\n      backendRefs"))
}

async fn ask(running: &Running, body: &'static str) -> Answer {
    let address = running.address();
    tokio::task::spawn_blocking(move || chat(address, body)).await.unwrap()
}

fn seen(mock: &MockProvider) -> usize {
    mock.journal().requests.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_attempts_mean_no_failover_before_and_within_a_stream() {
    let told = "{respond: {text: one two}, fault: {error_event: {after_chunks: 0}}}";
    for (first, body) in [("{respond: {status: 503}}", ASK), ("{accept: refuse}", ASK), (told, STREAM)] {
        let (a, b) = (provider("a", first).await, provider("b", "{respond: {text: served by b}}").await);
        let running = start(&with_retry(&[&a, &b], "{attempts: 0}"));
        let answer = ask(&running, body).await;
        assert_eq!(seen(&b), 0, "{first}: {answer:?}");
        assert!(answer.status >= 500 || answer.text().contains("\"error\""), "{first}: {answer:?}");
    }
}

/// Two keys for one place.
fn keys(mock: &MockProvider, policies: &str) -> String {
    let (manifests, port) = (pool(&[mock, mock], policies), mock.addr().port());
    let mut number = 0;
    let lines = manifests.lines().map(|line| match line.contains(&format!("port: {port}")) {
        false => line.to_owned(),
        true => {
            number += 1;
            let auth = format!("m-1}}, policies: {{auth: {{key: sk-{number}}}}}}}]");
            line.replace("name: a", &format!("name: key-{number}")).replace("m-1}}]", &auth)
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn keys_seen(mock: &MockProvider) -> Vec<String> {
    let key = |request: &mock_providers::RequestRecord| request.header("authorization").unwrap_or_default().to_owned();
    mock.journal().requests.iter().map(key).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limited_key_gives_way_to_the_next_one() {
    let limited = "{when: {header: {authorization: 'Bearer sk-1'}}, respond: {status: 429}}";
    let mock = provider("a", &format!("{{rules: [{limited}], respond: {{text: ok}}}}")).await;
    let running = start(&keys(&mock, ""));
    for _ in 0..2 {
        assert_eq!(ask(&running, ASK).await.status, 200);
    }
    assert_eq!(keys_seen(&mock), ["Bearer sk-1", "Bearer sk-2", "Bearer sk-2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_of_a_place_evicts_none_of_the_keys_for_it() {
    for policies in ["", "  policies: {health: {eviction: {duration: 60s}}}\n"] {
        let mock = provider("a", "{respond: {status: 500}}").await;
        let running = start(&keys(&mock, policies));
        for _ in 0..4 {
            assert_eq!(ask(&running, ASK).await.status, 500);
        }
        assert_eq!(keys_seen(&mock), ["Bearer sk-1"; 4], "{policies}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_says_so_is_not_asked_again_and_one_that_asks_for_it_is_given_up() {
    let alone = provider("a", "{respond: {status: 503, headers: {x-should-retry: 'false'}}}").await;
    let running = start(&with_retry(&[&alone], "{attempts: 3, codes: [503]}"));
    assert_eq!((ask(&running, ASK).await.status, seen(&alone)), (503, 1));

    let (a, b) = (provider("a", "{respond: {status: 503, headers: {x-should-retry: 'false'}}}").await, "{}");
    let b = provider("b", b).await;
    let running = start(&with_retry(&[&a, &b], "{attempts: 3, codes: [503]}"));
    assert_eq!((ask(&running, ASK).await.status, seen(&a), seen(&b)), (200, 1, 1), "another one may be asked");

    for retry in ["", "{attempts: 1, codes: [418]}"] {
        let a = provider("a", "{respond: {text: ok, headers: {x-should-retry: 'true'}}}").await;
        let manifests = if retry.is_empty() { pool(&[&a, &a], "") } else { with_retry(&[&a, &a], retry) };
        let running = start(&manifests);
        assert_eq!((ask(&running, ASK).await.status, seen(&a)), (200, 1), "{retry}: a good answer is taken");

        let a = provider("a", "{respond: {status: 500, headers: {x-should-retry: 'true'}}}").await;
        let b = provider("b", "{respond: {text: ok}}").await;
        let manifests = if retry.is_empty() { pool(&[&a, &b], "") } else { with_retry(&[&a, &b], retry) };
        let running = start(&manifests);
        ask(&running, ASK).await;
        assert_eq!(seen(&a) + seen(&b), 2, "{retry}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_limits_are_used_up_the_client_learns_when_the_first_is_full_again() {
    let limited = |reset: &str| {
        let headers = format!("x-ratelimit-remaining-tokens: '0', x-ratelimit-reset-tokens: '{reset}'");
        format!("{{respond: {{status: 429, headers: {{{headers}}}}}}}")
    };
    let (a, b) = (provider("a", &limited("1m30s")).await, provider("b", &limited("40s")).await);
    let running = start(&pool(&[&a, &b], ""));
    let answer = ask(&running, ASK).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("40")), "{answer:?}");
    assert!(answer.json()["error"]["message"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_real_status_is_the_answer_when_the_last_provider_gives_none() {
    let a = provider("a", "{respond: {status: 429, headers: {retry-after: '2'}}}").await;
    let b = provider("b", "{accept: refuse}").await;
    let running = start(&pool(&[&a, &b], ""));
    let answer = ask(&running, ASK).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("3")), "{answer:?}");
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains("provider b") && message.contains("provider a answered 429"), "{message}");
    let kind = ["type", "code"].map(|member| answer.json()["error"][member].clone());
    assert_eq!(kind, ["requests", "rate_limit_exceeded"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_when_the_least_bad_was_asked_and_its_answer_brings_it_back() {
    let script = "{sequence: [{respond: {status: 503}}, {respond: {text: ok}}]}";
    let mock = provider("a", script).await;
    let running = start(&pool(&[&mock], ""));
    for status in [503, 200, 200] {
        assert_eq!(ask(&running, ASK).await.status, status);
    }
    let standings: Vec<_> = running.stop().iter().map(|record| record["provider.standing"].clone()).collect();
    assert_eq!(standings, [serde_json::Value::Null, "evicted".into(), serde_json::Value::Null]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configured_retries_stay_within_a_fifth_of_the_traffic_when_everything_fails() {
    let mock = provider("a", "{respond: {status: 503}}").await;
    let running = start(&with_retry(&[&mock], "{attempts: 3, codes: [503]}"));
    let address = running.address();
    tokio::task::spawn_blocking(move || (0..300).for_each(|_| assert_eq!(chat(address, ASK).status, 503)))
        .await
        .unwrap();
    // a fifth of them, and the reserve of 100
    assert!((400..=460).contains(&seen(&mock)), "{}", seen(&mock));
}
