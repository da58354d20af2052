use std::time::Duration;

use mock_providers::{End, MockProvider, Options};

use crate::support::{Client, HI, HI_STREAM, chat, only_request, provider, script, soon};

async fn keeping(yaml: &str, keep_sent: usize) -> MockProvider {
    let options = Options { keep_sent, ..Options::default() };
    mock_providers::start("a", script(yaml), options).await.expect("a free port")
}

#[tokio::test]
async fn a_split_inside_characters_is_seen_by_the_reader() {
    let yaml = "{respond: {sse: [{raw: 'né!'}]}, fault: {split: {inside_utf8: true, gap: 60ms}}}";
    let mock = provider(yaml).await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/chat/completions", HI_STREAM).await;
    let first = client.read().await;
    assert!(first.ends_with(b"2\r\nn\xc3\r\n"), "{:?}", String::from_utf8_lossy(&first));
    let second = client.read().await;
    assert_eq!(second, b"2\r\n\xa9!\r\n0\r\n\r\n");
}

#[tokio::test]
async fn every_split_piece_is_a_write_of_its_own_and_the_text_is_whole() {
    let mock = provider("{respond: {body: '0123456789'}, fault: {split: {every: 4, at: [1]}}}").await;
    assert_eq!(chat(&mock, HI).await.text(), "0123456789");
    let record = only_request(&mock).await;
    let sizes: Vec<usize> = record.events.iter().map(|(_, bytes)| *bytes).collect();
    assert_eq!((sizes, record.fault.as_deref()), (vec![1, 3, 4, 2], Some("split")));
}

#[tokio::test]
async fn a_dribble_takes_its_time() {
    let mock = provider("{respond: {body: '0123456789'}, fault: {dribble: {bytes: 4, gap: 10ms}}}").await;
    assert_eq!(chat(&mock, HI).await.text(), "0123456789");
    let events = only_request(&mock).await.events;
    assert_eq!(events.len(), 3);
    assert!(events[2].0 - events[0].0 >= Duration::from_millis(19));
}

#[tokio::test]
async fn events_without_a_gap_leave_in_one_write() {
    let mock = provider("{respond: {text: one two three}}").await;
    let response = chat(&mock, HI_STREAM).await;
    let record = only_request(&mock).await;
    assert_eq!(record.events.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>(), [response.body.len()]);
}

#[tokio::test]
async fn what_was_sent_is_kept_event_by_event_when_asked_for() {
    let yaml = "{respond: {sse: [{data: one}, {data: two}, done]}}";
    let mock = keeping(yaml, 1 << 20).await;
    let response = chat(&mock, HI_STREAM).await;
    let record = only_request(&mock).await;
    assert_eq!(record.sent, ["data: one\n\n", "data: two\n\n", "data: [DONE]\n\n"]);
    assert_eq!((record.sent.concat(), record.sent_bytes), (response.body.clone(), response.body.len()));
    let mock = keeping(yaml, 13).await;
    chat(&mock, HI_STREAM).await;
    assert_eq!(only_request(&mock).await.sent, ["data: one\n\n", "da"]);
    let mock = provider(yaml).await;
    chat(&mock, HI_STREAM).await;
    assert!(only_request(&mock).await.sent.is_empty(), "nothing is kept unasked");
}

#[tokio::test]
async fn what_was_sent_before_a_cut_is_what_the_caller_got() {
    let mock =
        keeping("{respond: {chunks: [a, b, c], encoding: gzip}, fault: {disconnect: {after_chunks: 2}}}", 9999).await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/chat/completions", HI_STREAM).await;
    let (bytes, _) = client.rest().await;
    let sent = only_request(&mock).await.sent;
    assert_eq!(sent.len(), 3);
    let chunks: Vec<u8> =
        sent.iter().flat_map(|piece| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()).collect();
    assert!(bytes.ends_with(&chunks));
}

#[tokio::test]
async fn a_caller_that_does_not_read_is_seen_as_a_write_that_waits() {
    let body = "x".repeat(32 << 20);
    let mock = provider(&format!("{{respond: {{body: {body}}}}}")).await;
    let mut client = Client::connect(&mock).await;
    client.get("/large").await;
    let waiting = soon(mock.wait_until(|journal| journal.requests.iter().any(|r| r.writing_since.is_some()))).await;
    assert_eq!((waiting.requests[0].end, waiting.requests[0].blocked), (End::Pending, Duration::ZERO));
    // The time for which the caller does not read; nothing else waits for it.
    tokio::time::sleep(Duration::from_millis(60)).await;
    let response = client.response().await;
    assert_eq!(response.body.len(), body.len());
    let record = only_request(&mock).await;
    assert!(record.blocked >= Duration::from_millis(60) && record.writing_since.is_none(), "{:?}", record.blocked);
}

#[tokio::test]
async fn a_large_body_is_whole_in_every_framing() {
    let body: String = (0..200_000).map(|n| char::from(b'a' + (n % 26) as u8)).cycle().take(600_000).collect();
    for (framing, encoded) in [("content_length", 0), ("chunked", 0), ("chunked", 1)] {
        let encoding = if encoded == 1 { ", encoding: br" } else { "" };
        let mock = provider(&format!("{{respond: {{body: {body}, framing: {framing}{encoding}}}}}")).await;
        let response = chat(&mock, HI).await;
        let record = only_request(&mock).await;
        assert_eq!(record.events.iter().map(|(_, bytes)| bytes).sum::<usize>(), response.body.len());
        assert!(encoded == 1 || response.text() == body, "{framing}");
        assert_eq!((record.end, record.status), (End::Complete, Some(200)));
    }
}

#[tokio::test]
async fn the_arrival_of_the_bodys_last_byte_is_journalled() {
    let mock = provider("{respond: {body: ok}}").await;
    let mut client = Client::connect(&mock).await;
    client.send("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\na").await;
    soon(mock.wait_until(|journal| journal.requests.len() == 1)).await;
    assert_eq!(mock.journal().requests[0].body_at, None);
    client.send("b").await;
    client.response().await;
    let record = only_request(&mock).await;
    assert!(record.body_at >= Some(record.received_at) && record.body_at <= record.head_at);
}
