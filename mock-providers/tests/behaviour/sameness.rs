//! The streamed and the plain answer to one request say the same, and a plain one has what its readers need.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::properties::cases;
use crate::support::Client;

/// What an answer says: its texts and calls by choice, why each ends, and the usage.
type Said = (Vec<String>, Vec<Value>, Value);

fn texts(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn usage(value: &Value) -> Value {
    ["prompt_tokens", "completion_tokens", "total_tokens"].iter().map(|name| value["usage"][*name].clone()).collect()
}

/// Of chat, from whole messages or from deltas alike.
fn chat(events: &[Value], member: &str, choices: usize) -> Said {
    let mut said = (vec![String::new(); choices], vec![Value::Null; choices], Value::Null);
    for event in events {
        for choice in event["choices"].as_array().into_iter().flatten() {
            let index = choice["index"].as_u64().expect("an index") as usize;
            let message = &choice[member];
            said.0[index] += &texts(&message["content"]);
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                said.0[index] += &texts(&call["function"]["name"]);
                said.0[index] += &texts(&call["function"]["arguments"]);
            }
            if !choice["finish_reason"].is_null() {
                said.1[index] = choice["finish_reason"].clone();
            }
        }
        if event["usage"].is_object() {
            said.2 = usage(event);
        }
    }
    said
}

/// Of completions.
fn legacy(events: &[Value], choices: usize) -> Said {
    let mut said = (vec![String::new(); choices], vec![Value::Null; choices], Value::Null);
    for event in events {
        for choice in event["choices"].as_array().into_iter().flatten() {
            let index = choice["index"].as_u64().expect("an index") as usize;
            said.0[index] += &texts(&choice["text"]);
            if !choice["finish_reason"].is_null() {
                said.1[index] = choice["finish_reason"].clone();
            }
        }
        if event["usage"].is_object() {
            said.2 = usage(event);
        }
    }
    said
}

/// Of messages.
fn message(events: &[Value]) -> Said {
    let mut said = (vec![String::new()], vec![Value::Null], Value::Null);
    for event in events {
        for block in event["content"].as_array().into_iter().flatten() {
            said.0[0] += &texts(&block["text"]);
            if block["input"].is_object() {
                said.0[0] += &(texts(&block["name"]) + &block["input"].to_string());
            }
        }
        said.0[0] += &texts(&event["content_block"]["name"]);
        said.0[0] += &(texts(&event["delta"]["text"]) + &texts(&event["delta"]["partial_json"]));
        for end in [&event["stop_reason"], &event["delta"]["stop_reason"]].into_iter().filter(|end| !end.is_null()) {
            said.1[0] = end.clone();
        }
        if event["usage"].is_object() {
            said.2 = event["usage"]["output_tokens"].clone();
        }
    }
    said
}

fn respond() -> impl Strategy<Value = Value> {
    let text = "[ -~\u{e9}\u{4f60}\n]{0,80}";
    prop_oneof![
        text.prop_map(|text| json!({ "text": text })),
        Just(json!({"echo": true})),
        text.prop_map(|text| json!({"blocks": [
            {"text": text}, {"tool_call": {"name": "f", "arguments": {"a": text}}},
            {"tool_call": {"name": "g", "arguments": {}}}]})),
    ]
}

/// The JSON of an answer: one body, or all events of a stream.
async fn ask(respond: &Value, path: &str, body: &Value) -> Vec<Value> {
    let script = serde_json::from_value(json!({ "respond": respond })).expect("a well-formed script");
    let mock = mock_providers::start("a", script, mock_providers::Options::default()).await.expect("a free port");
    let mut client = Client::connect(&mock).await;
    client.post_with(path, "anthropic-version: 2023-06-01\r\n", &body.to_string()).await;
    let response = client.response().await;
    assert_eq!(response.status, 200, "{body}: {}", response.text());
    if body["stream"] == true {
        let data = crate::event_stream::decode(&response.body).into_iter().map(|event| event.data);
        return data.filter(|data| data != "[DONE]").map(|data| serde_json::from_str(&data).expect("JSON")).collect();
    }
    let keys: &[&str] = match path {
        "/v1/messages" => &["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"],
        _ => &["id", "object", "created", "model", "choices", "usage"],
    };
    let json = response.json();
    assert!(keys.iter().all(|key| json.get(key).is_some()), "{json} lacks one of {keys:?}");
    vec![json]
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_stream_says_what_the_plain_answer_says(
        respond in respond(),
        path in proptest::sample::select(vec!["/v1/chat/completions", "/v1/completions", "/v1/messages"]),
        n in 1usize..4,
        limit in 1usize..30,
        stop in proptest::option::of("[a-f ]{1,2}"),
        prompt in "[ -~\u{e9}]{1,40}",
    ) {
        let mut body = json!({"model": "m", "max_tokens": limit});
        if path == "/v1/completions" {
            body["prompt"] = prompt.into();
        } else {
            body["messages"] = json!([{"role": "user", "content": prompt}]);
        }
        let choices = if path == "/v1/messages" { 1 } else { n };
        if path != "/v1/messages" {
            body["n"] = n.into();
        }
        if let Some(stop) = stop.filter(|stop| !stop.trim().is_empty()) {
            body[if path == "/v1/messages" { "stop_sequences" } else { "stop" }] = json!([stop]);
        }
        let mut streamed = body.clone();
        streamed["stream"] = true.into();
        if path != "/v1/messages" {
            streamed["stream_options"] = json!({"include_usage": true});
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (plain, stream) = runtime.block_on(async { (ask(&respond, path, &body).await, ask(&respond, path, &streamed).await) });
        let (plain, stream) = match path {
            "/v1/chat/completions" => (chat(&plain, "message", choices), chat(&stream, "delta", choices)),
            "/v1/completions" => (legacy(&plain, choices), legacy(&stream, choices)),
            _ => (message(&plain), message(&stream)),
        };
        // A call's input that was cut is no JSON: only a stream can show what there was of it.
        if !(path == "/v1/messages" && plain.1[0] == "max_tokens") {
            prop_assert_eq!(&plain.0, &stream.0);
        }
        prop_assert_eq!(&plain.1, &stream.1);
        prop_assert_eq!(&plain.2, &stream.2);
    }
}
