//! Servers that are no such API: each must be told for what it is, in bounded time, with few requests.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use conformance::validate::Setting;
use conformance::validate::check::Level;
use conformance::validate::deviation::Expected;
use conformance::validate::finding::Verdict;
use conformance::validate::outcome::Outcome;
use conformance::validate::report::Kind;
use conformance::validate::survey::Wishes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{provider, setting, validate_with};

/// Long enough for loopback, short enough to wait for.
const TIMEOUT: Duration = Duration::from_millis(700);

/// What it says to every request, and how often it says the last part again: until nobody listens.
pub(crate) struct Script {
    pub(crate) once: Vec<u8>,
    pub(crate) forever: Vec<u8>,
    pub(crate) then: Then,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Then {
    Close,
    Hang,
    Reset,
}

pub(crate) async fn serve(script: Script) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let script = std::sync::Arc::new(script);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, std::sync::Arc::clone(&script)));
        }
    });
    address
}

async fn talk(mut stream: TcpStream, script: std::sync::Arc<Script>) {
    let mut buffer = vec![0; 64 * 1024];
    let _ = stream.read(&mut buffer).await;
    let _ = stream.write_all(&script.once).await;
    while !script.forever.is_empty() && stream.write_all(&script.forever).await.is_ok() {
        tokio::task::yield_now().await;
    }
    match script.then {
        Then::Close => {}
        Then::Hang => while stream.read(&mut buffer).await.is_ok_and(|size| size > 0) {},
        Then::Reset => {
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
    }
}

pub(crate) fn whole(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

pub(crate) fn patience() -> Setting {
    Setting { timeout: TIMEOUT, ..setting(&[], None) }
}

async fn against(once: impl Into<Vec<u8>>, forever: &str, then: Then) -> Outcome {
    let address = serve(Script { once: once.into(), forever: forever.as_bytes().to_vec(), then }).await;
    let began = Instant::now();
    let outcome = validate_with(address, &patience()).await;
    // Not a measure of speed: twenty timeouts are what `--help` promises, and far more than this takes.
    assert!(began.elapsed() < TIMEOUT * 20 + Duration::from_secs(10), "bounded: {:?}", began.elapsed());
    assert_eq!(outcome.exit_code(), 1);
    outcome
}

/// The reason for giving up, and that it took few requests.
fn stopped(outcome: &Outcome) -> &str {
    assert!(outcome.requests <= 6, "{} requests", outcome.requests);
    outcome.stopped.as_deref().expect("it is plainly no such API")
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_told() {
    let address =
        TcpListener::bind("127.0.0.1:0").await.and_then(|listener| listener.local_addr()).expect("an address");
    let outcome = validate_with(address, &patience()).await;
    assert!(stopped(&outcome).starts_with("cannot reach http://127.0.0.1:"), "{:?}", outcome.stopped);
    assert_eq!(outcome.exit_code(), 1);
}

#[tokio::test]
async fn a_server_that_hangs_is_told() {
    let outcome = against("", "", Then::Hang).await;
    assert!(
        stopped(&outcome).contains("no whole answer to anything: GET /models: no answer within"),
        "{:?}",
        outcome.stopped
    );
}

#[tokio::test]
async fn a_server_that_resets_or_closes_is_told() {
    for (then, told) in [(Then::Reset, "aborted"), (Then::Close, "aborted: closed before the end")] {
        let outcome = against("", "", then).await;
        assert!(stopped(&outcome).contains(told), "{:?}", outcome.stopped);
    }
}

#[tokio::test]
async fn a_server_that_answers_html_to_everything_is_told() {
    let page = whole("200 OK\r\ncontent-type: text/html", "<!doctype html><title>hello</title>");
    let outcome = against(page, "", Then::Close).await;
    assert!(
        stopped(&outcome).contains("not an OpenAI-compatible API: it answers HTML to everything"),
        "{:?}",
        outcome.stopped
    );
}

#[tokio::test]
async fn a_server_that_answers_200_to_everything_is_told() {
    for body in ["{}", "[]", "{\"status\":\"ok\"}", ""] {
        let outcome = against(whole("200 OK\r\ncontent-type: application/json", body), "", Then::Close).await;
        assert!(stopped(&outcome).contains("it answers 200 to everything"), "{body}: {:?}", outcome.stopped);
    }
}

#[tokio::test]
async fn a_server_that_redirects_everything_is_told_with_the_place() {
    let outcome = against(whole("308 Moved\r\nlocation: https://elsewhere.test/v1", ""), "", Then::Close).await;
    assert!(stopped(&outcome).contains("to https://elsewhere.test/v1; give the place"), "{:?}", outcome.stopped);
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_is_told() {
    let error = "{\"error\":{\"message\":\"no\",\"type\":\"t\",\"param\":null,\"code\":null}}";
    let outcome = against(whole("401 No\r\ncontent-type: application/json", error), "", Then::Close).await;
    assert!(stopped(&outcome).contains("--api-key-env"), "{:?}", outcome.stopped);
}

#[tokio::test]
async fn what_has_no_end_is_told() {
    let stream = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    for (once, forever) in [
        (stream, "data: {\"choices\":[]}\n\n"),
        (stream, ": keep-alive\n\n"),
        ("HTTP/1.1 200 OK\r\n", "x-more: and more of it\r\n"),
        ("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[", "0,"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let outcome = against(once, &forever.repeat(512), Then::Hang).await;
        assert!(stopped(&outcome).contains("no whole answer to anything"), "{forever:?}: {:?}", outcome.stopped);
    }
}

#[tokio::test]
async fn what_is_not_http_not_utf8_or_lies_about_its_length_is_told() {
    let garbage: &[&[u8]] = &[
        b"\x00\xff\xfe garbage\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ];
    for bytes in garbage {
        let outcome = against(*bytes, "", Then::Close).await;
        assert!(stopped(&outcome).contains("no whole answer"), "{:?}", outcome.stopped);
    }
    let outcome = against(whole("200 OK\r\ncontent-type: application/json", "plain words"), "", Then::Close).await;
    assert!(outcome.stopped.is_some());
    let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n".to_vec();
    bytes.extend(b"{\"data\":\"\xff\xfe\"}");
    assert!(against(bytes, "", Then::Close).await.stopped.is_some());
}

/// A backend that is as OpenAI is, but for this fault in every chat, and what a run with reports makes of it.
async fn with_fault(fault: Value) -> Outcome {
    let mut fault = fault;
    fault["when"] = json!({"path": "/v1/chat/completions"});
    let mock = provider(&json!({"faults": [fault], "limits": {"rpm": 100_000}})).await;
    let began = Instant::now();
    let mut outcome = validate_with(mock.addr(), &patience()).await;
    assert!(began.elapsed() < TIMEOUT * 20 + Duration::from_secs(10), "bounded: {:?}", began.elapsed());
    outcome.settle(&Expected::default(), Level::Required);
    for kind in [Kind::Json, Kind::Junit, Kind::Html, Kind::Markdown] {
        assert!(kind.text(&outcome).len() < 4_000_000, "{kind:?}");
    }
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_that_go_wrong_on_the_way_fail_with_what_went_wrong() {
    for (fault, told) in [
        (json!({"dribble": {"bytes": 1, "gap": "60ms"}}), "did not end within"),
        (json!({"huge_body": "5MiB"}), "a body of more than 4194304 bytes"),
        (json!({"gzip_unasked": true}), "a body in the coding `gzip`, which nobody asked for"),
        (json!({"malformed_chunk_header": {"after_events": 1}}), "malformed"),
        (json!({"redirect": {"status": 307, "to": "/v1/chat/completions"}}), "answered 307"),
        (json!({"garbage_then_close": true}), "closed before the end"),
        (json!({"bad_content_length": "more"}), "closed before the end"),
    ] {
        let outcome = with_fault(fault.clone()).await;
        let all = || outcome.checks.iter().flat_map(|check| check.failures.iter().chain(&check.why));
        assert!(all().any(|line| line.contains(told)), "{fault}: {:?}", all().collect::<Vec<_>>());
        assert_eq!(outcome.exit_code(), 1, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_thousands_of_headers_a_report_has_some() {
    let error = json!({"error": {"message": "no", "type": "t", "param": null, "code": 7}}).to_string();
    let many: String = (0..2000).map(|number| format!("\r\nx-{number}: and some more of it")).collect();
    let address =
        serve(Script { once: whole(&format!("400 No{many}"), &error), forever: vec![], then: Then::Close }).await;
    let outcome = validate_with(address, &patience()).await;
    let text = Kind::Json.text(&outcome);
    assert!(text.contains("more headers") && text.len() < 1_000_000, "{} bytes", text.len());
}

/// A completion, or a stream of chunks, with the largest numbers there are.
fn largest(stream: bool) -> Vec<u8> {
    let most = u64::MAX;
    let said = json!({"role": "assistant", "content": "hi", "tool_calls": [{"index": most, "function": {"name": 7}}]});
    let usage = json!({
        "prompt_tokens": most, "completion_tokens": most, "total_tokens": most,
        "completion_tokens_details": {"reasoning_tokens": most},
    });
    let choice = json!({"index": most, "message": said, "delta": said, "finish_reason": "stop"});
    let data = json!([{"id": "m", "object": "model", "created": most, "max_model_len": most, "embedding": [1e308]}]);
    let all = json!({
        "id": "x", "object": "list", "created": most, "model": "m", "choices": [choice], "usage": usage, "data": data,
        "sequence_number": most, "type": "response.created",
    });
    match stream {
        true => whole("200 OK\r\ncontent-type: text/event-stream", &format!("data: {all}\n\n").repeat(5)),
        false => whole("200 OK\r\ncontent-type: application/json", &all.to_string()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_numbers_there_are_are_answers_like_any_other() {
    for stream in [false, true] {
        let script = Script { once: largest(stream), forever: Vec::new(), then: Then::Close };
        let embeds =
            Wishes { model: Some("m".to_owned()), embeddings_model: Some("m".to_owned()), ..Wishes::default() };
        let address = serve(script).await;
        let outcome = validate_with(address, &Setting { wishes: embeds, ..patience() }).await;
        assert_eq!(outcome.checks.len(), 84);
        assert!(outcome.count(Verdict::Fail) > 20 || outcome.stopped.is_some(), "{:?}", outcome.stopped);
    }
}
