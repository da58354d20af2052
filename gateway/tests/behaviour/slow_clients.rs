//! Clients that take their time: nobody may hold a provider, a connection or memory by doing nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use mock_providers::{End, Journal};

use crate::http2::{connect, send, whole};
use crate::support::{backend, chat, get, pool, post, provider, read, rules, start_with};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
const LIMIT: Duration = Duration::from_millis(300);
/// Only a failure takes so long.
const LONG: Duration = Duration::from_secs(10);

/// Who says "large" gets more than the buffers of a connection hold.
const LARGE_OR_NOT: &str =
    "{rules: [{when: {last_user: large}, respond: {text: ok, size: 24MiB}}, {respond: {text: ok}}]}";

fn let_go(journal: &Journal) -> bool {
    journal.requests.iter().any(|request| matches!(request.end, End::ClientClosed { .. }))
}

fn begun(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_nothing_loses_its_connection_and_the_provider_is_let_go() {
    let mock = provider("a", LARGE_OR_NOT).await;
    let running = start_with(&pool(&[&mock], ""), |options| options.reader_timeout = LIMIT);
    let address = running.address();
    let client = begun(address, &post("/v1/chat/completions", &ASK.replace("hi", "large")));
    tokio::time::timeout(LONG, mock.wait_until(let_go)).await.expect("the provider is let go");
    let ok = tokio::task::spawn_blocking(move || chat(address, ASK).status).await.unwrap();
    assert_eq!(ok, 200, "others are served");
    let log = tokio::task::spawn_blocking(move || running.stop()).await.unwrap();
    assert_eq!(log[0]["end"], "client_closed", "{}", log[0]);
    drop(client);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_shared_connection_only_the_answer_that_nobody_reads_is_let_go() {
    let mock = provider("a", LARGE_OR_NOT).await;
    let running = start_with(&pool(&[&mock], ""), |options| options.reader_timeout = LIMIT);
    let (mut sender, _connection) = connect(running.address()).await;
    let (unread, _body) = send(&mut sender, &ASK.replace("hi", "large")).await;
    let mut unread = unread.await.unwrap().into_body();
    tokio::time::timeout(LONG, mock.wait_until(let_go)).await.expect("the provider is let go");
    assert_eq!(whole(send(&mut sender, ASK).await.0).await.0, 200, "the connection goes on");
    // what had been sent already comes first
    let ended = loop {
        match unread.data().await {
            Some(Ok(data)) => unread.flow_control().release_capacity(data.len()).unwrap(),
            ended => break ended,
        }
    };
    assert!(ended.is_some_and(|ended| ended.is_err_and(|error| error.is_reset())), "no clean end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_passes_and_stops_is_a_408_and_the_backend_is_let_go() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let manifests = rules(&[&mock], &format!("[{{backendRefs: [{}]}}]", backend("a", "")));
    let running = start_with(&manifests, |options| options.body_timeout = LIMIT);
    let address = running.address();
    let status = tokio::task::spawn_blocking(move || {
        let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{";
        let answer = read(&mut begun(address, head.as_bytes()));
        (answer.status, answer.header("connection").map(str::to_owned))
    });
    assert_eq!(status.await.unwrap(), (408, Some("close".to_owned())));
    let gone = |journal: &Journal| journal.open_connections().next().is_none();
    tokio::time::timeout(Duration::from_secs(10), mock.wait_until(gone)).await.expect("the backend is let go");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_before_a_request_may_not_take_longer_than_a_head() {
    let mock = provider("a", "{}").await;
    let made = rcgen::generate_simple_self_signed(vec!["a.example.com".to_owned()]).unwrap();
    let indented = |pem: String| pem.lines().map(|line| format!("\n    {line}")).collect::<String>();
    let (chain, key) = (indented(made.cert.pem()), indented(made.signing_key.serialize_pem()));
    let tls = "{name: tls, port: 8081, protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}}";
    let secret = format!(
        "---\nkind: Secret\nmetadata: {{name: cert}}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: |{chain}\n  tls.key: |{key}\n"
    );
    let manifests = pool(&[&mock], "").replacen("protocol: HTTP}", &format!("protocol: HTTP}}, {tls}"), 1) + &secret;
    let running = start_with(&manifests, |options| options.header_timeout = LIMIT);
    let secure = running.gateway.as_ref().unwrap().address(8081).unwrap();
    let plain = running.address();
    let hello = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    tokio::task::spawn_blocking(move || {
        for (address, first) in [(secure, &[][..]), (secure, &hello), (plain, b""), (plain, b"PRI * HTT")] {
            let mut left = Vec::new();
            let ended = begun(address, first).read_to_end(&mut left);
            assert!(ended.is_ok(), "{first:?}: the gateway closes it: {ended:?}");
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_limit_wait_until_one_leaves() {
    let mock = provider("a", "{}").await;
    let running = start_with(&pool(&[&mock], ""), |options| options.connections = 1);
    let address = running.address();
    tokio::task::spawn_blocking(move || {
        let mut first = begun(address, &get("/v1/models", ""));
        assert_eq!(read(&mut first).status, 200);
        let mut second = begun(address, &get("/v1/models/second", ""));
        for _ in 0..50 {
            first.write_all(&get("/v1/models", "")).unwrap();
            assert_eq!(read(&mut first).status, 200);
        }
        drop(first);
        assert_eq!(read(&mut second).status, 404);
    })
    .await
    .unwrap();
    let seen = mock.journal().requests;
    let second = seen.iter().position(|request| request.head.path().ends_with("second"));
    assert_eq!(second, Some(51), "it waited for the first to leave");
}
