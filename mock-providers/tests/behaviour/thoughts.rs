//! What a model says beside text: refusals, thoughts and log probabilities, and how texts are cut into deltas.

use serde_json::{Value, json};

use crate::support::{HI, HI_STREAM, Response, chat, provider};

fn ask(plain: &str, more: &str) -> String {
    plain.replacen("\"m-1\"", &format!("\"m-1\",{more}"), 1)
}

async fn answer(script: &str, body: &str) -> Response {
    chat(&provider(script).await, body).await
}

/// One member of all deltas, joined.
fn joined(events: &[Value], member: &str) -> String {
    events.iter().filter_map(|event| event["choices"][0]["delta"][member].as_str()).collect()
}

fn contents(events: &[Value]) -> Vec<&str> {
    events.iter().skip(1).filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect()
}

#[tokio::test]
async fn a_refusal_is_no_content_and_ends_with_stop() {
    for script in
        ["{respond: {blocks: [{refusal: I will not}]}}", "{respond: {text: I will not}, fault: {refuse: true}}"]
    {
        let choice = answer(script, HI).await.json()["choices"][0].clone();
        assert_eq!(
            (&choice["message"]["content"], &choice["message"]["refusal"]),
            (&Value::Null, &json!("I will not"))
        );
        assert_eq!(choice["finish_reason"], "stop");
        let events = answer(script, HI_STREAM).await.events();
        assert_eq!(events[0]["choices"][0]["delta"], json!({"role": "assistant", "content": null, "refusal": null}));
        assert_eq!((joined(&events, "refusal").as_str(), joined(&events, "content").as_str()), ("I will not", ""));
    }
    let unscripted = answer("{fault: {refuse: true}}", HI).await.json();
    assert!(unscripted["choices"][0]["message"]["refusal"].is_string());
}

#[tokio::test]
async fn thoughts_are_counted_and_shown_only_where_the_script_says_so() {
    let blocks = "blocks: [{reasoning: let me think}, {text: yes}]";
    let hidden = answer(&format!("{{respond: {{{blocks}}}}}"), HI).await.json();
    assert_eq!(
        hidden["choices"][0]["message"].as_object().map(|message| message.contains_key("reasoning")),
        Some(false)
    );
    assert_eq!(
        (&hidden["usage"]["completion_tokens"], &hidden["usage"]["completion_tokens_details"]["reasoning_tokens"]),
        (&json!(4), &json!(3))
    );
    for field in ["reasoning", "reasoning_content"] {
        let script = format!("{{respond: {{{blocks}, reasoning: {{field: {field}}}}}}}");
        let shown = answer(&script, HI).await.json();
        assert_eq!(shown["choices"][0]["message"][field], "let me think");
        let events = answer(&script, HI_STREAM).await.events();
        assert_eq!((joined(&events, field).as_str(), joined(&events, "content").as_str()), ("let me think", "yes"));
        assert_eq!(events[0]["choices"][0]["delta"]["content"], "");
    }
}

#[tokio::test]
async fn effort_scales_thought_and_limits_count_it() {
    let script = "{respond: {text: yes it is, reasoning: {tokens: 10, field: reasoning}}}";
    for (effort, tokens) in [("none", 0), ("low", 5), ("medium", 10), ("high", 20)] {
        let body = answer(script, &ask(HI, &format!("\"reasoning_effort\":\"{effort}\""))).await.json();
        let details = &body["usage"]["completion_tokens_details"]["reasoning_tokens"];
        assert_eq!((details, &body["usage"]["completion_tokens"]), (&json!(tokens), &json!(tokens + 3)), "{effort}");
        let thoughts = body["choices"][0]["message"]["reasoning"].as_str().unwrap_or_default();
        assert_eq!(thoughts.split_whitespace().count(), tokens);
    }
    let short = answer(script, &ask(HI, "\"max_completion_tokens\":11")).await.json();
    assert_eq!(
        (&short["choices"][0]["message"]["content"], &short["choices"][0]["finish_reason"]),
        (&json!("yes"), &json!("length"))
    );
    let none = answer(script, &ask(HI, "\"max_completion_tokens\":4")).await.json();
    assert_eq!(
        (&none["choices"][0]["message"]["content"], &none["usage"]["completion_tokens"]),
        (&json!(""), &json!(4))
    );
}

#[tokio::test]
async fn models_that_reason_by_name_do_so_unseen_and_take_other_parameters() {
    let mock = provider("{}").await;
    let o3 = HI.replace("m-1", "o3-mini");
    let body = chat(&mock, &o3).await.json();
    assert_eq!(body["usage"]["completion_tokens_details"]["reasoning_tokens"], 128);
    assert_eq!(body["choices"][0]["message"].as_object().map(serde_json::Map::len), Some(4));
    for (more, param, code) in [
        ("\"max_tokens\":5", "max_tokens", "unsupported_parameter"),
        ("\"stop\":\"x\"", "stop", "unsupported_parameter"),
        ("\"temperature\":0.5", "temperature", "unsupported_value"),
    ] {
        let response = chat(&mock, &o3.replacen("\"o3-mini\"", &format!("\"o3-mini\",{more}"), 1)).await;
        let error = &response.json()["error"];
        assert_eq!((response.status, error["param"].as_str(), error["code"].as_str()), (400, Some(param), Some(code)));
    }
}

/// The bytes of all tokens, each entry checked.
fn bytes_of(entries: &[Value], top: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let own: Vec<u8> = serde_json::from_value(entry["bytes"].clone()).expect("bytes");
        assert_eq!(entry["token"].as_str().map(str::as_bytes), Some(own.as_slice()));
        bytes.extend(own);
        let alternatives = entry["top_logprobs"].as_array().expect("a list");
        let mut order: Vec<f64> = alternatives.iter().filter_map(|other| other["logprob"].as_f64()).collect();
        assert_eq!(alternatives.len(), top);
        assert!(order.iter().all(|logprob| *logprob <= 0.0) && entry["logprob"].as_f64().is_some_and(|own| own <= 0.0));
        assert!(order.is_sorted_by(|one, other| one >= other));
        order.dedup();
        assert_eq!(order.len(), top);
    }
    bytes
}

#[tokio::test]
async fn log_probabilities_join_to_the_text_and_come_with_it() {
    let text = "héé 你好 an extraordinarily good answer";
    let script = format!("{{respond: {{text: {text}}}}}");
    for top in [0, 1, 5, 20] {
        let more = format!("\"logprobs\":true,\"top_logprobs\":{top}");
        let body = answer(&script, &ask(HI, &more)).await.json();
        let whole = body["choices"][0]["logprobs"]["content"].as_array().expect("a list").clone();
        assert_eq!(bytes_of(&whole, top), text.as_bytes());
        let events = answer(&script, &ask(HI_STREAM, &more)).await.events();
        let mut streamed = 0;
        for event in &events {
            let choice = &event["choices"][0];
            let Some(entries) = choice["logprobs"]["content"].as_array() else { continue };
            streamed += entries.len();
            assert_eq!(choice["delta"]["content"].as_str().map(str::as_bytes), Some(bytes_of(entries, top).as_slice()));
        }
        assert_eq!(streamed, whole.len());
    }
    let plain = answer(&script, HI).await.json();
    assert_eq!(plain["choices"][0]["logprobs"], Value::Null);
}

#[tokio::test]
async fn log_probabilities_of_a_refusal_stand_under_refusal_and_calls_have_none() {
    let ask = ask(HI, "\"logprobs\":true");
    let refused = answer("{respond: {blocks: [{refusal: no no}]}}", &ask).await.json();
    let logprobs = &refused["choices"][0]["logprobs"];
    assert_eq!((&logprobs["content"], logprobs["refusal"].as_array().map(Vec::len)), (&Value::Null, Some(2)));
    let called = answer("{respond: {blocks: [{tool_call: {name: f}}]}}", &ask).await.json();
    assert_eq!(called["choices"][0]["logprobs"], Value::Null);
}

#[tokio::test]
async fn deltas_are_as_large_as_the_script_says() {
    for (chunking, deltas) in [
        ("{}", vec!["one", " extraordina", "ry", " day"]),
        ("{coalesce: 3}", vec!["one extraordinary", " day"]),
        ("{unit: word}", vec!["one", " extraordinary", " day"]),
        ("{unit: char, coalesce: 12}", vec!["one extraord", "inary day"]),
    ] {
        let script = format!("{{chunking: {chunking}, respond: {{text: one extraordinary day}}}}");
        let response = answer(&script, HI_STREAM).await;
        assert_eq!(contents(&response.events()), deltas, "{chunking}");
    }
    let own = "{chunking: {unit: char}, respond: {text: one day, chunking: {unit: word}}}";
    assert_eq!(contents(&answer(own, HI_STREAM).await.events()), ["one", " day"]);
    let limited =
        answer("{chunking: {coalesce: 2}, respond: {text: a b c d}}", &ask(HI_STREAM, "\"max_tokens\":3")).await;
    assert_eq!(contents(&limited.events()), ["a b", " c"]);
}

#[tokio::test]
async fn chunks_are_padded_to_one_length_if_that_is_asked_for() {
    let padded = ask(HI_STREAM, "\"stream_options\":{\"include_obfuscation\":true}");
    let script = "{respond: {chunks: [a, abc, abcdefgh]}}";
    let response = answer(script, &padded).await;
    let text = response.text();
    let lengths: Vec<usize> = text.split("\n\n").skip(1).take(3).map(str::len).collect();
    assert!(lengths.iter().all(|length| length % 16 == lengths[0] % 16), "{lengths:?}");
    assert!(response.events().iter().all(|event| event["obfuscation"].is_string()));
    assert!(answer(script, HI_STREAM).await.events().iter().all(|event| event.get("obfuscation").is_none()));
}
