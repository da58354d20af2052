//! Faults in the bytes of a body and their times, and write boundaries.

use std::time::{Duration, Instant};

use mock_providers::{End, RequestRecord};

use crate::support::{Client, HI, HI_STREAM, only_request, provider};

const FIVE: &str = "respond: {chunks: [a, b c, d e f, g, h]}";

/// What a stream under this fault says until its connection ends, and its record.
async fn cut(fault: &str) -> (String, RequestRecord) {
    let mock = provider(&format!("{{latency: {{ttft: 20ms, itl: 20ms}}, {FIVE}, fault: {{{fault}}}}}")).await;
    let mut client = Client::connect(&mock).await;
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{HI_STREAM}",
        HI_STREAM.len()
    );
    client.send(request).await;
    (String::from_utf8_lossy(&client.rest().await.0).into_owned(), only_request(&mock).await)
}

fn said(text: &str) -> Vec<&str> {
    text.split("\"content\":\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap_or_default())
        .filter(|s| !s.is_empty())
        .collect()
}

#[tokio::test]
async fn places_may_be_counted_in_tokens() {
    let (text, record) = cut("disconnect: {after_tokens: 3}").await;
    assert_eq!((said(&text), record.fault.as_deref()), (vec!["a", "b c"], Some("disconnect")));
    assert_eq!(said(&cut("truncate: {after_tokens: 4}").await.0), ["a", "b c", "d e f"]);
    assert_eq!(said(&cut("disconnect: {after_tokens: 0}").await.0), Vec::<&str>::new());
    let (text, record) = cut("disconnect: {after_tokens: 99}").await;
    assert!(text.contains("[DONE]") && !text.ends_with("0\r\n\r\n"), "applied at the end");
    assert_eq!((record.fault.as_deref(), record.end), (Some("disconnect"), End::Fault));
    let (text, _) = cut("error_event: {after_tokens: 1}").await;
    assert!(said(&text) == ["a"] && text.contains("server_error"));
}

#[tokio::test]
async fn places_may_be_a_time_after_the_head() {
    let begun = Instant::now();
    let (text, record) = cut("disconnect: {after: 50ms}").await;
    assert!(begun.elapsed() >= Duration::from_millis(50));
    assert_eq!((said(&text), record.fault.as_deref()), (vec!["a", "b c"], Some("disconnect")));
    let (text, record) = cut("truncate: {after: 50ms}").await;
    assert!(said(&text) == ["a", "b c"] && text.ends_with("0\r\n\r\n"));
    let silence = record.events.last().map(|(at, _)| *at).expect("events");
    assert!(silence < record.head_at.expect("a head") + Duration::from_millis(60));
    let (text, _) = cut("error_event: {after: 10ms}").await;
    assert!(said(&text).is_empty() && text.contains("server_error"));
    let (text, _) = cut("disconnect: {after: 1h}").await;
    assert_eq!(said(&text).len(), 5, "a time that the answer does not reach is its end");
    assert_eq!(said(&cut("disconnect: {after: 1h, after_chunks: 2}").await.0).len(), 2, "the earliest counts");
    let begun = Instant::now();
    let (text, _) = cut("stall: {after: 30ms, for: 60ms}").await;
    assert!(said(&text).len() == 5 && begun.elapsed() >= Duration::from_millis(180), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_chunk_header_may_be_no_number() {
    let (text, record) = cut("malformed_chunk_header: {after_chunks: 2}").await;
    assert!(said(&text) == ["a", "b c"] && text.ends_with("\n\n\r\nsize?\r\n"), "{text}");
    assert_eq!((record.fault.as_deref(), record.end), (Some("malformed_chunk_header"), End::Fault));
    let mock =
        provider("{fault: {malformed_chunk_header: {}, http2_goaway: {}, http2_rst_stream: {before_head: true}}}")
            .await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/chat/completions", HI).await;
    assert_eq!(client.response().await.status, 200);
    let record = only_request(&mock).await;
    assert_eq!(record.not_applicable, ["malformed_chunk_header", "http2_rst_stream", "http2_goaway"]);
    assert_eq!(record.fault, None);
}

#[tokio::test]
async fn several_events_may_leave_in_one_write() {
    let (text, record) = cut("coalesce: 3").await;
    assert!(said(&text).len() == 5 && text.ends_with("0\r\n\r\n"));
    assert_eq!(record.events.len(), 3, "eight events: {:?}", record.events);
    assert_eq!(record.fault.as_deref(), Some("coalesce"));
    let took = record.events[2].0 - record.head_at.expect("a head");
    assert!(took >= Duration::from_millis(50), "no event is earlier than it was: {took:?}");
}

#[tokio::test]
async fn events_may_be_split_inside_their_json() {
    let (text, record) = cut("split: {inside_json: true, gap: 0ms}").await;
    let events = text.matches("data: {").count();
    assert_eq!(text.matches("data: [DONE]").count(), 1);
    assert_eq!(record.events.len(), 2 * events - 1 + 1, "{:?}", record.events);
}

#[tokio::test]
async fn all_of_it_combines_and_the_first_end_counts() {
    let fault = "stall: {after_chunks: 1, for: 10ms}, disconnect: {after_chunks: 2}, malformed_chunk_header: {after_chunks: 3}, coalesce: 2, dribble: {bytes: 50, gap: 1ms}";
    let (text, record) = cut(fault).await;
    let body: String = text
        .split("\r\n")
        .skip_while(|line| !line.is_empty())
        .skip(1)
        .filter(|line| usize::from_str_radix(line, 16).is_err())
        .collect();
    assert_eq!(said(&body), ["a", "b c"], "{body}");
    assert_eq!(record.fault.as_deref(), Some("stall+disconnect+coalesce+dribble"));
    assert_eq!(record.not_applicable, ["malformed_chunk_header"]);
}
