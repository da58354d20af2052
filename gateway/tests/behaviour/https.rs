//! HTTPS listeners: the certificate is the one of the name that is asked for, and a new one needs no restart.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use gateway::snapshot::{SkipVerify, UpstreamTls};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;

use crate::support::{Running, provider, raw, start};

/// A self-signed certificate as a Secret's manifest, and its bytes.
pub(crate) struct Made {
    pub(crate) manifest: String,
    pub(crate) der: Vec<u8>,
}

pub(crate) fn secret(name: &str, host: &str) -> Made {
    let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
    let indented = |pem: String| pem.lines().map(|line| format!("\n    {line}")).collect::<String>();
    let (chain, key) = (indented(made.cert.pem()), indented(made.signing_key.serialize_pem()));
    let manifest = format!(
        "---\nkind: Secret\nmetadata: {{name: {name}}}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: |{chain}\n  tls.key: |{key}\n"
    );
    Made { manifest, der: made.cert.der().to_vec() }
}

/// Two listeners with a name each and the certificate of the same name, and a plain one.
fn manifests(port: u16, secrets: &[&Made]) -> String {
    let secrets: String = secrets.iter().map(|made| made.manifest.as_str()).collect();
    format!(
        "
kind: Gateway
metadata: {{name: gateway}}
spec:
  gatewayClassName: agentgateway
  listeners:
    - {{name: a, port: 8080, protocol: HTTPS, hostname: a.example.com, tls: {{certificateRefs: [{{name: a}}]}}}}
    - {{name: b, port: 8080, protocol: HTTPS, hostname: '*.example.com', tls: {{certificateRefs: [{{name: b}}]}}}}
    - {{name: plain, port: 8081, protocol: HTTP}}
---
kind: HTTPRoute
metadata: {{name: all}}
spec:
  parentRefs: [{{name: gateway}}]
  rules:
    - matches: [{{path: {{value: /moved}}}}]
      filters: [{{type: RequestRedirect, requestRedirect: {{path: {{type: ReplaceFullPath, replaceFullPath: /new}}}}}}]
    - backendRefs: [{{name: static, group: agentgateway.dev, kind: AgentgatewayBackend}}]
---
kind: AgentgatewayBackend
metadata: {{name: static}}
spec: {{static: {{host: 127.0.0.1, port: {port}}}}}
{secrets}"
    )
}

fn client(alpn: &[&str]) -> Arc<ClientConfig> {
    let anyone = UpstreamTls { skip_verify: SkipVerify::All, ..UpstreamTls::default() };
    let mut config = gateway::tls::client_config(&anyone, &[]).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A TLS connection for this name; `None` when the gateway does not want it.
pub(crate) fn connect(address: SocketAddr, name: &str) -> Option<Stream> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(client(&["http/1.1"]), name).unwrap(), tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).ok()?;
    }
    Some(stream)
}

pub(crate) fn shown(stream: &Stream) -> Vec<u8> {
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

/// The status and head of one answer on a connection that goes on.
fn get(stream: &mut Stream, path: &str, host: &str) -> (u16, String) {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).unwrap();
    let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut chunk).unwrap();
        all.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&all).into_owned();
        let lower = text.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if let (Some(end), Some(length)) = (text.find("\r\n\r\n"), length)
            && all.len() >= end + 4 + length
        {
            return (text[9..12].parse().unwrap(), text[..end].to_ascii_lowercase());
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_shown_the_certificate_of_the_name_it_asks_for() {
    let (a, b, mock) = (secret("a", "a.example.com"), secret("b", "*.example.com"), provider("m", "{}").await);
    let running = start(&manifests(mock.addr().port(), &[&a, &b]));
    let address = running.address();
    blocking(move || {
        for (name, expected) in [("a.example.com", &a), ("A.example.com", &a), ("b.example.com", &b)] {
            let mut stream = connect(address, name).expect(name);
            assert_eq!(shown(&stream), expected.der, "{name}");
            assert_eq!(get(&mut stream, "/v1/models", name).0, 200, "{name}");
        }
        assert!(connect(address, "example.org").is_none(), "nobody's name");
        assert!(connect(address, "127.0.0.1").is_none(), "no name");
        assert_eq!(raw(address, b"GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n").status, 0, "no plain text");
        let mut stream = connect(address, "a.example.com").unwrap();
        let (status, head) = get(&mut stream, "/moved", "a.example.com");
        assert!(status == 302 && head.contains("location: https://a.example.com:8080/new"), "{head}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_certificates_the_one_made_out_to_the_name_is_shown() {
    let (a, b, mock) = (secret("a", "a.example.com"), secret("b", "*.example.com"), provider("m", "{}").await);
    let both = "{name: every, port: 8080, protocol: HTTPS, tls: {certificateRefs: [{name: a}, {name: b}]}}";
    let all = manifests(mock.addr().port(), &[&a, &b]);
    let kept: Vec<_> =
        all.lines().filter(|line| !line.contains("name: a, port") && !line.contains("name: b, port")).collect();
    let running = start(&kept.join("\n").replace("    - {name: plain", &format!("    - {both}\n    - {{name: plain")));
    let address = running.address();
    blocking(move || {
        for (name, expected) in [("b.example.com", &b), ("a.example.com", &a), ("example.org", &a), ("127.0.0.1", &a)] {
            let mut stream = connect(address, name).expect(name);
            assert_eq!(shown(&stream), expected.der, "{name}");
            assert_eq!(get(&mut stream, "/v1/models", name).0, 200, "{name}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_for_the_host_of_another_listener_is_misdirected() {
    let (a, b, mock) = (secret("a", "a.example.com"), secret("b", "*.example.com"), provider("m", "{}").await);
    let running = start(&manifests(mock.addr().port(), &[&a, &b]));
    let address = running.address();
    blocking(move || {
        let mut stream = connect(address, "b.example.com").unwrap();
        assert_eq!(get(&mut stream, "/v1/models", "a.example.com").0, 421);
        assert_eq!(get(&mut stream, "/v1/models", "c.example.com").0, 200, "the same listener");
        assert_eq!(get(&mut stream, "/v1/models", "example.org").0, 404, "nobody's host");
    })
    .await;
    assert_eq!(mock.journal().requests.len(), 1);
    let log = running.stop();
    assert_eq!(log[0]["http.status"], 421, "{}", log[0]);
}

/// Asks on a new connection each time, and sometimes on an old one.
fn call_until(over: &AtomicBool, address: SocketAddr) {
    let mut kept = connect(address, "a.example.com").unwrap();
    while !over.load(Relaxed) {
        let mut new = connect(address, "a.example.com").expect("a handshake");
        assert_eq!(get(&mut new, "/v1/models", "a.example.com").0, 200);
        assert_eq!(get(&mut kept, "/v1/models", "a.example.com").0, 200);
    }
}

fn rotate(running: &Running, port: u16, b: &Made, rounds: usize) {
    for _ in 0..rounds {
        let a = secret("a", "a.example.com");
        assert!(running.apply(&manifests(port, &[&a, b])).starts_with("reloaded"));
        assert_eq!(shown(&connect(running.address(), "a.example.com").unwrap()), a.der, "the next client sees it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_shown_without_a_failed_request() {
    let (a, b, mock) = (secret("a", "a.example.com"), secret("b", "*.example.com"), provider("m", "{}").await);
    let port = mock.addr().port();
    let running = start(&manifests(port, &[&a, &b]));
    let (address, over) = (running.address(), Arc::new(AtomicBool::new(false)));
    blocking(move || {
        let told = over.clone();
        let caller = std::thread::spawn(move || call_until(&told, address));
        rotate(&running, port, &b, 5);
        let broken = secret("a", "a.example.com").manifest.replace("BEGIN PRIVATE", "BEGIN PIRATE");
        let broken = Made { manifest: broken, der: Vec::new() };
        assert!(running.apply(&manifests(port, &[&broken, &b])).starts_with("reload"));
        over.store(true, Relaxed);
        caller.join().unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_chooses_between_versions_of_tls_and_http() {
    let (a, b, mock) = (secret("a", "a.example.com"), secret("b", "*.example.com"), provider("m", "{}").await);
    let running = start(&manifests(mock.addr().port(), &[&a, &b]));
    let versions: [&[&rustls::SupportedProtocolVersion]; 2] = [&[&rustls::version::TLS12], &[&rustls::version::TLS13]];
    for version in versions {
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let roots = {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(a.der.clone().into()).unwrap();
            roots
        };
        let builder = ClientConfig::builder_with_provider(ring).with_protocol_versions(version).unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tcp = tokio::net::TcpStream::connect(running.address()).await.unwrap();
        let name = ServerName::try_from("a.example.com").unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut sender: h2::client::SendRequest<bytes::Bytes> = sender.ready().await.unwrap();
        for (host, expected) in [("a.example.com", 200), ("b.example.com", 421)] {
            let ask = http::Request::get(format!("https://{host}/v1/models")).body(()).unwrap();
            let (response, _) = sender.send_request(ask, true).unwrap();
            assert_eq!(response.await.unwrap().status(), expected, "{host}");
        }
    }
}
