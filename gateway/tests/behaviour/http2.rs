//! HTTP/2 with clients: many requests on one connection, none of which disturbs another, and nothing that an
//! HTTP/1.1 provider could read in another way.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::{Request, StatusCode};
use mock_providers::{End, MockProvider};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::{Running, pool, provider, start, start_with};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
/// Who says "slow" gets no answer.
const SLOW_OR_NOT: &str = "
rules:
  - {when: {last_user: slow}, respond: {text: too late, delay_head: 60s}}
  - {respond: {text: at once}}
";

/// A connection by prior knowledge; the task ends with it.
pub(crate) async fn connect(address: SocketAddr) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 24)
        .handshake(stream)
        .await
        .unwrap();
    (sender, tokio::spawn(connection))
}

pub(crate) async fn send(sender: &mut SendRequest<Bytes>, body: &str) -> (ResponseFuture, SendStream<Bytes>) {
    send_to(sender, "gateway", body).await
}

/// Sends a chat completion to this host.
pub(crate) async fn send_to(
    sender: &mut SendRequest<Bytes>,
    host: &str,
    body: &str,
) -> (ResponseFuture, SendStream<Bytes>) {
    let uri = format!("http://{host}/v1/chat/completions");
    let ask = Request::post(uri).header("content-type", "application/json");
    *sender = sender.clone().ready().await.unwrap();
    let (response, mut sending) = sender.send_request(ask.body(()).unwrap(), false).unwrap();
    sending.send_data(Bytes::copy_from_slice(body.as_bytes()), true).unwrap();
    (response, sending)
}

/// Reads an answer to its end.
pub(crate) async fn whole(response: ResponseFuture) -> (StatusCode, String) {
    let (head, mut body) = response.await.unwrap().into_parts();
    assert!(!head.headers.contains_key("connection"));
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        all.extend_from_slice(&data);
    }
    (head.status, String::from_utf8(all).unwrap())
}

async fn stop(mut running: Running) {
    let gateway = running.gateway.take().unwrap();
    tokio::task::spawn_blocking(move || gateway.stop()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_share_a_connection_and_each_gets_its_own_answer() {
    let mock = provider("a", "{respond: {echo: true}}").await;
    let running = start(&pool(&[&mock], "").replace(", openai: {model: m-1}", ", openai: {}"));
    let (mut sender, _connection) = connect(running.address()).await;
    let mut answers = Vec::new();
    for n in 0..40 {
        let padding = "x".repeat(n * 40_000);
        let body = format!("{{\"model\":\"m-{n}\",\"messages\":[{{\"role\":\"user\",\"content\":\"{padding}\"}}]}}");
        answers.push(tokio::spawn(whole(send(&mut sender, &body).await.0)));
    }
    for (n, answer) in answers.into_iter().enumerate() {
        let (status, body) = answer.await.unwrap();
        assert!(status == 200 && body.contains(&format!("\"m-{n}\"")) && body.len() > n * 40_000, "{n} {status}");
    }
    let stream = r#"{"stream":true,"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let (_, events) = whole(send(&mut sender, stream).await.0).await;
    assert!(events.ends_with("data: [DONE]\n\n"), "{events}");
    assert!(mock.journal().requests.iter().all(|request| request.malformed.is_none() && request.body_complete));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_cancels_its_own_request_and_no_other() {
    let mock = provider("a", SLOW_OR_NOT).await;
    let running = start(&pool(&[&mock], ""));
    let (mut sender, _connection) = connect(running.address()).await;
    let slow = ASK.replace("hi", "slow");
    let (_first, mut resets) = send(&mut sender, &slow).await;
    let (second, _body) = send(&mut sender, &slow).await;
    mock.wait_until(|journal| journal.requests.len() == 2).await;
    resets.send_reset(Reason::CANCEL);
    let gone = |mock: &MockProvider| {
        let requests = mock.journal().requests;
        requests.iter().filter(|request| matches!(request.end, End::ClientClosed { .. })).count()
    };
    mock.wait_until(|journal| journal.requests.iter().any(|request| matches!(request.end, End::ClientClosed { .. })))
        .await;
    assert_eq!(whole(send(&mut sender, ASK).await.0).await.0, 200);
    assert_eq!(gone(&mock), 1, "the other one still waits");
    drop(second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_off_tells_so_and_ends_by_reset_alone() {
    let mock = provider("a", "{respond: {chunks: [one, two]}, fault: {disconnect: {after_chunks: 1}}}").await;
    let running = start(&pool(&[&mock], ""));
    let (mut sender, _connection) = connect(running.address()).await;
    for _ in 0..2 {
        let stream = ASK.replacen('{', "{\"stream\":true,", 1);
        let (mut body, mut all) = (send(&mut sender, &stream).await.0.await.unwrap().into_body(), Vec::new());
        let ended = loop {
            match body.data().await {
                Some(Ok(data)) => all.extend_from_slice(&data),
                ended => break ended,
            }
        };
        let text = String::from_utf8(all).unwrap();
        assert!(text.contains("one") && text.contains("upstream_broken") && !text.contains("[DONE]"), "{text}");
        assert!(ended.is_some_and(|ended| ended.is_err_and(|error| error.is_reset())), "no clean end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_sends_goaway_and_lets_what_is_in_flight_end() {
    let mock = provider("a", "{respond: {text: ok, delay_head: 300ms}}").await;
    let running = start(&pool(&[&mock], ""));
    let (mut sender, connection) = connect(running.address()).await;
    let (response, _body) = send(&mut sender, ASK).await;
    mock.wait_until(|journal| journal.requests.len() == 1).await;
    running.gateway.as_ref().unwrap().drain();
    let (status, _) = whole(response).await;
    assert_eq!(status, 200);
    let ended = tokio::time::timeout(Duration::from_secs(5), connection).await.unwrap().unwrap();
    assert!(ended.is_ok(), "the connection ended in order: {ended:?}");
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_requests_ends_like_one_of_http1() {
    let mock = provider("a", "{respond: {text: ok, delay_head: 600ms}}").await;
    let running = start_with(&pool(&[&mock], ""), |options| options.header_timeout = Duration::from_millis(200));
    let (mut sender, connection) = connect(running.address()).await;
    let (status, _) = whole(send(&mut sender, ASK).await.0).await;
    assert_eq!(status, 200, "a request in flight is no silence");
    let ended = tokio::time::timeout(Duration::from_secs(5), connection).await.unwrap().unwrap();
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_only_takes_back_loses_its_connection_and_nobody_else_does() {
    let mock = provider("a", SLOW_OR_NOT).await;
    let running = start(&pool(&[&mock], ""));
    let (mut other, _connection) = connect(running.address()).await;
    let (mut sender, connection) = connect(running.address()).await;
    for _ in 0..6 {
        let unfinished = || Request::post("http://gateway/v1/chat/completions").body(()).unwrap();
        let mut bodies = Vec::new();
        for _ in 0..100 {
            sender = sender.ready().await.unwrap();
            bodies.push(sender.send_request(unfinished(), false).unwrap());
        }
        // an answer says that the requests before it have been begun
        let (last, _body) = send(&mut sender, ASK).await;
        assert_eq!(whole(last).await.0, 200);
        bodies.iter_mut().for_each(|(_, body)| body.send_reset(Reason::CANCEL));
    }
    let ended = tokio::time::timeout(Duration::from_secs(5), connection).await.expect("the gateway ends it").unwrap();
    assert!(ended.is_ok(), "by GOAWAY: {ended:?}");
    assert_eq!(whole(send(&mut other, ASK).await.0).await.0, 200);
}

/// One frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header field that HPACK neither knows nor keeps, with exact bytes.
fn field(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap();
    [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

/// What came of a request: a block of response headers begins with its status.
#[derive(Debug, PartialEq)]
enum Fate {
    Good,
    Refused,
    Reset,
    Closed,
}

async fn fate(address: SocketAddr, fields: &[(&str, &str)], body: &str) -> Fate {
    const GOOD: u8 = 0x88;
    let block: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    bytes.extend(frame(1, 4, 1, &block));
    bytes.extend(frame(0, 1, 1, body.as_bytes()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return Fate::Closed;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.unwrap();
        match head[3] {
            1 if payload[0] == GOOD => return Fate::Good,
            1 => return Fate::Refused,
            3 => return Fate::Reset,
            7 => return Fate::Closed,
            _ => (),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_http1_could_read_in_another_way_reaches_no_provider() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    let length = ASK.len().to_string();
    let good = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/v1/chat/completions"),
        (":authority", "gateway"),
        ("content-length", length.as_str()),
    ];
    let with = |name, value| [&good[..], &[(name, value)]].concat();
    let but = |name, value| good.map(|field| if field.0 == name { (name, value) } else { field }).to_vec();
    assert_eq!(fate(address, &with("x-plain", "value"), ASK).await, Fate::Good);
    let bad = [
        with("x-evil", "a\r\nx-injected: 1"),
        with("x-evil", "a\nb"),
        with("x-evil", "a\rb"),
        with("x-evil", "a\0b"),
        with("x-evil: 1\r\nx-injected", "1"),
        with("X-Upper", "1"),
        with("transfer-encoding", "chunked"),
        with("connection", "keep-alive"),
        with("te", "gzip"),
        with("upgrade", "websocket"),
        with("content-length", "1"),
        with("host", "other"),
        with(":path", "/v1/models"),
        but("content-length", "1"),
        but("content-length", "4000"),
        but("content-length", "+46"),
        but(":path", "/v1/chat/completions HTTP/1.1\r\nx: y"),
        but(":path", "/v1/chat /completions"),
        but(":path", "/a/../v1/chat/completions"),
        but(":path", ""),
        but(":path", "v1/chat/completions"),
        but(":method", "PO ST"),
        but(":method", "CONNECT"),
        but(":authority", "user@gateway"),
        but(":authority", "gate way"),
    ];
    for fields in bad {
        let fate = fate(address, &fields, ASK).await;
        assert_ne!(fate, Fate::Good, "{fields:?}");
    }
    assert_eq!(mock.journal().requests.len(), 1, "only the good request arrived");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_cookies_reach_a_static_backend_as_one() {
    let mock = provider("a", "{}").await;
    let route = "kind: AgentgatewayBackend\nmetadata: {name: pool}\nspec: {static: {host: 127.0.0.1, port: ";
    let manifests = pool(&[&mock], "");
    let (head, _) = manifests.split_once("kind: AgentgatewayBackend\nmetadata").unwrap();
    let running = start(&format!("{head}{route}{}}}}}\n", mock.addr().port()));
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/v1/models"),
        (":authority", "gateway"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
    ];
    assert_eq!(fate(running.address(), &fields, "").await, Fate::Good);
    assert_eq!(mock.journal().requests[0].header("cookie"), Some("a=1; b=2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_has_no_more_fields_than_one_of_http1() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let running = start(&pool(&[&mock], ""));
    let body = r#"{"model":"any","messages":[{"role":"user","content":"hi"}]}"#;
    let path = "/v1/chat/completions";
    let mut fields = vec![(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "gateway")];
    fields.push(("content-type", "application/json"));
    fields.extend([("cookie", "a=1"); 200]);
    fields.extend([("x-many", "1"); 98]);
    assert_eq!(fate(running.address(), &fields, body).await, Fate::Good, "cookies are one field");
    fields.push(("x-many", "1"));
    assert_eq!(fate(running.address(), &fields, body).await, Fate::Refused);
    assert_eq!(mock.journal().requests.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_too_large_is_refused_and_its_connection_goes_on() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let running = start(&pool(&[&mock], ""));
    let (mut sender, _connection) = connect(running.address()).await;
    for size in [100, 1600] {
        let mut ask = Request::post("http://gateway/v1/chat/completions").header("x-first", "1");
        for n in 0..90 {
            ask = ask.header(format!("x-{n}"), "y".repeat(size));
        }
        sender = sender.ready().await.unwrap();
        let (response, mut body) = sender.send_request(ask.body(()).unwrap(), false).unwrap();
        body.send_data(Bytes::from(ASK), true).unwrap();
        let status = response.await.map(|response| response.status().as_u16());
        assert_eq!(status.ok(), Some(if size == 100 { 200 } else { 431 }));
    }
    assert_eq!(whole(send(&mut sender, ASK).await.0).await.0, 200);
    assert_eq!(mock.journal().requests.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_name_another_host_change_nothing() {
    let (mock, trap) = (provider("a", "{respond: {text: ok}}").await, provider("trap", "{}").await);
    let running = start(&pool(&[&mock], ""));
    let (mut sender, _connection) = connect(running.address()).await;
    let evil = trap.addr().to_string();
    let (url, pair) = (format!("http://{evil}/v1"), format!("for=127.0.0.1;host={evil};proto=http"));
    let names = "x-portkey-custom-host x-prefiller-url x-prefiller-host-port x-decoder-host-port x-llm-base-url \
        x-target-url x-upstream-url x-openai-base-url x-gateway-destination-endpoint forwarded x-forwarded-host \
        x-forwarded-server x-host x-original-host x-original-url x-rewrite-url x-envoy-original-dst-host \
        x-http-destinationurl";
    for name in names.split_whitespace() {
        for value in [&evil, &url, &pair] {
            let ask = Request::post("http://gateway/v1/chat/completions").header(name, value).body(()).unwrap();
            sender = sender.ready().await.unwrap();
            let (response, mut body) = sender.send_request(ask, false).unwrap();
            body.send_data(Bytes::from(ASK), true).unwrap();
            assert_eq!(whole(response).await.0, 200, "{name}: {value}");
        }
    }
    let (own, seen) = (mock.addr().to_string(), mock.journal().requests);
    assert!(seen.iter().all(|request| request.header("host") == Some(&own)));
    assert!(seen.iter().all(|request| request.head.path() == "/v1/chat/completions"));
    assert!(trap.journal().connections.is_empty());
}
