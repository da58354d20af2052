//! Quotas and places, over real sockets.

use serde_json::json;

use crate::support::{Client, HI, HI_STREAM, chat, only_request, provider, settled, soon};

#[tokio::test]
async fn a_response_tells_what_is_left_and_a_refusal_when_to_come_again() {
    let mock = provider("{limits: {rpm: 2, tpm: 1000}, respond: {text: fine}}").await;
    let first = chat(&mock, HI).await;
    assert_eq!((first.status, first.header("x-ratelimit-limit-requests")), (200, Some("2")));
    assert_eq!(first.header("x-ratelimit-remaining-requests"), Some("1"));
    assert_eq!(first.header("x-ratelimit-limit-tokens"), Some("1000"));
    assert_eq!(first.header("x-ratelimit-remaining-tokens"), Some("992"), "7 of the prompt, 1 of the answer");
    chat(&mock, HI_STREAM).await;
    let refused = chat(&mock, HI).await;
    assert_eq!((refused.status, refused.header("x-ratelimit-remaining-requests")), (429, Some("0")));
    let wait: u64 = refused.header("retry-after-ms").and_then(|wait| wait.parse().ok()).expect("milliseconds");
    assert!((25_000..=30_000).contains(&wait), "{wait} is not about half a minute");
    let seconds = wait.div_ceil(1000).to_string();
    assert_eq!(refused.header("retry-after"), Some(seconds.as_str()));
    let error = refused.json()["error"].clone();
    assert_eq!((&error["type"], &error["code"]), (&json!("requests"), &json!("rate_limit_exceeded")));
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("Limit 2, Used 2, Requested 1. Please try again in "), "{message}");
    assert_eq!(settled(&mock).await.requests[2].rule.as_ref(), "limits");
}

#[tokio::test]
async fn a_request_that_the_limits_refuse_does_not_use_up_a_rule() {
    let rules = "[{name: once, times: 1, respond: {text: once}}, {name: then, respond: {text: then}}]";
    let mock = provider(&format!("{{limits: {{tpm: 100}}, rules: {rules}}}")).await;
    let large = HI.replace(r#""model""#, r#""max_tokens":200,"model""#);
    let refused = chat(&mock, &large).await;
    let message = refused.json()["error"]["message"].to_string();
    assert!(
        message.contains("Request too large for m-1 on tokens per min (TPM): Limit 100, Requested 207"),
        "{message}"
    );
    assert_eq!((refused.status, refused.header("retry-after")), (429, None));
    assert_eq!(chat(&mock, HI).await.json()["choices"][0]["message"]["content"], "once");
}

#[tokio::test]
async fn who_asks_for_messages_is_told_in_the_words_of_that_api() {
    let mock = provider("{limits: {rpm: 1}, respond: {json: {type: message}}}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/messages", HI).await;
    let served = client.response().await;
    assert_eq!(served.header("anthropic-ratelimit-requests-remaining"), Some("0"));
    let reset = served.header("anthropic-ratelimit-requests-reset").expect("a time");
    assert!(reset.ends_with('Z') && reset.len() == "1970-01-01T00:00:00Z".len(), "{reset}");
    client.post("/v1/messages", HI).await;
    let refused = client.response().await;
    assert_eq!((refused.status, refused.header("retry-after-ms")), (429, None));
    assert!(refused.header("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok()));
}

#[tokio::test]
async fn without_limits_nothing_is_said_of_them() {
    let mock = provider("{}").await;
    let response = chat(&mock, HI).await;
    assert!(response.headers.iter().all(|(name, _)| !name.contains("ratelimit")));
}

#[tokio::test]
async fn lists_of_models_and_strangers_cost_nothing() {
    let mock = provider("{limits: {rpm: 1}, auth: {keys: [sk-good]}}").await;
    assert_eq!(chat(&mock, HI).await.status, 401);
    let mut client = Client::connect(&mock).await;
    let key = "authorization: Bearer sk-good";
    client.send(format!("GET /v1/models HTTP/1.1\r\nhost: a\r\n{key}\r\n\r\n")).await;
    assert_eq!(client.response().await.header("x-ratelimit-limit-requests"), None);
    let length = HI.len();
    client
        .send(format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{key}\r\ncontent-length: {length}\r\n\r\n{HI}"))
        .await;
    let served = client.response().await;
    assert_eq!((served.status, served.header("x-ratelimit-remaining-requests")), (200, Some("0")));
}

#[tokio::test]
async fn over_its_places_a_provider_lets_wait_or_refuses() {
    let script = "{limits: {concurrent: 1, queue: {max: 1, when_full: 503}}, \
                  rules: [{times: 1, respond: {text: slow}, fault: {hang_before_head: true}}, {respond: {text: next}}]}";
    let mock = provider(script).await;
    let mut served = Client::connect(&mock).await;
    served.post("/v1/chat/completions", HI).await;
    soon(mock.wait_until(|journal| journal.requests.len() == 1 && journal.requests[0].fault.is_some())).await;
    // One of the two waits, the other is refused; which one is the kernel's choice.
    let (mut one, mut other) = (Client::connect(&mock).await, Client::connect(&mock).await);
    one.post("/v1/chat/completions", HI).await;
    other.post("/v1/chat/completions", HI).await;
    let (full, mut waiting) = soon(async {
        tokio::select! {
            full = one.response() => (full, other),
            full = other.response() => (full, one),
        }
    })
    .await;
    assert_eq!((full.status, full.header("retry-after")), (503, None));
    assert!(full.text().contains("Limit 1 in flight, 1 waiting"), "{}", full.text());
    drop(served);
    let next = soon(waiting.response()).await;
    assert_eq!((next.status, &next.json()["choices"][0]["message"]["content"]), (200, &json!("next")));
}

#[tokio::test]
async fn one_after_another_never_finds_the_provider_full() {
    let mock = provider("{limits: {concurrent: 1}, respond: {text: fine}}").await;
    for _ in 0..50 {
        assert_eq!(chat(&mock, HI_STREAM).await.status, 200);
    }
}

#[tokio::test]
async fn a_caller_that_leaves_the_line_is_journalled_as_gone() {
    let script = "{limits: {concurrent: 1, queue: {max: 1}}, fault: {hang_before_head: true}}";
    let mock = provider(script).await;
    let mut served = Client::connect(&mock).await;
    served.post("/v1/chat/completions", HI).await;
    soon(mock.wait_until(|journal| journal.requests.len() == 1 && journal.requests[0].fault.is_some())).await;
    let mut waiting = Client::connect(&mock).await;
    waiting.post("/v1/chat/completions", HI).await;
    soon(mock.wait_until(|journal| journal.requests.len() == 2)).await;
    drop(waiting);
    let gone = |end: &mock_providers::End| matches!(end, mock_providers::End::ClientClosed { .. });
    let journal = soon(mock.wait_until(|journal| journal.requests.iter().any(|request| gone(&request.end)))).await;
    assert_eq!(journal.requests.iter().filter(|request| gone(&request.end)).count(), 1);
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_its_model_is_refused_as_openai_does() {
    let mock = provider("{models: [{id: m-1, context_window: 100}], respond: {text: fine}}").await;
    assert_eq!(chat(&mock, HI).await.status, 200);
    let refused = chat(&mock, &HI.replace(r#""model""#, r#""max_tokens":94,"model""#)).await;
    let error = refused.json()["error"].clone();
    assert_eq!((refused.status, &error["code"]), (400, &json!("context_length_exceeded")));
    assert_eq!((&error["param"], &error["type"]), (&json!("messages"), &json!("invalid_request_error")));
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("holds 100 tokens, but the request asks for 101: 7 of the prompt and 94"), "{message}");
}

#[tokio::test]
async fn faults_pretend_that_a_quota_is_used_up() {
    for (fault, status, kind, code) in [
        ("insufficient_quota: true", 429, json!("insufficient_quota"), json!("insufficient_quota")),
        ("rate_limited: requests", 429, json!("requests"), json!("rate_limit_exceeded")),
        ("rate_limited: tokens", 429, json!("tokens"), json!("rate_limit_exceeded")),
        ("context_overflow: true", 400, json!("invalid_request_error"), json!("context_length_exceeded")),
        ("concurrency_full: true", 429, json!("requests"), json!("rate_limit_exceeded")),
    ] {
        let mock = provider(&format!("{{respond: {{text: fine}}, fault: {{{fault}}}}}")).await;
        let response = chat(&mock, HI).await;
        let error = response.json()["error"].clone();
        assert_eq!((response.status, &error["type"], &error["code"]), (status, &kind, &code), "{fault}");
        assert_eq!(only_request(&mock).await.fault.as_deref(), fault.split(':').next());
        let told = response.header("retry-after").is_some();
        assert_eq!(told, fault.starts_with("rate_limited"), "{fault}");
    }
}

#[tokio::test]
async fn a_pretended_limit_is_that_of_the_script() {
    let mock = provider("{limits: {rpm: 30}, fault: {rate_limited: requests}}").await;
    let response = chat(&mock, HI).await;
    assert_eq!((response.status, response.header("retry-after-ms")), (429, Some("2000")));
    let all: Vec<&str> = response.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(all.iter().filter(|name| **name == "x-ratelimit-remaining-requests").count(), 1);
    assert_eq!(response.header("x-ratelimit-remaining-requests"), Some("0"));
}
