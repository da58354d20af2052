//! Connections to providers: whom the gateway believes, and what it does with those that went bad.

use mock_providers::script::{Certificate, Provider};
use mock_providers::tls::RunCa;
use mock_providers::{MockProvider, Options};

use crate::support::{Answer, Running, chat, pool, provider, start, start_with};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;

async fn ask(running: &Running) -> Answer {
    let address = running.address();
    tokio::task::spawn_blocking(move || chat(address, ASK)).await.unwrap()
}

/// One request to a provider with this certificate, by a gateway that trusts the CA or does not.
async fn over_tls(ca: &RunCa, kind: Option<Certificate>, trusted: bool, version: &str) -> (Answer, MockProvider) {
    let names = ["127.0.0.1"];
    let tls = kind.map_or_else(|| ca.server_config(&names), |kind| ca.faulty_config(kind, &names));
    let script: Provider = serde_saphyr::from_str("{tls: true, respond: {text: ok}}").unwrap();
    let mock = mock_providers::start("a", script, Options { tls: Some(tls), ..Options::default() }).await.unwrap();
    let roots = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(roots.path(), ca.ca_pem()).unwrap();
    let policies = format!("  policies: {{tls: {{}}, http: {{version: {version}}}, auth: {{key: sk-secret}}}}\n");
    let manifests = pool(&[&mock], &policies);
    let running = start_with(&manifests, |options| {
        options.upstream_ca = trusted.then(|| roots.path().to_owned());
    });
    (ask(&running).await, mock)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_provider_that_proves_its_name_is_told_anything() {
    let ca = RunCa::new();
    for (version, spoken) in [("HTTP1", "HTTP/1.1"), ("HTTP2", "HTTP/2")] {
        let (answer, mock) = over_tls(&ca, None, true, version).await;
        let seen = mock.journal().requests;
        assert_eq!((answer.status, seen.len(), seen[0].http_version), (200, 1, spoken), "{answer:?}");
        let faulty = [Certificate::WrongHost, Certificate::Expired, Certificate::SelfSigned, Certificate::UnknownCa];
        for (kind, trusted) in faulty.into_iter().map(|kind| (Some(kind), true)).chain([(None, false)]) {
            let (answer, mock) = over_tls(&ca, kind, trusted, version).await;
            assert_eq!((answer.status, mock.journal().requests.len()), (502, 0), "{version} {kind:?} {trusted}");
            assert_eq!(answer.json()["error"]["code"], "upstream_unreachable");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_provider_closed_meanwhile_is_not_used_again() {
    let mock = provider("a", "{respond: {text: ok}, idle_timeout: 30ms}").await;
    let running = start(&pool(&[&mock], ""));
    for round in 1..5 {
        assert_eq!(ask(&running).await.status, 200);
        let closed = |journal: &mock_providers::Journal| {
            journal.connections.iter().filter(|connection| connection.closed_at.is_some()).count() >= round
        };
        mock.wait_until(closed).await;
    }
    assert_eq!(mock.journal().requests.len(), 4, "nothing was sent twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_rests_no_longer_than_the_provider_keeps_it() {
    for (timeout, connections) in [(60, 1), (1, 3)] {
        let script = format!("{{respond: {{text: ok, headers: {{keep-alive: 'timeout={timeout}, max=100'}}}}}}");
        let mock = provider("a", &script).await;
        // each core has a pool of its own
        let running = start_with(&pool(&[&mock], ""), |options| options.workers = Some(1));
        for _ in 0..3 {
            assert_eq!(ask(&running).await.status, 200);
        }
        assert_eq!(mock.journal().connections.len(), connections, "{timeout} s");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stalled_handshake_does_not_stop_later_traffic() {
    let ca = RunCa::new();
    let script = "{tls: true, respond: {text: ok}, accept: {stall: {first: 1, for: 60s}}}";
    let script: Provider = serde_saphyr::from_str(script).unwrap();
    let options = Options { tls: Some(ca.server_config(&["127.0.0.1"])), ..Options::default() };
    let mock = mock_providers::start("a", script, options).await.unwrap();
    let roots = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(roots.path(), ca.ca_pem()).unwrap();
    let manifests = pool(&[&mock], "  policies: {tls: {}, tcp: {connectTimeout: 300ms}}\n");
    let running = start_with(&manifests, |options| options.upstream_ca = Some(roots.path().to_owned()));
    assert_eq!(ask(&running).await.status, 502);
    assert_eq!(ask(&running).await.status, 200);
}
