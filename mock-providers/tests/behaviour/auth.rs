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

/// The status, and where the error says its type.
async fn knock(script: &str, path: &str, headers: &str) -> (u16, String) {
    let mock = provider(script).await;
    let mut client = Client::connect(&mock).await;
    client.post_with(path, headers, HI).await;
    let response = client.response().await;
    (response.status, response.json()["error"]["type"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn each_dialect_takes_a_key_from_its_own_places() {
    const ACCEPTED: &[(&str, &[&str])] =
        &[("openai", &["bearer"]), ("azure", &["bearer", "api-key"]), ("anthropic", &["bearer", "x-api-key"])];
    let places = [
        ("bearer", "authorization: Bearer sk-good\r\n"),
        ("api-key", "api-key: sk-good\r\n"),
        ("x-api-key", "x-api-key: sk-good\r\n"),
    ];
    for (dialect, accepted) in ACCEPTED {
        for (place, header) in places {
            let script = format!("{{dialect: {dialect}, auth: {{keys: [sk-good], missing: 403}}}}");
            let (status, _) = knock(&script, "/nowhere", header).await;
            assert_eq!(status, if accepted.contains(&place) { 404 } else { 403 }, "{dialect} {place}");
        }
    }
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so_in_the_form_of_the_dialect() {
    let auth = "auth: {keys: [sk-good]}";
    let wrong = "x-api-key: sk-bad\r\n";
    for script in [format!("{{dialect: anthropic, {auth}}}"), format!("{{{auth}}}")] {
        let (status, kind) = knock(&script, "/v1/messages", wrong).await;
        assert_eq!((status, kind.as_str()), (401, "authentication_error"));
    }
    let forbidden = "{auth: {keys: [sk-good], missing: 403}}";
    assert_eq!(knock(forbidden, "/v1/messages", "").await, (403, "permission_error".to_owned()));
    assert_eq!(knock(forbidden, "/v1/chat/completions", "").await, (403, "request_forbidden".to_owned()));
}

#[test]
fn a_missing_key_cannot_be_a_success() {
    let error = serde_saphyr::from_str::<mock_providers::script::Provider>("{auth: {keys: [a], missing: 200}}");
    let error = error.expect_err("refused").to_string();
    assert!(error.contains("missing: 200") && error.contains("401"), "{error}");
}
