use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};
use serde_json::Value;

use crate::support::{Client, HI, HI_STREAM, Response, chat, only_request, provider};

fn gunzipped(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).expect("gzip");
    text
}

async fn asking_for(accepted: &str, script: &str) -> Response {
    let mock = provider(script).await;
    let mut client = Client::connect(&mock).await;
    let length = HI.len();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{accepted}content-length: {length}\r\n\r\n");
    client.send(head + HI).await;
    client.response().await
}

#[tokio::test]
async fn a_gzipped_answer_says_so_and_its_length_is_that_of_the_encoded_body() {
    let mock = provider("{respond: {text: hello, encoding: gzip}}").await;
    let response = chat(&mock, HI).await;
    assert_eq!(response.header("content-encoding"), Some("gzip"));
    assert_eq!(response.header("content-length"), Some(response.body.len().to_string().as_str()));
    let body: Value = serde_json::from_str(&gunzipped(&response.body)).expect("JSON");
    assert_eq!(body["choices"][0]["message"]["content"], "hello");
    let record = only_request(&mock).await;
    assert_eq!((record.events[0].1, record.usage.is_some()), (response.body.len(), true));
}

#[tokio::test]
async fn deflate_is_zlibs_format() {
    let mock = provider("{respond: {body: '0123456789', encoding: deflate}}").await;
    let response = chat(&mock, HI).await;
    let mut text = String::new();
    ZlibDecoder::new(&response.body[..]).read_to_string(&mut text).expect("zlib");
    assert_eq!((text.as_str(), response.header("content-encoding")), ("0123456789", Some("deflate")));
}

#[tokio::test]
async fn a_gzipped_stream_can_be_decoded_event_by_event() {
    let mock = provider("{respond: {chunks: [one, two], encoding: gzip}, fault: {stall: {after_chunks: 1}}}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/chat/completions", HI_STREAM).await;
    let mut seen = Vec::new();
    let mut decoded = Vec::new();
    while !String::from_utf8_lossy(&decoded).contains("\"content\":\"one\"") {
        seen.extend(client.read().await);
        let head = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(seen.len(), |at| at + 4);
        decoded.clear();
        // The end of the stream is missing, so the decoder ends in an error after what it could decode.
        assert!(GzDecoder::new(&unchunked(&seen[head..])[..]).read_to_end(&mut decoded).is_err());
    }
    assert!(!String::from_utf8_lossy(&decoded).contains("two"));
}

/// The content of whole chunks.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(at) = bytes.windows(2).position(|pair| pair == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..at]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.expect("a chunk size");
        let Some(chunk) = bytes.get(at + 2..at + 2 + size) else { break };
        content.extend_from_slice(chunk);
        bytes = bytes.get(at + 4 + size..).unwrap_or_default();
    }
    content
}

#[tokio::test]
async fn a_whole_gzipped_stream_is_one_gzip_member() {
    let mock = provider("{respond: {text: one two three, encoding: gzip}}").await;
    let text = gunzipped(&chat(&mock, HI_STREAM).await.body);
    assert!(text.contains("\" two\"") && text.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn an_encoding_may_depend_on_what_the_caller_accepts() {
    let script = "{respond: {body: plain, encoding: gzip, if_accepted: true}}";
    for (accepted, encoded) in [
        ("", false),
        ("accept-encoding: identity\r\n", false),
        ("accept-encoding: gzip;q=0\r\n", false),
        ("Accept-Encoding: br, gzip\r\n", true),
        ("Accept-Encoding: br\r\naccept-encoding: gzip\r\n", true),
    ] {
        let response = asking_for(accepted, script).await;
        assert_eq!(response.header("content-encoding").is_some(), encoded, "{accepted:?}");
        assert_eq!(response.body == b"plain", !encoded, "{accepted:?}");
    }
}

#[tokio::test]
async fn a_scripted_content_encoding_may_lie() {
    let mock = provider("{respond: {body: plain, encoding: gzip, headers: {content-encoding: br}}}").await;
    let response = chat(&mock, HI).await;
    assert_eq!((response.header("content-encoding"), gunzipped(&response.body).as_str()), (Some("br"), "plain"));
}
