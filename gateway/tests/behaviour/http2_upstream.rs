//! HTTP/2 with upstreams: only where it is asked for, on shared connections, and what they refuse is asked again.

use std::net::SocketAddr;
use std::time::Duration;

use mock_providers::script::Provider;
use mock_providers::tls::RunCa;
use mock_providers::{End, Journal, MockProvider, Options};

use crate::support::{Answer, Running, chat, pool, post, provider, raw, start, start_with};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
const HTTP2: &str = "  policies: {http: {version: HTTP2}}\n";

async fn ask(address: SocketAddr) -> Answer {
    tokio::task::spawn_blocking(move || chat(address, ASK)).await.unwrap()
}

fn versions(journal: &Journal) -> Vec<&str> {
    journal.requests.iter().map(|request| request.http_version).collect()
}

/// A provider over TLS with this script, and a gateway of one core with these policies.
async fn over_tls(script: &str, policies: &str) -> (Running, MockProvider) {
    let ca = RunCa::new();
    let script: Provider = serde_saphyr::from_str(script).unwrap();
    let options = Options { tls: Some(ca.server_config(&["127.0.0.1"])), ..Options::default() };
    let mock = mock_providers::start("a", script, options).await.unwrap();
    let roots = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(roots.path(), ca.ca_pem()).unwrap();
    let running = start_with(&pool(&[&mock], policies), |options| {
        (options.workers, options.upstream_ca) = (Some(1), Some(roots.path().to_owned()));
    });
    (running, mock)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_spoken_to_in_http1_unless_the_policy_offers_more() {
    let table = [
        ("{tls: true}", "  policies: {tls: {}}\n", "HTTP/1.1"),
        ("{tls: true}", "  policies: {tls: {}, http: {version: HTTP1}}\n", "HTTP/1.1"),
        ("{tls: true}", "  policies: {tls: {}, http: {version: HTTP2}}\n", "HTTP/2"),
        ("{tls: true, http2: false}", "  policies: {tls: {}, http: {version: HTTP2}}\n", "HTTP/1.1"),
    ];
    for (script, policies, expected) in table {
        let (running, mock) = over_tls(script, policies).await;
        let answer = ask(running.address()).await;
        assert_eq!((answer.status, versions(&mock.journal())), (200, vec![expected]), "{script} {policies} {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_without_http2_gets_its_connections_at_once_and_not_one_after_another() {
    let policies = "  policies: {tls: {}, http: {version: HTTP2}}\n";
    let once = "{tls: true, http2: false, respond: {text: ok, headers: {connection: close}}}";
    let (running, mock) = over_tls(once, policies).await;
    let address = running.address();
    assert_eq!(ask(address).await.status, 200);
    // from now on no handshake ends, and who gets the connection that there is keeps it
    let script = "{tls: true, http2: false, accept: blackhole, respond: {delay_head: 60s}}";
    mock.set_script(serde_saphyr::from_str(script).unwrap());
    let asking: Vec<_> = (0..6).map(|_| tokio::spawn(ask(address))).collect();
    let all = mock.wait_until(|journal| journal.connections.len() > 6);
    tokio::time::timeout(Duration::from_secs(8), all).await.expect("one waits for another");
    drop((mock, asking));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_stalls_costs_only_the_request_that_began_it() {
    let script = "{tls: true, respond: {text: ok}, accept: {stall: {first: 1, for: 60s}}}";
    let policies = "  policies: {tls: {}, http: {version: HTTP2}, tcp: {connectTimeout: 2s}}\n";
    let (running, mock) = over_tls(script, policies).await;
    let address = running.address();
    let first = tokio::spawn(ask(address));
    mock.wait_until(|journal| journal.connections.len() == 1).await;
    for answer in many(&running, 5).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert!(!first.is_finished(), "the others did not wait for its end");
    assert_eq!(first.await.unwrap().status, 502);
}

/// Many at once: how many connections the provider saw is how many are needed.
async fn many(running: &Running, count: usize) -> Vec<Answer> {
    let address = running.address();
    let asking: Vec<_> = (0..count).map(|_| tokio::spawn(ask(address))).collect();
    let mut answers = Vec::new();
    for asked in asking {
        answers.push(asked.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_a_core_share_a_connection() {
    let mock = provider("a", "{respond: {text: ok, delay_head: 100ms}}").await;
    let running = start_with(&pool(&[&mock], HTTP2), |options| options.workers = Some(1));
    for round in 0..2 {
        let answers = many(&running, 30).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{round} {answers:?}");
    }
    let journal = mock.journal();
    assert_eq!((journal.requests.len(), journal.connections.len()), (60, 1));
    let seen = &journal.requests[0];
    assert!(seen.malformed.is_none() && seen.head.path() == "/v1/chat/completions");
    assert_eq!(seen.header("host"), Some(mock.addr().to_string().as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_takes_only_its_own_request_along() {
    let script = "{rules: [{when: {last_user: slow}, respond: {text: late, delay_head: 60s}}, {respond: {text: ok}}]}";
    let mock = provider("a", script).await;
    let running = start_with(&pool(&[&mock], HTTP2), |options| options.workers = Some(1));
    let address = running.address();
    let slow = ASK.replace("hi", "slow");
    let open = |body: &str| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        std::io::Write::write_all(&mut stream, &post("/v1/chat/completions", body)).unwrap();
        stream
    };
    let (first, _second) = (open(&slow), open(&slow));
    mock.wait_until(|journal| journal.requests.len() == 2).await;
    drop(first);
    let left = |journal: &Journal| {
        journal.requests.iter().filter(|request| matches!(request.end, End::ClientClosed { .. })).count()
    };
    mock.wait_until(|journal| left(journal) > 0).await;
    assert_eq!(ask(address).await.status, 200);
    assert_eq!((left(&mock.journal()), mock.journal().connections.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_upstream_has_not_looked_at_is_sent_once_more() {
    let refuse = "{before_head: true, code: refused_stream}";
    let script = format!("{{respond: {{text: ok}}, faults: [{{nth: 1, http2_rst_stream: {refuse}}}]}}");
    let mock = provider("a", &script).await;
    let running = start(&pool(&[&mock], HTTP2));
    let answer = ask(running.address()).await;
    assert_eq!((answer.status, mock.journal().requests.len()), (200, 2), "{answer:?}");
    let broken = provider("b", "{fault: {http2_rst_stream: {before_head: true}}}").await;
    let running = start(&pool(&[&broken], HTTP2));
    let answer = ask(running.address()).await;
    assert_eq!((answer.status, broken.journal().requests.len()), (502, 1), "any other reset may have done something");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_refuses_every_stream_is_replaced_by_another() {
    let refusing = "{fault: {http2_rst_stream: {before_head: true, code: refused_stream}}}";
    let (a, b) = (provider("a", refusing).await, provider("b", "{respond: {text: from b}}").await);
    let running = start(&pool(&[&a, &b], HTTP2));
    let answer = ask(running.address()).await;
    assert!(answer.status == 200 && answer.text().contains("from b"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_says_goodbye_is_not_used_again() {
    let mock = provider("a", "{respond: {text: ok}, fault: {http2_goaway: {before_head: true}}}").await;
    let running = start_with(&pool(&[&mock], HTTP2), |options| options.workers = Some(1));
    for _ in 0..5 {
        let answer = ask(running.address()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let journal = mock.journal();
    assert_eq!((journal.requests.len(), journal.connections.len()), (5, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_says_what_is_spoken_at_its_port() {
    let mock = provider("a", "{}").await;
    for (protocol, expected) in
        [("http", "HTTP/1.1"), ("kubernetes.io/ws", "HTTP/1.1"), ("kubernetes.io/h2c", "HTTP/2")]
    {
        let port = mock.addr().port();
        let running = start(&format!(
            "
kind: Gateway
metadata: {{name: gateway}}
spec: {{gatewayClassName: agentgateway, listeners: [{{name: http, port: 8080, protocol: HTTP}}]}}
---
kind: HTTPRoute
metadata: {{name: all}}
spec: {{parentRefs: [{{name: gateway}}], rules: [{{backendRefs: [{{name: s, port: 80}}]}}]}}
---
kind: Service
metadata: {{name: s}}
spec: {{ports: [{{port: 80, appProtocol: {protocol}}}]}}
---
kind: EndpointSlice
metadata: {{name: s-1, labels: {{kubernetes.io/service-name: s}}}}
addressType: IPv4
endpoints: [{{addresses: [127.0.0.1]}}]
ports: [{{port: {port}}}]
"
        ));
        let address = running.address();
        let get = b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n";
        let answer = tokio::task::spawn_blocking(move || raw(address, get)).await.unwrap();
        assert_eq!((answer.status, versions(&mock.journal()).pop()), (200, Some(expected)), "{protocol} {answer:?}");
    }
}
