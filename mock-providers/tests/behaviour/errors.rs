//! Error envelopes, and the headers that every answer has.

use serde_json::json;

use crate::support::{Client, HI, HI_STREAM, Response, provider};

const CHAT: &str = "/v1/chat/completions";

async fn ask(script: &str, head: &str, body: &[u8]) -> Response {
    let mock = provider(script).await;
    let mut client = Client::connect(&mock).await;
    let mut bytes = format!("{head}\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    client.send(bytes).await;
    client.response().await
}

async fn post(path: &str, body: &str) -> Response {
    ask("{}", &format!("POST {path} HTTP/1.1"), body.as_bytes()).await
}

#[tokio::test]
async fn every_answer_has_openais_headers_also_errors_and_malformed_requests() {
    let names = ["x-request-id", "openai-processing-ms", "openai-version", "openai-organization"];
    let mut answers = vec![post(CHAT, HI).await, post(CHAT, HI_STREAM).await, post(CHAT, "{").await];
    answers.push(post("/v1/unknown", "{}").await);
    answers.push(ask("{auth: {keys: [k]}}", "POST /v1/embeddings HTTP/1.1", b"{}").await);
    answers.push(ask("{respond: {status: 503}}", "GET /v1/models HTTP/1.1", b"").await);
    answers.push(ask("{}", "POST /v1/embeddings HTTP/1.1\r\ncontent-length: x", b"").await);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 400, 404, 401, 503, 400]);
    for answer in answers {
        assert!(names.iter().all(|name| answer.header(name).is_some()), "{answer:?}");
    }
}

#[tokio::test]
async fn every_status_has_all_four_members_and_its_type() {
    for (status, kind, code) in [
        (400, "invalid_request_error", json!(null)),
        (401, "invalid_request_error", json!("invalid_api_key")),
        (403, "request_forbidden", json!("unsupported_country_region_territory")),
        (404, "invalid_request_error", json!("model_not_found")),
        (405, "invalid_request_error", json!("method_not_supported")),
        (413, "invalid_request_error", json!(null)),
        (415, "invalid_request_error", json!(null)),
        (422, "invalid_request_error", json!(null)),
        (429, "requests", json!("rate_limit_exceeded")),
        (500, "server_error", json!(null)),
        (503, "service_unavailable", json!(null)),
        (529, "server_error", json!(null)),
    ] {
        let answer = ask(&format!("{{respond: {{status: {status}}}}}"), "GET /v1/models HTTP/1.1", b"").await;
        let body = answer.json();
        assert_eq!((answer.status, &body["error"]["type"], &body["error"]["code"]), (status, &json!(kind), &code));
        let members: Vec<&String> = body["error"].as_object().expect("an error").keys().collect();
        assert_eq!(members, ["message", "type", "param", "code"]);
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_a_400_that_says_why() {
    for path in [CHAT, "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/moderations"] {
        let head = format!("POST {path} HTTP/1.1");
        for (body, why) in [
            (&b""[..], "no body"),
            (b"[]", "not an object"),
            (b"\"text\"", "not an object"),
            (b"{\"model\":", "not valid JSON"),
            (b"{\"model\":\"\xff\xfe\"}", "not valid JSON"),
        ] {
            let answer = ask("{}", &head, body).await;
            let error = answer.json()["error"].clone();
            assert_eq!((answer.status, &error["type"]), (400, &json!("invalid_request_error")), "{path} {body:?}");
            assert!(error["message"].as_str().expect("a message").contains(why), "{path} {body:?}: {error}");
        }
    }
}

#[tokio::test]
async fn only_json_is_taken_as_a_content_type() {
    for (given, status) in [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/vnd.a+json", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=json", 415),
    ] {
        let answer = ask("{}", &format!("POST {CHAT} HTTP/1.1\r\ncontent-type: {given}"), HI.as_bytes()).await;
        assert_eq!(answer.status, status, "{given}");
        if status == 415 {
            assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        }
    }
}

#[tokio::test]
async fn a_client_request_id_is_ascii_and_at_most_512_long() {
    let long = "i".repeat(512);
    for (id, status) in [("mine", 200), (long.as_str(), 200), (&(long.clone() + "i"), 400), ("é", 400)] {
        let head = format!("POST {CHAT} HTTP/1.1\r\nX-Client-Request-Id: {id}");
        let answer = ask("{}", &head, HI.as_bytes()).await;
        assert_eq!(answer.status, status, "{id}");
    }
    let head = format!("POST {CHAT} HTTP/1.1\r\nOpenAI-Organization: org-1\r\nOpenAI-Project: proj-1");
    assert_eq!(ask("{}", &head, HI.as_bytes()).await.status, 200);
}

#[tokio::test]
async fn a_known_path_names_its_methods_and_an_unknown_one_is_not_found() {
    for (method, path, allow) in [
        ("GET", CHAT, "POST"),
        ("PUT", "/v1/models", "GET"),
        ("POST", "/v1/models/m", "GET, DELETE"),
        ("PATCH", "/v1/responses/resp_1", "GET, DELETE"),
        ("DELETE", "/v1/embeddings", "POST"),
    ] {
        let answer = ask("{}", &format!("{method} {path} HTTP/1.1"), b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
        assert_eq!(answer.json()["error"]["code"], "method_not_supported");
    }
    let unknown = ask("{}", "POST /v1/nothing HTTP/1.1", b"{}").await;
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &json!(null)));
    assert!(unknown.text().contains("Invalid URL (POST /v1/nothing)"));
}

#[tokio::test]
async fn options_names_the_methods_and_head_is_a_get_without_a_body() {
    let options = ask("{}", &format!("OPTIONS {CHAT} HTTP/1.1"), b"").await;
    assert_eq!((options.status, options.header("allow")), (204, Some("POST, OPTIONS")));
    let mock = provider("{}").await;
    let mut client = Client::connect(&mock).await;
    client.send("HEAD /v1/models HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let (bytes, _) = client.rest().await;
    let text = String::from_utf8(bytes).expect("UTF-8");
    assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn an_offer_to_upgrade_to_http2_is_answered_as_an_ordinary_request() {
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAA"
    );
    let answer = ask("{respond: {text: served by a}}", &head, HI.as_bytes()).await;
    assert_eq!((answer.status, answer.header("upgrade")), (200, None));
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "served by a");
}

#[tokio::test]
async fn a_prompt_that_the_filter_refuses_is_a_400() {
    let answer = ask("{fault: {prompt_filter: true}}", &format!("POST {CHAT} HTTP/1.1"), HI.as_bytes()).await;
    let error = &answer.json()["error"];
    assert_eq!((answer.status, &error["code"]), (400, &json!("content_policy_violation")));
}
