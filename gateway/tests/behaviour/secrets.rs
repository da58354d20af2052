//! Canaries: keys of clients and providers go nowhere but where they belong.

use mock_providers::MockProvider;

use crate::support::{Running, backend, chat, pool, post, provider, raw, rules, start_with};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;

/// Everything that a gateway tells: its metrics, why it refuses manifests, its log.
async fn told(running: Running, requests: u64) -> String {
    tokio::task::spawn_blocking(move || {
        let mut all = running.metrics(requests);
        all += &running.apply("kind: Secret\nmetadata: {name: s}\nstringData: {apiKey: [canary-broken]}\n");
        let manifests = std::fs::read_to_string(running.folder.path().join("all.yaml")).unwrap();
        assert!(manifests.contains("canary-broken"));
        all + &format!("{:?}", running.stop())
    })
    .await
    .unwrap()
}

/// A provider that repeats what it got, in head and body.
async fn talkative(status: u16) -> MockProvider {
    let script = format!(
        "{{respond: {{status: {status}, headers: {{x-echo: 'Bearer canary-provider-key'}}, body: 'bad key canary-provider-key', content_type: text/plain}}}}"
    );
    provider("a", &script).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_told_in_answers_logs_metrics_or_notices() {
    for status in [200, 401, 500, 503] {
        let mock = talkative(status).await;
        let manifests = pool(&[&mock], "  policies: {auth: {key: canary-provider-key}}\n");
        let running = start_with(&manifests, |options| options.log_bodies = false);
        let address = running.address();
        let headers = "Authorization: Bearer canary-client\r\nX-Api-Key: canary-client\r\nCookie: s=canary-client\r\n";
        let answers = tokio::task::spawn_blocking(move || {
            let path = "/v1/chat/completions?api_key=canary-client&key=canary-client";
            let request = String::from_utf8(post(path, ASK)).unwrap().replacen("\r\n", &format!("\r\n{headers}"), 1);
            let asked = raw(address, request.as_bytes());
            let refused = raw(address, request.replace("{\"messages", "{{messages").as_bytes());
            let lost = raw(address, request.replace("/v1/chat/completions", "/nowhere").as_bytes());
            (asked, [refused, lost])
        });
        let (asked, refusals) = answers.await.unwrap();
        assert!(!asked.head.contains("canary"), "{asked:?}");
        assert!(status == 200 || !asked.text().contains("canary"), "{asked:?}");
        assert!(refusals.iter().all(|answer| answer.status >= 400 && !format!("{answer:?}").contains("canary")));
        let told = told(running, 3).await;
        assert!(!told.contains("canary"), "{told}");
        let seen = mock.journal().requests;
        assert!(seen.iter().all(|request| !request.head.headers().any(|(_, value)| value.contains("canary-client"))));
        assert!(!seen[0].head.path().contains("canary"), "{:?}", seen[0].head);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_goes_to_a_static_backend_is_told_nowhere_else() {
    let mock = provider("a", "{respond: {status: 503, json: {}}}").await;
    let manifests = rules(&[&mock], &format!("[{{backendRefs: [{}]}}]", backend("a", "")));
    let running = start_with(&manifests, |_| ());
    let address = running.address();
    let request = post("/x", ASK);
    let request =
        String::from_utf8(request).unwrap().replacen("\r\n", "\r\nAuthorization: Bearer canary-client\r\n", 1);
    let answer = tokio::task::spawn_blocking(move || raw(address, request.as_bytes())).await.unwrap();
    assert!(answer.status == 503 && !format!("{answer:?}").contains("canary"), "{answer:?}");
    assert_eq!(mock.journal().requests[0].header("authorization"), Some("Bearer canary-client"));
    let told = told(running, 1).await;
    assert!(!told.contains("canary"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_rotated_is_used_by_the_next_request_and_told_by_nobody() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let keyed = |key: &str| pool(&[&mock], &format!("  policies: {{auth: {{key: {key}}}}}\n"));
    let running = start_with(&keyed("canary-old"), |_| ());
    let (address, next) = (running.address(), keyed("canary-new"));
    let running = tokio::task::spawn_blocking(move || {
        running.metrics(0);
        assert_eq!(chat(address, ASK).status, 200);
        assert!(running.apply(&next).starts_with("reloaded"));
        assert_eq!(chat(address, ASK).status, 200);
        running
    });
    let told = told(running.await.unwrap(), 2).await;
    assert!(!told.contains("canary"), "{told}");
    let journal = mock.journal();
    let keys: Vec<_> = journal.requests.iter().map(|request| request.header("authorization")).collect();
    assert_eq!(keys, [Some("Bearer canary-old"), Some("Bearer canary-new")]);
}
