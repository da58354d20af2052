use serde_json::json;

use crate::support::{Client, HI, provider, settled};

#[tokio::test]
async fn only_known_keys_are_let_in_and_none_is_repeated() {
    let mock = provider("{auth: {keys: [sk-good]}, sequence: [{respond: {text: one}}, {respond: {text: two}}]}").await;
    let mut client = Client::connect(&mock).await;
    let length = HI.len();
    let mut ask = async |header: &str| {
        let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{header}content-length: {length}\r\n\r\n");
        client.send(head + HI).await;
        client.response().await
    };
    let missing = ask("").await;
    assert_eq!((missing.status, &missing.json()["error"]["code"]), (401, &json!(null)));
    let wrong = ask("authorization: Bearer sk-secret-0123456789\r\n").await;
    assert_eq!((wrong.status, &wrong.json()["error"]["code"]), (401, &json!("invalid_api_key")));
    assert!(!wrong.text().contains("sk-secret-0123456789"));
    let good = ask("Authorization: bearer sk-good\r\n").await;
    assert_eq!(good.json()["choices"][0]["message"]["content"], "one", "a refused request uses up no step");
    let journal = settled(&mock).await;
    let shown = format!("{journal:?}{}", serde_json::to_string(&journal).expect("JSON"));
    assert!(!shown.contains("sk-good") && !shown.contains("sk-secret"));
    assert_eq!(journal.requests[2].header("authorization"), Some("bearer sk-good"));
}
