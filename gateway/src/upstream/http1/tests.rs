use std::cell::RefCell;
use std::collections::VecDeque;

use http::HeaderValue;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::socket::Shared;

/// A connection, and the upstream at its other end.
async fn connected() -> (Http1, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    ours.set_nodelay(true).unwrap();
    (Http1::new(Io::Plain(Shared::new(ours)), Rc::default()), listener.accept().await.unwrap().0)
}

/// Whether a connection that has rested for a second may be used, as the kernel has it.
fn is_alive(line: &Http1) -> bool {
    let now = Instant::now();
    line.alive(now - Duration::from_secs(1), now)
}

#[tokio::test]
async fn the_kernel_is_asked_unless_this_core_has_just_heard_of_all_that_happened() {
    let (line, upstream) = connected().await;
    crate::turn::heard();
    let heard = crate::turn::last().unwrap();
    drop(upstream);
    assert!(line.alive(heard - Duration::from_secs(1), heard + FRESH / 2));
    assert!(!line.alive(heard - Duration::from_secs(1), heard + FRESH));
    assert!(line.alive(heard + FRESH, heard + FRESH), "it was in use since then");
}

fn request(method: &str, pieces: &[&[u8]]) -> Request<UpstreamBody> {
    let pieces: VecDeque<Bytes> = pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect();
    Request::builder()
        .method(method)
        .uri("/v1/x?a=b")
        .header("host", "a.com")
        .body(UpstreamBody::Pieces(pieces))
        .unwrap()
}

/// An answer: its status, what came of its body, and whether that was all.
type Told = (u16, Vec<u8>, bool);

async fn read(line: &mut Http1) -> (Vec<u8>, Option<Error>) {
    let mut body = Vec::new();
    while let Some(piece) = poll_fn(|cx| line.poll_data(cx)).await {
        match piece {
            Ok(piece) => body.extend_from_slice(&piece),
            Err(error) => return (body, Some(error)),
        }
    }
    (body, None)
}

async fn say(mut upstream: TcpStream, answer: &[u8], step: usize) -> TcpStream {
    upstream.set_nodelay(true).unwrap();
    for part in answer.chunks(step) {
        // the one who listens may have heard enough
        let _left = upstream.write_all(part).await;
        tokio::task::yield_now().await;
    }
    upstream
}

#[tokio::test]
async fn a_request_says_once_and_rightly_how_long_it_is() {
    let large = vec![b'x'; 300_000];
    for (method, pieces, length) in [
        ("GET", vec![], ""),
        ("POST", vec![], "content-length: 0\r\n"),
        ("POST", vec![&b"ab"[..], b"", b"c"], "content-length: 3\r\n"),
        ("POST", vec![&large[..], b"ab", &large], "content-length: 600002\r\n"),
    ] {
        let (mut line, mut upstream) = connected().await;
        let mut asked = request(method, &pieces);
        for (name, value) in [("content-length", "7"), ("transfer-encoding", "chunked"), ("x-y", "z")] {
            asked.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let expected = [
            format!("{method} /v1/x?a=b HTTP/1.1\r\nhost: a.com\r\nx-y: z\r\n{length}\r\n").as_bytes(),
            &pieces.concat(),
        ]
        .concat();
        let mut heard = vec![0; expected.len()];
        let answer = async {
            upstream.read_exact(&mut heard).await.unwrap();
            upstream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        };
        let (sent, ()) = tokio::join!(line.send(asked), answer);
        assert_eq!(sent.ok().map(|response| response.status()), Some(StatusCode::NO_CONTENT));
        assert!(heard == expected, "{}", String::from_utf8_lossy(&heard[..200.min(heard.len())]));
        assert!(line.rest() && is_alive(&line));
    }
}

#[tokio::test]
async fn interim_answers_are_passed_over_and_what_nobody_asked_for_ends_the_connection() {
    let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 Fine\r\ncontent-length: 2\r\n\r\nok";
    for (step, more, again) in
        [(1, "", true), (7, "", true), (1000, "", true), (1, "x", false), (1000, "HTTP/1.1", false)]
    {
        let (mut line, upstream) = connected().await;
        let said = format!("{answer}{more}");
        let (sent, upstream) = tokio::join!(line.send(request("GET", &[])), say(upstream, said.as_bytes(), step));
        let response = sent.ok().unwrap();
        assert_eq!(response.extensions().get::<hyper::ext::ReasonPhrase>().unwrap().as_bytes(), b"Fine");
        assert_eq!(read(&mut line).await.0, b"ok");
        if !again {
            // what is left is there when all of it has been said
            drop(upstream);
        }
        assert_eq!(line.rest() && is_alive(&line), again, "{step} {more}");
    }
}

#[tokio::test]
async fn a_connection_that_ended_before_anything_was_said_gives_the_request_back() {
    let (mut line, upstream) = connected().await;
    socket2::SockRef::from(&upstream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(upstream);
    while is_alive(&line) {
        tokio::task::yield_now().await;
    }
    let Err(SendError::Unsent(request)) = line.send(request("POST", &[b"abc"])).await else { panic!("sent") };
    assert!(matches!(request.body(), UpstreamBody::Pieces(pieces) if pieces.len() == 1));
    let (mut line, mut upstream) = connected().await;
    let close = async {
        upstream.read_exact(&mut [0; 10]).await.unwrap();
        drop(upstream);
    };
    let (sent, ()) = tokio::join!(line.send(self::request("POST", &[b"abc"])), close);
    assert!(matches!(sent, Err(SendError::Lost(_))), "a part of it was heard");
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_has_ended() {
    let tasks = tokio::task::LocalSet::new();
    let overtaken = async {
        let (mut line, mut upstream) = connected().await;
        let large = vec![b'x'; 30_000_000];
        let refuse = async {
            upstream.read_exact(&mut [0; 100]).await.unwrap();
            upstream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
        };
        let (sent, ()) = tokio::join!(line.send(request("POST", &[&large])), refuse);
        assert_eq!(sent.ok().unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(read(&mut line).await.0, b"no");
        assert!(!line.rest(), "the rest of the request is still on its way");
        drop(line);
        let mut heard = Vec::new();
        upstream.read_to_end(&mut heard).await.unwrap();
        assert!(heard.len() > 30_000_000 - 200, "{}", heard.len());
    };
    tasks.run_until(overtaken).await;
}

/// A connection in TLS that holds little on its way, and the upstream at its other end.
async fn connected_in_tls() -> (Http1, tokio_rustls::server::TlsStream<TcpStream>) {
    let made = rcgen::generate_simple_self_signed(vec!["a.com".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let client = crate::tls::client_config(&Default::default(), &[made.cert.der().clone()]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let theirs = listener.accept().await.unwrap().0;
    socket2::SockRef::from(&ours).set_send_buffer_size(4096).unwrap();
    socket2::SockRef::from(&theirs).set_recv_buffer_size(4096).unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(client));
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(server));
    let name = rustls_pki_types::ServerName::try_from("a.com").unwrap();
    let (ours, theirs) = tokio::join!(connector.connect(name, Shared::new(ours)), acceptor.accept(theirs));
    (Http1::new(Io::Tls(Rc::new(RefCell::new(ours.unwrap()))), Rc::default()), theirs.unwrap())
}

#[tokio::test]
async fn what_tls_holds_back_of_a_request_is_sent_too() {
    for size in [30_000, 100_000] {
        let (mut line, mut upstream) = connected_in_tls().await;
        let large = vec![b'x'; size];
        let answer = async {
            let head = format!("POST /v1/x?a=b HTTP/1.1\r\nhost: a.com\r\ncontent-length: {size}\r\n\r\n");
            let mut heard = vec![0; head.len() + size];
            upstream.read_exact(&mut heard).await.unwrap();
            upstream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            upstream.flush().await.unwrap();
        };
        let both = async { tokio::join!(line.send(request("POST", &[&large])), answer).0 };
        let sent = tokio::time::timeout(Duration::from_secs(20), both).await.expect("nothing is held back for ever");
        assert_eq!((sent.ok().unwrap().status(), read(&mut line).await.0), (StatusCode::OK, b"ok".to_vec()));
        assert!(line.rest());
    }
}

#[tokio::test]
async fn an_answer_that_our_own_end_of_the_connection_cut_is_not_whole() {
    let tasks = tokio::task::LocalSet::new();
    let cut = async {
        let (mut line, mut upstream) = connected().await;
        let large = vec![b'x'; 30_000_000];
        let answer = async {
            upstream.read_exact(&mut [0; 100]).await.unwrap();
            upstream.write_all(b"HTTP/1.1 200 OK\r\n\r\nsome").await.unwrap();
        };
        let (sent, ()) = tokio::join!(line.send(request("POST", &[&large])), answer);
        assert!(sent.is_ok() && line.is_close_delimited());
        // what the upload does when it fails
        line.cut.set(true);
        line.io.with_socket(Shared::end);
        let (body, error) = read(&mut line).await;
        assert!(body == b"some" && matches!(error, Some(Error::Closed | Error::Io(_))), "{body:?} {error:?}");
        assert!(!line.rest());
    };
    tasks.run_until(cut).await;
}

#[tokio::test]
async fn who_answers_before_anything_was_asked_answers_something_else() {
    let (mut line, mut upstream) = connected().await;
    upstream.write_all(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    socket2::SockRef::from(&upstream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(upstream);
    while is_alive(&line) {
        tokio::task::yield_now().await;
    }
    let sent = line.send(request("POST", &[b"abc"])).await;
    assert!(matches!(sent, Err(SendError::Unsent(_))), "{:?}", sent.map_err(drop));
}

#[tokio::test]
async fn a_length_beside_chunks_is_no_length_and_keep_alive_is_heard() {
    for (answer, again) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
            false,
        ),
        ("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 10\r\n\r\n0123456789", true),
        ("HTTP/1.0 200 OK\r\ncontent-length: 10\r\n\r\n0123456789", false),
        ("HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 10\r\n\r\n0123456789", false),
    ] {
        let (mut line, upstream) = connected().await;
        let (sent, _upstream) = tokio::join!(line.send(request("GET", &[])), say(upstream, answer.as_bytes(), 1000));
        let length = sent.ok().unwrap().headers().get("content-length").cloned();
        assert_eq!(length.is_some(), !answer.contains("chunked"), "{answer}");
        assert_eq!((read(&mut line).await.0, line.rest()), (b"0123456789".to_vec(), again), "{answer}");
    }
}

const HEADS: [&str; 9] = [
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "HTTP/1.1 304\r\n",
    "HTTP/1.1 500 \r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200 OK\n",
    "HTTP/2 200\r\n",
];
const FIELDS: [&str; 22] = [
    "Content-Length: 3\r\n",
    "content-length: 13\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: +3\r\n",
    "Content-Length: 3, 3\r\n",
    "Content-Length: 3, 4\r\n",
    "Content-Length: \r\n",
    "Content-Length: 18446744073709551616\r\n",
    "Content-Length : 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: CHUNKED\r\n",
    "Transfer-Encoding: chunked, gzip\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: xchunked\r\n",
    "Connection: close\r\n",
    "X: y\r\n",
    "X: \t\u{e9}\r\n",
    "X:\r\n folded\r\n",
    "X y\r\n",
    "\0\r\n",
];
const BODIES: [&str; 20] = [
    "",
    "abc",
    "abcdefghijklm",
    "3\r\nabc\r\n0\r\n\r\n",
    "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nX: y\r\nZ: a\r\n\r\n",
    "003\r\nabc\r\n000\r\n\r\n",
    "3 \r\nabc\r\n0\r\n\r\n",
    "3 ;x\r\nabc\r\n0\r\n\r\n",
    "3 x\r\nabc\r\n0\r\n\r\n",
    "3\nabc\n0\n\n",
    "3\r\nabc0\r\n\r\n",
    "3\r\nabcd\r\n0\r\n\r\n",
    "0\r\n\r\n",
    "\r\n0\r\n\r\n",
    ";\r\nabc\r\n",
    "-1\r\nabc\r\n",
    "fffffffffffffffff\r\nabc",
    "ffffffffffffffff\r\nabc",
    "3;x\ny\r\nabc\r\n0\r\n\r\n",
    "3\r\nabc\r\n0\r\n",
];

/// Answers with fields and bodies that need not fit together.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let one = |of: &'static [&'static str]| prop::sample::select(of).prop_map(|text| text.as_bytes().to_vec());
    let noise = prop_oneof![9 => Just(Vec::new()), 1 => prop::collection::vec(any::<u8>(), 0..20)];
    (one(&HEADS), prop::collection::vec(one(&FIELDS), 0..4), one(&BODIES), noise)
        .prop_map(|(head, fields, body, noise)| [head, fields.concat(), b"\r\n".to_vec(), body, noise].concat())
}

async fn as_we_read(answer: &[u8], step: usize) -> Option<Told> {
    let (mut line, upstream) = connected().await;
    let asked = async {
        let response = line.send(request("GET", &[])).await.ok()?;
        let (body, error) = read(&mut line).await;
        Some((response.status().as_u16(), body, error.is_none()))
    };
    let said = async { say(upstream, answer, step).await.shutdown().await };
    tokio::join!(asked, said).0
}

async fn as_hyper_reads(answer: &[u8], step: usize) -> Option<Told> {
    let (ours, mut upstream) = tokio::io::duplex(1 << 16);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.ok()?;
    let asked = async {
        let mut response = sender.send_request(request("GET", &[])).await.ok()?;
        let (mut body, mut whole) = (Vec::new(), true);
        while let Some(frame) = response.frame().await {
            match frame {
                Ok(frame) => body.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        Some((response.status().as_u16(), body, whole))
    };
    let said = async {
        // before it asks it takes what comes for a fault
        let _asked = upstream.read(&mut [0; 100]).await;
        for part in answer.chunks(step) {
            let _left = upstream.write_all(part).await;
            tokio::task::yield_now().await;
        }
        let _left = upstream.shutdown().await;
    };
    tokio::join!(asked, said, connection).0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn an_answer_is_to_us_what_it_is_to_hyper(answer in answers(), step in 1usize..120) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (ours, theirs) = runtime.block_on(async { (as_we_read(&answer, step).await, as_hyper_reads(&answer, step).await) });
        prop_assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn the_timeout_of_keep_alive_is_read_wherever_it_stands() {
    let read = |text: &'static str| head::timeout(&HeaderValue::from_static(text)).map(|timeout| timeout.as_secs());
    assert_eq!(read("timeout=5, max=100"), Some(5));
    assert_eq!(read("max=100, Timeout = 15"), Some(15));
    assert_eq!([read("max=100"), read("timeout=soon"), read("timeout=-1"), read("timeout")], [None; 4]);
}
