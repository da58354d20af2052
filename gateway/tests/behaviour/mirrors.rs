//! Copies of requests for other backends: whole, thrown away, and never in the way.

use mock_providers::MockProvider;

use crate::support::{ask, backend, get, post, provider, rules, start};

const ASK: &str = r#"{ "model" : "any", "messages" : [{"role":"user","content":"hi"}] }"#;

/// A rule that sends to one backend and copies to others, each with a share.
fn mirrored(to: &str, copies: &[(&str, &str)]) -> String {
    let copy = |(name, share): &(&str, &str)| {
        format!("{{type: RequestMirror, requestMirror: {{backendRef: {}{share}}}}}", backend(name, ""))
    };
    let copies: Vec<_> = copies.iter().map(copy).collect();
    format!("[{{filters: [{}], backendRefs: [{}]}}]", copies.join(", "), backend(to, ""))
}

async fn pair() -> (MockProvider, MockProvider) {
    (provider("a", "{respond: {text: ok}}").await, provider("b", "{respond: {status: 500}}").await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_whole_and_its_answer_is_seen_by_nobody() {
    for to in ["a", "a-ai"] {
        let (a, b) = pair().await;
        let running = start(&rules(&[&a, &b], &mirrored(to, &[("b", "")])));
        let request = post("/v1/chat/completions?x=1", ASK);
        let head = String::from_utf8(request).unwrap().replace("Host: gateway", "Host: gateway\r\nX-Custom: 7");
        assert_eq!(ask(&running, head).await.status, 200, "{to}");
        let copy = b.wait_until(|journal| journal.requests.iter().any(|request| request.body_complete)).await;
        let copy = &copy.requests[0];
        assert_eq!((copy.head.method(), copy.head.path()), ("POST", "/v1/chat/completions"), "{to}");
        assert_eq!((copy.head.query(), copy.header("x-custom")), (Some("x=1"), Some("7")), "{to}");
        assert_eq!(copy.body, ASK, "{to}");
        assert_eq!(copy.header("host"), Some(&*b.addr().to_string()), "{to}");
        let log = running.stop();
        assert_eq!((log.len(), log[0]["http.status"].as_u64()), (1, Some(200)), "{to}: a copy is no exchange");
        assert_eq!(log[0]["attempts"], 1, "{to}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_for_an_ai_backend_asks_for_the_model_of_that_backend() {
    for to in ["a", "a-ai"] {
        let (a, b) = pair().await;
        let running = start(&rules(&[&a, &b], &mirrored(to, &[("b-ai", "")])));
        let request = String::from_utf8(post("/v1/chat/completions?key=sk-client&x=1", ASK)).unwrap();
        let request = request.replace("Host: gateway", "Host: gateway\r\nAuthorization: Bearer sk-client");
        assert_eq!(ask(&running, request).await.status, 200);
        let copy = b.wait_until(|journal| journal.requests.iter().any(|request| request.body_complete)).await;
        let copy = &copy.requests[0];
        assert_eq!(copy.body, ASK.replace("any", "m-b"), "{to}");
        assert_eq!((copy.header("authorization"), copy.head.query()), (None, Some("x=1")), "{to}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_has_no_credentials_that_the_backend_does_not_get_and_none_of_the_backends_own() {
    for (to, kept) in [("a-ai", false), ("a", true)] {
        let (a, b) = pair().await;
        let copy = format!("{{type: RequestMirror, requestMirror: {{backendRef: {}}}}}", backend("b", ""));
        let own = "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Own, value: secret}]}}";
        let rule = format!("[{{filters: [{copy}], backendRefs: [{}]}}]", backend(to, &format!(", filters: [{own}]")));
        let running = start(&rules(&[&a, &b], &rule));
        let request = String::from_utf8(post("/v1/chat/completions?key=sk-client&x=1", ASK)).unwrap();
        let request =
            request.replace("Host: gateway", "Host: gateway\r\nAuthorization: Bearer sk-client\r\nCookie: c=1");
        assert_eq!(ask(&running, request).await.status, 200);
        let copy = b.wait_until(|journal| journal.requests.iter().any(|request| request.body_complete)).await;
        let copy = &copy.requests[0];
        assert_eq!((copy.header("authorization").is_some(), copy.header("cookie").is_some()), (kept, kept), "{to}");
        assert_eq!(copy.head.query(), Some(if kept { "key=sk-client&x=1" } else { "x=1" }), "{to}");
        assert_eq!((copy.header("x-own"), a.journal().requests[0].header("x-own")), (None, Some("secret")), "{to}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mirror_gets_its_own_share() {
    let (a, b) = pair().await;
    let c = provider("c", "{respond: {text: ok}}").await;
    let copies = [("b", ", percent: 100"), ("c", ", fraction: {numerator: 0, denominator: 7}")];
    let running = start(&rules(&[&a, &b, &c], &mirrored("a", &copies)));
    for _ in 0..10 {
        assert_eq!(ask(&running, get("/v1/models", "")).await.status, 200);
    }
    b.wait_until(|journal| journal.requests.len() == 10).await;
    assert_eq!((a.journal().requests.len(), c.journal().requests.len()), (10, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_that_hangs_or_refuses_is_not_felt() {
    for script in ["{fault: {hang_before_head: true}}", "{accept: refuse}", "{fault: {stall: {after_bytes: 1}}}"] {
        let a = provider("a", "{respond: {text: ok}}").await;
        let b = provider("b", script).await;
        let running = start(&rules(&[&a, &b], &mirrored("a-ai", &[("b", "")])));
        for _ in 0..3 {
            let answer = ask(&running, post("/v1/chat/completions", ASK)).await;
            assert_eq!((answer.status, answer.complete), (200, true), "{script}");
        }
        // nobody waits for a hanging copy when the gateway stops
        assert_eq!(running.stop().len(), 3, "{script}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streamed_body_is_copied_up_to_a_limit() {
    let (_, b) = pair().await;
    let a = provider("a", "{quirks: [unknown_path_200]}").await;
    let running = start(&rules(&[&a, &b], &mirrored("a", &[("b", "")])));
    let (large, small) = ("x".repeat(2 * 1024 * 1024), "y".repeat(100 * 1024));
    for body in [&large, &small] {
        assert_eq!(ask(&running, post("/v1/files", body)).await.status, 200);
    }
    let chunked =
        "POST /v1/files HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(ask(&running, chunked).await.status, 200);
    let both = b.wait_until(|journal| journal.requests.iter().filter(|request| request.body_complete).count() >= 2);
    let mut copies: Vec<_> = both.await.requests.iter().map(|request| request.body.clone()).collect();
    copies.sort();
    assert!(copies[0] == "abcde" && copies[1] == small, "the large one was not copied");
    assert_eq!(a.journal().requests[0].body, large);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_request_is_not_copied() {
    let (a, b) = pair().await;
    let running = start(&rules(&[&a, &b], &mirrored("a-ai", &[("b", "")])));
    for (path, body) in [("/v1/chat/completions", "no json"), ("/v1/nonsense", ASK)] {
        assert!(matches!(ask(&running, post(path, body)).await.status, 400 | 404));
    }
    assert_eq!(ask(&running, post("/v1/chat/completions", ASK)).await.status, 200);
    b.wait_until(|journal| journal.requests.iter().any(|request| request.body == ASK)).await;
    assert_eq!(b.journal().requests.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mirror_of_a_backend_copies_only_what_that_backend_gets() {
    let (a, b) = pair().await;
    let c = provider("c", "{respond: {text: ok}}").await;
    let mirror = format!("filters: [{{type: RequestMirror, requestMirror: {{backendRef: {}}}}}]", backend("b", ""));
    let (first, second) = (backend("a", &format!(", {mirror}")), backend("c", ""));
    let running = start(&rules(&[&a, &b, &c], &format!("[{{backendRefs: [{first}, {second}]}}]")));
    for _ in 0..30 {
        assert_eq!(ask(&running, get("/v1/models", "")).await.status, 200);
    }
    let expected = a.journal().requests.len();
    assert!((1..30).contains(&expected), "both backends were chosen: {expected}");
    b.wait_until(|journal| journal.requests.len() >= expected).await;
    assert_eq!(b.journal().requests.len(), expected);
}
