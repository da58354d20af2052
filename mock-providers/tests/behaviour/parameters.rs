//! Chat's parameters: what is refused, with the place that is wrong, and what passes.

use serde_json::{Value, json};

use crate::support::{HI, Response, chat, provider};

/// The plain question with more members.
fn ask(more: &str) -> String {
    HI.replacen("\"m-1\"", &format!("\"m-1\",{more}"), 1)
}

async fn answer(script: &str, body: &str) -> Response {
    chat(&provider(script).await, body).await
}

#[tokio::test]
async fn a_wrong_value_is_told_with_its_place_and_code() {
    let mock = provider("{}").await;
    for (more, param, code) in [
        (r#""temperature":"hot""#, "temperature", "invalid_type"),
        (r#""temperature":2.1"#, "temperature", "decimal_above_max_value"),
        (r#""top_p":-0.1"#, "top_p", "decimal_below_min_value"),
        (r#""presence_penalty":3"#, "presence_penalty", "decimal_above_max_value"),
        (r#""n":0"#, "n", "integer_below_min_value"),
        (r#""n":129"#, "n", "integer_above_max_value"),
        (r#""n":1.5"#, "n", "invalid_type"),
        (r#""max_tokens":0"#, "max_tokens", "integer_below_min_value"),
        (r#""max_tokens":5,"max_completion_tokens":5"#, "max_tokens", "invalid_parameter_combination"),
        (r#""stop":["a","b","c","d","e"]"#, "stop", "array_above_max_length"),
        (r#""stop":[1]"#, "stop[0]", "invalid_type"),
        (r#""seed":"x""#, "seed", "invalid_type"),
        (r#""logit_bias":{"5":101}"#, "logit_bias.5", "invalid_value"),
        (r#""logprobs":1"#, "logprobs", "invalid_type"),
        (r#""top_logprobs":2"#, "top_logprobs", "invalid_value"),
        (r#""logprobs":true,"top_logprobs":21"#, "top_logprobs", "integer_above_max_value"),
        (r#""stream_options":{"include_usage":true}"#, "stream_options", "invalid_value"),
        (r#""stream":true,"stream_options":{"include_usage":1}"#, "stream_options.include_usage", "invalid_type"),
        (r#""reasoning_effort":"hard""#, "reasoning_effort", "invalid_value"),
        (r#""verbosity":"loud""#, "verbosity", "invalid_value"),
        (r#""service_tier":"gold""#, "service_tier", "invalid_value"),
        (r#""metadata":{"a":1}"#, "metadata.a", "invalid_type"),
        (r#""store":"yes""#, "store", "invalid_type"),
        (r#""user":7"#, "user", "invalid_type"),
        (r#""modalities":["text","audio"]"#, "modalities", "unsupported_value"),
        (r#""prediction":{"type":"content"}"#, "prediction.content", "missing_required_parameter"),
        (r#""response_format":{"type":"xml"}"#, "response_format.type", "invalid_value"),
        (r#""response_format":{"type":"json_schema"}"#, "response_format.json_schema", "missing_required_parameter"),
        (
            r#""response_format":{"type":"json_schema","json_schema":{"name":"a b","schema":{}}}"#,
            "response_format.json_schema.name",
            "invalid_value",
        ),
    ] {
        let response = chat(&mock, &ask(more)).await;
        let error = &response.json()["error"];
        assert_eq!(
            (response.status, error["param"].as_str(), error["code"].as_str()),
            (400, Some(param), Some(code)),
            "{more}"
        );
        assert_eq!(error["type"], "invalid_request_error", "{more}");
    }
}

#[tokio::test]
async fn metadata_has_its_limits() {
    let mock = provider("{}").await;
    let pairs = |count: usize| (0..count).map(|n| format!("\"k{n}\":\"v\"")).collect::<Vec<_>>().join(",");
    let long = |key: usize, value: usize| format!("\"{}\":\"{}\"", "k".repeat(key), "v".repeat(value));
    for (metadata, status) in
        [(pairs(16), 200), (pairs(17), 400), (long(64, 512), 200), (long(65, 1), 400), (long(1, 513), 400)]
    {
        assert_eq!(chat(&mock, &ask(&format!("\"metadata\":{{{metadata}}}"))).await.status, status, "{metadata}");
    }
}

#[tokio::test]
async fn what_openai_takes_is_taken() {
    let mock = provider("{}").await;
    for more in [
        r#""temperature":null,"n":null,"stop":null,"tools":null,"response_format":null,"logit_bias":null"#,
        r#""seed":-9223372036854775808,"logit_bias":{"50256":-100},"user":"u","store":false,"metadata":{"a":"b"}"#,
        r#""prediction":{"type":"content","content":"x"},"modalities":["text"],"verbosity":"low","x_unknown":{"a":[1]}"#,
        r#""response_format":{"type":"text"},"web_search_options":{},"parallel_tool_calls":true,"tool_choice":"none""#,
        r#""safety_identifier":"s","prompt_cache_key":"k","reasoning_effort":"xhigh","stop":["a","b","c","d"]"#,
    ] {
        let response = chat(&mock, &ask(more)).await;
        assert_eq!(response.status, 200, "{more}: {}", response.text());
    }
}

#[tokio::test]
async fn messages_are_checked_part_by_part() {
    let mock = provider("{}").await;
    for (messages, param, code) in [
        (json!([]), "messages", json!("empty_array")),
        (json!([1]), "messages[0]", json!("invalid_type")),
        (json!([{"role": "robot", "content": "x"}]), "messages[0].role", json!("invalid_value")),
        (json!([{"role": "user", "content": null}]), "messages[0].content", json!("invalid_type")),
        (
            json!([{"role": "user", "content": [{"type": "text"}]}]),
            "messages[0].content[0].text",
            json!("missing_required_parameter"),
        ),
        (
            json!([{"role": "user", "content": [{"type": "smell"}]}]),
            "messages[0].content[0].type",
            json!("invalid_value"),
        ),
        (
            json!([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]),
            "messages[0].content[0].image_url.url",
            json!("missing_required_parameter"),
        ),
        (
            json!([{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "ogg"}}]}]),
            "messages[0].content[0].input_audio.format",
            json!("invalid_value"),
        ),
        (
            json!([{"role": "system", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
            "messages[0].content[0].type",
            json!("invalid_value"),
        ),
        (json!([{"role": "tool", "content": "x"}]), "messages[0].tool_call_id", json!("missing_required_parameter")),
        (json!([{"role": "tool", "content": "x", "tool_call_id": "c"}]), "messages[0].role", json!(null)),
    ] {
        let body = json!({"model": "m", "messages": messages}).to_string();
        let response = chat(&mock, &body).await;
        let error = &response.json()["error"];
        assert_eq!((response.status, error["param"].as_str(), &error["code"]), (400, Some(param), &code), "{body}");
    }
    let parts = json!([
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [
            {"type": "text", "text": "what is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            {"type": "file", "file": {"file_id": "f"}},
        ]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"role": "user", "content": "please"},
    ]);
    assert_eq!(chat(&mock, &json!({"model": "m", "messages": parts}).to_string()).await.status, 200);
}

#[tokio::test]
async fn each_call_needs_its_answer_and_each_answer_its_call() {
    let mock = provider("{}").await;
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let calling = json!({"role": "assistant", "content": null, "tool_calls": [call("c1"), call("c2")]});
    let user = json!({"role": "user", "content": "hi"});
    let tool = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "x"});
    for (messages, param) in [
        (json!([user, calling, tool("c1"), tool("c2")]), None),
        (json!([user, calling, tool("c2"), tool("c1"), user]), None),
        (json!([user, calling, tool("c1")]), Some("messages[2].role")),
        (json!([user, calling, tool("c1"), user]), Some("messages[3].role")),
        (json!([user, calling, tool("c1"), tool("c3")]), Some("messages[3].tool_call_id")),
        (json!([user, tool("c1")]), Some("messages[1].role")),
    ] {
        let body = json!({"model": "m", "messages": messages}).to_string();
        let response = chat(&mock, &body).await;
        assert_eq!(response.json()["error"]["param"].as_str(), param, "{body}");
    }
}

#[tokio::test]
async fn nothing_is_validated_when_strictness_is_off() {
    let mock = provider("{strict: off, respond: {text: fine}}").await;
    for body in [r#"{"messages":1,"n":"x","stop":7,"tools":{},"tool_choice":"any","temperature":9}"#, "{}"] {
        let response = chat(&mock, body).await;
        assert_eq!(
            (response.status, &response.json()["choices"][0]["message"]["content"]),
            (200, &json!("fine")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn the_service_tier_that_answers_is_told() {
    let mock = provider("{}").await;
    for (asked, told) in [("auto", "default"), ("flex", "flex"), ("fast", "priority"), ("priority", "priority")] {
        let body = chat(&mock, &ask(&format!("\"service_tier\":\"{asked}\""))).await.json();
        assert_eq!(body["service_tier"], told);
    }
}

#[tokio::test]
async fn choices_differ_and_all_are_counted() {
    let body = answer("{}", &ask("\"n\":3")).await.json();
    let texts: Vec<&Value> = (0..3).map(|index| &body["choices"][index]["message"]["content"]).collect();
    assert!(texts[0] != texts[1] && texts[1] != texts[2]);
    let one = answer("{respond: {text: one two}}", &ask("\"n\":3")).await.json();
    assert_eq!(one["usage"]["completion_tokens"], 6);
}

#[tokio::test]
async fn faults_make_the_model_deaf_to_parameters() {
    let script = |fault: &str| format!("{{respond: {{text: one two three}}, fault: {{{fault}: true}}}}");
    let deaf = answer(&script("ignore_max_tokens"), &ask("\"max_tokens\":1")).await.json();
    assert_eq!(
        (&deaf["choices"][0]["message"]["content"], &deaf["choices"][0]["finish_reason"]),
        (&json!("one two three"), &json!("stop"))
    );
    let deaf = answer(&script("ignore_stop"), &ask("\"stop\":\"two\"")).await.json();
    assert_eq!(deaf["choices"][0]["message"]["content"], "one two three");
    let deaf = answer(&script("ignore_n"), &ask("\"n\":3")).await.json();
    assert_eq!(deaf["choices"].as_array().map(Vec::len), Some(1));
    for (fault, finish) in [("length_cut", "length"), ("content_filter", "content_filter")] {
        let cut = answer(&script(fault), HI).await.json();
        assert_eq!(
            (&cut["choices"][0]["message"]["content"], &cut["choices"][0]["finish_reason"]),
            (&json!("one"), &json!(finish))
        );
    }
}
