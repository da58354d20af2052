use serde_json::json;

use crate::support::{Client, provider};

#[tokio::test]
async fn models_are_listed_and_retrieved() {
    let mock = provider("{models: [m-1, org/m-2]}").await;
    let mut client = Client::connect(&mock).await;
    client.get("/v1/models").await;
    let list = client.response().await.json();
    assert_eq!((&list["object"], list["data"].as_array().map(Vec::len)), (&json!("list"), Some(2)));
    assert_eq!(list["data"][0], json!({"id": "m-1", "object": "model", "created": 1767225600, "owned_by": "system"}));
    for path in ["/v1/models/org/m-2", "/v1/models/org%2Fm-2"] {
        client.get(path).await;
        assert_eq!(client.response().await.json()["id"], "org/m-2");
    }
    client.get("/v1/models/other").await;
    let unknown = client.response().await;
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &json!("model_not_found")));
}
