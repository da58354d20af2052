use base64::Engine;
use serde_json::{Value, json};

use crate::support::{Client, Response, only_request, provider};

async fn embed(body: &str) -> Response {
    let mock = provider("{}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/embeddings", body).await;
    client.response().await
}

fn floats(value: &Value) -> Vec<f32> {
    let numbers = value.as_array().expect("an array").iter();
    numbers.map(|number| number.as_f64().expect("a number") as f32).collect()
}

#[tokio::test]
async fn vectors_have_unit_length_and_equal_texts_equal_vectors() {
    let body = embed(r#"{"model":"e","input":["one two","three","one two"],"dimensions":64}"#).await.json();
    assert_eq!((&body["object"], &body["model"]), (&json!("list"), &json!("e")));
    assert_eq!(body["usage"], json!({"prompt_tokens": 5, "total_tokens": 5}));
    let vectors: Vec<Vec<f32>> = (0..3).map(|i| floats(&body["data"][i]["embedding"])).collect();
    assert_eq!((vectors[0].len(), &vectors[0], body["data"][2]["index"].as_u64()), (64, &vectors[2], Some(2)));
    assert_ne!(vectors[0], vectors[1]);
    let length: f32 = vectors[1].iter().map(|x| x * x).sum();
    assert!((length - 1.0).abs() < 1e-4);
}

#[tokio::test]
async fn base64_carries_the_same_floats() {
    let plain = embed(r#"{"model":"e","input":"x","dimensions":8}"#).await.json();
    let coded = embed(r#"{"model":"e","input":"x","dimensions":8,"encoding_format":"base64"}"#).await.json();
    let coded = coded["data"][0]["embedding"].as_str().expect("a string");
    let bytes = base64::engine::general_purpose::STANDARD.decode(coded).expect("base64");
    let decoded: Vec<f32> = bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().expect("four"))).collect();
    assert_eq!(decoded, floats(&plain["data"][0]["embedding"]));
}

#[tokio::test]
async fn the_usual_size_and_bad_input() {
    let usual = embed(r#"{"model":"text-embedding-3-small","input":[1,2,3]}"#).await.json();
    assert_eq!(floats(&usual["data"][0]["embedding"]).len(), 1536);
    for body in [r#"{"model":"e","input":[]}"#, r#"{"model":"e","input":""}"#, r#"{"model":"e","input":{}}"#, "{}"] {
        assert_eq!(embed(body).await.status, 400, "{body}");
    }
    assert_eq!(embed(r#"{"model":"e","input":"x","dimensions":0}"#).await.status, 400);
}

#[tokio::test]
async fn a_model_has_no_more_dimensions_than_its_size() {
    for (model, dimensions, status) in [
        ("text-embedding-3-small", 1536, 200),
        ("text-embedding-3-small", 1537, 400),
        ("text-embedding-3-large", 3072, 200),
        ("text-embedding-3-large", 3073, 400),
        ("text-embedding-ada-002", 1536, 400),
    ] {
        let answer = embed(&json!({"model": model, "input": "x", "dimensions": dimensions}).to_string()).await;
        assert_eq!(answer.status, status, "{model} {dimensions}");
        if status == 400 {
            assert_eq!(answer.json()["error"]["param"], "dimensions");
        }
    }
}

#[tokio::test]
async fn only_prompt_tokens_are_journalled_as_reported() {
    let mock = provider("{respond: {usage: {prompt_tokens: 11, completion_tokens: 7}}}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/embeddings", r#"{"model":"e","input":"x","dimensions":2}"#).await;
    assert_eq!(client.response().await.json()["usage"]["total_tokens"], 11);
    let usage = only_request(&mock).await.usage.expect("usage");
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (11, 0));
}
