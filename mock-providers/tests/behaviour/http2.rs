//! HTTP/2 over real sockets, by prior knowledge and by ALPN.

use std::io::ErrorKind;

use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::{Method, Request, Response};
use mock_providers::tls::RunCa;
use mock_providers::{End, MockProvider, Options, Peer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::{Client, HI, HI_STREAM, only_request, provider, script, settled, soon};
use crate::tls::connector;

/// A connection, and what its driver says at its end.
pub(crate) async fn handshake<S>(stream: S) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (send, connection) = soon(h2::client::handshake(stream)).await.expect("HTTP/2 is spoken");
    (send, tokio::spawn(connection))
}

pub(crate) async fn connect(mock: &MockProvider) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    handshake(TcpStream::connect(mock.addr()).await.expect("open")).await
}

pub(crate) async fn post(send: &mut SendRequest<Bytes>, body: &str) -> Result<Response<RecvStream>, h2::Error> {
    let request = Request::builder().method(Method::POST).uri("http://a.test/v1/chat/completions?x=1");
    let request = request.header("x-Test", "1").body(()).expect("a request");
    let mut ready = send.clone().ready().await?;
    let (response, mut out) = ready.send_request(request, false)?;
    out.send_data(Bytes::copy_from_slice(body.as_bytes()), true)?;
    soon(response).await
}

/// The body, and the error it ended with.
pub(crate) async fn read(response: Response<RecvStream>) -> (String, Option<h2::Error>) {
    let (mut body, mut bytes) = (response.into_body(), Vec::new());
    while let Some(data) = soon(body.data()).await {
        match data {
            Ok(data) => {
                bytes.extend_from_slice(&data);
                body.flow_control().release_capacity(data.len()).expect("taken just now");
            }
            Err(error) => return (String::from_utf8_lossy(&bytes).into_owned(), Some(error)),
        }
    }
    (String::from_utf8_lossy(&bytes).into_owned(), None)
}

#[tokio::test]
async fn a_caller_that_begins_with_the_preface_is_answered_in_http2() {
    let mock = provider("{respond: {text: hello}}").await;
    let (mut send, _driver) = connect(&mock).await;
    let response = post(&mut send, HI).await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()),
        (200, "application/json")
    );
    assert_eq!(response.headers()["x-request-id"].len(), 36);
    let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert!(!response.headers().contains_key("transfer-encoding"));
    let (body, error) = read(response).await;
    assert!(error.is_none() && body.len() == length && body.contains("\"content\":\"hello\""), "{body}");
    let record = only_request(&mock).await;
    assert_eq!((record.http_version, record.stream_id, record.on_connection), ("HTTP/2", Some(1), 1));
    assert_eq!(
        (record.head.method(), record.head.path(), record.head.query()),
        ("POST", "/v1/chat/completions", Some("x=1"))
    );
    assert_eq!((record.header("host"), record.header("x-test")), (Some("a.test"), Some("1")));
    assert_eq!((record.body.as_ref(), record.body_complete, record.chunked), (HI.as_bytes(), true, false));
    assert_eq!((record.status, record.end, record.usage.is_some()), (Some(200), End::Complete, true));
    let taken = mock.journal().connections[0].taken;
    assert!(taken > HI.len() as u64, "{taken}");
}

#[tokio::test]
async fn streams_of_one_connection_run_side_by_side() {
    let mock = provider("{rules: [{when: {stream: true}, respond: {chunks: [a, b]}, fault: {stall: {after_chunks: 1}}}], respond: {text: x}}").await;
    let (mut send, _driver) = connect(&mock).await;
    let waiting = post(&mut send, HI_STREAM).await.expect("a head");
    for _ in 0..3 {
        let response = post(&mut send, HI).await.expect("an answer");
        assert!(read(response).await.1.is_none());
    }
    drop(waiting);
    let journal = settled(&mock).await;
    let seen: Vec<_> = journal.requests.iter().map(|r| (r.connection, r.on_connection, r.stream_id)).collect();
    assert_eq!(seen, [(1, 1, Some(1)), (1, 2, Some(3)), (1, 3, Some(5)), (1, 4, Some(7))]);
    assert!(matches!(journal.requests[0].end, End::ClientClosed { .. }));
    assert_eq!((journal.connections.len(), journal.connections[0].requests), (1, 4));
}

#[tokio::test]
async fn a_streamed_answer_keeps_its_gaps_and_ends_with_end_stream() {
    let mock = provider("{latency: {head: 20ms, ttft: 20ms, itl: 20ms}, respond: {chunks: [a, b, c]}}").await;
    let (mut send, _driver) = connect(&mock).await;
    let begun = std::time::Instant::now();
    let (body, error) = read(post(&mut send, HI_STREAM).await.expect("a head")).await;
    assert!(begun.elapsed() >= Duration::from_millis(80));
    assert!(error.is_none() && body.ends_with("data: [DONE]\n\n"), "{body}");
    let record = only_request(&mock).await;
    assert_eq!(record.events.len(), 5, "the role with the head, then one write a gap: {:?}", record.events);
    assert_eq!(record.events.iter().map(|(_, bytes)| bytes).sum::<usize>(), body.len());
}

#[tokio::test]
async fn a_reset_by_the_caller_is_noticed_at_once_wherever_it_falls() {
    for fault in ["hang_before_head: true", "stall: {after_chunks: 1}"] {
        let mock = provider(&format!("{{respond: {{chunks: [a, b]}}, fault: {{{fault}}}}}")).await;
        let (send, _driver) = connect(&mock).await;
        let request = Request::post("http://a/v1/chat/completions").body(()).expect("a request");
        let (response, mut out) = send.clone().ready().await.expect("open").send_request(request, false).expect("open");
        out.send_data(Bytes::from_static(HI_STREAM.as_bytes()), true).expect("open");
        soon(mock.wait_until(|journal| journal.requests.first().is_some_and(|record| record.fault.is_some()))).await;
        out.send_reset(Reason::CANCEL);
        let record = only_request(&mock).await;
        assert!(matches!(record.end, End::ClientClosed { .. }), "{fault}: {:?}", record.end);
        assert_eq!(mock.connections_open(), 1, "the connection lives on");
        drop(response);
    }
}

#[tokio::test]
async fn a_body_larger_than_every_window_goes_both_ways() {
    let mock = provider("{respond: {size: 3MiB}}").await;
    let (send, _driver) = connect(&mock).await;
    let request = Request::post("http://a/v1/chat/completions").body(()).expect("a request");
    let (response, mut out) = send.clone().ready().await.expect("open").send_request(request, false).expect("open");
    let mut body = Bytes::from(HI.to_owned() + &" ".repeat(3 << 20));
    while !body.is_empty() {
        out.reserve_capacity(body.len());
        let capacity = soon(std::future::poll_fn(|cx| out.poll_capacity(cx))).await.expect("open").expect("open");
        let part = body.split_to(capacity.min(body.len()));
        out.send_data(part, body.is_empty()).expect("open");
    }
    let (body, error) = read(soon(response).await.expect("an answer")).await;
    assert_eq!((body.len(), error.is_none()), (3 << 20, true));
    let record = only_request(&mock).await;
    assert_eq!((record.body.len(), record.end), (HI.len() + (3 << 20), End::Complete));
    assert_eq!(record.events.iter().map(|(_, bytes)| bytes).sum::<usize>(), 3 << 20);
}

#[tokio::test]
async fn a_caller_that_does_not_read_holds_the_answer_back() {
    let mock = provider("{respond: {size: 1MiB}}").await;
    let (mut send, _driver) = connect(&mock).await;
    let response = post(&mut send, HI).await.expect("a head");
    let waits = |journal: &mock_providers::Journal| journal.requests[0].writing_since.is_some();
    let journal = soon(mock.wait_until(waits)).await;
    assert!(journal.requests[0].events.iter().map(|(_, bytes)| bytes).sum::<usize>() < 1 << 20);
    assert_eq!(read(response).await.0.len(), 1 << 20);
    let record = only_request(&mock).await;
    assert!(record.writing_since.is_none() && !record.blocked.is_zero());
}

#[tokio::test]
async fn a_cut_ends_the_connection_with_all_its_streams_and_a_truncation_only_its_own() {
    for (how, kind) in [("fin", None), ("rst", Some(ErrorKind::ConnectionReset))] {
        let yaml = format!(
            "{{rules: [{{when: {{stream: false}}, fault: {{hang_before_head: true}}}}], respond: {{chunks: [a, b]}}, fault: {{disconnect: {{how: {how}, after_chunks: 1}}}}}}"
        );
        let mock = provider(&yaml).await;
        let (mut send, driver) = connect(&mock).await;
        let mut other = send.clone();
        let other = tokio::spawn(async move { post(&mut other, HI).await.map(drop) });
        soon(mock.wait_until(|journal| journal.requests.len() == 1)).await;
        let answer = post(&mut send, HI_STREAM).await;
        if how == "fin" {
            let (body, error) = read(answer.expect("a head")).await;
            assert!(error.is_some() && body.contains("\"a\"") && !body.contains("\"b\""), "{body}");
        }
        assert!(soon(other).await.expect("no panic").is_err());
        let ended = soon(driver).await.expect("no panic").err().and_then(|error| error.get_io().map(|io| io.kind()));
        assert!(kind.is_none() || ended == kind, "{ended:?}");
        let journal = settled(&mock).await;
        assert!(journal.requests.iter().all(|request| request.end == End::Fault));
        let journal = soon(mock.wait_until(|journal| journal.connections[0].closed_at.is_some())).await;
        let connection = &journal.connections[0];
        assert_eq!((connection.closed_by, connection.reset), (Some(Peer::Fault), how == "rst"));
    }
    let mock = provider("{respond: {chunks: [a, b]}, fault: {truncate: {after_chunks: 1}}}").await;
    let (mut send, _driver) = connect(&mock).await;
    for _ in 0..2 {
        let (body, error) = read(post(&mut send, HI_STREAM).await.expect("a head")).await;
        assert!(error.is_none() && body.contains("\"a\"") && !body.contains("[DONE]"), "{body}");
    }
    assert_eq!(settled(&mock).await.requests.iter().filter(|request| request.end == End::Fault).count(), 2);
}

#[tokio::test]
async fn alpn_decides_over_tls_unless_the_script_turns_it_off() {
    for (http2, expected) in [(true, "h2"), (false, "http/1.1")] {
        let ca = RunCa::new();
        let options = Options { tls: Some(ca.server_config(&["api.test"])), ..Options::default() };
        let script = script(&format!("{{tls: true, http2: {http2}, respond: {{text: x}}}}"));
        let mock = mock_providers::start("a", script, options).await.expect("a free port");
        let tcp = TcpStream::connect(mock.addr()).await.expect("open");
        let stream = connector(&ca).connect("api.test".try_into().expect("a name"), tcp).await.expect("trusted");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(expected.as_bytes()));
        if http2 {
            let (mut send, _driver) = handshake(stream).await;
            assert!(read(post(&mut send, HI).await.expect("an answer")).await.1.is_none());
        } else {
            let mut client = Client::over(stream);
            client.post("/v1/chat/completions", HI).await;
            assert_eq!(client.response().await.status, 200);
        }
        let facts = mock.journal().connections[0].tls.clone().expect("facts");
        assert_eq!((facts.alpn.as_deref(), facts.sni.as_deref()), (Some(expected), Some("api.test")));
    }
}

#[tokio::test]
async fn without_http2_the_preface_is_a_malformed_request() {
    let mock = provider("{http2: false}").await;
    let mut client = Client::connect(&mock).await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(client.response().await.status, 400);
    assert!(only_request(&mock).await.malformed.is_some());
}

#[tokio::test]
async fn an_idle_connection_says_goaway_after_its_time() {
    let mock = provider("{idle_timeout: 30ms, respond: {text: x}}").await;
    let (mut send, driver) = connect(&mock).await;
    assert!(read(post(&mut send, HI).await.expect("an answer")).await.1.is_none());
    soon(driver).await.expect("no panic").expect("an orderly end");
    let journal = soon(mock.wait_until(|journal| journal.connections[0].closed_at.is_some())).await;
    assert_eq!((journal.connections[0].closed_by, journal.connections[0].reset), (Some(Peer::Mock), false));
}

#[tokio::test]
async fn a_caller_that_leaves_ends_its_streams_and_bad_frames_end_the_connection() {
    let mock = provider("{fault: {hang_before_head: true}}").await;
    let (mut send, driver) = connect(&mock).await;
    let hanging = tokio::spawn(async move { post(&mut send, HI).await.map(drop) });
    soon(mock.wait_until(|journal| journal.requests.len() == 1)).await;
    driver.abort();
    assert!(soon(hanging).await.expect("no panic").is_err());
    assert!(matches!(only_request(&mock).await.end, End::ClientClosed { .. }));
    let mut client = Client::connect(&mock).await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n").await;
    client.rest().await;
    let journal =
        soon(mock.wait_until(|journal| journal.connections.len() == 2 && journal.open_connections().next().is_none()))
            .await;
    let ends: Vec<_> = journal.connections.iter().map(|connection| connection.closed_by).collect();
    assert_eq!(ends, [Some(Peer::Client), Some(Peer::Mock)]);
}

/// The one answer to a stream under this fault, as far as it came.
async fn spoilt(fault: &str) -> (Result<(String, Option<h2::Error>), h2::Error>, MockProvider) {
    let mock = provider(&format!("{{respond: {{chunks: [a, b, c]}}, {fault}}}")).await;
    let (mut send, _driver) = connect(&mock).await;
    let answer = match post(&mut send, HI_STREAM).await {
        Ok(response) => Ok(read(response).await),
        Err(error) => Err(error),
    };
    (answer, mock)
}

#[tokio::test]
async fn a_stream_may_be_reset_with_any_code_before_its_head_or_in_its_body() {
    let (answer, mock) = spoilt("fault: {http2_rst_stream: {after_chunks: 1, code: enhance_your_calm}}").await;
    let (body, error) = answer.expect("a head");
    assert!(body.contains("\"a\"") && !body.contains("\"b\""), "{body}");
    assert_eq!(error.and_then(|error| error.reason()), Some(Reason::ENHANCE_YOUR_CALM));
    let record = only_request(&mock).await;
    assert_eq!((record.fault.as_deref(), record.end), (Some("http2_rst_stream"), End::Fault));
    assert_eq!(mock.connections_open(), 1);
    let (answer, mock) =
        spoilt("fault: {http2_rst_stream: {before_head: true, code: refused_stream}, status: 503}").await;
    assert_eq!(answer.expect_err("no head").reason(), Some(Reason::REFUSED_STREAM));
    let record = only_request(&mock).await;
    assert_eq!((record.fault.as_deref(), record.status), (Some("http2_rst_stream"), None));
    assert_eq!(record.not_applicable, ["status"]);
    let (answer, _mock) = spoilt("fault: {http2_rst_stream: {}}").await;
    let (body, error) = answer.expect("a head");
    assert_eq!((body.as_str(), error.and_then(|error| error.reason())), ("", Some(Reason::INTERNAL_ERROR)));
}

#[tokio::test]
async fn goaway_lets_a_stream_end_or_not_by_its_code() {
    for place in ["after_chunks: 1", "before_head: true"] {
        let (answer, mock) = spoilt(&format!("fault: {{http2_goaway: {{{place}}}}}")).await;
        let (body, error) = answer.expect("a head");
        assert!(error.is_none() && body.ends_with("[DONE]\n\n"), "{place}: {body}");
        let record = only_request(&mock).await;
        assert_eq!((record.fault.as_deref(), record.end), (Some("http2_goaway"), End::Complete));
        let journal = soon(mock.wait_until(|journal| journal.connections[0].closed_at.is_some())).await;
        assert_eq!((journal.connections[0].closed_by, journal.connections[0].reset), (Some(Peer::Fault), false));
    }
    let mock =
        provider("{respond: {chunks: [a, b]}, fault: {http2_goaway: {after_chunks: 1, code: internal_error}}}").await;
    let (mut send, driver) = connect(&mock).await;
    let (body, error) = read(post(&mut send, HI_STREAM).await.expect("a head")).await;
    assert!(error.is_some() && body.contains("\"a\"") && !body.contains("\"b\""), "{body}");
    let told = soon(driver).await.expect("no panic").expect_err("not in order");
    assert_eq!(told.reason(), Some(Reason::INTERNAL_ERROR));
    assert_eq!(only_request(&mock).await.end, End::Fault);
}

#[tokio::test]
async fn faults_mean_the_same_over_http2_or_are_not_applicable() {
    let (answer, mock) = spoilt("fault: {stall: {after_chunks: 1, for: 5ms}, split: {inside_json: true}, coalesce: 2, dribble: {bytes: 90, gap: 1ms}, huge_header: 20KiB, gzip_unasked: true}").await;
    assert!(answer.expect("a head").1.is_none());
    assert_eq!(
        only_request(&mock).await.fault.as_deref(),
        Some("gzip_unasked+huge_header+stall+coalesce+split+dribble")
    );
    let (answer, mock) = spoilt("fault: {malformed_chunk_header: {}, duplicate_headers: [transfer-encoding]}").await;
    assert!(answer.expect("a head").1.is_none());
    assert_eq!(only_request(&mock).await.not_applicable, ["duplicate_headers", "malformed_chunk_header"]);
    let (answer, mock) = spoilt("fault: {garbage_then_close: true}").await;
    assert!(answer.is_err());
    assert_eq!(only_request(&mock).await.fault.as_deref(), Some("garbage_then_close"));
    let (answer, _mock) = spoilt("fault: {bad_content_length: more}").await;
    assert!(answer.map_or(true, |(_, error)| error.is_some()), "the library checks what is declared");
    let (answer, mock) = spoilt("fault: {status: 101}").await;
    assert_eq!(answer.expect_err("no such head").reason(), Some(Reason::INTERNAL_ERROR));
    assert_eq!(only_request(&mock).await.end, End::Fault);
}

#[tokio::test]
async fn faults_on_the_way_in_mean_the_same_over_http2() {
    let mock = provider("{faults: [{nth: 1, early_response: close, status: 413}, {nth: 1, read_slowly: 1kB}, {close_during_upload: {after_bytes: 3}}]}").await;
    let (send, driver) = connect(&mock).await;
    let request = || Request::post("http://a/v1/chat/completions").body(()).expect("a request");
    let (response, mut out) = send.clone().ready().await.expect("open").send_request(request(), false).expect("open");
    assert_eq!(soon(response).await.expect("an answer").status().as_u16(), 413);
    let reset = soon(std::future::poll_fn(|cx| out.poll_reset(cx))).await.expect("a reset");
    assert_eq!(reset, Reason::NO_ERROR);
    let (response, mut out) = send.clone().ready().await.expect("open").send_request(request(), false).expect("open");
    out.send_data(Bytes::from_static(b"0123"), false).expect("open");
    assert!(soon(response).await.is_err());
    let _ = soon(driver).await.expect("no panic");
    let journal = settled(&mock).await;
    let seen: Vec<_> =
        journal.requests.iter().map(|r| (r.fault.as_deref(), r.body.as_ref(), r.body_complete)).collect();
    assert_eq!(
        seen,
        [(Some("status+early_response"), &b""[..], false), (Some("close_during_upload"), &b"0123"[..], false)]
    );
    let mock = provider("{faults: [{read_slowly: 1kB}], respond: {text: x}}").await;
    let (mut send, _driver) = connect(&mock).await;
    let begun = std::time::Instant::now();
    assert!(read(post(&mut send, HI).await.expect("an answer")).await.1.is_none());
    assert!(begun.elapsed() >= Duration::from_millis(HI.len() as u64));
    assert_eq!(only_request(&mock).await.fault.as_deref(), Some("read_slowly"));
}
