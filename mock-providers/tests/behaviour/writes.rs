use std::time::Duration;

use crate::support::{Client, HI, HI_STREAM, chat, only_request, provider};

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
