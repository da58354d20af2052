//! What is made of the bodies of each API, whole, streamed, cut off and too long.

use std::fmt::Write;

use super::*;

fn read(told: Option<String>) -> Value {
    serde_json::from_str(&told.unwrap()).unwrap()
}

#[test]
fn a_chat_is_told_with_its_calls_and_their_answers() {
    let body = json!({"messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [
            {"type": "text", "text": "what is it?"},
            {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ]},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}},
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
    ]});
    let expected = json!([
        {"role": "system", "parts": [{"type": "text", "content": "be brief"}]},
        {"role": "user", "parts": [
            {"type": "text", "content": "what is it?"},
            {"type": "uri", "modality": "image", "uri": "https://example.com/cat.png"},
            {"type": "image_url"},
        ]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "call_1", "name": "look", "arguments": {"at": 1}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "a cat"}]},
    ]);
    assert_eq!(read(input(body.to_string().as_bytes())), expected);
    assert_eq!(instructions(body.to_string().as_bytes()), None, "they are part of the messages");
    assert_eq!(
        read(input(br#"{"prompt":["a","b"]}"#))[1],
        json!({"role": "user", "parts": [{"type": "text", "content": "b"}]})
    );
}

#[test]
fn messages_tell_instructions_apart_and_what_tools_answered_as_a_message_of_its_own() {
    let body = br#"{"system":[{"type":"text","text":"be kind"}],"messages":[
        {"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"look","input":{"at":2}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"a dog"},{"type":"text","text":"so?"}]}]}"#;
    assert_eq!(read(instructions(body)), json!([{"type": "text", "content": "be kind"}]));
    let told = read(input(body));
    assert_eq!(told[0]["parts"][0], json!({"type": "tool_call", "id": "t1", "name": "look", "arguments": {"at": 2}}));
    assert_eq!(
        told[1],
        json!({"role": "tool", "parts": [{"type": "tool_call_response", "id": "t1", "response": "a dog"}]})
    );
    assert_eq!(told[2], json!({"role": "user", "parts": [{"type": "text", "content": "so?"}]}));
}

#[test]
fn pictures_that_a_tool_gave_are_not_told() {
    let body = br#"{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[
        {"type":"text","text":"a page"},{"type":"image","source":{"type":"base64","data":"iVBORw0KGgo"}},{"data":"iVBORw0KGgo"}]}]}]}"#;
    let told = read(input(body));
    let parts = json!([{"type": "text", "content": "a page"}, {"type": "image"}, {"type": "unknown"}]);
    assert_eq!(told[0]["parts"][0]["response"], parts);
}

#[test]
fn responses_tell_items_as_messages() {
    let body = br#"{"instructions":"be quick","input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]},
        {"type":"function_call","call_id":"c","name":"look","arguments":"not json"},
        {"type":"function_call_output","call_id":"c","output":"x"}]}"#;
    assert_eq!(read(instructions(body)), json!([{"type": "text", "content": "be quick"}]));
    let told = read(input(body));
    let roles: Vec<_> = told.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!((roles, &told[1]["parts"][0]["arguments"]), (vec!["user", "assistant", "tool"], &json!("not json")));
    assert_eq!(read(input(br#"{"input":"hi"}"#))[0]["parts"][0]["content"], "hi");
    let answer = br#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[
        {"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},
        {"type":"message","role":"assistant","content":[{"type":"output_text","text":"hello"}]}]}"#;
    let parts = json!([{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "hello"}]);
    let expected = json!([{"role": "assistant", "parts": parts, "finish_reason": "max_output_tokens"}]);
    assert_eq!(read(output(answer)), expected);
}

/// Events as they come.
fn events(all: &[Value]) -> Vec<u8> {
    let mut text = String::new();
    all.iter().for_each(|event| write!(text, "data: {event}\n\n").unwrap());
    (text + "data: [DONE]\n\n").into_bytes()
}

#[test]
fn a_streamed_answer_is_told_as_the_whole_one() {
    let whole = json!({"choices": [
        {"index": 0, "finish_reason": "tool_calls", "message": {"reasoning_content": "hm", "content": "hello", "tool_calls": [
            {"id": "c", "function": {"name": "look", "arguments": "{\"at\":1}"}},
        ]}},
        {"index": 1, "finish_reason": "stop", "message": {"content": "hey"}},
    ]});
    let delta =
        |index: u64, delta: Value| json!({"choices": [{"index": index, "delta": delta, "finish_reason": null}]});
    let streamed = events(&[
        delta(0, json!({"role": "assistant", "content": ""})),
        delta(0, json!({"reasoning_content": "hm"})),
        delta(0, json!({"content": "hel"})),
        delta(1, json!({"content": "hey"})),
        delta(0, json!({"content": "lo"})),
        delta(0, json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "look", "arguments": ""}}]})),
        delta(0, json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"at\":"}}]})),
        delta(0, json!({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]})),
        json!({"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
    ]);
    assert_eq!(read(output(&streamed)), read(output(whole.to_string().as_bytes())));
    assert_eq!(read(output(&streamed))[0]["parts"][2]["arguments"], json!({"at": 1}));
    let begun = &streamed[..400];
    assert!(output(begun).unwrap().contains("hel"), "what came of a stream that was cut off");
}

#[test]
fn streams_of_messages_and_responses_are_put_together() {
    let streamed = events(&[
        json!({"type": "message_start", "message": {"id": "m"}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hel"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "look", "input": {}}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{\"at\":"}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "3}"}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}),
    ]);
    let parts = json!([
        {"type": "text", "content": "hello"},
        {"type": "tool_call", "id": "t", "name": "look", "arguments": {"at": 3}},
    ]);
    assert_eq!(read(output(&streamed)), json!([{"role": "assistant", "parts": parts, "finish_reason": "tool_use"}]));

    let item =
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "content": []}});
    let delta = |text: &str| json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text});
    let (begun, parts) = (events(&[item, delta("hel"), delta("lo")]), json!([{"type": "text", "content": "hello"}]));
    assert_eq!(read(output(&begun)), json!([{"role": "assistant", "parts": parts}]));
    let ended = json!({"type": "response.completed", "response": {"status": "completed", "output": [
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
    ]}});
    let told = read(output(&[&begun[..], &events(&[ended])].concat()));
    let call = json!({"type": "tool_call", "id": "c", "name": "look", "arguments": {}});
    assert_eq!(
        told,
        json!([{"role": "assistant", "parts": [call], "finish_reason": "completed"}]),
        "the last word counts"
    );
}

#[test]
fn what_is_too_long_stays_json_and_the_newest_is_kept() {
    let long =
        json!({"messages": [{"role": "user", "content": "\u{1}".repeat(20_000)}, {"role": "user", "content": "last"}]});
    let told = input(long.to_string().as_bytes()).unwrap();
    assert!(told.len() <= MAX_TEXT);
    let told = read(Some(told));
    assert!(told[0]["parts"][0]["content"].as_str().unwrap().ends_with('…'));
    assert_eq!(told[1]["parts"][0]["content"], "last");
    let many: Vec<_> = (0..2000).map(|n| json!({"role": "user", "content": n.to_string()})).collect();
    let told = input(json!({"messages": many}).to_string().as_bytes()).unwrap();
    assert!(told.len() <= MAX_TEXT && told.len() > MAX_TEXT - 100, "{}", told.len());
    assert_eq!(read(Some(told)).as_array().unwrap().last().unwrap()["parts"][0]["content"], "1999");
    let body = long.to_string();
    assert!(input(&body.as_bytes()[..10_000]).is_some(), "a body that was cut off is told as far as it came");
}

#[test]
fn what_has_no_messages_tells_none() {
    for body in ["", "{}", "[]", "nonsense", r#"{"error":{"message":"no"}}"#, r#"{"input":7}"#] {
        assert_eq!((input(body.as_bytes()), output(body.as_bytes())), (None, None), "{body}");
    }
}
