use serde_json::{Value, json};

use crate::support::{Client, Response, only_request, provider};

async fn complete(script: &str, body: &str) -> Response {
    let mock = provider(script).await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/completions", body).await;
    client.response().await
}

#[tokio::test]
async fn a_completion_has_its_own_shape_and_a_choice_for_each_prompt_and_sample() {
    let script = "{respond: {text: served by a, usage: {prompt_tokens: 11, completion_tokens: 7}}}";
    let body = complete(script, r#"{"model":"m","prompt":["x","y"],"n":2,"max_tokens":2}"#).await.json();
    assert_eq!((&body["object"], &body["usage"]["total_tokens"]), (&json!("text_completion"), &json!(18)));
    assert!(body["id"].as_str().is_some_and(|id| id.starts_with("cmpl-")));
    let expected = json!({"text": "served by", "index": 3, "logprobs": null, "finish_reason": "length"});
    assert_eq!((body["choices"].as_array().map(Vec::len), &body["choices"][3]), (Some(4), &expected));
}

#[tokio::test]
async fn a_streamed_completion_joins_to_its_text_and_reports_usage_if_asked() {
    let mock = provider("{respond: {text: one two}}").await;
    let mut client = Client::connect(&mock).await;
    let body = r#"{"model":"m","prompt":"count to two","stream":true,"stream_options":{"include_usage":true}}"#;
    client.post("/v1/completions", body).await;
    let response = client.response().await;
    assert!(response.text().ends_with("data: [DONE]\n\n"));
    let events = response.events();
    let text: String = events.iter().filter_map(|event| event["choices"][0]["text"].as_str()).collect();
    assert_eq!((text.as_str(), events.len()), ("one two", 4));
    assert_eq!((&events[0]["usage"], &events[2]["choices"][0]["finish_reason"]), (&Value::Null, &json!("stop")));
    assert_eq!((&events[3]["choices"], &events[3]["usage"]["prompt_tokens"]), (&json!([]), &json!(3)));
    assert_eq!(only_request(&mock).await.usage.map(|usage| usage.completion_tokens), Some(2));
}

#[tokio::test]
async fn a_completion_without_a_prompt_or_model_is_a_bad_request() {
    for (body, param) in [(r#"{"model":"m"}"#, "prompt"), (r#"{"prompt":"x"}"#, "model")] {
        let response = complete("{}", body).await;
        assert_eq!((response.status, response.json()["error"]["param"].as_str()), (400, Some(param)));
    }
}

#[tokio::test]
async fn rules_see_the_prompt_as_the_last_user_message() {
    let script = "{rules: [{when: {last_user: {contains: wind}}, respond: {echo: true}}]}";
    let body = complete(script, r#"{"model":"m","prompt":"the wind"}"#).await.json();
    assert_eq!(body["choices"][0]["text"], "the wind");
}

#[tokio::test]
async fn moderations_judge_each_input_as_harmless() {
    let mock = provider("{}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/moderations", r#"{"input":["a","b"]}"#).await;
    let body = client.response().await.json();
    assert_eq!((&body["model"], body["results"].as_array().map(Vec::len)), (&json!("omni-moderation-latest"), Some(2)));
    assert_eq!(
        (&body["results"][1]["flagged"], &body["results"][1]["categories"]["hate"]),
        (&json!(false), &json!(false))
    );
    client.post("/v1/moderations", "{}").await;
    assert_eq!(client.response().await.status, 400);
}
