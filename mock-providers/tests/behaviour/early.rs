//! Faults that are decided before a request is whole: with its connection, or with its head.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mock_providers::tls::RunCa;
use mock_providers::{ConnectionRecord, End, MockProvider, Options, Peer};
use tokio::net::TcpStream;

use crate::support::{Client, HI, chat, only_request, provider, script, settled, soon};
use crate::tls::connector;

/// The connection of this number, once it has ended.
async fn ended(mock: &MockProvider, number: usize) -> ConnectionRecord {
    let over = |journal: &mock_providers::Journal| {
        journal.connections.get(number - 1).is_some_and(|connection| connection.closed_at.is_some())
    };
    soon(mock.wait_until(over)).await.connections.swap_remove(number - 1)
}

#[tokio::test]
async fn a_connection_may_end_as_soon_as_it_is_accepted() {
    for (key, error, reset) in
        [("accept_then_close", None, false), ("rst_on_accept", Some(ErrorKind::ConnectionReset), true)]
    {
        let mock = provider(&format!("{{faults: [{{times: 1, {key}: true}}], respond: {{text: x}}}}")).await;
        // One that is reset may be so before it is known to be open.
        if let Ok(tcp) = TcpStream::connect(mock.addr()).await {
            assert_eq!(Client::over(tcp).rest().await, (Vec::new(), error), "{key}");
        }
        let connection = ended(&mock, 1).await;
        assert_eq!((connection.closed_by, connection.reset), (Some(Peer::Fault), reset));
        assert_eq!((connection.fault.as_deref(), connection.requests), (Some(key), 0));
        assert_eq!(chat(&mock, HI).await.status, 200, "the next one is served");
    }
}

#[tokio::test]
async fn a_connection_may_hang_or_be_served_late() {
    let mock =
        provider("{faults: [{nth: [1], accept_then_hang: 30ms}, {nth: [2], slow_accept: 30ms}], respond: {text: x}}")
            .await;
    let begun = Instant::now();
    let mut client = Client::connect(&mock).await;
    client.post("/v1/chat/completions", HI).await;
    assert!(client.rest().await.0.is_empty());
    assert!(begun.elapsed() >= Duration::from_millis(30));
    let begun = Instant::now();
    assert_eq!(chat(&mock, HI).await.status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(30));
    assert_eq!(chat(&mock, HI).await.status, 200);
    let faults: Vec<_> = mock.journal().connections.into_iter().map(|connection| connection.fault).collect();
    assert_eq!(faults, [Some("accept_then_hang".to_owned()), Some("slow_accept".to_owned()), None]);
    let mock = provider("{faults: [{accept_then_hang: true}]}").await;
    let client = Client::connect(&mock).await;
    soon(mock.wait_until(|journal| journal.connections.len() == 1)).await;
    drop(client);
    assert_eq!(ended(&mock, 1).await.closed_by, Some(Peer::Client));
}

#[tokio::test]
async fn which_connections_are_hit_follows_from_the_seed_and_their_number() {
    let fates = async |seed: u64| {
        let options = Options { seed, ..Options::default() };
        let script = script("{faults: [{probability: 0.5, rst_on_accept: true}]}");
        let mock = mock_providers::start("a", script, options).await.expect("a free port");
        for _ in 0..32 {
            // Some are reset before they are known to be open.
            drop(TcpStream::connect(mock.addr()).await);
        }
        let mut hit = Vec::new();
        for number in 1..=32 {
            hit.push(ended(&mock, number).await.fault.is_some());
        }
        hit
    };
    let first = fates(1).await;
    assert!(first.iter().any(|hit| *hit) && !first.iter().all(|hit| *hit));
    assert_eq!(first, fates(1).await);
    assert_ne!(first, fates(2).await);
}

/// A provider over TLS, and what a client that trusts its CA says to its first connection.
async fn over_tls(faults: &str, with_ca: bool) -> (MockProvider, Option<String>) {
    let ca = Arc::new(RunCa::new());
    let (tls, signer) = (Some(ca.server_config(&["api.test"])), with_ca.then(|| ca.clone()));
    let options = Options { tls, ca: signer, ..Options::default() };
    let script = script(&format!("{{tls: true, faults: [{{times: 1, {faults}}}], respond: {{text: x}}}}"));
    let mock = mock_providers::start("a", script, options).await.expect("a free port");
    let name = || "api.test".try_into().expect("a name");
    let tcp = TcpStream::connect(mock.addr()).await.expect("open");
    let said = soon(connector(&ca).connect(name(), tcp)).await.err().map(|error| error.to_string());
    let tcp = TcpStream::connect(mock.addr()).await.expect("open");
    assert!(soon(connector(&ca).connect(name(), tcp)).await.is_ok(), "the second connection is fine");
    (mock, said)
}

#[tokio::test]
async fn a_single_connection_may_show_a_bad_certificate_or_none() {
    for (kind, words) in [
        ("wrong_host", "not valid for name"),
        ("expired", "expired"),
        ("self_signed", "UnknownIssuer"),
        ("unknown_ca", "UnknownIssuer"),
    ] {
        let (mock, said) = over_tls(&format!("tls_bad_cert: {kind}"), true).await;
        assert!(said.as_ref().is_some_and(|said| said.contains(words)), "{kind}: {said:?}");
        let connection = ended(&mock, 1).await;
        let failure = connection.tls_failure.expect("a failure");
        assert_eq!((connection.fault.as_deref(), failure.sni.as_deref()), (Some("tls_bad_cert"), Some("api.test")));
    }
    let (mock, said) = over_tls("tls_handshake_fail: true", false).await;
    assert!(said.as_ref().is_some_and(|said| said.contains("HandshakeFailure")), "{said:?}");
    let connection = ended(&mock, 1).await;
    assert_eq!((connection.closed_by, connection.fault.as_deref()), (Some(Peer::Fault), Some("tls_handshake_fail")));
    assert_eq!(connection.tls_failure.and_then(|failure| failure.sni).as_deref(), Some("api.test"));
}

#[tokio::test]
async fn what_a_connection_gives_no_chance_to_is_told_apart() {
    let (mock, said) = over_tls("tls_bad_cert: expired", false).await;
    assert_eq!(said, None, "without a CA the usual certificate is shown");
    assert_eq!(mock.journal().connections[0].not_applicable, ["tls_bad_cert"]);
    let mock =
        provider("{faults: [{tls_handshake_fail: true, slow_accept: 1ms, status: 503}], respond: {text: x}}").await;
    assert_eq!(chat(&mock, HI).await.status, 200);
    let connection = &mock.journal().connections[0];
    assert_eq!(connection.fault.as_deref(), Some("slow_accept"));
    assert_eq!(connection.not_applicable, ["tls_handshake_fail", "status"]);
    let mock = provider("{fault: {rst_on_accept: true, early_response: drain}, respond: {text: x}}").await;
    assert_eq!(chat(&mock, HI).await.status, 200);
    assert_eq!(only_request(&mock).await.not_applicable, ["rst_on_accept", "early_response"]);
}

#[tokio::test]
async fn an_answer_may_come_before_the_body_which_is_then_read_or_left() {
    let mock = provider("{faults: [{early_response: drain, status: 413}], respond: {text: x}}").await;
    let mut client = Client::connect(&mock).await;
    for _ in 0..2 {
        client
            .send("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n")
            .await;
        assert_eq!(client.response().await.status, 413);
        client.send("0123456789").await;
    }
    let whole = |journal: &mock_providers::Journal| journal.requests.iter().filter(|r| r.body_complete).count() == 2;
    let journal = soon(mock.wait_until(whole)).await;
    let record = &journal.requests[1];
    assert_eq!((record.body.as_ref(), record.connection, record.end), (&b"0123456789"[..], 1, End::Complete));
    assert_eq!((record.fault.as_deref(), record.rule.as_ref()), (Some("status+early_response"), "respond"));
    assert!(record.head_at < record.body_at);

    let mock = provider("{faults: [{early_response: close}], respond: {json: {ok: true}}}").await;
    let mut client = Client::connect(&mock).await;
    client.send("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nonly this").await;
    let answer = client.response().await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!(client.rest().await, (Vec::new(), None));
    let record = only_request(&mock).await;
    assert_eq!((record.body_complete, record.fault.as_deref()), (false, Some("early_response")));

    let mut client = Client::connect(&mock).await;
    client.get("/x").await;
    assert_eq!(client.response().await.status, 200);
    let record = settled(&mock).await.requests.swap_remove(1);
    assert_eq!(
        (record.fault, record.not_applicable),
        (None, vec!["early_response"]),
        "there was no body to be early for"
    );
}

#[tokio::test]
async fn a_rate_below_a_byte_a_tick_is_kept_too() {
    let mock = provider("{faults: [{read_slowly: 10B}], respond: {body: ok}}").await;
    let mut client = Client::connect(&mock).await;
    client.send("POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n").await;
    // only what does not come with the head is read slowly
    mock.wait_until(|journal| journal.requests.len() == 1).await;
    let begun = Instant::now();
    client.send("123").await;
    assert_eq!(client.response().await.text(), "ok");
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_body_may_be_read_slowly_however_it_is_framed() {
    let mock = provider("{faults: [{when: {path: '*/slow'}, read_slowly: 1kB}], respond: {body: ok}}").await;
    let mut client = Client::connect(&mock).await;
    let fixed = format!("POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 60\r\n\r\n{}", "x".repeat(60));
    let chunked = format!(
        "POST /slow HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3c\r\n{}\r\n0\r\n\r\n",
        "x".repeat(60)
    );
    for request in [fixed, chunked] {
        let begun = Instant::now();
        client.send(request).await;
        assert_eq!(client.response().await.text(), "ok");
        assert!(begun.elapsed() >= Duration::from_millis(60), "{:?}", begun.elapsed());
    }
    client.get("/slow").await;
    client.response().await;
    client.post("/fast", "body").await;
    client.response().await;
    let faults: Vec<_> = settled(&mock).await.requests.into_iter().map(|r| (r.fault, r.not_applicable)).collect();
    let slow = || (Some("read_slowly".to_owned()), vec![]);
    assert_eq!(faults, [slow(), slow(), (None, vec!["read_slowly"]), (None, vec![])]);
}

#[tokio::test]
async fn a_large_body_that_is_read_slowly_holds_its_sender_back() {
    let mock = provider("{faults: [{read_slowly: 100kB}]}").await;
    let mut client = Client::connect(&mock).await;
    let length = 64 << 20;
    client.send(format!("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")).await;
    let sent = tokio::time::timeout(Duration::from_millis(200), client.send(vec![b'x'; length])).await;
    assert!(sent.is_err(), "64 MiB do not fit into what the system holds");
    client.reset();
    let record = only_request(&mock).await;
    assert!(matches!(record.end, End::ClientClosed { .. }) && record.body.len() < 200_000, "{}", record.body.len());
}

#[tokio::test]
async fn a_connection_may_end_in_the_middle_of_an_upload() {
    let upload = [
        "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n0123456789",
        "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\n012\r\n7\r\n3456789\r\n0\r\n\r\n",
    ];
    for (how, error) in [("fin", None), ("rst", Some(ErrorKind::ConnectionReset))] {
        for (after, kept) in [(0, ""), (4, "0123"), (99, "0123456789")] {
            for bytes in upload {
                let yaml = format!("{{faults: [{{close_during_upload: {{after_bytes: {after}, how: {how}}}}}]}}");
                let mock = provider(&yaml).await;
                let mut client = Client::connect(&mock).await;
                client.send(bytes).await;
                assert_eq!(client.rest().await, (Vec::new(), error), "{yaml} {bytes}");
                let record = only_request(&mock).await;
                assert_eq!((record.body.as_ref(), record.body_complete), (kept.as_bytes(), after == 99));
                assert_eq!((record.fault.as_deref(), record.end), (Some("close_during_upload"), End::Fault));
                assert_eq!((record.status, ended(&mock, 1).await.closed_by), (None, Some(Peer::Fault)));
            }
        }
    }
}
