use mock_providers::Usage;
use serde_json::{Value, json};

use crate::support::{Client, Response, only_request, provider};

const PLAIN: &str = r#"{"model":"m","input":"hi there"}"#;
const STREAM: &str = r#"{"model":"m","stream":true,"input":[{"role":"user","content":"hi there"}]}"#;

async fn respond(script: &str, body: &str) -> Response {
    let mock = provider(script).await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/responses", body).await;
    client.response().await
}

/// The data of all events, each checked against the name of its event.
fn typed(response: &Response) -> Vec<Value> {
    let text = response.text();
    let event = |event: &str| -> Value {
        let (name, data) = event.split_once("\ndata: ").expect("an event line and a data line");
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    };
    text.split_terminator("\n\n").map(event).collect()
}

#[tokio::test]
async fn a_response_has_a_message_and_usage() {
    let body = respond("{respond: {text: served by a}}", PLAIN).await.json();
    assert_eq!(
        (&body["object"], &body["status"], &body["model"]),
        (&json!("response"), &json!("completed"), &json!("m"))
    );
    let message = &body["output"][0];
    assert_eq!((&message["type"], &message["role"]), (&json!("message"), &json!("assistant")));
    assert_eq!(message["content"][0]["text"], "served by a");
    let usage = json!({
        "input_tokens": 2, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 5,
    });
    assert_eq!(body["usage"], usage);
}

#[tokio::test]
async fn a_streamed_response_has_its_events_in_order_and_ends_with_the_whole() {
    let mock = provider("{respond: {text: one two, usage: {prompt_tokens: 11, completion_tokens: 7}}}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/responses", STREAM).await;
    let events = typed(&client.response().await);
    let kinds: Vec<&str> =
        events.iter().filter_map(|event| event["type"].as_str()?.strip_prefix("response.")).collect();
    assert_eq!(
        kinds,
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    assert!(events.iter().enumerate().all(|(index, event)| event["sequence_number"] == index));
    let whole = &events[9]["response"];
    assert_eq!((&whole["output"][0], &whole["status"]), (&events[8]["item"], &json!("completed")));
    assert_eq!(events[5]["item_id"], whole["output"][0]["id"]);
    let used = Usage { prompt_tokens: 11, completion_tokens: 7, ..Usage::default() };
    assert_eq!(only_request(&mock).await.usage, Some(used));
}

#[tokio::test]
async fn calls_of_tools_become_items_with_joined_arguments() {
    let script = "{respond: {blocks: [{text: a}, {tool_call: {name: f, arguments: {x: 1}, id: call_1}}]}}";
    let call = respond(script, PLAIN).await.json()["output"][1].clone();
    assert_eq!(
        (&call["type"], &call["call_id"], &call["name"]),
        (&json!("function_call"), &json!("call_1"), &json!("f"))
    );
    assert_eq!(call["arguments"], "{\"x\":1}");
    let events = typed(&respond(script, STREAM).await);
    let deltas = events.iter().filter(|event| event["type"] == "response.function_call_arguments.delta");
    let joined: String = deltas.filter_map(|event| event["delta"].as_str()).collect();
    let last = &events.last().expect("events")["response"]["output"][1];
    assert_eq!(
        (joined.as_str(), &last["arguments"], &last["call_id"]),
        ("{\"x\":1}", &call["arguments"], &call["call_id"])
    );
}

#[tokio::test]
async fn a_response_that_reaches_its_limit_is_incomplete() {
    let asked = PLAIN.replace("\"m\"", "\"m\",\"max_output_tokens\":1");
    let body = respond("{respond: {text: one two}}", &asked).await.json();
    assert_eq!((&body["status"], &body["output"][0]["content"][0]["text"]), (&json!("incomplete"), &json!("one")));
    assert_eq!(body["incomplete_details"], json!({"reason": "max_output_tokens"}));
}

#[tokio::test]
async fn faults_count_the_deltas_of_a_response() {
    let script = "{respond: {chunks: [a, b, c]}, fault: {truncate: {after_chunks: 2}}}";
    let events = typed(&respond(script, STREAM).await);
    assert_eq!(events.last().expect("events")["delta"], "b");
    let events = typed(&respond("{fault: {missing_done: true}}", STREAM).await);
    assert_eq!(events.last().expect("events")["type"], "response.output_item.done");
}

#[tokio::test]
async fn usage_in_literal_events_of_a_response_is_journalled() {
    let script = r#"{respond: {sse: [{raw: "event: response.completed\ndata: {\"response\":{\"usage\":{\"input_tokens\":3,
        \"output_tokens\":2,\"input_tokens_details\":{\"cached_tokens\":1}}}}\n\n"}]}}"#;
    let mock = provider(script).await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/responses", STREAM).await;
    client.response().await;
    let used = Usage { prompt_tokens: 3, completion_tokens: 2, cached_tokens: 1, reasoning_tokens: 0 };
    assert_eq!(only_request(&mock).await.usage, Some(used));
}

#[tokio::test]
async fn a_response_needs_an_input_and_a_model() {
    for (body, param) in
        [(r#"{"model":"m"}"#, "input"), (r#"{"input":"x"}"#, "model"), (r#"{"model":"m","input":1}"#, "input")]
    {
        let response = respond("{}", body).await;
        assert_eq!((response.status, response.json()["error"]["param"].as_str()), (400, Some(param)), "{body}");
    }
}
