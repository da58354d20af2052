use std::sync::Arc;

use mock_providers::script::Certificate;
use mock_providers::tls::RunCa;
use mock_providers::{Options, Peer, StartError, TlsFacts};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{Client, HI, HI_STREAM, script, soon};

pub(crate) fn connector(trusted: &RunCa) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.ca_der()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.expect("ring").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn tls_from_the_run_ca_is_trusted_and_its_facts_are_journalled() {
    let ca = RunCa::new();
    let options = Options { tls: Some(ca.server_config(&["api.openai.com", "127.0.0.1"])), ..Options::default() };
    let yaml =
        "{tls: true, http2: false, rules: [{times: 1, respond: {text: x}}], fault: {disconnect: {after_chunks: 1}}}";
    let mock = mock_providers::start("a", script(yaml), options).await.expect("a free port");
    let tcp = TcpStream::connect(mock.addr()).await.expect("open");
    let name = "api.openai.com".try_into().expect("a name");
    let stream = connector(&ca).connect(name, tcp).await.expect("a trusted certificate");
    let mut client = Client::over(stream);
    client.post("/v1/chat/completions", HI).await;
    assert_eq!(client.response().await.status, 200);
    client.post("/v1/chat/completions", HI_STREAM).await;
    let (bytes, error) = client.rest().await;
    assert!(String::from_utf8(bytes).expect("UTF-8").contains("\"content\""));
    assert_eq!(error, Some(std::io::ErrorKind::UnexpectedEof), "a cut says no TLS goodbye");
    let known = |text: &str| Some(text.to_owned());
    let facts = TlsFacts { sni: known("api.openai.com"), alpn: known("http/1.1"), version: known("TLSv1_3") };
    let connection = &mock.journal().connections[0];
    assert_eq!((&connection.tls, &connection.tls_failure), (&Some(facts), &None));
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 00\r\n\r\n".len() * 2;
    assert_eq!(connection.taken as usize, head + HI.len() + HI_STREAM.len(), "decrypted bytes are counted");
}

#[tokio::test]
async fn a_client_that_trusts_another_ca_gets_no_further_than_the_handshake() {
    let (ca, other) = (RunCa::new(), RunCa::new());
    let options = Options { tls: Some(ca.server_config(&["localhost"])), ..Options::default() };
    let mock = mock_providers::start("a", script("{tls: true}"), options).await.expect("a free port");
    let tcp = TcpStream::connect(mock.addr()).await.expect("open");
    assert!(connector(&other).connect("localhost".try_into().expect("a name"), tcp).await.is_err());
    let journal = soon(mock.wait_until(|journal| journal.connections[0].closed_at.is_some())).await;
    let connection = &journal.connections[0];
    assert!(journal.requests.is_empty() && connection.tls.is_none());
    let failure = connection.tls_failure.as_ref().expect("a failure");
    assert_eq!(
        (failure.sni.as_deref(), connection.closed_by, connection.taken),
        (Some("localhost"), Some(Peer::Client), 0)
    );
    assert!(failure.alert.is_some() && failure.reason.contains("alert"), "{failure:?}");
    assert!(ca.ca_pem().starts_with("-----BEGIN CERTIFICATE-----"));
}

#[tokio::test]
async fn tls_without_a_certificate_is_no_start() {
    let error =
        mock_providers::start("a", script("{tls: true}"), Options::default()).await.expect_err("no certificate");
    assert!(matches!(error, StartError::NoTls { provider } if provider == "a"));
}

/// What a client that trusts the CA says about a certificate of this kind.
async fn refusal(kind: &str) -> String {
    let ca = RunCa::new();
    let mut script = script(&format!("{{tls: true, certificate: {kind}}}"));
    let options = Options { tls: Some(ca.faulty_config(script.certificate, &["api.test"])), ..Options::default() };
    script.tls = true;
    let mock = mock_providers::start("a", script, options).await.expect("a free port");
    let tcp = TcpStream::connect(mock.addr()).await.expect("open");
    let shaken = connector(&ca).connect("api.test".try_into().expect("a name"), tcp).await;
    let error = shaken.expect_err("a client that checks").to_string();
    let journal = soon(mock.wait_until(|journal| journal.connections[0].closed_at.is_some())).await;
    let failure = journal.connections[0].tls_failure.as_ref().expect("a failure");
    assert_eq!((failure.sni.as_deref(), failure.alert.is_some()), (Some("api.test"), true), "{failure:?}");
    error
}

#[tokio::test]
async fn every_faulty_certificate_is_refused_for_its_own_reason() {
    assert!(refusal("wrong_host").await.contains("not valid for name"));
    assert!(refusal("expired").await.contains("expired"));
    for kind in ["self_signed", "unknown_ca"] {
        assert!(refusal(kind).await.contains("UnknownIssuer"), "{kind}");
    }
    assert_eq!(Certificate::default(), Certificate::Valid);
}

#[tokio::test]
async fn a_client_that_speaks_no_tls_is_told_from_one_that_leaves() {
    let ca = RunCa::new();
    let options = Options { tls: Some(ca.server_config(&["localhost"])), ..Options::default() };
    let mock = mock_providers::start("a", script("{tls: true}"), options).await.expect("a free port");
    let mut plain = Client::connect(&mock).await;
    plain.get("/v1/models").await;
    plain.rest().await;
    drop(Client::connect(&mock).await);
    let ended = |journal: &mock_providers::Journal| {
        journal.connections.len() == 2 && journal.open_connections().next().is_none()
    };
    let connections = soon(mock.wait_until(ended)).await.connections;
    let closed: Vec<_> = connections.iter().map(|c| (c.closed_by, c.tls_failure.is_some())).collect();
    assert_eq!(closed, [(Some(Peer::Mock), true), (Some(Peer::Client), true)]);
}
