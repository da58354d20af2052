//! Bad input gets a 4xx and no provider sees a malformed or a second request.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{chat, pool, post, provider, raw, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_request_is_refused_and_none_goes_upstream() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n";
    let table: Vec<(u16, bool, Vec<u8>)> = vec![
        (400, true, post("/v1/chat/completions", "{\"model\":\"x\",\"messages\":[")),
        (400, true, post("/v1/chat/completions", "")),
        (400, true, post("/v1/chat/completions", "\u{feff}{}")),
        (400, true, [head.as_bytes(), b"Content-Length: 9\r\n\r\n{\"a\":\"\xff\"}"].concat()),
        (400, true, post("/v1/chat/completions", "{\"model\":5,\"messages\":[]}")),
        (404, true, post("/v1/nothing/here", "{}")),
        (404, true, post("/v1/chat/completionsx", "{}")),
        (405, true, b"GET /v1/chat/completions HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        (405, true, post("/v1/models", "{}")),
        (413, true, format!("{head}Content-Length: {}\r\n\r\n{{}}", 64 * 1024 * 1024 + 1).into_bytes()),
        (415, true, format!("{head}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{{}}").into_bytes()),
        (
            415,
            true,
            format!("{head}Content-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{{}}")
                .into_bytes(),
        ),
        (
            400,
            true,
            format!("{head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n").into_bytes(),
        ),
        (
            400,
            true,
            format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n").into_bytes(),
        ),
        (400, false, format!("{head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}} ").into_bytes()),
        (400, false, format!("{head}Transfer-Encoding: gzip\r\n\r\n").into_bytes()),
        (400, false, b"NOT HTTP AT ALL\r\n\r\n".to_vec()),
        (400, true, b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}".to_vec()),
        (400, true, b"GET /a/../v1/models HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        (400, true, b"GET /a/%2e%2E/v1/models HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
    ];
    let rows = table.len();
    tokio::task::spawn_blocking(move || {
        for (status, json, request) in table {
            let answer = raw(address, &request);
            let shown = String::from_utf8_lossy(&request[..request.len().min(120)]).into_owned();
            assert_eq!(answer.status, status, "{shown:?} {answer:?}");
            if json {
                assert!(answer.json()["error"]["message"].is_string(), "{shown:?}");
                assert!(answer.head.contains("content-type: application/json"), "{shown:?}");
            }
        }
        assert_eq!(chat(address, "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}").status, 200);
    })
    .await
    .unwrap();
    let seen = mock.journal().requests;
    assert_eq!(seen.len(), 1, "only the good request arrived");
    assert!(seen[0].malformed.is_none());
    let log = running.stop();
    assert_eq!(log.len(), rows - 3 + 1, "one record for each request that HTTP could read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_reaches_a_client_that_is_still_sending_its_body() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    tokio::task::spawn_blocking(move || {
        let body = "x".repeat(5 << 20);
        assert_eq!(raw(address, &post("/v1/unknown", &body)).status, 404);
        let put = String::from_utf8(post("/v1/chat/completions", &body)).unwrap().replacen("POST", "PUT", 1);
        assert_eq!(raw(address, put.as_bytes()).status, 405);
    })
    .await
    .unwrap();
    assert!(mock.journal().requests.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_where_none_belongs_is_not_announced_upstream() {
    let mock = provider("a", "{}").await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    tokio::task::spawn_blocking(move || {
        let request = b"GET /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: 14\r\n\r\nPOST /v1/chat/";
        assert_eq!(raw(address, request).status, 200);
        assert_eq!(chat(address, r#"{"messages":[{"role":"user","content":"hi"}]}"#).status, 200);
    })
    .await
    .unwrap();
    let seen = mock.journal().requests;
    assert!(seen.len() == 2 && seen.iter().all(|request| request.malformed.is_none()));
    assert_eq!((seen[0].content_length, seen[0].body.len()), (None, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_announcements_of_large_bodies_keep_nobody_out() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    tokio::task::spawn_blocking(move || {
        let idle: Vec<_> = (0..40)
            .map(|_| {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\n\r\n{";
                std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
                stream
            })
            .collect();
        assert_eq!(chat(address, r#"{"messages":[{"role":"user","content":"hi"}]}"#).status, 200);
        drop(idle);
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_prompt_arrives_byte_for_byte() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    let content = "0123456789abcdef\\u00e9é".repeat(200_000);
    let body = format!("{{\"messages\":[{{\"role\":\"user\",\"content\":\"{content}\"}}],\"model\":\"x\"}}");
    let sent = body.clone();
    let answer = tokio::task::spawn_blocking(move || chat(address, &sent)).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = &mock.journal().requests[0];
    assert_eq!(seen.body, body.replace("\"model\":\"x\"", "\"model\":\"m-1\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_and_targets_that_name_another_host_change_nothing() {
    let (mock, trap) = (provider("a", "{respond: {text: ok}}").await, provider("trap", "{}").await);
    let running = start(&pool(&[&mock], ""));
    let (address, evil) = (running.address(), trap.addr());
    tokio::task::spawn_blocking(move || {
        let body = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
        for (target, header) in [
            ("/v1/chat/completions".to_owned(), format!("X-Forwarded-Host: {evil}")),
            ("/v1/chat/completions".to_owned(), format!("X-Portkey-Custom-Host: http://{evil}")),
            ("/v1/chat/completions".to_owned(), format!("X-Original-Url: http://{evil}/")),
            (format!("http://{evil}/v1/chat/completions"), "X: y".to_owned()),
        ] {
            let length = body.len();
            let request =
                format!("POST {target} HTTP/1.1\r\nHost: {evil}\r\n{header}\r\nContent-Length: {length}\r\n\r\n{body}");
            assert_eq!(raw(address, request.as_bytes()).status, 200, "{target} {header}");
        }
        let models =
            r#"{"model":"x#@127.0.0.1/../../admin?a=b\r\nX-Evil: 1","messages":[{"role":"user","content":"hi"}]}"#;
        assert_eq!(chat(address, models).status, 200);
    })
    .await
    .unwrap();
    assert!(trap.journal().connections.is_empty());
    let seen = mock.journal().requests;
    let own = mock.addr().to_string();
    assert!(
        seen.iter()
            .all(|request| request.head.path() == "/v1/chat/completions" && request.header("host") == Some(&own))
    );
    assert!(seen.iter().all(|request| request.header("x-evil").is_none()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_of_the_provider_is_passed_on_and_not_followed() {
    let trap = provider("trap", "{}").await;
    let script = format!("{{respond: {{status: 307, body: '', headers: {{location: 'http://{}/'}}}}}}", trap.addr());
    let mock = provider("a", &script).await;
    let running = start(&pool(&[&mock], "  policies: {auth: {key: sk-provider}}\n"));
    let address = running.address();
    let ask = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
    let answer = tokio::task::spawn_blocking(move || chat(address, ask)).await.unwrap();
    assert!(answer.status == 307 && trap.journal().connections.is_empty(), "{answer:?}");
}

/// Panics of the gateways' cores in this process.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Requests, good and odd, with some bytes replaced.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    use proptest::sample::{Index, select, subsequence};
    let line = (select(vec!["GET", "POST", "HEAD"]), select(vec!["/v1/chat/completions", "/v1/models", "/x%2e", "*"]));
    let headers =
        ["Host: a", "Content-Length: 2", "Transfer-Encoding: chunked", "Expect: 100-continue", "Connection: close"];
    let body = select(vec!["", "{}", "2\r\n{}\r\n0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]);
    let request = (line, subsequence(headers.to_vec(), 0..=3), body).prop_map(|((method, path), headers, body)| {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        format!("{method} {path} HTTP/1.1\r\n{headers}\r\n{body}").into_bytes()
    });
    let spoilt = (any::<Index>(), 0..4usize, proptest::collection::vec(any::<u8>(), 0..9));
    let requests = proptest::collection::vec(request, 1..4);
    (requests, proptest::option::of(spoilt)).prop_map(|(requests, spoilt)| {
        let mut bytes = requests.concat();
        if let Some((at, replaced, with)) = spoilt {
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + replaced);
            bytes.splice(at..end, with);
        }
        bytes
    })
}

/// Says it, and hears the gateway out.
fn say(address: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // the gateway may have heard enough
    let _refused = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut heard = Vec::new();
    match stream.read_to_end(&mut heard) {
        Ok(_) => heard,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => heard,
        Err(error) => panic!("{error} after {bytes:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_bytes_on_a_socket_are_survived_and_reach_no_provider_but_as_whole_requests() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let core = std::thread::current().name().is_some_and(|name| name.starts_with("core-"));
        PANICS.fetch_add(usize::from(core), Relaxed);
        others(panic);
    }));
    let mock = provider("a", "{respond: {text: ok}}").await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    let good = tokio::task::spawn_blocking(move || {
        let good = AtomicUsize::new(0);
        let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(&any_bytes(), |bytes| {
            let heard = say(address, &bytes);
            let http2 = bytes.starts_with(b"PRI");
            prop_assert!(heard.is_empty() || http2 || heard.starts_with(b"HTTP/1."), "{:?}", heard);
            good.fetch_add(heard.windows(15).filter(|head| head == b"HTTP/1.1 200 OK").count(), Relaxed);
            prop_assert_eq!(PANICS.load(Relaxed), 0);
            Ok(())
        });
        outcome.unwrap();
        assert_eq!(chat(address, r#"{"messages":[{"role":"user","content":"hi"}]}"#).status, 200);
        good.into_inner()
    })
    .await
    .unwrap();
    let seen = mock.journal().requests;
    assert!(seen.len() > good, "{good} answers, {} requests", seen.len());
    assert!(seen.iter().all(|request| request.malformed.is_none()), "{seen:?}");
}
