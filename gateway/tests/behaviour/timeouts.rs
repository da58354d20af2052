//! Every timer that is configured ends what it bounds, visibly, and lets go of the provider.

use std::time::{Duration, Instant};

use mock_providers::{End, Journal};

use crate::support::{Answer, Running, chat, pool, provider, start};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

fn timeouts(timeouts: &str) -> String {
    format!(
        "---\nkind: AgentgatewayPolicy\nmetadata: {{name: t}}\nspec:\n  targetRefs: [{{kind: HTTPRoute, name: pool}}]\n  traffic: {{timeouts: {timeouts}}}\n"
    )
}

fn rule(manifests: &str, fields: &str) -> String {
    manifests.replace("  rules:\n    - backendRefs", &format!("  rules:\n    - {fields}\n      backendRefs"))
}

async fn timed(running: &Running, ask: &'static str) -> (Answer, Duration) {
    let address = running.address();
    let asked = move || (chat(address, ask), Instant::now());
    let started = Instant::now();
    let (answer, ended) = tokio::task::spawn_blocking(asked).await.unwrap();
    (answer, ended - started)
}

fn let_go(journal: &Journal) -> bool {
    matches!(journal.requests[0].end, End::ClientClosed { .. })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_falls_silent_ends_with_an_error_event_and_no_terminator() {
    for usage in ["", ",\"stream_options\":{\"include_usage\":true}"] {
        let mock = provider("a", "{respond: {chunks: [one, two]}, fault: {stall: {after_chunks: 1}}}").await;
        let running = start(&(pool(&[&mock], "") + &timeouts("{responseIdle: 200ms}")));
        let ask = STREAM.replace("\"stream\":true", &format!("\"stream\":true{usage}"));
        let (answer, took) = timed(&running, ask.leak()).await;
        let text = answer.text();
        assert!(answer.status == 200 && !answer.complete && text.contains("one"), "{answer:?}");
        assert!(text.contains("\"code\":\"upstream_timeout\"") && !text.contains("[DONE]"), "{text}");
        assert!(text.ends_with("\n\n") && took < Duration::from_secs(5), "{took:?}");
        mock.wait_until(let_go).await;
        let log = running.stop();
        assert_eq!((log[0]["end"].as_str(), log[0]["reason"].as_str()), (Some("timed_out"), Some("Timeout")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_goes_on_slowly_is_not_silent() {
    let mock = provider("a", "{respond: {chunks: [a, b, c, d, e, f]}, latency: {itl: 100ms}}").await;
    let running = start(&(pool(&[&mock], "") + &timeouts("{responseIdle: 400ms}")));
    let (answer, _) = timed(&running, STREAM).await;
    assert!(answer.complete && answer.text().ends_with("data: [DONE]\n\n"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_answer_that_is_late_in_head_or_body_is_a_504_and_the_provider_is_let_go() {
    for fault in ["{hang_before_head: true}", "{stall: {after_bytes: 20}}"] {
        let mock = provider("a", &format!("{{respond: {{text: late}}, fault: {fault}}}")).await;
        let running = start(&(pool(&[&mock], "") + &timeouts("{request: 300ms}")));
        let (answer, took) = timed(&running, ASK).await;
        assert_eq!(answer.json()["error"]["code"], "upstream_timeout", "{fault}");
        assert!(answer.status == 504 && took >= Duration::from_millis(300), "{fault} {took:?}");
        mock.wait_until(let_go).await;
        assert_eq!(running.stop()[0]["end"], "timed_out");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_never_answers_is_replaced_at_the_attempts_timeout_when_retries_are_configured() {
    let (a, b) =
        (provider("a", "{fault: {hang_before_head: true}}").await, provider("b", "{respond: {text: b}}").await);
    let running = start(&rule(&pool(&[&a, &b], ""), "timeouts: {backendRequest: 200ms}\n      retry: {attempts: 1}"));
    let (answer, _) = timed(&running, ASK).await;
    assert_eq!((answer.status, b.journal().requests.len()), (200, 1), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_cannot_be_made_in_time_is_given_up() {
    // a listener that accepts TCP and never begins TLS
    let stalled = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let b = provider("b", "{respond: {text: b}}").await;
    let port = stalled.local_addr().unwrap().port();
    let first = format!(
        "        - providers: [{{name: a, host: 127.0.0.1, port: {port}, openai: {{}}, policies: {{tls: {{}}, tcp: {{connectTimeout: 200ms}}}}}}]\n"
    );
    let manifests = pool(&[&b], "").replace("      groups:\n", &format!("      groups:\n{first}"));
    let running = start(&manifests);
    let (answer, took) = timed(&running, ASK).await;
    assert!(answer.status == 200 && took < Duration::from_secs(5), "{answer:?} {took:?}");
}
