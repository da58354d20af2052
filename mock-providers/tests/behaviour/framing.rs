use mock_providers::{End, RequestRecord};

use crate::support::{Client, only_request, provider};

async fn sent(bytes: &str) -> (String, RequestRecord) {
    let mock = provider("{}").await;
    let mut client = Client::connect(&mock).await;
    client.send(bytes).await;
    let (answer, error) = client.rest().await;
    assert_eq!(error, None, "the refusal can be read");
    (String::from_utf8(answer).expect("UTF-8"), only_request(&mock).await)
}

#[tokio::test]
async fn a_request_with_two_lengths_is_journalled_as_malformed_and_refused() {
    let (answer, record) = sent(
        "POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains("connection: close"));
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "what follows is no request");
    assert_eq!(record.malformed.as_deref(), Some("both Content-Length and Transfer-Encoding"));
    assert_eq!((record.head.path(), record.head.query()), ("/v1/chat/completions", Some("x=1")));
    assert_eq!((record.content_length, record.chunked, record.status), (Some(3), true, Some(400)));
    assert!(record.body.starts_with(b"0\r\n\r\nGET"));
    assert_eq!(record.end, End::Complete);
}

#[tokio::test]
async fn other_bad_heads_and_chunks_are_malformed_too() {
    for bytes in [
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
    ] {
        let (answer, record) = sent(bytes).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{bytes:?}");
        assert!(record.malformed.is_some(), "{bytes:?}");
    }
}

#[tokio::test]
async fn a_chunked_body_is_put_together() {
    let mock = provider("{respond: {body: ok}}").await;
    let mut client = Client::connect(&mock).await;
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab").await;
    client.send("c\r\n2;ext=1\r\nde\r\n0\r\nTrailer: x\r\n\r\n").await;
    assert_eq!(client.response().await.text(), "ok");
    let record = only_request(&mock).await;
    assert_eq!((record.body.as_ref(), record.chunked, record.content_length), (&b"abcde"[..], true, None));
    assert_eq!(record.malformed, None);
}

#[tokio::test]
async fn a_body_that_waits_for_permission_gets_it() {
    let mock = provider("{respond: {body: ok}}").await;
    let mut client = Client::connect(&mock).await;
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await;
    assert_eq!(client.response().await.status, 100);
    client.send("hi").await;
    assert_eq!(client.response().await.text(), "ok");
}

#[tokio::test]
async fn headers_keep_their_order_and_case() {
    let mock = provider("{}").await;
    let mut client = Client::connect(&mock).await;
    client.send("GET /v1/models HTTP/1.1\r\nX-B: 1\r\nhOsT: a\r\nx-a: 2\r\nX-B: 3\r\n\r\n").await;
    client.response().await;
    let record = only_request(&mock).await;
    let names: Vec<&str> = record.head.headers().map(|(name, _)| name).collect();
    assert_eq!(names, ["X-B", "hOsT", "x-a", "X-B"]);
}
