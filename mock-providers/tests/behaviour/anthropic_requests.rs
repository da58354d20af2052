use serde_json::{Value, json};

use crate::anthropic::{HELLO, VERSION, answer};
use crate::support::{Client, Response, provider};

async fn get(script: &str, path: &str) -> Response {
    let mock = provider(script).await;
    let mut client = Client::connect(&mock).await;
    client.get_with(path, VERSION).await;
    client.response().await
}

/// The request with this member in the place of the one of that name, or beside the others.
fn altered(name: &str, value: Value) -> String {
    let mut body: Value = serde_json::from_str(HELLO).expect("JSON");
    body[name] = value;
    body.to_string()
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_a_400_that_names_the_place() {
    let call = json!({"type": "tool_use", "id": "t1", "name": "f", "input": {}});
    let said = |role: &str, content: Value| json!({"role": role, "content": content});
    let tool = json!({"name": "f", "input_schema": {"type": "object"}});
    let wrong = [
        (altered("model", json!(null)), "model"),
        (altered("max_tokens", json!(0)), "max_tokens"),
        (altered("max_tokens", json!(null)), "max_tokens: field required"),
        (altered("messages", json!([])), "messages"),
        (altered("messages", json!([said("tool", json!("x"))])), "messages.0.role"),
        (altered("messages", json!([said("user", json!(""))])), "messages.0.content"),
        (altered("messages", json!([said("user", json!([{"type": "image_url"}]))])), "messages.0.content.0.type"),
        (altered("messages", json!([said("user", json!([{"type": "text"}]))])), "messages.0.content.0.text.text"),
        (altered("messages", json!([said("user", json!([{"type": "image"}]))])), "image.source"),
        (altered("messages", json!([said("assistant", json!([call])), said("user", json!("x"))])), "no tool_result"),
        (
            altered("messages", json!([said("user", json!([{"type": "tool_result", "tool_use_id": "t9"}]))])),
            "no tool_use",
        ),
        (altered("system", json!([{"type": "image"}])), "system.0.type"),
        (altered("temperature", json!(1.5)), "temperature"),
        (altered("top_p", json!("x")), "top_p"),
        (altered("top_k", json!(-1)), "top_k"),
        (altered("stop_sequences", json!([" "])), "stop_sequences"),
        (altered("stream", json!("yes")), "stream"),
        (altered("tools", json!([{"name": "f"}])), "tools.0.input_schema"),
        (altered("tools", json!([{"name": "no spaces", "input_schema": {"type": "object"}}])), "tools.0.name"),
        (altered("tool_choice", json!({"type": "any"})), "tool_choice"),
        (altered("thinking", json!({"type": "enabled"})), "budget_tokens"),
        (altered("thinking", json!({"type": "enabled", "budget_tokens": 1024})), "max_tokens"),
        (altered("output_config", json!({"format": {"type": "text"}})), "output_config.format.type"),
        (altered("output_config", json!({"format": {"type": "json_schema"}})), "output_config.format.schema"),
        (altered("metadata", json!({"user_id": 1})), "metadata.user_id"),
        (altered("service_tier", json!("gold")), "service_tier"),
        ("{".to_owned(), "JSON"),
    ];
    for (body, place) in wrong {
        let response = answer("", &body).await;
        let error = response.json();
        let message = error["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!((response.status, &error["error"]["type"]), (400, &json!("invalid_request_error")), "{body}");
        assert!(message.contains(place), "{body}: {message}");
    }
    let mut forced: Value = serde_json::from_str(HELLO).expect("JSON");
    forced["tools"] = json!([tool]);
    forced["tool_choice"] = json!({"type": "tool", "name": "g"});
    let message = answer("", &forced.to_string()).await.json()["error"]["message"].clone();
    assert!(message.as_str().is_some_and(|message| message.contains("tool_choice.tool.name")), "{message}");
}

#[tokio::test]
async fn every_block_that_there_is_can_be_sent() {
    let turns = json!([
        {"role": "user", "content": [
            {"type": "text", "text": "look"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "one two"}},
        ]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "ok"}]},
        ]},
    ]);
    let mut body: Value = serde_json::from_str(&altered("messages", turns)).expect("JSON");
    body["system"] = json!([{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}]);
    body["metadata"] = json!({"user_id": "u-1"});
    let response = answer("", &body.to_string()).await;
    assert_eq!(response.status, 200, "{}", response.text());
}

#[tokio::test]
async fn the_version_is_demanded() {
    let mock = provider("{dialect: anthropic}").await;
    for (headers, status) in [("", 400), ("anthropic-version: latest\r\n", 400), (VERSION, 200)] {
        let mut client = Client::connect(&mock).await;
        client.post_with("/v1/messages", headers, HELLO).await;
        let response = client.response().await;
        assert_eq!(response.status, status);
        assert_eq!(response.text().contains("anthropic-version: "), status == 400);
    }
}

#[tokio::test]
async fn tokens_are_counted_without_an_answer() {
    let mock = provider("{dialect: anthropic}").await;
    let body = r#"{"model":"c","system":"be brief","messages":[{"role":"user","content":"hi there"}]}"#;
    let mut client = Client::connect(&mock).await;
    client.post_with("/v1/messages/count_tokens", VERSION, body).await;
    // Two words of the system prompt, two of the message, three for it and three more.
    assert_eq!(client.response().await.json(), json!({"input_tokens": 2 + 2 + 3 + 3}));
}

#[tokio::test]
async fn models_are_listed_in_pages_and_unknown_ones_are_not_found() {
    let script = "{dialect: anthropic, models: [claude-a-1, {id: claude-b, created: 951782400, context_window: 9000}, claude-c]}";
    let list = get(script, "/v1/models?limit=2").await.json();
    assert_eq!(
        (&list["has_more"], &list["first_id"], &list["last_id"]),
        (&json!(true), &json!("claude-a-1"), &json!("claude-b"))
    );
    let second = json!({
        "type": "model", "id": "claude-b", "display_name": "Claude B", "created_at": "2000-02-29T00:00:00Z",
        "lifecycle": "active", "max_input_tokens": 9000, "max_tokens": null,
    });
    assert_eq!(list["data"][1], second);
    let rest = get(script, "/v1/models?limit=2&after_id=claude-b").await.json();
    assert_eq!((&rest["has_more"], &rest["first_id"]), (&json!(false), &json!("claude-c")));
    assert_eq!(get(script, "/v1/models/claude-b").await.json(), second);
    let unknown = get(script, "/v1/models/claude-z").await;
    assert_eq!((unknown.status, &unknown.json()["error"]["type"]), (404, &json!("not_found_error")));
    let asked = answer("models: [claude-a-1]", HELLO).await;
    assert_eq!((asked.status, &asked.json()["error"]["message"]), (404, &json!("model: claude-1")));
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_have_their_errors() {
    let unknown = get("{dialect: anthropic}", "/v1/chat/completions").await;
    assert_eq!((unknown.status, &unknown.json()["error"]["type"]), (404, &json!("not_found_error")));
    let wrong = get("{dialect: anthropic}", "/v1/messages").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn a_lenient_provider_takes_what_cannot_be_meant_as_left_out() {
    let mock = provider("{dialect: anthropic, strict: off, respond: {text: hi}}").await;
    let wrong = r#"{"model":7,"max_tokens":"many","messages":[{"role":"nobody"}],"temperature":9,"tools":[{}],
        "tool_choice":{"type":"any"},"thinking":{"type":"enabled"},"stop_sequences":" ","metadata":1,"system":3}"#;
    let mut client = Client::connect(&mock).await;
    for (path, body) in [("/v1/messages", wrong), ("/v1/messages", "{}"), ("/v1/messages/count_tokens", wrong)] {
        // Not even the version is there.
        client.post(path, body).await;
        let response = client.response().await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
}
