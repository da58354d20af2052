//! Another provider is tried when nothing of an answer was committed, and only then.

use crate::support::{chat, pool, provider, start};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

async fn with(first: &str, ask: &'static str) -> (u16, String, usize, usize) {
    let (a, b) = (provider("a", first).await, provider("b", "{respond: {text: served by b}}").await);
    let running = start(&pool(&[&a, &b], ""));
    let address = running.address();
    let answer = tokio::task::spawn_blocking(move || chat(address, ask)).await.unwrap();
    (answer.status, answer.text(), a.journal().requests.len(), b.journal().requests.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_policy_a_request_moves_once_when_nothing_was_accepted() {
    for first in ["{respond: {status: 503}}", "{respond: {status: 429}}", "{accept: refuse}"] {
        let (status, text, _, second) = with(first, ASK).await;
        assert!(status == 200 && text.contains("served by b") && second == 1, "{first}: {status} {text}");
    }
    for first in ["{respond: {status: 500}}", "{respond: {status: 400}}", "{respond: {status: 401}}"] {
        let (status, _, _, second) = with(first, ASK).await;
        assert!(status != 200 && second == 0, "{first}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_backend_is_retried_as_configured_when_the_request_has_no_body() {
    let mock = provider("a", "{sequence: [{respond: {status: 503, json: 1}, times: 2}, {respond: {json: 2}}]}").await;
    let (gateway, route) = (
        "kind: Gateway\nmetadata: {name: g}\nspec: {gatewayClassName: agentgateway, listeners: [{name: h, port: 8080, protocol: HTTP}]}\n---\n",
        "kind: HTTPRoute\nmetadata: {name: r}\nspec:\n  parentRefs: [{name: g}]\n  rules:\n    - retry: {attempts: 2, codes: [503]}\n      backendRefs: [{name: s, group: agentgateway.dev, kind: AgentgatewayBackend}]\n---\n",
    );
    let port = mock.addr().port();
    let backend = format!(
        "kind: AgentgatewayBackend\nmetadata: {{name: s}}\nspec: {{static: {{host: 127.0.0.1, port: {port}}}}}\n"
    );
    let running = start(&format!("{gateway}{route}{backend}"));
    let address = running.address();
    let answer =
        move |request: &'static [u8]| tokio::task::spawn_blocking(move || crate::support::raw(address, request));
    assert_eq!(answer(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap().text(), "2");
    assert_eq!(mock.journal().requests.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_without_usable_credentials_takes_over_from_nobody() {
    let (a, b) = (provider("a", "{respond: {status: 503}}").await, provider("b", "{}").await);
    let with_missing_secret = "openai: {model: m-1}, policies: {auth: {secretRef: {name: missing}}}}]";
    let port = b.addr().port();
    let manifests = pool(&[&a, &b], "");
    let (before, after) = manifests.split_at(manifests.find(&format!("port: {port}")).unwrap());
    let running = start(&(before.to_owned() + &after.replacen("openai: {model: m-1}}]", with_missing_secret, 1)));
    let address = running.address();
    let answer = tokio::task::spawn_blocking(move || chat(address, ASK)).await.unwrap();
    assert_eq!((answer.status, b.journal().requests.len()), (503, 0), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stateful_request_stays_where_it_is() {
    let (status, _, first, second) = with("{respond: {status: 503}}", r#"{"store":true,"messages":[]}"#).await;
    assert_eq!((status, first, second), (503, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_fails_before_its_first_content_moves_too() {
    for first in [
        "{respond: {text: one two}, fault: {disconnect: {how: fin, after_chunks: 0}}}",
        "{respond: {text: one two}, fault: {error_event: {after_chunks: 0}}}",
    ] {
        let (status, text, _, second) = with(first, STREAM).await;
        assert!(status == 200 && second == 1, "{first}: {status} {text}");
        assert!(text.ends_with("data: [DONE]\n\n") && !text.contains("\"error\""), "{first}: {text}");
        assert_eq!(text.matches("\"role\":\"assistant\"").count(), 1, "{first}: {text}");
    }
    let late = "{respond: {chunks: [one, two]}, fault: {disconnect: {how: fin, after_chunks: 1}}, latency: {itl: 5ms}}";
    let (_, text, _, second) = with(late, STREAM).await;
    assert!(second == 0 && !text.contains("[DONE]"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_may_not_move_is_not_held() {
    let retry = |fields: &str| {
        format!(
            "---\nkind: AgentgatewayPolicy\nmetadata: {{name: r}}\nspec:\n  targetRefs: [{{kind: HTTPRoute, name: pool}}]\n  traffic: {{{fields}}}\n"
        )
    };
    for fields in [
        "retry: {attempts: 0}",
        "retry: {attempts: 1, precondition: 'false'}",
        "retry: {attempts: 1, backoff: 20s}, timeouts: {request: 20s}",
    ] {
        let failing = "{respond: {text: one two}, fault: {error_event: {after_chunks: 0}}}";
        let (a, b) = (provider("a", failing).await, provider("b", "{respond: {text: b}}").await);
        let running = start(&(pool(&[&a, &b], "") + &retry(fields)));
        let address = running.address();
        let answer = tokio::task::spawn_blocking(move || chat(address, STREAM)).await.unwrap();
        let begun = answer.status == 200 && answer.text().contains("\"role\":\"assistant\"");
        assert!(begun && b.journal().requests.is_empty(), "{fields}: {answer:?}");
    }
}

/// Both providers in one group, with the client's model.
fn shared(a: &mock_providers::MockProvider, b: &mock_providers::MockProvider) -> String {
    pool(&[a, b], "").replacen("}]\n        - providers: [", "}, ", 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_provider_of_a_group_gets_little_of_the_traffic() {
    let slow = provider("slow", "{respond: {text: a}, latency: {head: 200ms}}").await;
    let fast = provider("fast", "{respond: {text: b}, latency: {head: 20ms}}").await;
    let running = start(&shared(&slow, &fast));
    let address = running.address();
    let callers: Vec<_> = (0..20)
        .map(|_| std::thread::spawn(move || (0..10).for_each(|_| assert_eq!(chat(address, ASK).status, 200))))
        .collect();
    tokio::task::spawn_blocking(move || callers.into_iter().for_each(|caller| caller.join().unwrap())).await.unwrap();
    let (slow, fast) = (slow.journal().requests.len(), fast.journal().requests.len());
    assert!(slow + fast == 200 && (1..70).contains(&slow), "{slow} of 200");
}
