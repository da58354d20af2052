use std::time::Duration;

use mock_providers::{End, MockProvider, Peer};

use crate::support::{Client, HI, HI_STREAM, only_request, provider, soon};

async fn closed_by_client(mock: &MockProvider) -> bool {
    let record = only_request(mock).await;
    assert!(matches!(record.end, End::ClientClosed { at } if at >= record.received_at), "{:?}", record.end);
    let journal = soon(mock.wait_until(|journal| journal.connections[0].closed_at.is_some())).await;
    assert_eq!(journal.connections[0].closed_by, Some(Peer::Client));
    journal.connections[0].reset
}

#[tokio::test]
async fn a_client_that_closes_a_stalled_stream_is_noticed() {
    let mock = provider("{respond: {chunks: [a, b]}, fault: {stall: {after_chunks: 1}}}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/chat/completions", HI_STREAM).await;
    client.read_until("\"content\":\"a\"").await;
    drop(client);
    assert!(!closed_by_client(&mock).await);
}

#[tokio::test]
async fn a_client_that_resets_is_noticed_as_such() {
    let mock = provider("{fault: {hang_before_head: true}}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/chat/completions", HI).await;
    soon(mock.wait_until(|journal| journal.requests.iter().any(|request| request.body_complete))).await;
    client.reset();
    assert!(closed_by_client(&mock).await);
}

#[tokio::test]
async fn a_client_that_leaves_between_two_events_is_noticed_before_the_next() {
    let mock = provider("{latency: {itl: 60s}, respond: {chunks: [a, b]}}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/chat/completions", HI_STREAM).await;
    client.read_until("\"content\":\"a\"").await;
    drop(client);
    closed_by_client(&mock).await;
}

#[tokio::test]
async fn a_client_that_leaves_inside_its_body_leaves_what_it_sent() {
    let mock = provider("{}").await;
    let mut client = Client::connect(&mock).await;
    client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc").await;
    drop(client);
    closed_by_client(&mock).await;
    let record = only_request(&mock).await;
    assert_eq!((record.body.as_ref(), record.body_complete, record.status), (&b"abc"[..], false, None));
}

#[tokio::test]
async fn a_client_that_stops_reading_and_leaves_is_noticed_in_the_middle_of_a_write() {
    let body = "x".repeat(32 << 20);
    let mock = provider(&format!("{{respond: {{body: {body}}}}}")).await;
    let mut client = Client::connect(&mock).await;
    client.get("/large").await;
    client.read_until("HTTP/1.1 200").await;
    drop(client);
    closed_by_client(&mock).await;
}

#[tokio::test]
async fn a_hang_or_stall_with_an_end_goes_on_after_it() {
    let yaml = "{respond: {chunks: [a, b]}, fault: {hang_before_head: 20ms, stall: {after_chunks: 1, for: 30ms}}}";
    let mock = provider(yaml).await;
    let response = crate::support::chat(&mock, HI_STREAM).await;
    assert!(response.text().ends_with("data: [DONE]\n\n"));
    let record = only_request(&mock).await;
    assert!(record.head_at.expect("a head") - record.received_at >= Duration::from_millis(20));
    assert_eq!((record.events.len(), record.end), (2, End::Complete));
    assert!(record.events[1].0 - record.events[0].0 >= Duration::from_millis(29));
}
