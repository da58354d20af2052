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

fn texts(body: &Value) -> Vec<&str> {
    body["choices"].as_array().into_iter().flatten().filter_map(|choice| choice["text"].as_str()).collect()
}

#[tokio::test]
async fn prompts_are_texts_or_tokens_alone_or_in_lists_and_choices_go_by_prompt() {
    let script = "{respond: {text: !}}".replace('!', "' ok'");
    for (prompt, echoed) in [
        (json!("a"), vec!["a ok", "a ok"]),
        (json!(["a", "b"]), vec!["a ok", "a ok", "b ok", "b ok"]),
        (json!([0, 1]), vec!["the wind ok", "the wind ok"]),
        (json!([[0], [1]]), vec!["the ok", "the ok", "wind ok", "wind ok"]),
    ] {
        let asked = json!({"model": "m", "prompt": prompt, "n": 2, "echo": true}).to_string();
        assert_eq!(texts(&complete(&script, &asked).await.json()), echoed);
    }
}

#[tokio::test]
async fn sixteen_tokens_are_the_default_limit() {
    let body = complete("{respond: {tokens: 40}}", r#"{"model":"m","prompt":"x"}"#).await.json();
    assert_eq!(
        (&body["usage"]["completion_tokens"], &body["choices"][0]["finish_reason"]),
        (&json!(16), &json!("length"))
    );
    let more = complete("{respond: {tokens: 40}}", r#"{"model":"m","prompt":"x","max_tokens":100}"#).await.json();
    assert_eq!(more["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn the_best_of_several_samples_are_shown_and_all_are_counted() {
    let script = "{respond: {text: one two}}";
    let body = complete(script, r#"{"model":"m","prompt":["a","b"],"n":1,"best_of":3}"#).await.json();
    assert_eq!((texts(&body).len(), &body["usage"]["completion_tokens"]), (2, &json!(12)));
    for (more, param) in [
        (r#""best_of":21"#, "best_of"),
        (r#""n":3,"best_of":2"#, "best_of"),
        (r#""best_of":2,"stream":true"#, "best_of"),
        (r#""logprobs":6"#, "logprobs"),
        (r#""suffix":1"#, "suffix"),
        (r#""echo":"yes""#, "echo"),
    ] {
        let response = complete(script, &format!(r#"{{"model":"m","prompt":"x",{more}}}"#)).await;
        assert_eq!((response.status, response.json()["error"]["param"].as_str()), (400, Some(param)), "{more}");
    }
    let bad = complete(script, r#"{"model":"m","prompt":[[1],"x",[-1]]}"#).await.json();
    assert_eq!(bad["error"]["param"], "prompt[2][0]");
}

#[tokio::test]
async fn log_probabilities_are_lists_side_by_side_with_offsets_from_the_prompts_start() {
    let script = "{respond: {text: ' été two'}}";
    let asked = r#"{"model":"m","prompt":"say é:","logprobs":2}"#;
    let plain = complete(script, asked).await.json()["choices"][0]["logprobs"].clone();
    assert_eq!((&plain["tokens"], &plain["text_offset"]), (&json!([" été", " two"]), &json!([6, 10])));
    let top = &plain["top_logprobs"][0];
    assert!(top.as_object().is_some_and(|top| top.len() >= 2 && top.get(" été") == Some(&plain["token_logprobs"][0])));
    let echoed = complete(script, &asked.replace("\"logprobs\"", "\"echo\":true,\"logprobs\"")).await.json();
    let echoed = &echoed["choices"][0]["logprobs"];
    assert_eq!(
        (&echoed["tokens"], &echoed["text_offset"]),
        (&json!(["say", " é:", " été", " two"]), &json!([0, 3, 6, 10]))
    );
    assert_eq!((&echoed["token_logprobs"][0], &echoed["top_logprobs"][0]), (&Value::Null, &Value::Null));
    let streamed = complete(script, &asked.replace("\"logprobs\"", "\"stream\":true,\"logprobs\"")).await.events();
    let offsets: Vec<&Value> = streamed.iter().map(|event| &event["choices"][0]["logprobs"]["text_offset"]).collect();
    assert_eq!(offsets, [&json!([6]), &json!([10]), &Value::Null]);
}
