use mock_providers::{End, Usage};
use serde_json::json;

use crate::support::{Client, HI, chat, only_request, provider};

#[tokio::test]
async fn a_plain_answer_has_openais_shape() {
    let mock = provider("{respond: {text: served by a, usage: {prompt_tokens: 11, completion_tokens: 7}}}").await;
    let response = chat(&mock, HI).await;
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    assert!(response.header("x-request-id").is_some_and(|id| id.starts_with("req_")));
    let body = response.json();
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["model"], "m-1");
    assert_eq!(
        body["choices"],
        json!([{
            "index": 0,
            "message": {"role": "assistant", "content": "served by a", "refusal": null, "annotations": []},
            "logprobs": null,
            "finish_reason": "stop",
        }])
    );
    assert_eq!(body["usage"]["total_tokens"], 18);
}

#[tokio::test]
async fn the_journal_has_the_request_and_what_was_reported() {
    let mock =
        provider("{rules: [{name: nice, respond: {text: x, usage: {prompt_tokens: 11, completion_tokens: 7}}}]}").await;
    chat(&mock, HI).await;
    let record = only_request(&mock).await;
    assert_eq!((record.head.method(), record.head.path()), ("POST", "/v1/chat/completions"));
    assert_eq!((record.body.as_ref(), record.body_complete), (HI.as_bytes(), true));
    assert_eq!((record.model.as_deref(), record.stream, &*record.rule), (Some("m-1"), false, "nice"));
    assert_eq!((record.status, record.end), (Some(200), End::Complete));
    assert_eq!(record.usage, Some(Usage { prompt_tokens: 11, completion_tokens: 7, ..Usage::default() }));
    assert_eq!(record.events.len(), 1);
}

#[tokio::test]
async fn a_known_alias_is_answered_by_its_dated_model_under_any_base_path() {
    let mock = provider("{}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/deep/base/chat/completions", &HI.replace("m-1", "gpt-4o-mini")).await;
    let body = client.response().await.json();
    assert_eq!(body["model"], "gpt-4o-mini-2024-07-18");
    assert!(body["choices"][0]["message"]["content"].as_str().is_some_and(|text| !text.is_empty()));
}

#[tokio::test]
async fn n_max_tokens_and_stop_are_honoured() {
    let mock = provider("{respond: {text: one two three four}}").await;
    let ask = |extra: &str| HI.replace("\"m-1\"", &format!("\"m-1\",{extra}"));
    let two = chat(&mock, &ask("\"n\":2")).await.json();
    assert_eq!(two["choices"].as_array().map(Vec::len), Some(2));
    assert_eq!(two["choices"][1]["index"], 1);
    let short = chat(&mock, &ask("\"max_tokens\":2")).await.json();
    assert_eq!(short["choices"][0]["message"]["content"], "one two");
    assert_eq!(
        (&short["choices"][0]["finish_reason"], &short["usage"]["completion_tokens"]),
        (&json!("length"), &json!(2))
    );
    let stopped = chat(&mock, &ask("\"stop\":[\"three\"]")).await.json();
    assert_eq!(stopped["choices"][0]["message"]["content"], "one two ");
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn bad_requests_get_a_400_that_names_the_parameter() {
    let mock = provider("{}").await;
    for (body, param) in [
        ("{\"model\": \"m\"", json!(null)),
        ("[]", json!(null)),
        ("{\"messages\": []}", json!("model")),
        ("{\"model\": \"m\"}", json!("messages")),
        ("{\"model\": \"m\", \"messages\": []}", json!("messages")),
        ("{\"model\": \"m\", \"messages\": [{\"content\": \"x\"}]}", json!("messages[0].role")),
        ("{\"model\": \"m\", \"messages\": [{\"role\": \"user\"}], \"temperature\": 3}", json!("temperature")),
        ("{\"model\": \"m\", \"messages\": [{\"role\": \"user\"}], \"stream\": 1}", json!("stream")),
        ("{\"model\": \"m\", \"messages\": [{\"role\": \"user\"}], \"stream_options\": {}}", json!("stream_options")),
    ] {
        let response = chat(&mock, body).await;
        assert_eq!(response.status, 400, "{body}");
        let error = &response.json()["error"];
        assert_eq!((&error["type"], &error["param"]), (&json!("invalid_request_error"), &param), "{body}");
        assert!(error["message"].is_string() && error.get("code").is_some(), "{body}");
    }
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_get_the_envelope() {
    let mock = provider("{}").await;
    let mut client = Client::connect(&mock).await;
    client.get("/v1/nowhere").await;
    let unknown = client.response().await;
    client.get("/").await;
    assert_eq!(client.response().await.json()["error"]["message"], "Invalid URL (GET /)");
    assert_eq!((unknown.status, &unknown.json()["error"]["message"]), (404, &json!("Invalid URL (GET /v1/nowhere)")));
    client.get("/v1/chat/completions").await;
    let wrong = client.response().await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn a_json_schema_is_answered_with_json_that_fits_it() {
    let mock = provider("{}").await;
    let format = r#""response_format":{"type":"json_schema","json_schema":{"name":"x","schema":
        {"type":"object","properties":{"ok":{"type":"boolean"}}}}}"#;
    let body = chat(&mock, &HI.replace("\"m-1\"", &format!("\"m-1\",{format}"))).await.json();
    let text = body["choices"][0]["message"]["content"].as_str().expect("text");
    assert!(serde_json::from_str::<serde_json::Value>(text).expect("JSON")["ok"].is_boolean());
}
