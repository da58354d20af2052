use std::time::Duration;

use serde_json::Value;

use crate::support::{Client, HI, HI_STREAM, chat, only_request, provider};

#[tokio::test]
async fn a_chat_answer_can_be_grown_to_an_exact_size() {
    let mock = provider("{respond: {text: end of it, size: 5MiB}}").await;
    let response = chat(&mock, HI).await;
    assert_eq!(response.body.len(), 5 << 20);
    let body = response.json();
    let content = body["choices"][0]["message"]["content"].as_str().expect("text");
    assert!(content.starts_with("the wind") && content.ends_with("end of it") && content.len() > 5_000_000);
    assert_eq!(body["usage"]["completion_tokens"], 3);
}

#[tokio::test]
async fn what_has_no_text_grows_by_spaces_and_what_is_larger_stays() {
    let mock = provider("{respond: {size: 100kB}}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/embeddings", r#"{"model":"e","input":"x","dimensions":4}"#).await;
    let response = client.response().await;
    assert_eq!(
        (response.body.len(), response.json()["data"][0]["embedding"].as_array().map(Vec::len)),
        (100_000, Some(4))
    );
    client.post("/v1/embeddings", r#"{"model":"e","input":"x","dimensions":8192}"#).await;
    assert!(client.response().await.body.len() < 100_000 * 2);
    mock.set_script(crate::support::script("{respond: {body: 'plain', size: 3}}"));
    client.get("/x").await;
    assert_eq!(client.response().await.text(), "plain");
}

#[tokio::test]
async fn a_stream_grows_in_its_first_delta_and_stays_well_formed() {
    let mock = provider("{respond: {chunks: [a, b], size: 600KiB}}").await;
    let response = chat(&mock, HI_STREAM).await;
    assert_eq!(response.body.len(), 600 << 10);
    let deltas: Vec<usize> = response
        .events()
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::len))
        .collect();
    assert!(deltas[1] > 500_000 && deltas[2] == 1, "{deltas:?}");
}

#[tokio::test]
async fn thousands_of_deltas_leave_in_a_few_writes() {
    let mock = provider("{respond: {tokens: 4000}}").await;
    let response = chat(&mock, HI_STREAM).await;
    let deltas =
        response.events().iter().filter(|event| event["choices"][0]["delta"]["content"] != Value::Null).count();
    assert_eq!(deltas, 4001, "the role's and each word's");
    let record = only_request(&mock).await;
    let writes: Vec<usize> = record.events.iter().map(|(_, bytes)| *bytes).collect();
    assert!(writes.len() <= 1 + response.body.len() / (256 << 10), "{writes:?}");
}

#[tokio::test]
async fn two_thousand_small_events_leave_in_one_write() {
    let events = vec!["{data: x}"; 2000].join(", ");
    let mock = provider(&format!("{{respond: {{sse: [{events}]}}}}")).await;
    assert_eq!(chat(&mock, HI_STREAM).await.body.len(), 2000 * "data: x\n\n".len());
    assert_eq!(only_request(&mock).await.events.len(), 1);
}

#[tokio::test]
async fn retry_after_is_said_in_seconds_or_as_a_date() {
    let mock = provider("{respond: {status: 429, retry_after: 1500ms}}").await;
    assert_eq!(chat(&mock, HI).await.header("retry-after"), Some("2"));
    let mock = provider("{respond: {status: 503, retry_after: 30s, retry_after_form: http_date}}").await;
    let before = std::time::SystemTime::now();
    let response = chat(&mock, HI).await;
    let date = httpdate::parse_http_date(response.header("retry-after").expect("a date")).expect("an HTTP date");
    let wait = date.duration_since(before).expect("later");
    assert!(wait >= Duration::from_secs(30) && wait < Duration::from_secs(41), "{wait:?}");
    let mock = provider("{respond: {status: 429, retry_after: 2s, headers: {retry-after: soon}}}").await;
    assert_eq!(chat(&mock, HI).await.header("retry-after"), Some("soon"), "a literal header wins");
}
