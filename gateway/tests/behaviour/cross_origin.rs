//! CORS: preflights end in the gateway, and every answer says who may read it.

use crate::support::{ask, backend, get, provider, rules, start};

const CORS: &str = "{type: CORS, cors: {allowOrigins: ['https://*.example.com'], allowCredentials: true, \
    allowMethods: [GET, PUT], allowHeaders: [X-A, x-b], exposeHeaders: [x-c], maxAge: 600}}";

fn preflight(path: &str, origin: &str, method: &str) -> String {
    format!(
        "OPTIONS {path} HTTP/1.1\r\nHost: gateway\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: {method}\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preflight_ends_in_the_gateway() {
    let a = provider("a", "{respond: {text: ok}}").await;
    let running = start(&rules(&[&a], &format!("[{{filters: [{CORS}], backendRefs: [{}]}}]", backend("a-ai", ""))));
    let answer = ask(&running, preflight("/v1/chat/completions", "https://app.example.com", "PUT")).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0), "{answer:?}");
    for (name, value) in [
        ("access-control-allow-origin", "https://app.example.com"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "get, put"),
        ("access-control-allow-headers", "x-a, x-b"),
        ("access-control-expose-headers", "x-c"),
        ("access-control-max-age", "600"),
        ("vary", "origin, access-control-request-method, access-control-request-headers"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let refused = ask(&running, preflight("/v1/chat/completions", "https://example.com.evil.net", "PUT")).await;
    assert!(refused.status == 200 && !refused.head.contains("access-control-allow-"), "{refused:?}");
    // without an origin it is an ordinary request, and an AI backend has no OPTIONS
    assert_eq!(ask(&running, "OPTIONS /v1/models HTTP/1.1\r\nHost: a\r\n\r\n").await.status, 405);
    assert_eq!(a.journal().requests.len(), 0);
    let log = running.stop();
    assert_eq!((log[0]["reason"].as_str(), log[0]["end"].as_str()), (Some("DirectResponse"), Some("complete")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_and_errors_alike_say_who_may_read_them() {
    let upstream = "{respond: {text: ok, headers: {access-control-allow-origin: '*', vary: Accept}}}";
    let a = provider("a", upstream).await;
    let running = start(&rules(
        &[&a],
        &format!(
            "[{{matches: [{{path: {{value: /v1}}}}], filters: [{CORS}], backendRefs: [{}]}}, {{matches: [{{path: {{value: /gone}}}}], filters: [{CORS}], backendRefs: [{gone}]}}, {{backendRefs: [{gone}]}}]",
            backend("a", ""),
            gone = backend("gone", "")
        ),
    ));
    let mine = ask(&running, get("/v1/models", "Origin: https://app.example.com\r\n")).await;
    let origins: Vec<_> = mine.head.lines().filter(|line| line.starts_with("access-control-allow-origin")).collect();
    assert_eq!(origins, ["access-control-allow-origin: https://app.example.com"], "{mine:?}");
    assert!(mine.head.contains("vary: accept\r\n") && mine.head.contains("vary: origin\r\n"), "{mine:?}");
    let other = ask(&running, get("/v1/models", "Origin: https://other.org\r\n")).await;
    assert_eq!((other.status, other.header("access-control-allow-origin")), (200, None));
    let none = ask(&running, get("/v1/models", "")).await;
    assert!(none.header("access-control-allow-origin").is_none() && none.head.contains("vary: origin\r\n"));
    let error = ask(&running, get("/gone", "Origin: https://app.example.com\r\n")).await;
    assert_eq!((error.status, error.header("access-control-allow-origin")), (500, Some("https://app.example.com")));
    assert_eq!(ask(&running, get("/other", "Origin: https://app.example.com\r\n")).await.header("vary"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preflight_asks_the_rule_of_the_method_that_it_announces() {
    let a = provider("a", "{respond: {text: ok}}").await;
    let of_put = format!("{{matches: [{{method: PUT}}], filters: [{CORS}], backendRefs: [{}]}}", backend("a", ""));
    let any = format!("{{backendRefs: [{}]}}", backend("a", ""));
    let running = start(&rules(&[&a], &format!("[{of_put}, {any}]")));
    let origin = "https://app.example.com";
    let put = ask(&running, preflight("/v1/models", origin, "PUT")).await;
    assert_eq!((put.header("access-control-allow-origin"), a.journal().requests.len()), (Some(origin), 0));
    let post = ask(&running, preflight("/v1/models", origin, "POST")).await;
    assert_eq!((post.header("access-control-allow-origin"), a.journal().requests.len()), (None, 1), "it went upstream");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preflight_needs_no_key_and_what_it_announces_does() {
    let a = provider("a", "{respond: {text: ok}}").await;
    let keys = "---\nkind: Secret\nmetadata: {name: keys}\nstringData: {one: sk-client}\n---\n\
        kind: AgentgatewayPolicy\nmetadata: {name: keys}\nspec:\n  targetRefs: [{kind: HTTPRoute, name: rules}]\n  \
        traffic: {apiKeyAuthentication: {secretRef: {name: keys}}}\n";
    let of_rule = format!("[{{filters: [{CORS}], backendRefs: [{}]}}]", backend("a", ""));
    let running = start(&(rules(&[&a], &of_rule) + keys));
    let of_backend = format!("[{{backendRefs: [{}]}}]", backend("a", &format!(", filters: [{CORS}]")));
    let other = start(&(rules(&[&a], &of_backend) + keys));
    let origin = "https://app.example.com";
    for running in [&running, &other] {
        assert_eq!(ask(running, preflight("/v1/models", origin, "GET")).await.status, 200);
    }
    let refused = ask(&running, get("/v1/models", &format!("Origin: {origin}\r\n"))).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, Some(origin)), "{refused:?}");
    let served = get("/v1/models", &format!("Origin: {origin}\r\nAuthorization: Bearer sk-client\r\n"));
    assert_eq!(ask(&running, served).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preflight_of_a_rule_is_never_sent_to_a_backend_without_cors() {
    let (a, b) = (provider("a", "{}").await, provider("b", "{}").await);
    let with_cors = backend("a", &format!(", filters: [{CORS}]"));
    let rule = format!("[{{matches: [{{method: PUT}}], backendRefs: [{with_cors}, {}]}}]", backend("b", ""));
    let running = start(&rules(&[&a, &b], &rule));
    for _ in 0..20 {
        let answer = ask(&running, preflight("/v1/models", "https://app.example.com", "PUT")).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"));
    }
    assert_eq!((a.journal().requests.len(), b.journal().requests.len()), (0, 0));
}
