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

const TWO: &str = r#""tools":[{"type":"function","function":{"name":"get_weather","parameters":
    {"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}},
    {"type":"function","function":{"name":"get_time"}},
    {"type":"custom","custom":{"name":"run","description":"code"}}]"#;

fn with_two(body: &str, more: &str) -> String {
    body.replace("\"m-1\"", &format!("\"m-1\",{TWO},{more}"))
}

/// The names of the calls in a plain answer.
fn names(body: &Value) -> Vec<&str> {
    let calls = body["choices"][0]["message"]["tool_calls"].as_array();
    calls.into_iter().flatten().filter_map(|call| call[call["type"].as_str()?]["name"].as_str()).collect()
}

#[tokio::test]
async fn required_calls_are_sometimes_parallel_and_never_when_that_is_forbidden() {
    let mock = provider("{}").await;
    let (mut counts, mut single) = (Vec::new(), Vec::new());
    for _ in 0..24 {
        let body = chat(&mock, &with_two(HI, "\"tool_choice\":\"required\"")).await.json();
        assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
        counts.push(names(&body).len());
        let body =
            chat(&mock, &with_two(HI, "\"tool_choice\":\"required\",\"parallel_tool_calls\":false")).await.json();
        single.push(names(&body).len());
    }
    assert!(counts.contains(&1) && counts.iter().any(|count| *count > 1), "{counts:?}");
    assert!(single.iter().all(|count| *count == 1));
    let scripted = provider(BLOCKS).await;
    let body = chat(&scripted, &with_two(HI, "\"parallel_tool_calls\":false")).await.json();
    assert_eq!(names(&body), ["get_weather"]);
}

#[tokio::test]
async fn only_allowed_tools_are_called() {
    let mock = provider("{}").await;
    let allowed = |mode: &str, name: &str| {
        with_two(
            HI,
            &format!(
                r#""tool_choice":{{"type":"allowed_tools","allowed_tools":{{"mode":"{mode}","tools":[{{"type":"function","function":{{"name":"{name}"}}}}]}}}}"#
            ),
        )
    };
    assert_eq!(names(&chat(&mock, &allowed("required", "get_time")).await.json()), ["get_time"]);
    assert!(names(&chat(&mock, &allowed("auto", "get_time")).await.json()).is_empty());
    let unknown = chat(&mock, &allowed("auto", "get_rich")).await.json();
    assert_eq!(unknown["error"]["param"], "tool_choice.allowed_tools.tools[0].function.name");
}

#[tokio::test]
async fn a_custom_tool_gets_text() {
    let mock = provider("{}").await;
    let choice = r#""tool_choice":{"type":"custom","custom":{"name":"run"}}"#;
    let body = chat(&mock, &with_two(HI, choice)).await.json();
    let call = &body["choices"][0]["message"]["tool_calls"][0];
    assert_eq!((&call["type"], &call["custom"]["name"], call.get("function")), (&json!("custom"), &json!("run"), None));
    let events = chat(&mock, &with_two(HI_STREAM, choice)).await.events();
    let inputs =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["tool_calls"][0]["custom"]["input"].as_str());
    assert!(inputs.collect::<String>().split(' ').count() > 2);
}

#[tokio::test]
async fn a_loop_of_tools_ends_in_text() {
    let mock = provider("{}").await;
    let asking = |messages: Value, choice: Value| {
        let tools = json!([{"type": "function", "function": {"name": "f"}}]);
        json!({"model": "m", "tools": tools, "tool_choice": choice, "messages": messages}).to_string()
    };
    let call = json!({"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let user = json!({"role": "user", "content": "hi"});
    let result = json!({"role": "tool", "tool_call_id": "c", "content": "x"});
    for choice in [json!("required"), json!({"type": "function", "function": {"name": "f"}})] {
        let first = chat(&mock, &asking(json!([user]), choice.clone())).await.json();
        assert_eq!(names(&first), ["f"]);
        let second = chat(&mock, &asking(json!([user, call, result]), choice.clone())).await.json();
        assert_eq!((names(&second).len(), &second["choices"][0]["finish_reason"]), (0, &json!("stop")));
        let next_turn = chat(&mock, &asking(json!([user, call, result, user]), choice)).await.json();
        assert_eq!(names(&next_turn), ["f"]);
    }
}

#[tokio::test]
async fn a_limit_cuts_arguments_and_the_answer_ends_with_length() {
    let mock = provider(BLOCKS).await;
    let limited = |body: &str| body.replace("\"m-1\"", "\"m-1\",\"max_tokens\":2");
    let choice = chat(&mock, &limited(HI)).await.json()["choices"][0].clone();
    let call = &choice["message"]["tool_calls"][0]["function"];
    assert_eq!((&call["name"], &choice["finish_reason"]), (&json!("get_weather"), &json!("length")));
    assert_eq!(choice["message"]["tool_calls"].as_array().map(Vec::len), Some(1));
    assert!(serde_json::from_str::<Value>(call["arguments"].as_str().expect("text")).is_err());
    let events = chat(&mock, &limited(HI_STREAM)).await.events();
    assert_eq!(events.last().expect("events")["choices"][0]["finish_reason"], "length");
}

#[tokio::test]
async fn arguments_that_a_script_leaves_open_are_made_up_from_the_schema() {
    let mock = provider("{respond: {blocks: [{tool_call: {name: get_weather, arguments: auto}}]}}").await;
    let body = chat(&mock, &with_two(HI, "\"tool_choice\":\"auto\"")).await.json();
    let arguments = body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"].as_str().expect("text");
    assert!(serde_json::from_str::<Value>(arguments).expect("JSON")["city"].is_string());
}

#[tokio::test]
async fn functions_from_before_tools_are_called_in_their_way() {
    let mock = provider("{}").await;
    let functions =
        r#""functions":[{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"integer"}}}}]"#;
    let named = format!("\"m-1\",{functions},\"function_call\":{{\"name\":\"f\"}}");
    let choice = chat(&mock, &HI.replace("\"m-1\"", &named)).await.json()["choices"][0].clone();
    assert_eq!((&choice["message"]["function_call"]["name"], &choice["finish_reason"]), (&json!("f"), &json!("stop")));
    let events = chat(&mock, &HI_STREAM.replace("\"m-1\"", &named)).await.events();
    let calls: Vec<&Value> =
        events.iter().filter_map(|event| event["choices"][0]["delta"].get("function_call")).collect();
    assert_eq!(calls[0], &json!({"name": "f", "arguments": ""}));
    assert!(calls.len() > 2 && calls[1..].iter().all(|call| call.get("name").is_none()));
    let scripted = provider("{respond: {blocks: [{tool_call: {name: f, arguments: {a: 1}}}]}}").await;
    let auto = HI.replace("\"m-1\"", &format!("\"m-1\",{functions}"));
    assert_eq!(chat(&scripted, &auto).await.json()["choices"][0]["finish_reason"], "function_call");
}

#[tokio::test]
async fn bad_tools_are_told_by_their_place() {
    let mock = provider("{}").await;
    let long = "x".repeat(65);
    for (tools, param, code) in [
        (json!([]), "tools", "empty_array"),
        (json!([{"type": "function"}]), "tools[0].function", "missing_required_parameter"),
        (json!([{"type": "magic", "function": {"name": "f"}}]), "tools[0].type", "invalid_value"),
        (json!([{"type": "function", "function": {"name": "a b"}}]), "tools[0].function.name", "invalid_value"),
        (
            json!([{"type": "function", "function": {"name": long}}]),
            "tools[0].function.name",
            "string_above_max_length",
        ),
        (
            json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}]),
            "tools[0].function.parameters",
            "invalid_function_parameters",
        ),
        (
            json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "text"}}}}}]),
            "tools[0].function.parameters",
            "invalid_function_parameters",
        ),
    ] {
        let body = json!({"model": "m", "tools": tools, "messages": [{"role": "user", "content": "x"}]}).to_string();
        let response = chat(&mock, &body).await;
        let error = &response.json()["error"];
        assert_eq!((response.status, error["param"].as_str(), error["code"].as_str()), (400, Some(param), Some(code)));
    }
    let alone = HI.replace("\"m-1\"", "\"m-1\",\"tool_choice\":\"auto\"");
    assert_eq!(chat(&mock, &alone).await.json()["error"]["param"], "tool_choice");
}
