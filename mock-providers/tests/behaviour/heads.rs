//! Faults in the head of a response, or instead of it, byte by byte.

use mock_providers::{End, RequestRecord};

use crate::support::{Client, HI, HI_STREAM, Response, chat, only_request, provider};

/// The answer to one chat request under this fault, and its record.
async fn answered(fault: &str, body: &str) -> (Response, RequestRecord) {
    let mock = provider(&format!("{{respond: {{text: hello}}, fault: {{{fault}}}}}")).await;
    (chat(&mock, body).await, only_request(&mock).await)
}

/// All bytes of an exchange whose connection the provider ends.
async fn raw(yaml: &str, body: &str) -> (Vec<u8>, RequestRecord) {
    let mock = provider(yaml).await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/chat/completions", body).await;
    (client.rest().await.0, only_request(&mock).await)
}

#[tokio::test]
async fn a_scripted_error_says_what_it_is_told_to_say() {
    let keys = "status: 429, retry_after: 1500ms, retry_after_ms: 250, x_should_retry: false, error_code: c, error_type: t, message: m";
    let (answer, record) = answered(keys, HI).await;
    assert_eq!(answer.status, 429);
    let error = &answer.json()["error"];
    assert_eq!((&error["message"], &error["type"], &error["code"]), (&"m".into(), &"t".into(), &"c".into()));
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    let headers = ["retry-after", "retry-after-ms", "x-should-retry"].map(|name| answer.header(name));
    assert_eq!(headers, [Some("2"), Some("250"), Some("false")]);
    let named = "status+message+error_type+error_code+retry_after+retry_after_ms+x_should_retry";
    assert_eq!(record.fault.as_deref(), Some(named));
    let (answer, record) = answered("message: m", HI).await;
    assert_eq!((answer.status, record.fault, record.not_applicable), (200, None, vec!["message"]));
}

#[tokio::test]
async fn an_error_may_hide_behind_a_200() {
    for (keys, kind) in [
        ("status_200_with_error_body: true", "server_error"),
        ("status_200_with_error_body: true, status: 429", "requests"),
    ] {
        for body in [HI, HI_STREAM] {
            let (answer, record) = answered(keys, body).await;
            assert_eq!((answer.status, record.status), (200, Some(200)));
            assert_eq!(answer.json()["error"]["type"], kind);
        }
    }
}

#[tokio::test]
async fn a_proxy_may_answer_with_its_own_page_and_a_redirect_without_one() {
    for (status, words) in [(502, "<center>nginx</center>"), (503, "503 Service Unavailable"), (520, "Error code 520")]
    {
        let (answer, record) = answered(&format!("html_error_page: {status}"), HI_STREAM).await;
        assert_eq!((answer.status, answer.header("content-type")), (status, Some("text/html")));
        assert!(answer.text().contains(words) && answer.header("x-request-id").is_none());
        assert_eq!((record.fault.as_deref(), record.end), (Some("html_error_page"), End::Complete));
    }
    let (answer, record) = answered("redirect: {to: 'http://b.test/v1', status: 308}", HI).await;
    assert_eq!((answer.status, answer.header("location"), answer.body.len()), (308, Some("http://b.test/v1"), 0));
    assert_eq!(record.fault.as_deref(), Some("redirect"));
    assert_eq!(answered("redirect: {to: /x}", HI).await.0.status, 307);
    let (answer, record) = answered("redirect: {to: /x}, html_error_page: 502", HI).await;
    assert_eq!((answer.status, record.not_applicable), (502, vec!["redirect"]));
}

#[tokio::test]
async fn content_types_may_be_wrong_or_missing() {
    let (answer, _) = answered("wrong_content_type: text/plain", HI_STREAM).await;
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "the body is what it was");
    let (answer, record) = answered("missing_content_type: true", HI).await;
    assert_eq!((answer.header("content-type"), record.fault.as_deref()), (None, Some("missing_content_type")));
}

#[tokio::test]
async fn a_body_may_be_encoded_without_being_asked_for() {
    let (answer, record) = answered("gzip_unasked: true", HI).await;
    assert_eq!((answer.header("content-encoding"), &answer.body[..2]), (Some("gzip"), &[0x1f, 0x8b][..]));
    assert_eq!(record.fault.as_deref(), Some("gzip_unasked"));
    let mock = provider("{respond: {text: x, encoding: br}, fault: {gzip_unasked: true}}").await;
    assert_eq!(chat(&mock, HI).await.header("content-encoding"), Some("br"));
    assert_eq!(only_request(&mock).await.not_applicable, ["gzip_unasked"]);
}

#[tokio::test]
async fn headers_may_come_twice_or_be_huge() {
    let (answer, record) = answered("duplicate_headers: [X-Request-Id, content-length], huge_header: 20KiB", HI).await;
    let count = |name: &str| answer.headers.iter().filter(|(known, _)| known == name).count();
    assert_eq!((count("x-request-id"), count("content-length"), count("content-type")), (2, 2, 1));
    assert_eq!(answer.header("x-huge-header").map(str::len), Some(20 << 10));
    assert_eq!(record.fault.as_deref(), Some("duplicate_headers+huge_header"));
    let (answer, _) = answered("duplicate_headers: [transfer-encoding]", HI_STREAM).await;
    assert_eq!(answer.headers.iter().filter(|(name, _)| name == "transfer-encoding").count(), 2);
    let (_, record) = answered("duplicate_headers: [x-other]", HI).await;
    assert_eq!((record.fault, record.not_applicable), (None, vec!["duplicate_headers"]));
}

#[tokio::test]
async fn a_declared_length_may_be_too_large_or_too_small() {
    let yaml = |how: &str| format!("{{respond: {{body: '0123456789abcdef'}}, fault: {{bad_content_length: {how}}}}}");
    let (bytes, record) = raw(&yaml("more"), HI).await;
    let text = String::from_utf8(bytes).expect("UTF-8");
    assert!(text.contains("content-length: 26\r\n") && text.ends_with("\r\n\r\n0123456789abcdef"), "{text}");
    assert_eq!((record.fault.as_deref(), record.end), (Some("bad_content_length"), End::Fault));
    let mock = provider(&yaml("less")).await;
    let mut client = Client::connect(&mock).await;
    client.post("/x", HI).await;
    assert_eq!(client.response().await.text(), "012345");
    assert!(client.read_until("6789abcdef").await.starts_with("6789abcdef"), "the rest poisons the connection");
}

#[tokio::test]
async fn instead_of_a_head_there_may_be_noise_and_only_the_first_such_end_counts() {
    let (bytes, record) = raw("{fault: {garbage_then_close: true}}", HI).await;
    assert_eq!(bytes.len(), 64);
    assert!(bytes.iter().all(|byte| *byte >= 0x80));
    assert_eq!((record.fault.as_deref(), record.end), (Some("garbage_then_close"), End::Fault));
    assert_eq!(bytes, raw("{fault: {garbage_then_close: true}}", HI).await.0, "the same noise for the same request");
    let yaml =
        "{fault: {empty_response: true, garbage_then_close: true, status: 503, disconnect: {}, delay_head: 20ms}}";
    let begun = std::time::Instant::now();
    let (bytes, record) = raw(yaml, HI).await;
    assert!(bytes.is_empty() && begun.elapsed() >= std::time::Duration::from_millis(20));
    assert_eq!(record.fault.as_deref(), Some("delay_head+empty_response"));
    assert_eq!(record.not_applicable, ["status", "disconnect", "garbage_then_close"]);
}
