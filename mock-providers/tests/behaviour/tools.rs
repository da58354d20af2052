use serde_json::{Value, json};

use crate::support::{HI, HI_STREAM, chat, provider};

const BLOCKS: &str = r#"
respond:
  blocks:
    - {tool_call: {name: get_weather, arguments: {city: "Pâris \"centre\""}}}
    - {tool_call: {name: get_time, arguments: "{broken", id: call_1}}
"#;
const TOOL: &str = r#""tools":[{"type":"function","function":{"name":"get_weather","parameters":
    {"type":"object","properties":{"city":{"type":"string"}}}}}]"#;

fn with_tool(body: &str, choice: &str) -> String {
    body.replace("\"m-1\"", &format!("\"m-1\",{TOOL},\"tool_choice\":{choice}"))
}

#[tokio::test]
async fn an_unknown_tool_choice_is_refused() {
    let mock = provider("{}").await;
    for (choice, status) in [("\"auto\"", 200), ("\"none\"", 200), ("\"requierd\"", 400)] {
        let answer = chat(&mock, &with_tool(HI, choice)).await;
        assert_eq!(answer.status, status, "{choice}");
        if status == 400 {
            assert_eq!(answer.json()["error"]["param"], "tool_choice");
        }
    }
}

#[tokio::test]
async fn scripted_calls_come_with_ids_and_arguments_as_text() {
    let mock = provider(BLOCKS).await;
    let body = chat(&mock, HI).await.json();
    let choice = &body["choices"][0];
    assert_eq!((&choice["finish_reason"], &choice["message"]["content"]), (&json!("tool_calls"), &Value::Null));
    let calls = &choice["message"]["tool_calls"];
    assert!(calls[0]["id"].as_str().is_some_and(|id| id.starts_with("call_")));
    assert_eq!(calls[0]["function"]["arguments"], "{\"city\":\"Pâris \\\"centre\\\"\"}");
    let second = json!({"id": "call_1", "type": "function", "function": {"name": "get_time", "arguments": "{broken"}});
    assert_eq!(calls[1], second);
}

#[tokio::test]
async fn streamed_calls_have_one_index_each_and_their_fragments_join() {
    let mock = provider(BLOCKS).await;
    let events = chat(&mock, HI_STREAM).await.events();
    let deltas: Vec<&Value> = events.iter().map(|event| &event["choices"][0]["delta"]).collect();
    assert_eq!(deltas[0], &json!({"role": "assistant", "content": null, "refusal": null}));
    let calls: Vec<&Value> = deltas.iter().filter_map(|delta| delta.get("tool_calls")?.get(0)).collect();
    let joined = |index: u64| -> String {
        let own = calls.iter().filter(|call| call["index"] == index);
        own.filter_map(|call| call["function"]["arguments"].as_str()).collect()
    };
    assert_eq!((joined(0), joined(1)), ("{\"city\":\"Pâris \\\"centre\\\"\"}".to_owned(), "{broken".to_owned()));
    let first = calls.iter().filter(|call| call.get("id").is_some()).count();
    assert_eq!(first, 2);
    assert!(calls.len() > 4, "arguments come in fragments");
    assert_eq!(events.last().expect("events")["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn a_forced_call_is_made_up_from_the_schema() {
    let mock = provider("{}").await;
    let required = chat(&mock, &with_tool(HI, "\"required\"")).await.json();
    let call = &required["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(call["name"], "get_weather");
    let arguments: Value = serde_json::from_str(call["arguments"].as_str().expect("text")).expect("JSON");
    assert!(arguments["city"].is_string());
    assert_eq!(required["choices"][0]["finish_reason"], "tool_calls");
    let named = r#"{"type":"function","function":{"name":"get_weather"}}"#;
    let named = chat(&mock, &with_tool(HI, named)).await.json();
    assert_eq!(named["choices"][0]["finish_reason"], "stop");
    assert!(named["choices"][0]["message"]["tool_calls"].is_array());
    let unknown = r#"{"type":"function","function":{"name":"other"}}"#;
    assert_eq!(chat(&mock, &with_tool(HI, unknown)).await.status, 400);
}

#[tokio::test]
async fn tools_without_force_are_answered_in_text() {
    let mock = provider("{}").await;
    let body = chat(&mock, &with_tool(HI, "\"auto\"")).await.json();
    assert!(body["choices"][0]["message"]["content"].is_string());
}
