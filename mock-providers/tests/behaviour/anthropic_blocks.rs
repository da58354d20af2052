use serde_json::{Value, json};

use crate::anthropic::{HELLO, HELLO_STREAM, answer, events};

const TOOLS: &str = r#""tools":[{"name":"get_time","input_schema":{"type":"object"}},{"name":"get_weather","input_schema":
    {"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"]}}]"#;

/// The request with more members.
fn with(body: &str, members: &str) -> String {
    format!("{},{members}}}", body.strip_suffix('}').expect("an object"))
}

#[tokio::test]
async fn a_forced_tool_is_called_with_input_that_fits_its_schema() {
    let named = with(HELLO, &format!(r#"{TOOLS},"tool_choice":{{"type":"tool","name":"get_weather"}}"#));
    let body = answer("", &named).await.json();
    let call = &body["content"][0];
    assert_eq!(
        (&body["stop_reason"], &call["type"], &call["name"]),
        (&json!("tool_use"), &json!("tool_use"), &json!("get_weather"))
    );
    assert!(call["id"].as_str().is_some_and(|id| id.starts_with("toolu_")));
    assert!(call["input"]["city"].is_string() && call["input"]["days"].is_i64(), "{call}");
    let any = with(HELLO, &format!(r#"{TOOLS},"tool_choice":{{"type":"any"}}"#));
    assert_eq!(answer("", &any).await.json()["content"][0]["name"], "get_time");
    for free in ["auto", "none"] {
        let free = with(HELLO, &format!(r#"{TOOLS},"tool_choice":{{"type":"{free}"}}"#));
        assert_eq!(answer("", &free).await.json()["content"][0]["type"], "text");
    }
}

#[tokio::test]
async fn a_text_fits_the_schema_that_is_wanted() {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city","days"]}"#;
    let format = format!(r#""output_config":{{"format":{{"type":"json_schema","schema":{schema}}}}}"#);
    let body = answer("", &with(HELLO, &format)).await.json();
    let text = body["content"][0]["text"].as_str().expect("a text");
    let value: Value = serde_json::from_str(text).expect("JSON");
    assert!(value["city"].is_string() && value["days"].is_i64(), "{value}");
}

#[tokio::test]
async fn a_loop_of_tools_ends_with_the_result() {
    let turns = r#"[{"role":"user","content":"weather?"},
        {"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{"city":"Paris"}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"sunny"}]}]"#;
    let body = format!(r#"{{"model":"c","max_tokens":99,"messages":{turns},{TOOLS},"tool_choice":{{"type":"any"}}}}"#);
    let body = answer("", &body).await.json();
    assert_eq!((&body["stop_reason"], &body["content"][0]["type"]), (&json!("end_turn"), &json!("text")));
}

#[tokio::test]
async fn streamed_calls_have_an_empty_input_first_and_then_its_fragments() {
    let script = "respond: {blocks: [{text: let me see}, {tool_call: {name: f, arguments: {city: Paris, days: 3}, id: toolu_9}}]}";
    let events = events(&answer(script, HELLO_STREAM).await);
    let starts: Vec<&Value> =
        events.iter().filter(|(name, _)| name == "content_block_start").map(|(_, data)| data).collect();
    assert_eq!((starts.len(), &starts[1]["index"]), (2, &json!(1)));
    assert_eq!(starts[1]["content_block"], json!({"type": "tool_use", "id": "toolu_9", "name": "f", "input": {}}));
    let parts: Vec<&str> = events.iter().filter_map(|(_, data)| data["delta"]["partial_json"].as_str()).collect();
    assert!(parts[0].is_empty() && parts.len() > 2, "{parts:?}");
    assert_eq!(parts.concat(), r#"{"city":"Paris","days":3}"#);
    assert_eq!(events.iter().filter(|(name, _)| name == "ping").count(), 1);
    let last = &events[events.len() - 2].1;
    assert_eq!(last["delta"]["stop_reason"], "tool_use");
    assert_eq!(answer(script, HELLO).await.json()["content"][1]["input"], json!({"city": "Paris", "days": 3}));
}

#[tokio::test]
async fn parallel_calls_are_left_out_for_who_cannot_use_them() {
    let script = "respond: {blocks: [{tool_call: {name: get_time}}, {tool_call: {name: get_weather}}]}";
    let calls = async |choice: &str| {
        let body = with(HELLO, &format!(r#"{TOOLS},"tool_choice":{choice}"#));
        answer(script, &body).await.json()["content"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(calls(r#"{"type":"auto"}"#).await, 2);
    assert_eq!(calls(r#"{"type":"auto","disable_parallel_tool_use":true}"#).await, 1);
}

#[tokio::test]
async fn thinking_comes_first_and_is_signed() {
    let thinking = r#""thinking":{"type":"enabled","budget_tokens":1024}"#;
    let ask = |body: &str| with(&body.replace("64", "4096"), thinking);
    let body = answer("respond: {text: done}", &ask(HELLO)).await.json();
    let (thought, text) = (&body["content"][0], &body["content"][1]);
    assert_eq!((&thought["type"], &text["text"]), (&json!("thinking"), &json!("done")));
    assert!(thought["thinking"].as_str().is_some_and(|thoughts| thoughts.contains(' ')));
    let events = events(&answer("respond: {text: done}", &ask(HELLO_STREAM)).await);
    let of = |kind: &str| events.iter().filter(|(_, data)| data["delta"]["type"] == kind).count();
    assert!(of("thinking_delta") > 5 && of("signature_delta") == 1 && of("text_delta") == 1);
    let signature = events.iter().position(|(_, data)| data["delta"]["type"] == "signature_delta").expect("signed");
    assert_eq!(
        (events[signature + 1].0.as_str(), &events[signature + 1].1["index"]),
        ("content_block_stop", &json!(0))
    );
    let used = &body["usage"];
    let thoughts = used["output_tokens_details"]["thinking_tokens"].as_u64().expect("thoughts are counted");
    assert_eq!(used["output_tokens"].as_u64(), Some(thoughts + 1), "thoughts are paid for");
    let hidden = with(HELLO, r#""thinking":{"type":"adaptive","display":"omitted"}"#);
    let thought = answer("", &hidden).await.json()["content"][0].clone();
    assert_eq!((&thought["type"], &thought["thinking"]), (&json!("thinking"), &json!("")));
}

#[tokio::test]
async fn limits_and_stop_sequences_end_a_message_and_say_so() {
    let script = "respond: {text: one two three four}";
    let cut = answer(script, &HELLO.replace("64", "2")).await.json();
    assert_eq!((&cut["content"][0]["text"], &cut["stop_reason"]), (&json!("one two"), &json!("max_tokens")));
    assert_eq!(cut["usage"]["output_tokens"], 2);
    let stopped = with(HELLO, r#""stop_sequences":["four"," three"]"#);
    let body = answer(script, &stopped).await.json();
    assert_eq!(body["content"][0]["text"], "one two");
    assert_eq!((&body["stop_reason"], &body["stop_sequence"]), (&json!("stop_sequence"), &json!(" three")));
    let ignoring = format!("{script}, fault: {{ignore_stop: true, ignore_max_tokens: true}}");
    let body = answer(&ignoring, &stopped.replace("64", "1")).await.json();
    assert_eq!(body["content"][0]["text"], "one two three four");
}

#[tokio::test]
async fn faults_of_meaning_have_their_reasons() {
    for (fault, reason) in [("refuse", "refusal"), ("content_filter", "refusal"), ("length_cut", "max_tokens")] {
        let body = answer(&format!("fault: {{{fault}: true}}"), HELLO).await.json();
        assert_eq!(body["stop_reason"], reason, "{fault}");
    }
    for (scripted, reason) in [("tool_calls", "tool_use"), ("length", "max_tokens"), ("pause_turn", "pause_turn")] {
        let body = answer(&format!("respond: {{finish_reason: {scripted}}}"), HELLO).await.json();
        assert_eq!(body["stop_reason"], reason);
    }
}

#[tokio::test]
async fn nothing_said_is_a_message_without_blocks() {
    let body = answer("respond: {text: ''}", HELLO).await.json();
    assert_eq!((&body["content"], &body["usage"]["output_tokens"]), (&json!([]), &json!(0)));
    let events = events(&answer("respond: {text: ''}", HELLO_STREAM).await);
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["message_start", "message_delta", "message_stop"]);
}

#[tokio::test]
async fn scripted_arguments_may_be_made_up_from_the_tool_s_schema() {
    let script = "respond: {blocks: [{tool_call: {name: get_weather, arguments: auto}}, \
                  {tool_call: {name: unknown, arguments: auto}}]}";
    let body = answer(script, &with(HELLO, TOOLS)).await.json();
    let input = &body["content"][0]["input"];
    assert!(input["city"].is_string() && input["days"].is_i64(), "{input}");
    assert_eq!(body["content"][1]["input"], json!({}));
}

#[tokio::test]
async fn a_delta_is_as_long_as_chunking_says_and_counts_its_tokens() {
    let script = "chunking: {unit: word, coalesce: 2}, respond: {text: one two three four five}";
    let response = answer(script, HELLO_STREAM).await;
    let all = events(&response);
    let deltas: Vec<&Value> =
        all.iter().filter(|(name, _)| name == "content_block_delta").map(|(_, data)| &data["delta"]["text"]).collect();
    assert_eq!(deltas, ["one two", " three four", " five"]);
    let end = all.iter().find(|(name, _)| name == "message_delta").expect("an end");
    assert_eq!(end.1["usage"]["output_tokens"], 5);
}

#[tokio::test]
async fn the_id_and_the_tier_are_the_script_s() {
    let body = answer("respond: {text: hi, id: msg_mine, service_tier: priority}", HELLO).await.json();
    assert_eq!((&body["id"], &body["usage"]["service_tier"]), (&json!("msg_mine"), &json!("priority")));
}

#[tokio::test]
async fn an_echo_leaves_results_of_tools_out() {
    let turns = r#"[{"role":"user","content":"weather?"},
        {"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{"city":"Paris"}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"sunny"}]}]"#;
    let body = format!(r#"{{"model":"c","max_tokens":99,"messages":{turns},{TOOLS}}}"#);
    assert_eq!(answer("respond: {echo: true}", &body).await.json()["content"][0]["text"], "weather?");
}
