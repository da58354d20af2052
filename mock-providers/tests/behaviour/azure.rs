//! Azure's paths, versions, keys, filter results and errors.

use serde_json::{Value, json};

use crate::support::{Client, HI, HI_STREAM, Response, provider};

const CHAT: &str = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21";

async fn ask(script: &str, path: &str, header: &str, body: &str) -> Response {
    let mock = provider(script).await;
    let mut client = Client::connect(&mock).await;
    let length = body.len();
    client.send(format!("POST {path} HTTP/1.1\r\nhost: a\r\n{header}content-length: {length}\r\n\r\n{body}")).await;
    client.response().await
}

async fn post(path: &str, body: &str) -> Response {
    ask("{dialect: azure, respond: {text: one two}}", path, "", body).await
}

#[tokio::test]
async fn the_deployment_counts_and_not_the_model_of_the_body() {
    for body in [HI.to_owned(), HI.replace("\"model\":\"m-1\",", "")] {
        assert_eq!(post(CHAT, &body).await.json()["model"], "gpt-4o-2024-08-06");
    }
    let encoded = "/openai/deployments/my%20own/embeddings?api-version=2024-10-21";
    assert_eq!(post(encoded, r#"{"input":"x"}"#).await.json()["model"], "my own");
}

#[tokio::test]
async fn a_version_must_be_given_but_not_on_the_newer_surface() {
    let bare = CHAT.split('?').next().expect("a path");
    for (path, status, code) in [
        (bare.to_owned(), 404, "404"),
        (format!("{bare}?api-version=latest"), 400, "BadRequest"),
        (CHAT.replace("/chat/completions", "/nothing"), 404, "404"),
        ("/v1/chat/completions".to_owned(), 404, "404"),
    ] {
        let answer = post(&path, HI).await;
        let body = answer.json();
        assert_eq!((answer.status, body["error"]["code"].as_str()), (status, Some(code)), "{path}");
        assert_eq!(body["error"].as_object().map(|error| error.len()), Some(2), "code and message only");
    }
    assert_eq!(post(&format!("{CHAT}-preview"), HI).await.status, 200);
    let newer = post("/openai/v1/chat/completions", HI).await;
    assert_eq!((newer.status, &newer.json()["model"]), (200, &json!("m-1")));
}

#[tokio::test]
async fn a_deployment_that_is_not_listed_is_not_found() {
    let script = "{dialect: azure, models: [gpt-4o]}";
    assert_eq!(ask(script, CHAT, "", HI).await.status, 200);
    for path in [CHAT.replace("gpt-4o", "other"), "/openai/v1/chat/completions".to_owned()] {
        let answer = ask(script, &path, "", HI).await;
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, &error["code"]), (404, &json!("DeploymentNotFound")), "{path}");
        assert_eq!(error.as_object().map(|error| error.len()), Some(2));
    }
}

#[tokio::test]
async fn a_key_comes_in_its_own_header_or_as_a_bearer_token() {
    let script = "{dialect: azure, auth: {keys: [k-good]}}";
    for (header, status) in [
        ("api-key: k-good\r\n", 200),
        ("authorization: Bearer k-good\r\n", 200),
        ("api-key: k-secret-0123456789\r\n", 401),
        ("", 401),
    ] {
        let answer = ask(script, CHAT, header, HI).await;
        assert_eq!(answer.status, status, "{header}");
        if status == 401 {
            assert_eq!(answer.json()["error"]["code"], "401");
            assert!(!answer.text().contains("secret"));
        }
    }
    let openai = "{auth: {keys: [k-good]}}";
    assert_eq!(ask(openai, CHAT, "api-key: k-good\r\n", HI).await.status, 200, "Azure's paths bring Azure's header");
    assert_eq!(ask(openai, "/v1/chat/completions", "api-key: k-good\r\n", HI).await.status, 401);
}

fn filtered(results: &Value) -> Option<bool> {
    results["violence"]["filtered"].as_bool()
}

#[tokio::test]
async fn every_choice_has_filter_results_and_a_stream_begins_with_those_of_the_prompt() {
    let body = post(CHAT, HI).await.json();
    assert_eq!(filtered(&body["choices"][0]["content_filter_results"]), Some(false));
    assert_eq!(filtered(&body["prompt_filter_results"][0]["content_filter_results"]), Some(false));
    let events = post(CHAT, HI_STREAM).await.events();
    let first = &events[0];
    assert_eq!((&first["choices"], &first["id"], &first["created"]), (&json!([]), &json!(""), &json!(0)));
    assert_eq!(filtered(&first["prompt_filter_results"][0]["content_filter_results"]), Some(false));
    let results: Vec<&Value> = events[1..].iter().map(|event| &event["choices"][0]["content_filter_results"]).collect();
    assert!(results.iter().all(|results| results.is_object()));
    assert_eq!(filtered(results[1]), Some(false));
}

#[tokio::test]
async fn a_filter_refuses_a_prompt_with_its_reasons_and_cuts_an_answer_with_its_results() {
    let refused = ask("{dialect: azure, fault: {prompt_filter: true}}", CHAT, "", HI).await;
    let error = refused.json()["error"].clone();
    assert_eq!((refused.status, &error["code"], &error["param"]), (400, &json!("content_filter"), &json!("prompt")));
    assert_eq!(error["innererror"]["code"], "ResponsibleAIPolicyViolation");
    assert_eq!(filtered(&error["innererror"]["content_filter_result"]), Some(true));
    let cut = ask("{dialect: azure, respond: {finish_reason: content_filter}}", CHAT, "", HI).await.json();
    assert_eq!(filtered(&cut["choices"][0]["content_filter_results"]), Some(true));
}

#[tokio::test]
async fn parameters_are_refused_in_openais_form_and_statuses_in_azures() {
    let wrong = post(CHAT, r#"{"messages":[]}"#).await.json();
    assert_eq!(wrong["error"]["param"], "messages");
    let busy = ask("{dialect: azure, respond: {status: 429, retry_after: 1500ms}}", CHAT, "", HI).await;
    assert_eq!((busy.header("retry-after"), busy.header("retry-after-ms")), (Some("2"), Some("1500")));
    assert_eq!(busy.json()["error"]["code"], "429");
    assert_eq!(busy.json()["error"].as_object().map(|error| error.len()), Some(2));
}

#[tokio::test]
async fn every_answer_has_azures_headers_and_repeats_the_callers_id() {
    let answer = ask("{dialect: azure}", CHAT, "x-ms-client-request-id: mine\r\n", HI).await;
    for name in ["apim-request-id", "x-ms-region", "x-request-id", "azureml-model-session"] {
        assert!(answer.header(name).is_some(), "{name}");
    }
    assert_eq!((answer.header("x-ms-client-request-id"), answer.header("openai-version")), (Some("mine"), None));
}

#[tokio::test]
async fn azures_paths_are_answered_plainly_by_the_openai_dialect() {
    let answer =
        ask("{}", CHAT.split('?').next().expect("a path"), "", r#"{"messages":[{"role":"user","content":"hi"}]}"#);
    let body = answer.await.json();
    assert_eq!((&body["model"], &body["prompt_filter_results"]), (&json!("gpt-4o-2024-08-06"), &json!(null)));
}

#[tokio::test]
async fn rules_and_the_journal_see_the_deployment_as_the_model() {
    let script = "{dialect: azure, rules: [{when: {model: gpt-4o}, respond: {text: deployed}}]}";
    let mock = provider(script).await;
    let mut client = Client::connect(&mock).await;
    client.post(CHAT, HI).await;
    assert_eq!(client.response().await.json()["choices"][0]["message"]["content"], "deployed");
    assert_eq!(crate::support::only_request(&mock).await.model.as_deref(), Some("gpt-4o"));
}
