use std::io::ErrorKind;

use mock_providers::{End, Peer};

use crate::support::{Client, HI, HI_STREAM, chat, only_request, provider, soon};

async fn cut(yaml: &str, body: &str) -> (String, Option<ErrorKind>, mock_providers::MockProvider) {
    let mock = provider(yaml).await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/chat/completions", body).await;
    let (bytes, error) = client.rest().await;
    (String::from_utf8(bytes).expect("UTF-8"), error, mock)
}

#[tokio::test]
async fn a_fin_leaves_the_stream_without_its_terminator() {
    let yaml = "{respond: {chunks: [a, b, c]}, fault: {disconnect: {how: fin, after_chunks: 2}}}";
    let (text, error, mock) = cut(yaml, HI_STREAM).await;
    assert_eq!(error, None);
    assert!(text.contains("\"content\":\"b\"") && !text.contains("\"content\":\"c\""));
    assert!(!text.ends_with("0\r\n\r\n") && text.ends_with("\n\n\r\n"));
    let record = only_request(&mock).await;
    assert_eq!((record.fault.as_deref(), record.end), (Some("disconnect"), End::Fault));
    let journal = soon(mock.wait_until(|journal| journal.connections[0].closed_at.is_some())).await;
    let connection = &journal.connections[0];
    assert_eq!((connection.closed_by, connection.reset), (Some(Peer::Fault), false));
}

#[tokio::test]
async fn a_rst_is_a_reset_after_the_bytes_before_it() {
    let yaml = "{respond: {chunks: [a, b, c]}, fault: {disconnect: {how: rst, after_chunks: 2}}}";
    let (text, error, mock) = cut(yaml, HI_STREAM).await;
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    assert!(text.contains("\"content\":\"b\"") && !text.contains("\"content\":\"c\""));
    let journal = soon(mock.wait_until(|journal| journal.connections[0].closed_at.is_some())).await;
    assert_eq!((journal.connections[0].closed_by, journal.connections[0].reset), (Some(Peer::Fault), true));
}

#[tokio::test]
async fn a_json_body_is_cut_at_its_byte_under_its_full_length() {
    let yaml = "{respond: {body: '0123456789'}, fault: {disconnect: {after_bytes: 4}}}";
    let (text, _, mock) = cut(yaml, HI).await;
    assert!(text.contains("content-length: 10\r\n") && text.ends_with("\r\n\r\n0123"));
    assert_eq!(only_request(&mock).await.events.iter().map(|(_, bytes)| bytes).sum::<usize>(), 4);
}

#[tokio::test]
async fn nothing_is_said_before_an_empty_response_or_an_early_reset() {
    let (text, error, mock) = cut("{fault: {empty_response: true}}", HI).await;
    assert_eq!((text.as_str(), error), ("", None));
    let record = only_request(&mock).await;
    assert_eq!((record.status, record.end, record.body_complete), (None, End::Fault, true));
    let (text, error, _mock) = cut("{fault: {rst_before_head: true}}", HI).await;
    assert_eq!((text.as_str(), error), ("", Some(ErrorKind::ConnectionReset)));
}

#[tokio::test]
async fn a_truncated_stream_ends_cleanly_without_finish_and_done() {
    let yaml = "{respond: {chunks: [a, b, c]}, fault: {truncate: {after_chunks: 2}}}";
    let mock = provider(yaml).await;
    let response = chat(&mock, HI_STREAM).await;
    assert_eq!(response.events().len(), 3);
    assert!(!response.text().contains("[DONE]"));
    assert_eq!(only_request(&mock).await.end, End::Fault);
}

#[tokio::test]
async fn an_error_event_replaces_the_rest_of_the_stream() {
    let yaml = "{respond: {chunks: [a, b]}, fault: {error_event: {after_chunks: 1}}}";
    let mock = provider(yaml).await;
    let events = chat(&mock, HI_STREAM).await.events();
    assert_eq!(events.len(), 3);
    assert_eq!(events[2]["error"]["type"], "server_error");
}

#[tokio::test]
async fn an_error_event_without_a_stream_is_the_whole_answer() {
    let mock = provider("{respond: {text: a}, fault: {error_event: {after_chunks: 1}}}").await;
    let response = chat(&mock, HI).await;
    assert_eq!((response.status, response.header("content-type")), (500, Some("application/json")));
    assert_eq!(response.json()["error"]["type"], "server_error");
    let record = only_request(&mock).await;
    assert_eq!((record.fault.as_deref(), record.usage), (Some("error_event"), None));
}

#[tokio::test]
async fn only_done_is_missing_when_it_is_left_out() {
    let mock = provider("{respond: {chunks: [a]}, fault: {missing_done: true}}").await;
    let response = chat(&mock, HI_STREAM).await;
    assert_eq!(response.events().len(), 3);
    assert!(!response.text().contains("[DONE]"));
    assert_eq!(only_request(&mock).await.end, End::Complete);
}
