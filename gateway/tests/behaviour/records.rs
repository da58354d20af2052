//! Every exchange leaves one record that tells how it ended.

use std::io::Write;
use std::net::{Shutdown, TcpStream};

use crate::support::{chat, pool, post, provider, raw, start};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_without_a_body_and_masked_answers_are_complete() {
    let key = "sk-secret-of-the-provider";
    let script = format!(
        "{{sequence: [{{respond: {{status: 204, body: ''}}}}, {{respond: {{status: 500, body: ''}}}}, \
         {{respond: {{status: 401, json: {{error: {{message: 'bad key {key}'}}}}}}}}, {{respond: {{text: ok}}}}]}}"
    );
    let mock = provider("a", &script).await;
    let secret = format!("---\nkind: Secret\nmetadata: {{name: key}}\nstringData: {{apiKey: {key}}}\n");
    let policies = "  policies: {auth: {secretRef: {name: key}}, health: {eviction: {consecutiveFailures: 9}}}\n";
    let running = start(&(pool(&[&mock], policies) + &secret));
    let address = running.address();
    tokio::task::spawn_blocking(move || {
        assert_eq!(chat(address, ASK).status, 204);
        assert_eq!(chat(address, ASK).status, 500);
        let refused = chat(address, ASK);
        assert_eq!(refused.json()["error"]["message"], format!("bad key {}", "*".repeat(key.len())));
        assert_eq!(chat(address, ASK).status, 200);
        assert_eq!(raw(address, b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    })
    .await
    .unwrap();
    let log = running.stop();
    let ends: Vec<_> = log.iter().map(|record| (record["http.status"].as_u64(), record["end"].as_str())).collect();
    let complete = |status| (Some(status), Some("complete"));
    assert_eq!(ends, [complete(204), complete(500), complete(401), complete(200), complete(200)]);
    assert!(!log.iter().any(|record| record.to_string().contains(key)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_before_the_answer_is_recorded_and_the_provider_is_let_go() {
    let mock = provider("a", "{fault: {hang_before_head: true}}").await;
    let running = start(&pool(&[&mock], ""));
    let mut client = TcpStream::connect(running.address()).unwrap();
    client.write_all(&post("/v1/chat/completions", ASK)).unwrap();
    mock.wait_until(|journal| journal.requests.len() == 1).await;
    client.shutdown(Shutdown::Both).unwrap();
    drop(client);
    let left =
        |journal: &mock_providers::Journal| matches!(journal.requests[0].end, mock_providers::End::ClientClosed { .. });
    mock.wait_until(left).await;
    let log = running.stop();
    assert_eq!(
        (log.len(), log[0]["http.status"].as_u64(), log[0]["end"].as_str()),
        (1, Some(499), Some("client_closed"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_at_once_after_a_whole_request_has_a_record_too() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    tokio::task::spawn_blocking(move || {
        for _ in 0..300 {
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(&post("/v1/chat/completions", ASK)).unwrap();
        }
        // waits until so many are counted
        running.metrics(300);
        let log = running.stop();
        assert_eq!(log.len(), 300);
        assert!(log.iter().all(|record| record["end"] == "client_closed" || record["end"] == "complete"), "{log:?}");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_method_is_told_at_any_length() {
    let running = start(&pool(&[], ""));
    let request = format!("{} /v1/models HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(10_000));
    let address = running.address();
    tokio::task::spawn_blocking(move || raw(address, request.as_bytes())).await.unwrap();
    let log = running.stop();
    assert_eq!((log.len(), log[0]["http.method"].as_str().map(str::len)), (1, Some(128)), "{log:?}");
}
