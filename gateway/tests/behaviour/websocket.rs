//! WebSockets to static backends: after a 101 every byte passes in both directions; AI backends serve none.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{Running, provider, raw, start};

pub(crate) const ASK: &str = "GET /ws?a=b HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: k\r\n\r\n";

/// A backend that reads one head and hands the connection on.
fn backend() -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    (listener.local_addr().unwrap(), listener)
}

pub(crate) fn accept(listener: &TcpListener, answer: &str) -> (TcpStream, String) {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let head = read_until(&mut stream, "\r\n\r\n");
    stream.write_all(answer.as_bytes()).unwrap();
    (stream, head)
}

pub(crate) fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(end.as_bytes()) {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&text));
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

pub(crate) fn gateway(port: u16, rule: &str) -> Running {
    start(&format!(
        "
kind: Gateway
metadata: {{name: gateway}}
spec: {{gatewayClassName: agentgateway, listeners: [{{name: http, port: 8080, protocol: HTTP}}]}}
---
kind: HTTPRoute
metadata: {{name: all}}
spec:
  parentRefs: [{{name: gateway}}]
  rules:
    - backendRefs: [{{name: ws, group: agentgateway.dev, kind: AgentgatewayBackend}}]
{rule}
---
kind: AgentgatewayBackend
metadata: {{name: ws}}
spec: {{static: {{host: 127.0.0.1, port: {port}}}}}
"
    ))
}

pub(crate) const AGREED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s\r\n\r\n";

pub(crate) fn open(address: SocketAddr, ask: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    client.write_all(ask.as_bytes()).unwrap();
    client
}

#[test]
fn bytes_pass_in_both_directions_until_both_sides_end() {
    let (address, listener) = backend();
    let running = gateway(address.port(), "");
    // the first bytes of both sides come right behind the heads
    let mut client = open(running.address(), &format!("{ASK}early"));
    let (mut upstream, head) = accept(&listener, &format!("{AGREED}hello"));
    let head = head.to_lowercase();
    assert!(head.starts_with("get /ws?a=b http/1.1\r\n"), "{head}");
    for field in ["connection: upgrade", "upgrade: websocket", "sec-websocket-key: k"] {
        assert_eq!(head.matches(&format!("\r\n{field}\r\n")).count(), 1, "{field} in {head}");
    }
    let answer = read_until(&mut client, "\r\n\r\n").to_lowercase();
    assert!(answer.starts_with("http/1.1 101"), "{answer}");
    for field in ["connection: upgrade", "upgrade: websocket", "sec-websocket-accept: s"] {
        assert_eq!(answer.matches(&format!("\r\n{field}\r\n")).count(), 1, "{field} in {answer}");
    }
    assert_eq!(read_until(&mut client, "hello"), "hello");
    assert_eq!(read_until(&mut upstream, "early"), "early");
    let large = "x".repeat(300_000);
    let (mut sender, sent) = (client.try_clone().unwrap(), large.clone());
    let sending = std::thread::spawn(move || sender.write_all(sent.as_bytes()).unwrap());
    let mut received = vec![0; large.len()];
    upstream.read_exact(&mut received).unwrap();
    sending.join().unwrap();
    upstream.write_all(b"bye").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(upstream.read(&mut [0; 1]).unwrap(), 0, "the end is passed on");
    drop(upstream);
    assert_eq!(read_until(&mut client, "bye"), "bye");
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    let log = running.stop();
    assert_eq!((log.len(), &log[0]["http.status"]), (1, &101.into()), "{log:?}");
    assert_eq!(log[0]["end"], "complete", "{}", log[0]);
}

#[test]
fn a_backend_that_does_not_agree_answers_as_usual_and_a_wrong_101_is_a_502() {
    let (address, listener) = backend();
    let running = gateway(address.port(), "");
    let gateway = running.address();
    let asking = std::thread::spawn(move || raw(gateway, ASK.as_bytes()));
    let _upstream = accept(&listener, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    let answer = asking.join().unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
    let asking = std::thread::spawn(move || raw(gateway, ASK.as_bytes()));
    let _upstream = accept(&listener, &AGREED.replace("websocket", "h2c"));
    assert_eq!(asking.join().unwrap().status, 502);
}

#[test]
fn silence_of_both_sides_ends_a_tunnel() {
    let (address, listener) = backend();
    let policy = "---\nkind: AgentgatewayPolicy\nmetadata: {name: t}\nspec:\n  targetRefs: [{kind: HTTPRoute, name: all}]\n  traffic: {timeouts: {responseIdle: 300ms}}";
    let running = gateway(address.port(), policy);
    let mut client = open(running.address(), ASK);
    let (mut upstream, _) = accept(&listener, AGREED);
    read_until(&mut client, "\r\n\r\n");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(500) {
        upstream.write_all(b".").unwrap();
        read_until(&mut client, ".");
        client.write_all(b".").unwrap();
        read_until(&mut upstream, ".");
    }
    let silent = Instant::now();
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    assert!(silent.elapsed() >= Duration::from_millis(250), "{:?}", silent.elapsed());
    assert_eq!(running.stop()[0]["end"], "timed_out");
}

#[test]
fn other_upgrades_are_ignored_and_a_request_with_a_body_is_none() {
    let (address, listener) = backend();
    let running = gateway(address.port(), "");
    let gateway = running.address();
    let with_body = ASK.replace("\r\n\r\n", "\r\nContent-Length: 2\r\n\r\nhi");
    for ask in [ASK.replace("WebSocket", "h2c"), ASK.replace(", Upgrade", ""), ASK.replace("GET", "POST"), with_body] {
        let asked = ask.clone();
        let asking = std::thread::spawn(move || raw(gateway, asked.as_bytes()));
        let (_upstream, head) = accept(&listener, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        assert!(!head.to_lowercase().contains("upgrade"), "{ask} {head}");
        assert_eq!(asking.join().unwrap().status, 200);
    }
}

#[test]
fn a_tunnel_goes_on_while_the_gateway_drains() {
    let (address, listener) = backend();
    let mut running = gateway(address.port(), "");
    let mut client = open(running.address(), ASK);
    let (mut upstream, _) = accept(&listener, AGREED);
    read_until(&mut client, "\r\n\r\n");
    let gateway = running.gateway.take().unwrap();
    let stopping = std::thread::spawn(move || gateway.stop());
    upstream.write_all(b"still here").unwrap();
    assert_eq!(read_until(&mut client, "here"), "still here");
    drop((client, upstream));
    stopping.join().unwrap();
    assert_eq!(running.log.records().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ai_backend_serves_no_websocket() {
    let mock = provider("a", "{}").await;
    let running = start(&crate::support::pool(&[&mock], ""));
    let address = running.address();
    let answer = tokio::task::spawn_blocking(move || raw(address, ASK.as_bytes())).await.unwrap();
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (400, Some("upgrade_not_supported")));
    assert!(mock.journal().connections.is_empty());
}
