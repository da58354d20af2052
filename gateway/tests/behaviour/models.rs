//! The model that a request names decides who serves it (AgentgatewayModel).

use std::net::SocketAddr;

use mock_providers::MockProvider;

use crate::support::{Answer, chat, post, provider, raw, start};

const GATEWAY: &str = "
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP}]}
";

fn model(name: &str, rest: &str) -> String {
    format!(
        "---\nkind: AgentgatewayModel\nmetadata: {{name: {name}}}\nspec: {{parentRefs: [{{name: gateway}}], {rest}}}\n"
    )
}

fn openai(name: &str, mock: &MockProvider, rest: &str) -> String {
    model(name, &format!("provider: OpenAI, baseURL: 'http://{}/v1', {rest}", mock.addr()))
}

/// Asks for a model without holding up the providers' tasks.
async fn ask(address: SocketAddr, name: &str) -> Answer {
    let body = format!(r#"{{"model":"{name}","messages":[{{"role":"user","content":"hi"}}]}}"#);
    tokio::task::spawn_blocking(move || chat(address, &body)).await.unwrap()
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    tokio::task::spawn_blocking(move || raw(address, request.as_bytes())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_model_is_served_by_its_own_provider_and_reaches_it_by_its_name() {
    let (a, b) = (provider("a", "{respond: {text: by a}}").await, provider("b", "{respond: {text: by b}}").await);
    let key = "policies: {auth: {key: sk-b}}";
    let running = start(&format!("{GATEWAY}{}{}", openai("one", &a, ""), openai("two", &b, key)));
    for (name, by) in [("one", "by a"), ("two", "by b"), ("one", "by a")] {
        let answer = ask(running.address(), name).await;
        assert!(answer.status == 200 && answer.text().contains(by), "{name}: {answer:?}");
    }
    let seen = b.journal().requests;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].head.path(), "/v1/chat/completions");
    let records = running.stop();
    let backends: Vec<_> = records.iter().map(|record| record["backend"].as_str().unwrap()).collect();
    assert_eq!(backends, ["default/one", "default/two", "default/one"]);
    assert_eq!(records[1]["gen_ai.request.model"], "two");
    assert_eq!(records[1]["route"], "default/gateway#http");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_nobody_serves_is_refused_by_name_and_no_provider_is_asked() {
    let a = provider("a", "{}").await;
    let running =
        start(&format!("{GATEWAY}{}{}", openai("known", &a, ""), openai("inner", &a, "visibility: Internal")));
    for name in ["unknown", "inner", "known-and-more", "Known"] {
        let answer = ask(running.address(), name).await;
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, &error["code"]), (404, &"model_not_found".into()), "{name}: {answer:?}");
        assert!(error["message"].as_str().unwrap().contains(name), "{error}");
    }
    let nameless = post("/v1/chat/completions", r#"{"messages":[]}"#);
    let address = running.address();
    let answer = tokio::task::spawn_blocking(move || raw(address, &nameless)).await.unwrap();
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &"missing_model".into()));
    assert_eq!(a.journal().requests.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_the_public_models_are_listed_and_can_be_looked_up() {
    let a = provider("a", "{}").await;
    let models = openai("one", &a, "")
        + &openai("inner", &a, "visibility: Internal")
        + &openai("wild", &a, "match: {model: 'w/*'}")
        + &model("refused", "provider: Groq")
        + &model("virtual", "virtualModel: {weighted: {targets: [{modelRef: {name: inner}}]}}");
    let running = start(&format!("{GATEWAY}{models}"));
    let listing = get(running.address(), "/v1/models").await;
    assert_eq!(listing.header("content-type"), Some("application/json"));
    let listing = listing.json();
    let names: Vec<_> = listing["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!((&listing["object"], names), (&"list".into(), vec!["one", "virtual"]));
    for (path, status) in
        [("one", 200), ("virtual", 200), ("w/x", 200), ("w%3Ax", 404), ("inner", 404), ("refused", 404)]
    {
        let answer = get(running.address(), &format!("/v1/models/{path}")).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    assert_eq!(get(running.address(), "/v1/models/one").await.json()["object"], "model");
    assert_eq!(a.journal().requests.len(), 0);
    let records = running.stop();
    assert!(records.iter().all(|record| record["gen_ai.operation.name"] == "models"), "{records:?}");
    assert_eq!(records[0]["end"], "complete");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_virtual_model_fails_over_by_priority_and_asks_each_target_for_its_own_model() {
    let (a, b) = (provider("a", "{respond: {status: 503}}").await, provider("b", "{respond: {text: by b}}").await);
    let targets = "{modelRef: {name: second}, model: w-1, priority: 5}, {modelRef: {name: first}, priority: 1}";
    let models = openai("first", &a, "visibility: Internal")
        + &openai("second", &b, "match: {model: 'w-*'}")
        + &model("best", &format!("virtualModel: {{failover: {{targets: [{targets}]}}}}"));
    let running = start(&format!("{GATEWAY}{models}"));
    let answer = ask(running.address(), "best").await;
    assert!(answer.status == 200 && answer.text().contains("by b"), "{answer:?}");
    let asked = |mock: &MockProvider| -> serde_json::Value {
        serde_json::from_slice(&mock.journal().requests[0].body).unwrap()
    };
    assert_eq!((&asked(&a)["model"], &asked(&b)["model"]), (&"first".into(), &"w-1".into()));
    let record = running.stop().remove(0);
    assert_eq!((&record["provider"], &record["gen_ai.request.original_model"]), (&"second".into(), &"best".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_weighted_virtual_model_spreads_its_requests() {
    let (a, b) = (provider("a", "{respond: {text: by a}}").await, provider("b", "{respond: {text: by b}}").await);
    let models = openai("a", &a, "")
        + &openai("b", &b, "")
        + &model(
            "v",
            "virtualModel: {weighted: {targets: [{modelRef: {name: a}, weight: 3}, {modelRef: {name: b}, weight: 1}]}}",
        );
    let running = start(&format!("{GATEWAY}{models}"));
    for _ in 0..200 {
        assert_eq!(ask(running.address(), "v").await.status, 200);
    }
    // binomial(200, 3/4): outside of this once in more than 10 000 runs
    let first = a.journal().requests.len();
    assert!((125..=175).contains(&first) && first + b.journal().requests.len() == 200, "{first}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_of_a_route_has_models_of_its_own() {
    let (a, b) = (provider("a", "{respond: {text: by a}}").await, provider("b", "{respond: {text: by b}}").await);
    let route = "---\nkind: HTTPRoute\nmetadata: {name: team}\nspec: {parentRefs: [{name: gateway}], rules: [{matches: [{path: {value: /team}}], backendRefs: [{group: agentgateway.dev, kind: AgentgatewayModel, name: '*'}]}]}\n";
    let theirs =
        openai("theirs", &b, "match: {model: shared}").replace("{name: gateway}", "{kind: HTTPRoute, name: team}");
    let running = start(&format!("{GATEWAY}{route}{}{theirs}", openai("shared", &a, "")));
    let address = running.address();
    let at = async |path: &str| {
        let request = post(path, r#"{"model":"shared","messages":[{"role":"user","content":"hi"}]}"#);
        tokio::task::spawn_blocking(move || raw(address, &request)).await.unwrap().text()
    };
    let answer = at("/team/v1/chat/completions").await;
    assert!(answer.contains("by b"), "{answer}");
    assert!(at("/v1/chat/completions").await.contains("by a"));
    assert_eq!(b.journal().requests[0].head.path(), "/v1/chat/completions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_asked_only_for_what_it_can_do_and_one_that_cannot_be_served_answers_500() {
    let a = provider("a", "{}").await;
    let custom =
        format!("provider: Custom, baseURL: 'http://{}/v1', custom: {{formats: [{{type: Completions}}]}}", a.addr());
    let running = start(&format!("{GATEWAY}{}{}", model("mine", &custom), model("not-yet", "provider: Mistral")));
    assert_eq!(ask(running.address(), "mine").await.status, 200);
    let address = running.address();
    let embed = post("/v1/embeddings", r#"{"model":"mine","input":"x"}"#);
    let answer = tokio::task::spawn_blocking(move || raw(address, &embed)).await.unwrap();
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &"unsupported_operation".into()));
    let answer = ask(running.address(), "not-yet").await;
    assert!(answer.status == 500 && answer.text().contains("provider Mistral is not supported yet"), "{answer:?}");
    assert_eq!(a.journal().requests.len(), 1);
}
