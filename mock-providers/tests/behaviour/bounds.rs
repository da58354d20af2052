//! Requests that ask for more than anybody could mean: answered or refused soon, and never by an answer without bounds.

use std::sync::mpsc;
use std::time::Duration;

use mock_providers::fuzzing;
use serde_json::{Value, json};

use crate::support::{self, Client, provider};

/// The lengths of the answers of the three dialects, within the time that even a slow machine needs.
fn lengths(path: &'static str, body: impl Into<Vec<u8>>) -> [(u16, usize); 3] {
    let (body, (tell, told)) = (body.into(), mpsc::channel());
    std::thread::spawn(move || {
        let answers = fuzzing::body(path, &body);
        // Who no longer listens has failed already.
        let _ = tell.send(answers.map(|answer| (answer.status, answer.body.iter().map(|piece| piece.len()).sum())));
    });
    told.recv_timeout(Duration::from_secs(30)).expect("it is answered soon")
}

fn chat(members: Value) -> [(u16, usize); 3] {
    let mut body = json!({"model": "m", "max_tokens": 1 << 20, "messages": [{"role": "user", "content": "json"}]});
    members.as_object().expect("members").iter().for_each(|(name, value)| body[name] = value.clone());
    lengths("/v1/chat/completions", body.to_string())
}

fn with_schema(schema: Value, choices: u64) -> [(u16, usize); 3] {
    let format = json!({"type": "json_schema", "json_schema": {"name": "s", "schema": schema}});
    chat(json!({"n": choices, "response_format": format}))
}

#[test]
fn a_schema_that_refers_to_itself_twice_is_answered_soon() {
    let twice = json!([{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]);
    for key in ["allOf", "anyOf", "oneOf"] {
        let schema = json!({"$ref": "#/$defs/a", "$defs": {"a": {key: twice}}});
        assert_eq!(with_schema(schema, 1)[0].0, 200, "{key}");
    }
    let tree =
        json!({"type": "object", "required": ["l", "r"], "properties": {"l": {"$ref": "#"}, "r": {"$ref": "#"}}});
    assert_eq!(with_schema(tree, 16)[0].0, 200);
}

#[test]
fn a_schema_asks_for_no_value_without_bounds() {
    let long = json!({"type": "array", "minItems": 20_000, "items": {"type": "string", "minLength": 100_000}});
    let constant = json!({"type": "array", "minItems": 20_000, "items": {"const": "x".repeat(1 << 16)}});
    let many = json!({"type": "array", "minItems": u64::MAX, "items": {"type": "integer"}, "uniqueItems": true});
    let pattern =
        json!({"type": "array", "minItems": 20_000, "items": {"type": "string", "pattern": "((ab{9}){99}){99}"}});
    for schema in [long, constant, many, pattern] {
        let [(status, length), ..] = with_schema(schema.clone(), 4);
        assert!(status == 200 && length < 64 << 20, "{status}, {length} bytes: {schema:.80}");
    }
}

#[test]
fn a_wide_schema_is_answered_soon() {
    let names: Vec<String> = (0..20_000).map(|n| format!("p{n}")).collect();
    let properties: serde_json::Map<_, _> = names.iter().map(|name| (name.clone(), json!({"type": "null"}))).collect();
    let wide = json!({"type": "object", "properties": properties, "required": names});
    let both = json!({"type": "array", "minItems": 9000, "items": {"$ref": "#/$defs/w", "title": "t", "minProperties": 1}, "$defs": {"w": wide}});
    for schema in [wide, both] {
        assert_eq!(with_schema(schema, 2)[0].0, 200);
    }
    let patterns: serde_json::Map<_, _> =
        (0..900).map(|n| (format!("^(a|b){{{n}}}.*[a-z]{{30}}"), json!({}))).collect();
    let patterns =
        json!({"type": "object", "minProperties": 400, "additionalProperties": {}, "patternProperties": patterns});
    assert_eq!(with_schema(patterns, 2)[0].0, 200);
}

#[test]
fn calls_and_their_results_are_matched_soon_however_many_there_are() {
    const MANY: usize = 20_000;
    let uses: Vec<Value> =
        (0..MANY).map(|n| json!({"type": "tool_use", "id": format!("c{n}"), "name": "f", "input": {}})).collect();
    let results: Vec<Value> =
        (0..MANY).map(|n| json!({"type": "tool_result", "tool_use_id": format!("c{n}")})).collect();
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "a"}, {"role": "assistant", "content": uses}, {"role": "user", "content": results}]});
    assert_eq!(lengths("/v1/messages", body.to_string())[2].0, 200);

    let calls =
        (0..MANY).map(|n| json!({"type": "function_call", "call_id": format!("c{n}"), "name": "f", "arguments": ""}));
    let outputs = (0..MANY).map(|n| json!({"type": "function_call_output", "call_id": format!("c{n}"), "output": ""}));
    let body = json!({"model": "m", "input": calls.chain(outputs).collect::<Vec<_>>()});
    assert_eq!(lengths("/v1/responses", body.to_string())[0].0, 200);
}

#[test]
fn a_prompt_is_not_repeated_without_bounds() {
    let body = json!({"model": "m", "prompt": "a ".repeat(1 << 20), "n": 128, "echo": true, "logprobs": 5});
    let [(_, length), ..] = lengths("/v1/completions", body.to_string());
    assert!(length < 256 << 20, "{length} bytes");
}

#[test]
fn what_is_nested_without_end_is_no_json() {
    for open in ["[", "{\"a\":"] {
        let body = format!("{{\"model\":\"m\",\"messages\":{}", open.repeat(1 << 20));
        assert_eq!(lengths("/v1/chat/completions", body)[0].0, 400);
    }
}

#[test]
fn a_body_of_countless_values_is_refused_before_it_fills_the_memory() {
    let body = format!("{{\"model\":\"m\",\"input\":[{}0]}}", "0,".repeat(5 << 20));
    assert_eq!(lengths("/v1/embeddings", body)[0].0, 400);
    // The same bytes as a text are one value.
    let body =
        format!("{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}]}}", "\\\",".repeat(5 << 20));
    assert_eq!(lengths("/v1/chat/completions", body)[0].0, 200);
}

#[test]
fn millions_of_stops_and_tools_are_refused_or_honoured_soon() {
    let stops: Vec<String> = (0..100_000).map(|n| format!("s{n}")).collect();
    assert_eq!(chat(json!({ "stop": stops }))[0].0, 400);
    let body =
        json!({"model": "m", "max_tokens": 9, "stop_sequences": stops, "messages": [{"role": "user", "content": "a"}]});
    assert!(matches!(lengths("/v1/messages", body.to_string())[2].0, 200 | 400));
    let tools = vec![json!({"type": "function", "function": {"name": "f"}}); 100_000];
    assert_eq!(chat(json!({ "tools": tools }))[0].0, 400);
}

#[tokio::test]
async fn a_schema_of_multiples_of_nothing_is_answered_or_refused() {
    let mock = provider("{}").await;
    let own = r##"{"type":"integer","multipleOf":0}"##;
    let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
    let tool = format!(
        r#""tools":[{{"name":"f","input_schema":{{"type":"object","properties":{{"a":{own}}},"required":["a"]}}}}]"#
    );
    let body = format!(r#"{{"model":"m","max_tokens":50,{messages},{tool},"tool_choice":{{"type":"any"}}}}"#);
    let mut caller = Client::connect(&mock).await;
    caller.post_with("/v1/messages", "anthropic-version: 2023-06-01\r\n", &body).await;
    assert!(matches!(caller.response().await.status, 200 | 400));
    let schema = format!(r##"{{"type":"object","properties":{{"a":{{"$ref":"#/x"}}}},"required":["a"],"x":{own}}}"##);
    let format = format!(r#"{{"type":"json_schema","json_schema":{{"name":"n","schema":{schema}}}}}"#);
    let body = format!(r#"{{"model":"m",{messages},"response_format":{format}}}"#);
    assert!(matches!(support::chat(&mock, &body).await.status, 200 | 400));
}

#[tokio::test]
async fn a_limit_that_thoughts_use_up_leaves_nothing_for_a_call() {
    let mock = provider("{}").await;
    let tool = r#"{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}"#;
    let body = format!(
        r#"{{"model":"o3","messages":[{{"role":"user","content":"hi"}}],"tools":[{tool}],"tool_choice":"required","max_completion_tokens":5}}"#
    );
    let answer = support::chat(&mock, &body).await.json();
    assert_eq!(answer["usage"]["completion_tokens"], 5);
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert!(answer["choices"][0]["message"]["tool_calls"].is_null());
}
