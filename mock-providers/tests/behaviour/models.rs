use serde_json::json;

use crate::support::{Client, Response, provider};

async fn ask(script: &str, method: &str, path: &str, body: &str) -> Response {
    let mock = provider(script).await;
    let mut client = Client::connect(&mock).await;
    let length = body.len();
    client.send(format!("{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}")).await;
    client.response().await
}

#[tokio::test]
async fn models_are_listed_and_retrieved() {
    let mock = provider("{models: [m-1, {id: org/m-2, owned_by: org, created: 7}]}").await;
    let mut client = Client::connect(&mock).await;
    client.get("/v1/models").await;
    let list = client.response().await.json();
    assert_eq!((&list["object"], list["data"].as_array().map(Vec::len)), (&json!("list"), Some(2)));
    assert_eq!(list["data"][0], json!({"id": "m-1", "object": "model", "created": 1767225600, "owned_by": "system"}));
    for path in ["/v1/models/org/m-2", "/v1/models/org%2Fm-2", "/v1/models/org%2fm-2/"] {
        client.get(path).await;
        let model = json!({"id": "org/m-2", "object": "model", "created": 7, "owned_by": "org"});
        assert_eq!(client.response().await.json(), model, "{path}");
    }
    client.get("/v1/models/other").await;
    let unknown = client.response().await;
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &json!("model_not_found")));
}

#[tokio::test]
async fn without_a_script_the_usual_models_are_listed_and_others_are_not_found() {
    let list = ask("{}", "GET", "/v1/models", "").await.json();
    let models = list["data"].as_array().expect("a list").clone();
    assert!(models.iter().any(|model| model["id"] == "gpt-4o"));
    assert!(models.iter().all(|model| model["created"].is_u64() && model["owned_by"].is_string()));
    assert_eq!(ask("{}", "GET", "/v1/models/gpt-4o", "").await.json()["id"], "gpt-4o");
    assert_eq!(ask("{}", "GET", "/v1/models/no-such", "").await.status, 404);
}

#[tokio::test]
async fn without_a_list_a_model_that_says_it_is_missing_is_so_in_each_dialect() {
    let chat = r#"{"model":"M","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    let (azure, anthropic) = ("{dialect: azure}", "{dialect: anthropic, strict: off}");
    let deployed = "/openai/deployments/M/chat/completions?api-version=2024-10-21";
    for (script, path, body, pointer, code) in [
        ("{}", "/v1/chat/completions", chat, "/error/code", "model_not_found"),
        ("{}", "/v1/completions", r#"{"model":"M","prompt":"hi"}"#, "/error/code", "model_not_found"),
        ("{}", "/v1/responses", r#"{"model":"M","input":"hi"}"#, "/error/code", "model_not_found"),
        ("{}", "/v1/embeddings", r#"{"model":"M","input":"hi"}"#, "/error/code", "model_not_found"),
        ("{}", "/v1/moderations", r#"{"model":"M","input":"hi"}"#, "/error/code", "model_not_found"),
        (azure, deployed, chat, "/error/code", "DeploymentNotFound"),
        (azure, "/openai/v1/chat/completions", chat, "/error/code", "DeploymentNotFound"),
        (anthropic, "/v1/messages", chat, "/error/type", "not_found_error"),
    ] {
        let named =
            |model: &str| (path.replace("/M/", &format!("/{model}/")), body.replace("\"M\"", &format!("\"{model}\"")));
        let (there, said) = named("such-a-model");
        assert_eq!(ask(script, "POST", &there, &said).await.status, 200, "{there}");
        let (nowhere, said) = named("no-such-model-4d6f");
        let answer = ask(script, "POST", &nowhere, &said).await;
        let told = answer.json().pointer(pointer).cloned();
        assert_eq!((answer.status, told), (404, Some(json!(code))), "{nowhere}");
    }
}

#[tokio::test]
async fn only_a_fine_tune_can_be_deleted() {
    let deleted = ask("{}", "DELETE", "/v1/models/ft:gpt-4o:acme::1", "").await;
    assert_eq!(deleted.json(), json!({"id": "ft:gpt-4o:acme::1", "object": "model", "deleted": true}));
    assert_eq!(ask("{}", "DELETE", "/v1/models/gpt-4o", "").await.status, 403);
    assert_eq!(ask("{models: [m-1]}", "DELETE", "/v1/models/ft:gpt-4o:acme::1", "").await.status, 404);
}

#[tokio::test]
async fn where_models_are_listed_no_operation_knows_another() {
    let bodies = [
        ("/v1/chat/completions", r#"{"model":"M","messages":[{"role":"user","content":"hi"}]}"#),
        ("/v1/completions", r#"{"model":"M","prompt":"hi"}"#),
        ("/v1/responses", r#"{"model":"M","input":"hi"}"#),
        ("/v1/embeddings", r#"{"model":"M","input":"hi"}"#),
        ("/v1/moderations", r#"{"model":"M","input":"hi"}"#),
    ];
    for (path, body) in bodies {
        let known = ask("{models: [m-1]}", "POST", path, &body.replace('M', "m-1")).await;
        assert_eq!(known.status, 200, "{path}");
        let unknown = ask("{models: [m-1]}", "POST", path, &body.replace('M', "m-2")).await;
        let error = &unknown.json()["error"];
        assert_eq!(
            (unknown.status, &error["code"], &error["param"]),
            (404, &json!("model_not_found"), &json!("model"))
        );
        assert_eq!(ask("{}", "POST", path, body).await.status, 200, "without a list any model is there");
    }
}

#[tokio::test]
async fn a_model_of_a_kind_is_not_to_be_had_for_other_operations() {
    let script = "{models: [{id: e, kind: embedding}]}";
    assert_eq!(ask(script, "POST", "/v1/embeddings", r#"{"model":"e","input":"hi"}"#).await.status, 200);
    assert_eq!(ask(script, "POST", "/v1/responses", r#"{"model":"e","input":"hi"}"#).await.status, 404);
}

#[tokio::test]
async fn no_model_is_younger_than_the_answers_claim_to_be() {
    use mock_providers::script::{Clock, Created};
    for dialect in ["openai", "anthropic"] {
        let options = mock_providers::Options {
            clock: Clock { created: Created::At(86_400), ..Clock::default() },
            ..Default::default()
        };
        let script = crate::support::script(&format!("{{dialect: {dialect}, models: [m, {{id: own, created: 7}}]}}"));
        let mock = mock_providers::start("a", script, options).await.expect("a free port");
        let mut client = Client::connect(&mock).await;
        let version = if dialect == "anthropic" { crate::anthropic::VERSION } else { "" };
        client.get_with("/v1/models", version).await;
        let list = client.response().await.json();
        let created = |index: usize| &list["data"][index][if dialect == "openai" { "created" } else { "created_at" }];
        let expected = if dialect == "openai" {
            [json!(86_400), json!(7)]
        } else {
            [json!("1970-01-02T00:00:00Z"), json!("1970-01-01T00:00:07Z")]
        };
        assert_eq!([created(0).clone(), created(1).clone()], expected);
    }
}
