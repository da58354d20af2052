//! Sizes and paces: what is too large or too slow is refused readably, and nobody else notices.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{chat, pool, post, provider, raw, read, start, start_with};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
const LIMIT: &str = "---\nkind: AgentgatewayPolicy\nmetadata: {name: limit}\nspec:\n  targetRefs: [{kind: Gateway, name: gateway}]\n  frontend: {http: {maxBufferSize: 70000}}\n";

/// A client's pace.
#[expect(clippy::disallowed_methods, reason = "the pace is what is tested; nothing is waited for")]
fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

fn body_of(length: usize) -> String {
    let empty = r#"{"messages":[{"role":"user","content":""}]}"#;
    empty.replace(r#""content":"""#, &format!(r#""content":"{}""#, "x".repeat(length - empty.len())))
}

fn chunked(body: &str) -> Vec<u8> {
    let mut request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in body.as_bytes().chunks(10_000) {
        request.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        request.extend_from_slice(piece);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configured_body_limit_is_exact_and_its_refusal_readable() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let running = start(&(pool(&[&mock], "") + LIMIT));
    let address = running.address();
    tokio::task::spawn_blocking(move || {
        for (length, status) in [(69_999, 200), (70_000, 200), (70_001, 413), (5_000_000, 413)] {
            let body = body_of(length);
            for request in [post("/v1/chat/completions", &body), chunked(&body)] {
                let answer = raw(address, &request);
                assert_eq!(answer.status, status, "{length}");
                assert_eq!(answer.json()["error"]["code"] == "request_body_too_large", status == 413);
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(mock.journal().requests.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_and_bodies_that_take_too_long_are_let_go_and_others_are_served() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let running = start_with(&pool(&[&mock], ""), |options| {
        options.header_timeout = Duration::from_millis(300);
        options.body_timeout = Duration::from_millis(300);
    });
    let address = running.address();
    tokio::task::spawn_blocking(move || {
        let begun = |bytes: &[u8]| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream.write_all(bytes).unwrap();
            stream
        };
        let mut head = begun(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nX-Slow: ");
        let mut body = begun(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{");
        let mut drip = begun(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{");
        let mut pen = drip.try_clone().unwrap();
        let dripping = std::thread::spawn(move || {
            // a byte at a time keeps nobody's attention
            while pen.write_all(b" ").is_ok() {
                pause(20);
            }
        });
        assert_eq!(chat(address, ASK).status, 200);
        assert_eq!(read(&mut body).status, 408);
        assert_eq!(read(&mut drip).status, 408);
        assert!([0, 408].contains(&read(&mut head).status));
        drop(drip);
        dripping.join().unwrap();
    })
    .await
    .unwrap();
    assert_eq!(mock.journal().requests.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_at_a_fair_pace_has_longer() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let running = start_with(&pool(&[&mock], ""), |options| options.body_timeout = Duration::from_millis(300));
    let address = running.address();
    let status = tokio::task::spawn_blocking(move || {
        let request = post("/v1/chat/completions", &body_of(60_000));
        let mut stream = TcpStream::connect(address).unwrap();
        for piece in request.chunks(request.len() / 6 + 1) {
            stream.write_all(piece).unwrap();
            pause(100);
        }
        read(&mut stream).status
    });
    assert_eq!(status.await.unwrap(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_beyond_bounds_are_refused() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    tokio::task::spawn_blocking(move || {
        let many = "x: y\r\n".repeat(5000);
        let long = format!("x: {}\r\n", "y".repeat(200_000));
        for headers in [many, long] {
            let request = format!("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            // the refusal may come before the head is out
            let _broken = stream.write_all(request.as_bytes());
            assert!([0, 431].contains(&read(&mut stream).status));
        }
        assert_eq!(chat(address, ASK).status, 200);
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_that_hide_dots_are_refused() {
    let mock = provider("a", "{}").await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    tokio::task::spawn_blocking(move || {
        let status = |path: &str| raw(address, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).status;
        for path in ["/v1/..;/admin", "/v1/..%2fadmin", "/v1%2F..%2fadmin", "/v1/%2e%2e%5cadmin", "/v1/./models"] {
            assert_eq!(status(path), 400, "{path}");
        }
        for path in ["/v1/models", "/v1/models/a%2Fb", "/v1/models/.hidden", "/v1/models/a..b;c"] {
            assert_ne!(status(path), 400, "{path}");
        }
    })
    .await
    .unwrap();
}

/// A provider that sends chunks of 40,000 bytes for as long as anybody takes them, and how many bytes that was.
fn endless() -> (u16, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    use std::io::{Read, Write};
    use std::sync::atomic::Ordering::Relaxed;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let written = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = written.clone();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _head = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
        let chunk = [format!("{:x}\r\n", 40_000).as_bytes(), &[b'x'; 40_000], b"\r\n"].concat();
        while stream.write_all(&chunk).is_ok() {
            counter.fetch_add(chunk.len(), Relaxed);
        }
    });
    (port, written)
}

#[test]
fn of_a_fast_answer_to_a_slower_reader_only_a_little_waits() {
    use std::io::{Read, Write};
    const TAKEN: usize = 240 << 20;
    /// What sockets may hold on both sides, and some.
    const UNDERWAY: usize = 24 << 20;
    let (port, written) = endless();
    let manifests = crate::support::rules(&[], &format!("[{{backendRefs: [{}]}}]", crate::support::backend("a", "")));
    let backend = format!(
        "---\nkind: AgentgatewayBackend\nmetadata: {{name: a}}\nspec: {{static: {{host: 127.0.0.1, port: {port}}}}}\n"
    );
    let running = start(&(manifests + &backend));
    let mut client = std::net::TcpStream::connect(running.address()).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let (mut taken, mut buffer) = (0, [0; 2048]);
    while taken < TAKEN {
        taken += client.read(&mut buffer).unwrap();
    }
    let written = written.load(std::sync::atomic::Ordering::Relaxed);
    assert!(written < TAKEN + UNDERWAY, "{} MiB wait in the gateway", (written - TAKEN) >> 20);
}
