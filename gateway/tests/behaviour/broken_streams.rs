//! A provider that dies within a stream: the client can always tell.

use crate::support::{chat, pool, provider, start};

const ASK: &str = r#"{"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_too_large_to_be_read_does_not_make_a_cut_look_complete() {
    let script =
        "{respond: {sse: [{data: START}], framing: close}, fault: {disconnect: {how: fin, after_bytes: 5000000}}}";
    let mock = provider("a", &script.replace("START", &"x".repeat(6_000_000))).await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    let answer = tokio::task::spawn_blocking(move || chat(address, ASK)).await.unwrap();
    assert!(answer.status == 200 && !answer.complete, "{} {}", answer.status, answer.complete);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_stalls_within_its_body_is_a_timeout_at_the_deadline() {
    let mock =
        provider("a", "{respond: {status: 500, json: {error: {message: slow}}}, fault: {stall: {after_bytes: 3}}}")
            .await;
    let policies = "  policies: {auth: {key: sk-test-key}}\n";
    let manifests = pool(&[&mock], policies)
        .replace("  rules:\n    - backendRefs", "  rules:\n    - timeouts: {request: 300ms}\n      backendRefs");
    let running = start(&manifests);
    let address = running.address();
    let answer = tokio::task::spawn_blocking(move || chat(address, ASK)).await.unwrap();
    assert!(answer.status == 504 && answer.json()["error"]["code"] == "upstream_timeout", "{answer:?}");
    assert_eq!(running.stop()[0]["end"], "timed_out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_event_does_not_stand_for_what_is_missing_of_an_announced_length() {
    let script = |fault: &str| format!("{{respond: {{text: one two three, framing: content_length}}{fault}}}");
    let mock = provider("a", &script("")).await;
    let running = start(&pool(&[&mock], "  policies: {health: {eviction: {consecutiveFailures: 1000000}}}\n"));
    let address = running.address();
    // usage is asked for, so that the stream is passed on as it is
    let ask = r#"{"stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#;
    let whole = tokio::task::spawn_blocking(move || chat(address, ask)).await.unwrap();
    assert!(whole.complete && whole.header("content-length").is_some(), "{whole:?}");
    let events = whole.text().matches("\n\n").count();
    for after in 1..events {
        mock.set_script(
            serde_saphyr::from_str(&script(&format!(", fault: {{disconnect: {{after_events: {after}}}}}"))).unwrap(),
        );
        let answer = tokio::task::spawn_blocking(move || chat(address, ask)).await.unwrap();
        assert!(!answer.complete && !answer.text().contains("error"), "after {after}: {answer:?}");
    }
}

/// Offsets from a fixed sequence, so that a failure can be repeated.
fn offset(round: u64) -> u64 {
    (round.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) % 6_000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_killed_at_a_thousand_offsets_never_leaves_a_stream_that_looks_complete() {
    let mock = provider("a", "{respond: {tokens: 40}}").await;
    let running = start(&pool(&[&mock], "  policies: {health: {eviction: {consecutiveFailures: 1000000}}}\n"));
    let address = running.address();
    let whole = tokio::task::spawn_blocking(move || chat(address, ASK)).await.unwrap();
    assert!(whole.complete && whole.text().ends_with("data: [DONE]\n\n"), "{}", whole.text());
    let mut cut = 0;
    for round in 0..1000 {
        let how = if round % 2 == 0 { "fin" } else { "rst" };
        let framing = if round % 3 == 0 { ", framing: close" } else { "" };
        let at = offset(round);
        let script =
            format!("{{respond: {{tokens: 40{framing}}}, fault: {{disconnect: {{how: {how}, after_bytes: {at}}}}}}}");
        mock.set_script(serde_saphyr::from_str(&script).unwrap());
        let answer = tokio::task::spawn_blocking(move || chat(address, ASK)).await.unwrap();
        if answer.status != 200 {
            // either nothing at all, or the gateway's own error
            assert!(answer.status == 0 || answer.status >= 500 && answer.json()["error"]["message"].is_string());
            cut += 1;
            continue;
        }
        let all_content = answer.text().contains("\"finish_reason\":\"stop\"");
        if !all_content {
            cut += 1;
            assert!(!answer.text().contains("[DONE]"), "round {round} at {at}: {}", answer.text());
            assert!(!answer.complete, "round {round} at {at} {how}{framing}: looks complete: {}", answer.text());
        }
    }
    assert!(cut > 500, "only {cut} of 1000 rounds cut the stream");
    let log = running.stop();
    assert_eq!(log.len(), 1001);
    let failed = log.iter().filter(|record| record["end"] == "upstream_failed").count();
    assert!(failed >= cut, "{failed} records of {cut} failures");
}
