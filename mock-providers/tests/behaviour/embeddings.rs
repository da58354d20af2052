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

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[tokio::test]
async fn a_shortened_vector_is_the_beginning_of_the_long_one_made_unit_length_again() {
    let of = async |dimensions: usize| {
        let body = embed(&json!({"model": "e", "input": "x", "dimensions": dimensions}).to_string()).await.json();
        floats(&body["data"][0]["embedding"])
    };
    let (long, short) = (of(512).await, of(64).await);
    let beginning = &long[..64];
    let length = dot(beginning, beginning).sqrt();
    assert!(short.iter().zip(beginning).all(|(short, long)| (short - long / length).abs() < 1e-5));
    assert!((dot(&short, &short) - 1.0).abs() < 1e-4);
}

#[tokio::test]
async fn tokens_are_embedded_alone_and_in_lists_alike() {
    let one = embed(r#"{"model":"e","input":[1,2,3],"dimensions":4}"#).await.json();
    let lists = embed(r#"{"model":"e","input":[[1,2,3],[4]],"dimensions":4,"encoding_format":null}"#).await.json();
    assert_eq!((&one["data"][0], one["usage"]["prompt_tokens"].as_u64()), (&lists["data"][0], Some(3)));
    assert_eq!((lists["data"].as_array().map(Vec::len), lists["usage"]["total_tokens"].as_u64()), (Some(2), Some(4)));
}

#[tokio::test]
async fn too_much_input_is_refused_with_its_place() {
    let inputs =
        |count: usize, words: usize| json!({"model": "e", "dimensions": 1, "input": vec!["w ".repeat(words); count]});
    assert_eq!(embed(&inputs(2048, 1).to_string()).await.status, 200);
    let many = embed(&inputs(2049, 1).to_string()).await;
    assert_eq!((many.status, &many.json()["error"]["param"]), (400, &json!("input")));
    let long = embed(&json!({"model": "e", "input": ["a", "w ".repeat(8193)]}).to_string()).await;
    let error = &long.json()["error"];
    assert_eq!((&error["param"], &error["code"]), (&json!("input[1]"), &json!("context_length_exceeded")));
    assert_eq!(embed(&inputs(37, 8000).to_string()).await.status, 200);
    let together = embed(&inputs(38, 8000).to_string()).await;
    assert_eq!(together.json()["error"]["code"], "max_tokens_per_request");
    let mixed = embed(r#"{"model":"e","input":["a",{}]}"#).await;
    assert_eq!(mixed.json()["error"]["param"], "input[1]");
}

#[tokio::test]
async fn vectors_can_be_scripted_or_given_a_size() {
    let ask = async |script: &str, body: &str| {
        let mock = provider(script).await;
        let mut client = Client::connect(&mock).await;
        client.post("/v1/embeddings", body).await;
        client.response().await.json()["data"][1]["embedding"].clone()
    };
    let two = r#"{"model":"e","input":["a","b"]}"#;
    assert_eq!(ask("{respond: {embedding: [0.5, -1, 2]}}", two).await, json!([0.5, -1.0, 2.0]));
    assert_eq!(floats(&ask("{respond: {embedding: {dims: 5}}}", two).await).len(), 5);
    let asked = two.replace("\"e\"", "\"e\",\"dimensions\":3");
    assert_eq!(floats(&ask("{respond: {embedding: {dims: 5}}}", &asked).await).len(), 3);
}

#[tokio::test]
async fn a_lenient_provider_takes_what_cannot_be_meant_as_left_out() {
    let mock = provider("{strict: off}").await;
    let mut client = Client::connect(&mock).await;
    for body in ["{}", r#"{"model":"e","input":[],"dimensions":0,"encoding_format":"hex"}"#] {
        client.post("/v1/embeddings", body).await;
        let response = client.response().await;
        assert_eq!((response.status, floats(&response.json()["data"][0]["embedding"]).len()), (200, 1536));
    }
    for body in ["{}", r#"{"model":7,"input":[7]}"#] {
        client.post("/v1/moderations", body).await;
        let response = client.response().await.json();
        assert_eq!(
            (&response["model"], &response["results"][0]["flagged"]),
            (&json!("omni-moderation-latest"), &json!(false))
        );
    }
}
