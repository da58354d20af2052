use mock_providers::credentials::{MASK, TABLE};

use crate::support::{CANARY, Client, HI, canaries, provider, script, settled};

const PATHS: [&str; 4] = ["/v1/chat/completions", "/v1/messages", "/v1/models/no-such", "/nowhere"];

#[tokio::test]
async fn what_is_secret_in_a_request_is_nowhere_in_answers_and_journals() {
    let (headers, query) = canaries();
    for dialect in ["openai", "azure", "anthropic"] {
        for auth in ["", "auth: {keys: [sk-other]}, ", "auth: {keys: [sk-other], missing: 403}, "] {
            let mock = provider(&format!("{{{auth}dialect: {dialect}}}")).await;
            for path in PATHS {
                let mut client = Client::connect(&mock).await;
                client.post_with(&format!("{path}?{query}"), &headers, HI).await;
                let response = client.response().await;
                assert!(!format!("{response:?}").contains(CANARY), "{dialect} {path}: {}", response.text());
                assert!(!response.text().contains(CANARY), "{dialect} {path}: {}", response.text());
            }
            let journal = settled(&mock).await;
            let shown = [format!("{journal:?}{journal:#?}"), serde_json::to_string(&journal).expect("JSON")];
            for shown in shown {
                assert!(!shown.contains(CANARY), "{dialect}: {shown}");
                assert!(shown.contains("visible=yes"), "what is no secret stays");
            }
            let kept = &journal.requests[0];
            assert!(kept.header("x-api-key").is_some_and(|key| key.contains(CANARY)), "records keep what they mask");
        }
    }
}

#[tokio::test]
async fn malformed_requests_show_no_secrets_either() {
    let (headers, query) = canaries();
    let folded = format!("authorization: Bearer\r\n  {CANARY}: x\r\n");
    let heads = [
        format!("POST http://me:{CANARY}@a/x?{query} HTTP/1.1\r\nhost: a\r\n{headers}\r\n"),
        format!("POST /x?{query} HTTP/1.1\r\nhost: a\r\nhost: b\r\n{headers}\r\n"),
        format!("POST /x?{query} HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n{headers}\r\n"),
        format!("POST /x HTTP/1.1\r\nhost: a\r\nx-api-key : {CANARY}\r\n{folded}\r\n"),
    ];
    for head in heads {
        let mock = provider("{}").await;
        let mut client = Client::connect(&mock).await;
        client.send(&head).await;
        let (answer, _) = client.rest().await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains(CANARY), "{answer}");
        let journal = settled(&mock).await;
        let shown = format!("{journal:?}{}", serde_json::to_string(&journal).expect("JSON"));
        assert!(journal.requests[0].malformed.is_some() && !shown.contains(CANARY), "{shown}");
    }
}

#[tokio::test]
async fn an_error_that_repeats_what_was_asked_for_repeats_no_key() {
    let mock = provider("{models: [m-1]}").await;
    let body = format!(r#"{{"model":"{CANARY}","messages":[{{"role":"user","content":"hi"}}],"max_tokens":9}}"#);
    let beside = format!("authorization: Bearer {CANARY}\r\n");
    let anthropic = format!("anthropic-version: 2023-06-01\r\nx-api-key: {CANARY}\r\n");
    for (path, headers) in [(format!("/v1/{CANARY}"), &beside), ("/v1/messages".to_owned(), &anthropic)] {
        let mut client = Client::connect(&mock).await;
        client.post_with(&path, headers, &body).await;
        let response = client.response().await;
        let text = response.text();
        assert!(response.status == 404 && text.contains(MASK) && !text.contains(CANARY), "{text}");
    }
}

#[test]
fn keys_of_a_script_are_not_in_its_debug_form() {
    let script = script(&format!("{{auth: {{keys: [{CANARY}]}}}}"));
    assert!(!format!("{script:?}{script:#?}").contains(CANARY));
}

#[test]
fn the_canaries_stand_in_every_place_of_the_table() {
    let (headers, query) = canaries();
    assert_eq!(headers.lines().count() + query.matches('&').count(), TABLE.len());
}
