use std::time::Duration;

use mock_providers::{End, Usage};
use serde_json::{Value, json};

use crate::support::{HI_STREAM, chat, only_request, provider};

const NUMBERS: &str = "usage: {prompt_tokens: 11, completion_tokens: 7}";

#[tokio::test]
async fn a_stream_is_role_content_finish_and_done_byte_for_byte() {
    let mock = provider(&format!("{{respond: {{text: served by a, model: m-x, {NUMBERS}}}}}")).await;
    let response = chat(&mock, HI_STREAM).await;
    assert_eq!(response.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let events = response.events();
    let (id, print) = (events[0]["id"].as_str().expect("an id"), &events[0]["system_fingerprint"]);
    let frame = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"{id}\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,\"model\":\"m-x\",\
             \"service_tier\":\"default\",\"system_fingerprint\":{print},\"choices\":[{{\"index\":0,\
             \"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let expected = [
        frame("{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}", "null"),
        frame("{\"content\":\"served\"}", "null"),
        frame("{\"content\":\" by\"}", "null"),
        frame("{\"content\":\" a\"}", "null"),
        frame("{}", "\"stop\""),
        "data: [DONE]\n\n".to_owned(),
    ];
    assert_eq!(response.text(), expected.concat());
    assert!(id.starts_with("chatcmpl-"));
}

#[tokio::test]
async fn include_usage_adds_a_last_chunk_and_nulls_before_it() {
    let mock = provider(&format!("{{respond: {{text: a b, {NUMBERS}}}}}")).await;
    let asking = HI_STREAM.replace("\"stream\":true", "\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    let events = chat(&mock, &asking).await.events();
    let (last, others) = events.split_last().expect("events");
    assert_eq!((&last["choices"], &last["usage"]["total_tokens"]), (&json!([]), &json!(18)));
    assert!(others.iter().all(|event| event.get("usage") == Some(&Value::Null)));
    let record = only_request(&mock).await;
    assert_eq!(record.usage, Some(Usage { prompt_tokens: 11, completion_tokens: 7, ..Usage::default() }));
}

#[tokio::test]
async fn without_include_usage_there_is_no_usage_anywhere() {
    let mock = provider(&format!("{{respond: {{text: a b, {NUMBERS}}}}}")).await;
    let events = chat(&mock, HI_STREAM).await.events();
    assert!(events.iter().all(|event| event.get("usage").is_none()));
    assert_eq!(only_request(&mock).await.usage, None);
}

#[tokio::test]
async fn choices_take_turns_and_each_has_its_finish_chunk() {
    let mock = provider("{respond: {chunks: [a, b]}}").await;
    let events = chat(&mock, &HI_STREAM.replace("true", "true,\"n\":2")).await.events();
    let indexes: Vec<u64> = events.iter().filter_map(|event| event["choices"][0]["index"].as_u64()).collect();
    assert_eq!(indexes, [0, 1, 0, 1, 0, 1, 0, 1]);
    let finished = events.iter().filter(|event| event["choices"][0]["finish_reason"] == "stop").count();
    assert_eq!(finished, 2);
}

#[tokio::test]
async fn latency_spaces_the_head_and_the_events() {
    let mock = provider("{latency: {head: 30ms, ttft: 20ms, itl: 15ms}, respond: {chunks: [a, b]}}").await;
    chat(&mock, HI_STREAM).await;
    let record = only_request(&mock).await;
    let head = record.head_at.expect("a head");
    assert!(head - record.received_at >= Duration::from_millis(30));
    let times: Vec<Duration> = record.events.iter().map(|(at, _)| *at - head).collect();
    assert_eq!(times.len(), 4, "role, a, b, and finish with [DONE]");
    assert!(times[1] >= Duration::from_millis(20));
    assert!(times[2] >= Duration::from_millis(35));
    assert!(times[3] >= Duration::from_millis(50));
    assert_eq!(record.end, End::Complete);
}

#[tokio::test]
async fn literal_events_are_written_as_they_are() {
    let yaml = r#"
respond:
  sse:
    - {data: {choices: [], usage: {prompt_tokens: 3, completion_tokens: 4}}}
    - {data: "two\nlines", after: 5ms}
    - {raw: ": ping\n\n"}
    - {raw_base64: "/w=="}
    - done
"#;
    let mock = provider(yaml).await;
    let response = chat(&mock, HI_STREAM).await;
    let mut expected = b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n".to_vec();
    expected.extend(b"data: two\ndata: lines\n\n: ping\n\n\xffdata: [DONE]\n\n");
    assert_eq!(response.body, expected);
    let record = only_request(&mock).await;
    assert_eq!(record.events.len(), 2);
    assert_eq!(record.usage.map(|usage| usage.prompt_tokens), Some(3));
}
