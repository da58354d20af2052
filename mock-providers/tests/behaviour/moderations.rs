use serde_json::{Value, json};

use crate::support::{Client, Response, provider};

async fn moderate(body: Value) -> Response {
    let mock = provider("{}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/moderations", &body.to_string()).await;
    client.response().await
}

#[tokio::test]
async fn each_string_gets_a_verdict_in_thirteen_categories() {
    let body = moderate(json!({"input": ["one", "two", "one"]})).await.json();
    assert_eq!(body["model"], "omni-moderation-latest");
    assert!(body["id"].as_str().is_some_and(|id| id.starts_with("modr-")));
    let results = body["results"].as_array().expect("results");
    assert_eq!((results.len(), &results[0]), (3, &results[2]));
    assert_ne!(results[0]["category_scores"], results[1]["category_scores"], "scores follow from the text");
    for group in ["categories", "category_scores", "category_applied_input_types"] {
        assert_eq!(results[0][group].as_object().map(|group| group.len()), Some(13), "{group}");
    }
    let scores = results[0]["category_scores"].as_object().expect("scores");
    assert!(scores.values().all(|score| score.as_f64().is_some_and(|score| score > 0.0 && score < 0.01)));
    assert_eq!(results[0]["flagged"], false);
}

#[tokio::test]
async fn a_text_is_flagged_for_the_category_that_it_asks_for() {
    let body = moderate(json!({"input": "now mock-flag:violence/graphic, please"})).await.json();
    let result = &body["results"][0];
    assert_eq!((&result["flagged"], &result["categories"]["violence/graphic"]), (&json!(true), &json!(true)));
    assert_eq!(result["categories"]["violence"], false, "a longer name is not its beginning");
    assert!(result["category_scores"]["violence/graphic"].as_f64().is_some_and(|score| score > 0.9));
}

#[tokio::test]
async fn parts_are_judged_together_and_images_only_by_the_categories_that_see() {
    let image = json!({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}});
    let body = moderate(json!({"model": "m", "input": [{"type": "text", "text": "x"}, image]})).await.json();
    assert_eq!((&body["model"], body["results"].as_array().map(Vec::len)), (&json!("m"), Some(1)));
    let types = &body["results"][0]["category_applied_input_types"];
    assert_eq!((&types["violence"], &types["hate"]), (&json!(["text", "image"]), &json!(["text"])));
    let alone = moderate(json!({"input": [image]})).await.json();
    let types = &alone["results"][0]["category_applied_input_types"];
    assert_eq!((&types["violence"], &types["hate"]), (&json!(["image"]), &json!([])));
}

#[tokio::test]
async fn input_that_cannot_be_judged_is_refused_with_its_place() {
    for (input, param) in [
        (json!(null), "input"),
        (json!([]), "input"),
        (json!(7), "input"),
        (json!(["a", 1]), "input[0]"),
        (json!([{"type": "text"}]), "input[0].text"),
        (json!([{"type": "text", "text": "a"}, {"type": "image_url"}]), "input[1].image_url.url"),
        (json!([{"type": "sound"}]), "input[0].type"),
    ] {
        let answer = moderate(json!({"input": input})).await;
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!(param)), "{input}");
    }
    assert_eq!(moderate(json!({})).await.json()["error"]["code"], "missing_required_parameter");
}
