use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, HI, chat, only_request, provider};

#[tokio::test]
async fn a_scripted_status_comes_with_its_headers_and_openais_envelope() {
    let yaml = "{respond: {status: 429, headers: {retry-after: 2, x-two: [a, b], openai-version: []}}}";
    let mock = provider(yaml).await;
    let response = chat(&mock, HI).await;
    assert_eq!((response.status, response.header("retry-after")), (429, Some("2")));
    let two: Vec<&str> =
        response.headers.iter().filter(|(name, _)| name == "x-two").map(|(_, value)| value.as_str()).collect();
    assert_eq!(two, ["a", "b"]);
    assert_eq!(response.header("openai-version"), None);
    let error = &response.json()["error"];
    assert_eq!((&error["type"], &error["code"]), (&json!("requests"), &json!("rate_limit_exceeded")));
    assert_eq!(only_request(&mock).await.usage, None);
}

#[tokio::test]
async fn a_status_as_a_fault_is_named_in_the_journal() {
    let mock = provider("{fault: {status: 503}}").await;
    assert_eq!(chat(&mock, HI).await.status, 503);
    let record = only_request(&mock).await;
    assert_eq!((record.status, record.fault.as_deref(), &*record.rule), (Some(503), Some("status"), "respond"));
}

#[tokio::test]
async fn literal_bodies_are_sent_on_any_path() {
    let mock = provider(r#"{respond: {status: 201, body: "a\r\nb", content_type: text/plain}}"#).await;
    let mut client = Client::connect(&mock).await;
    client.get("/whatever").await;
    let response = client.response().await;
    assert_eq!((response.status, response.text().as_str()), (201, "a\r\nb"));
    assert_eq!((response.header("content-type"), response.header("content-length")), (Some("text/plain"), Some("4")));
    mock.set_script(crate::support::script("{respond: {json: {usage: {prompt_tokens: 5}}}}"));
    client.get("/whatever").await;
    assert_eq!(client.response().await.json(), json!({"usage": {"prompt_tokens": 5}}));
    let journal = crate::support::settled(&mock).await;
    assert_eq!(journal.requests[1].usage.map(|usage| usage.prompt_tokens), Some(5));
}

#[tokio::test]
async fn a_delayed_head_leaves_after_the_delay() {
    let mock = provider("{latency: {head: 10ms}, respond: {text: x, delay_head: 30ms}}").await;
    let response = chat(&mock, HI).await;
    assert_eq!(response.header("openai-processing-ms"), Some("40"));
    let record = only_request(&mock).await;
    assert!(record.head_at.expect("a head") - record.received_at >= Duration::from_millis(40));
}

#[tokio::test]
async fn framing_can_be_chosen() {
    let mock = provider("{respond: {text: x, framing: chunked}}").await;
    let chunked = chat(&mock, HI).await;
    assert_eq!((chunked.header("transfer-encoding"), chunked.header("content-length")), (Some("chunked"), None));
    assert_eq!(chunked.json()["choices"][0]["message"]["content"], "x");
    let mock = provider("{respond: {text: x, framing: close}}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/chat/completions", HI).await;
    let (bytes, error) = client.rest().await;
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("connection: close") && !head.contains("content-length") && error.is_none());
    assert!(serde_json::from_str::<Value>(body).is_ok());
}

#[tokio::test]
async fn an_empty_status_has_no_body() {
    let mock = provider("{respond: {status: 204}}").await;
    let mut client = Client::connect(&mock).await;
    for _ in 0..2 {
        client.get("/x").await;
        let response = client.response().await;
        assert_eq!((response.status, response.header("content-length")), (204, None));
    }
}

#[tokio::test]
async fn echo_and_synthetic_words_answer_as_asked() {
    let mock = provider("{respond: {echo: true}}").await;
    assert_eq!(chat(&mock, HI).await.json()["choices"][0]["message"]["content"], "hi");
    let mock = provider("{respond: {tokens: 5}}").await;
    let body = chat(&mock, HI).await.json();
    assert_eq!(body["usage"]["completion_tokens"], 5);
    assert_eq!(body["choices"][0]["message"]["content"].as_str().map(|text| text.split(' ').count()), Some(5));
}

#[tokio::test]
async fn an_answer_has_the_id_the_tier_and_the_fingerprint_that_the_script_gives_it() {
    let yaml = r#"{respond: {text: hi, id: my-"id", service_tier: flex, system_fingerprint: fp_ollama}}"#;
    let mock = provider(yaml).await;
    let json = chat(&mock, HI).await.json();
    let expected = json!(["my-\"id\"", "flex", "fp_ollama"]);
    assert_eq!(json!([json["id"], json["service_tier"], json["system_fingerprint"]]), expected);
    for chunk in chat(&mock, crate::support::HI_STREAM).await.events() {
        assert_eq!(json!([chunk["id"], chunk["service_tier"], chunk["system_fingerprint"]]), expected);
    }
    let mut client = Client::connect(&mock).await;
    for path in ["/v1/completions", "/v1/responses", "/v1/moderations"] {
        client.post(path, r#"{"model":"m","prompt":"x","input":"x"}"#).await;
        assert_eq!(client.response().await.json()["id"], "my-\"id\"", "{path}");
    }
}

#[tokio::test]
async fn log_probabilities_are_shown_as_the_script_says_whatever_is_asked() {
    let asking = HI.replace('{', r#"{"logprobs":true,"top_logprobs":2,"#).replacen(
        r#"[{"logprobs":true,"top_logprobs":2,"#,
        "[{",
        1,
    );
    let of = async |script: &str, body: &str| {
        let mock = provider(&format!("{{respond: {{text: one two three, {script}}}}}")).await;
        chat(&mock, body).await.json()["choices"][0]["logprobs"].clone()
    };
    assert_eq!(of("logprobs: none", &asking).await, Value::Null);
    assert_eq!(of("logprobs: synth", HI).await["content"].as_array().map(Vec::len), Some(3));
    let literal = of("logprobs: [-0.5, -2]", &asking).await;
    let own = |index: usize| literal["content"][index]["logprob"].as_f64();
    assert_eq!((own(0), own(1), own(2).is_some_and(|third| third < 0.0)), (Some(-0.5), Some(-2.0), true));
    assert_eq!(literal["content"][1]["top_logprobs"][0]["token"], " two");
}

#[tokio::test]
async fn a_text_may_be_in_a_file_beside_the_script() {
    let folder = std::env::temp_dir().join(format!("mock-text-file-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("long.txt"), "from a file").expect("a file");
    let yaml =
        "{respond: {text_file: long.txt}, rules: [{when: {model: m-1}, respond: {blocks: [{text_file: long.txt}]}}]}";
    let mut script = crate::support::script(yaml);
    script.resolve(&folder).expect("the file is there");
    std::fs::remove_dir_all(&folder).expect("nobody else's");
    let mock = mock_providers::start("a", script, mock_providers::Options::default()).await.expect("a free port");
    for body in [HI.to_owned(), HI.replace("m-1", "m-2")] {
        assert_eq!(chat(&mock, &body).await.json()["choices"][0]["message"]["content"], "from a file");
    }
}
