use std::sync::Arc;

use mock_providers::tls::RunCa;
use mock_providers::{Options, StartError, TlsFacts};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{Client, HI, HI_STREAM, script, soon};

fn connector(trusted: &RunCa) -> TlsConnector {
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
    let yaml = "{tls: true, rules: [{times: 1, respond: {text: x}}], fault: {disconnect: {after_chunks: 1}}}";
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
    let facts = TlsFacts { sni: Some("api.openai.com".to_owned()), alpn: Some("http/1.1".to_owned()) };
    assert_eq!(mock.journal().connections[0].tls, Some(facts));
}

#[tokio::test]
async fn a_client_that_trusts_another_ca_gets_no_further_than_the_handshake() {
    let (ca, other) = (RunCa::new(), RunCa::new());
    let options = Options { tls: Some(ca.server_config(&["localhost"])), ..Options::default() };
    let mock = mock_providers::start("a", script("{tls: true}"), options).await.expect("a free port");
    let tcp = TcpStream::connect(mock.addr()).await.expect("open");
    assert!(connector(&other).connect("localhost".try_into().expect("a name"), tcp).await.is_err());
    let journal = soon(mock.wait_until(|journal| journal.connections[0].closed_at.is_some())).await;
    assert!(journal.requests.is_empty() && journal.connections[0].tls.is_none());
    assert!(ca.ca_pem().starts_with("-----BEGIN CERTIFICATE-----"));
}

#[tokio::test]
async fn tls_without_a_certificate_is_no_start() {
    let error =
        mock_providers::start("a", script("{tls: true}"), Options::default()).await.expect_err("no certificate");
    assert!(matches!(error, StartError::NoTls { provider } if provider == "a"));
}
