use mock_providers::{MockProvider, Usage};
use serde_json::{Value, json};

use crate::support::{Client, Response, only_request, provider};

pub(crate) const HELLO: &str =
    r#"{"model":"claude-1","max_tokens":64,"messages":[{"role":"user","content":"hi there"}]}"#;
pub(crate) const HELLO_STREAM: &str =
    r#"{"model":"claude-1","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"hi there"}]}"#;
pub(crate) const VERSION: &str = "anthropic-version: 2023-06-01\r\n";

/// One message on a connection of its own.
pub(crate) async fn message(mock: &MockProvider, body: &str) -> Response {
    let mut client = Client::connect(mock).await;
    client.post_with("/v1/messages", VERSION, body).await;
    client.response().await
}

/// One message of a provider of its own.
pub(crate) async fn answer(script: &str, body: &str) -> Response {
    message(&provider(&format!("{{dialect: anthropic, {script}}}")).await, body).await
}

/// All events by their names, each of which must be its data's type.
pub(crate) fn events(response: &Response) -> Vec<(String, Value)> {
    let text = response.text();
    let event = |event: &str| {
        let (name, data) = event.split_once("\ndata: ").expect("an event line and a data line");
        let (name, data) = (name.strip_prefix("event: ").expect("an event line"), data);
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(data["type"], name);
        (name.to_owned(), data)
    };
    text.split_terminator("\n\n").map(event).collect()
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

#[tokio::test]
async fn a_message_has_all_that_one_of_anthropics_has() {
    let response = answer("respond: {text: served by a}", HELLO).await;
    let body = response.json();
    let id = body["id"].as_str().expect("an id");
    assert!(id.starts_with("msg_") && response.header("request-id").is_some_and(|id| id.starts_with("req_")));
    assert_eq!(response.header("openai-version"), None);
    let usage = json!({
        "input_tokens": 8, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 3,
        "service_tier": "standard",
    });
    let expected = json!({
        "id": id, "type": "message", "role": "assistant", "model": "claude-1",
        "content": [{"type": "text", "text": "served by a"}],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": usage,
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_stream_has_its_events_in_order_and_counts_the_whole_output_at_its_end() {
    let mock = provider("{dialect: anthropic, respond: {text: one two}}").await;
    let response = message(&mock, HELLO_STREAM).await;
    assert_eq!(response.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let events = events(&response);
    assert_eq!(
        names(&events),
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    let begun = &events[0].1["message"];
    assert_eq!((&begun["content"], &begun["stop_reason"]), (&json!([]), &json!(null)));
    assert_eq!((&begun["usage"]["input_tokens"], &begun["usage"]["output_tokens"]), (&json!(8), &json!(1)));
    assert_eq!(events[1].1["content_block"], json!({"type": "text", "text": ""}));
    assert_eq!(events[4].1["delta"], json!({"type": "text_delta", "text": " two"}));
    assert_eq!(events[6].1["delta"], json!({"stop_reason": "end_turn", "stop_sequence": null}));
    assert_eq!(events[6].1["usage"]["output_tokens"], 2);
    let used = Usage { prompt_tokens: 8, completion_tokens: 2, ..Usage::default() };
    assert_eq!(only_request(&mock).await.usage, Some(used));
}

#[tokio::test]
async fn scripted_usage_tells_cached_tokens_apart() {
    let mock = provider("{dialect: anthropic, respond: {usage: {prompt_tokens: 210, cached_tokens: 128}}}").await;
    let usage = message(&mock, HELLO).await.json()["usage"].clone();
    assert_eq!((&usage["input_tokens"], &usage["cache_read_input_tokens"]), (&json!(82), &json!(128)));
    let used = only_request(&mock).await.usage.expect("usage");
    assert_eq!((used.prompt_tokens, used.cached_tokens), (210, 128));
    assert_eq!(answer("respond: {usage: none}", HELLO).await.json().get("usage"), None);
}

#[tokio::test]
async fn a_stream_that_ends_early_has_reported_its_prompt() {
    let script = "{dialect: anthropic, respond: {chunks: [a, b]}, fault: {truncate: {after_chunks: 1}}}";
    let mock = provider(script).await;
    let events = events(&message(&mock, HELLO_STREAM).await);
    assert_eq!(events.last().map(|(_, data)| &data["delta"]["text"]), Some(&json!("a")));
    assert_eq!(only_request(&mock).await.usage.map(|usage| usage.completion_tokens), Some(1));
}

#[tokio::test]
async fn a_missing_end_is_a_missing_message_stop() {
    let stream = answer("fault: {missing_done: true}", HELLO_STREAM).await;
    assert_eq!(names(&events(&stream)).last(), Some(&"message_delta"));
}

#[tokio::test]
async fn an_error_in_a_stream_is_an_event_and_elsewhere_the_body() {
    let script = "respond: {chunks: [a, b]}, fault: {error_event: {after_chunks: 1, error: {type: overloaded_error, message: full}}}";
    let stream = events(&answer(script, HELLO_STREAM).await);
    let error = json!({"type": "overloaded_error", "message": "full"});
    let (name, last) = stream.last().expect("events");
    assert_eq!((name.as_str(), last), ("error", &json!({"type": "error", "error": error})));
    let whole = answer(script, HELLO).await;
    assert_eq!((whole.status, &whole.json()["error"]), (500, &error));
    assert_eq!(whole.json()["request_id"].as_str(), whole.header("request-id"));
    let usual = events(&answer("fault: {error_event: {}}", HELLO_STREAM).await);
    assert_eq!(usual[0].1["error"]["type"], "api_error");
}

#[tokio::test]
async fn a_scripted_status_is_anthropics_error_of_it() {
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (503, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ] {
        for script in [format!("respond: {{status: {status}}}"), format!("fault: {{status: {status}}}")] {
            let response = answer(&script, HELLO_STREAM).await;
            let body = response.json();
            assert_eq!((response.status, &body["type"]), (status, &json!("error")));
            assert_eq!(body["error"]["type"], kind);
            assert_eq!(body["request_id"].as_str(), response.header("request-id"));
        }
    }
    let told = answer("respond: {status: 529, text: come back later}", HELLO).await.json();
    assert_eq!(told["error"]["message"], "come back later");
}

#[tokio::test]
async fn literal_bodies_and_events_are_sent_as_they_are_and_their_usage_is_journalled() {
    let literal = answer("respond: {json: {a: 1}}", HELLO).await;
    assert_eq!(literal.json(), json!({"a": 1}));
    let script = r#"{dialect: anthropic, respond: {sse: [
        {raw: "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n"},
        {raw: "event: message_delta\ndata: {\"usage\":{\"output_tokens\":9}}\n\n"},
        {raw: "event: message_stop\ndata: {}\n\n"}]}, fault: {missing_done: true}}"#;
    let mock = provider(script).await;
    assert!(!message(&mock, HELLO_STREAM).await.text().contains("message_stop"));
    let used = Usage { prompt_tokens: 3, completion_tokens: 9, ..Usage::default() };
    assert_eq!(only_request(&mock).await.usage, Some(used));
}

#[tokio::test]
async fn an_openai_provider_serves_messages_too() {
    let mock = provider("{respond: {echo: true}}").await;
    assert_eq!(message(&mock, HELLO).await.json()["content"][0]["text"], "hi there");
    let mut client = Client::connect(&mock).await;
    client.get_with("/v1/models", VERSION).await;
    assert_eq!(client.response().await.json()["data"][0]["type"], "model");
    client.get("/v1/models").await;
    assert_eq!(client.response().await.json()["object"], "list");
}

#[tokio::test]
async fn rules_see_model_stream_and_last_user_of_messages() {
    let script = "{dialect: anthropic, rules: [
        {when: {model: 'claude-*', stream: true}, respond: {text: streamed}},
        {when: {last_user: {contains: weather}}, respond: {text: sunny}}]}";
    let mock = provider(script).await;
    assert!(message(&mock, HELLO_STREAM).await.text().contains("streamed"));
    let asked = HELLO.replace("\"hi there\"", r#"[{"type":"text","text":"the weather?"}]"#);
    assert_eq!(message(&mock, &asked).await.json()["content"][0]["text"], "sunny");
}
