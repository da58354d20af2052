//! Filters of rules and of backendRefs: redirects, rewrites, header changes, and who gets what share.

use std::io::Read;

use crate::support::{ask, backend, get, post, provider, rules, start};

fn redirect(fields: &str) -> String {
    format!("{{type: RequestRedirect, requestRedirect: {fields}}}")
}

fn rewrite(fields: &str) -> String {
    format!("{{type: URLRewrite, urlRewrite: {fields}}}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_ends_in_the_gateway_with_what_it_was_not_told_kept() {
    let path = |type_: &str, field: &str, to: &str| format!("path: {{type: {type_}, {field}: {to}}}");
    let cases = [
        ("/a", redirect("{statusCode: 301, hostname: b.example.com}"), 301, "http://b.example.com:8080/a/x?q=1"),
        ("/b", redirect("{statusCode: 307, scheme: https}"), 307, "https://gateway/b/x?q=1"),
        ("/c", redirect("{statusCode: 308, port: 80}"), 308, "http://gateway/c/x?q=1"),
        (
            "/d",
            redirect(&format!("{{statusCode: 303, {}}}", path("ReplaceFullPath", "replaceFullPath", "/all"))),
            303,
            "http://gateway:8080/all?q=1",
        ),
        (
            "/e",
            redirect(&format!("{{{}}}", path("ReplacePrefixMatch", "replacePrefixMatch", "/new/"))),
            302,
            "http://gateway:8080/new/x?q=1",
        ),
    ];
    let rule = |(at, filter, ..): &(&str, String, u16, &str)| {
        format!("{{matches: [{{path: {{value: {at}}}}}], filters: [{filter}]}}")
    };
    let all: Vec<_> = cases.iter().map(rule).collect();
    let running = start(&rules(&[], &format!("[{}]", all.join(", "))));
    for (at, _, status, location) in &cases {
        let answer = ask(&running, post(&format!("{at}/x?q=1"), "{}")).await;
        assert_eq!((answer.status, answer.header("location")), (*status, Some(*location)), "{at}");
    }
    let hostless = ask(&running, "GET /a HTTP/1.0\r\n\r\n").await;
    assert_eq!(hostless.status, 301, "the filter tells the host");
    assert_eq!(ask(&running, "GET /b HTTP/1.0\r\n\r\n").await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_filters_of_a_backend_apply_to_its_share_alone_and_win_over_the_rules() {
    let (a, b) = (provider("a", "{respond: {text: a}}").await, provider("b", "{respond: {text: b}}").await);
    let own = format!(
        ", filters: [{}, {{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{{name: x-to, value: a}}]}}}}, \
         {{type: ResponseHeaderModifier, responseHeaderModifier: {{set: [{{name: x-from, value: a}}]}}}}]",
        rewrite("{hostname: own.example.com, path: {type: ReplacePrefixMatch, replacePrefixMatch: /own}}")
    );
    let of_rule = rewrite("{hostname: rule.example.com, path: {type: ReplaceFullPath, replaceFullPath: /rule}}");
    let refs = format!("{}, {}", backend("a", &own), backend("b", ""));
    let running = start(&rules(
        &[&a, &b],
        &format!("[{{matches: [{{path: {{value: /old}}}}], filters: [{of_rule}], backendRefs: [{refs}]}}]"),
    ));
    let mut from_a = 0;
    for _ in 0..30 {
        let answer = ask(&running, get("/old/x?q", "")).await;
        from_a += usize::from(answer.header("x-from") == Some("a"));
    }
    let seen = |mock: &mock_providers::MockProvider| -> Vec<(String, Option<String>, bool)> {
        let requests = mock.journal().requests;
        let told = requests.iter().map(|request| {
            let host = request.header("host").map(str::to_owned);
            (request.head.path().to_owned(), host, request.header("x-to").is_some())
        });
        told.collect()
    };
    let (at_a, at_b) = (seen(&a), seen(&b));
    assert!(at_a.len() == from_a && from_a > 0 && at_b.len() == 30 - from_a && from_a < 30, "{from_a}");
    assert!(at_a.iter().all(|told| *told == ("/own/x".into(), Some("own.example.com".into()), true)), "{at_a:?}");
    assert!(at_b.iter().all(|told| *told == ("/rule".into(), Some("rule.example.com".into()), false)), "{at_b:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_may_answer_its_share_with_a_redirect() {
    let a = provider("a", "{respond: {text: a}}").await;
    let filters = format!(", filters: [{}]", redirect("{hostname: moved.example.com}"));
    let running = start(&rules(&[&a], &format!("[{{backendRefs: [{}]}}]", backend("a", &filters))));
    let answer = ask(&running, get("/x", "")).await;
    assert_eq!((answer.status, answer.header("location")), (302, Some("http://moved.example.com:8080/x")));
    assert_eq!(a.journal().requests.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_weight_of_zero_gets_nothing_and_only_zeroes_are_a_500() {
    let (a, b) = (provider("a", "{respond: {text: a}}").await, provider("b", "{respond: {text: b}}").await);
    let some = format!("{{backendRefs: [{}, {}]}}", backend("a", ", weight: 0"), backend("b", ", weight: 1"));
    let none = |path: &str, refs: &str| format!("{{matches: [{{path: {{value: {path}}}}}], backendRefs: [{refs}]}}");
    let zero = none("/zero", &backend("a", ", weight: 0"));
    let running = start(&rules(&[&a, &b], &format!("[{some}, {zero}, {}]", none("/none", ""))));
    for _ in 0..10 {
        assert_eq!(ask(&running, get("/v1/models", "")).await.status, 200);
    }
    for path in ["/zero", "/none"] {
        let answer = ask(&running, get(path, "")).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (500, Some("no_backend")), "{path}");
    }
    assert_eq!((a.journal().requests.len(), b.journal().requests.len()), (0, 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_body_to_a_static_backend_is_sent_again_and_a_large_one_is_not() {
    for (size, attempts) in [(0, 3), (1000, 3), (100 * 1024, 1)] {
        let a = provider("a", "{respond: {status: 503}}").await;
        let to = backend("a", "");
        let running = start(&rules(&[&a], &format!("[{{retry: {{attempts: 2, codes: [503]}}, backendRefs: [{to}]}}]")));
        let body = "z".repeat(size);
        assert_eq!(ask(&running, post("/x", &body)).await.status, 503);
        let seen = a.journal().requests;
        assert_eq!(seen.len(), attempts, "{size}");
        assert!(seen.iter().all(|request| request.body == body), "{size}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_cannot_be_made_or_breaks_is_tried_again_only_when_a_retry_is_configured() {
    let refusing = provider("a", "{accept: refuse}").await;
    let breaking = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = [refusing.addr().port(), breaking.local_addr().unwrap().port()];
    std::thread::spawn(move || {
        // each connection breaks at the first byte of its request
        breaking.incoming().for_each(|stream| drop(stream.and_then(|mut stream| stream.read(&mut [0]))));
    });
    for port in ports {
        for (retry, attempts) in [("", 1), ("retry: {attempts: 2}, ", 3), ("retry: {attempts: 0}, ", 1)] {
            let manifests = rules(&[&refusing], &format!("[{{{retry}backendRefs: [{}]}}]", backend("a", "")));
            let running = start(&manifests.replace(&format!("port: {}", ports[0]), &format!("port: {port}")));
            assert_eq!(ask(&running, post("/x", "{}")).await.status, 502, "{port} {retry}");
            assert_eq!(running.stop()[0]["attempts"], attempts, "{port} {retry}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_that_knows_no_host_is_a_refusal() {
    let running = start(&rules(&[], &format!("[{{filters: [{}]}}]", redirect("{scheme: https}"))));
    let answer = ask(&running, "GET /a HTTP/1.0\r\n\r\n").await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (400, Some("invalid_host")), "{answer:?}");
    assert_eq!(running.stop()[0]["end"], "rejected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_in_a_host_is_refused_and_told_nowhere() {
    let running = start(&rules(&[], "[{}]"));
    for request in [
        "GET http://sk-canary@gateway/a HTTP/1.1\r\nHost: gateway\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: sk-canary:pw@gateway\r\n\r\n",
    ] {
        let answer = ask(&running, request).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(!answer.text().contains("canary"), "{answer:?}");
    }
    let log = running.stop();
    assert!(log.len() == 2 && !format!("{log:?}").contains("canary"), "{log:?}");
}
