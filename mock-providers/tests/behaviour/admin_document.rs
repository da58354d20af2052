//! The document of the admin API: that it is true for every route, and that no route shows a secret.

use serde_json::{Value, json};

use crate::desk::{Desk, KEY, TWO};
use crate::support::HI;

const OUTAGE: &str = "states: {outage: {initial: up, states: {up: {}, down: {}}}}\n";

/// What each path is called with, so that it answers.
fn sample(method: &str, path: &str) -> (String, &'static str) {
    let path = path.trim_start_matches("/__mock").replace("{name}", "weather").replace("{machine}", "outage");
    let path = path.replace("/faults/{id}", "/faults/fault-1").replace("{id}", "a-1");
    match (method, path.as_str()) {
        ("put", "/config") => (
            path,
            "states: {outage: {initial: up, states: {up: {}, down: {}}}}\nproviders: {a: {auth: {keys: [sk-canary-a]}, rules: [{name: weather}]}}",
        ),
        ("patch", "/config") => (path, "{}"),
        ("post", "/rules") => (path + "?provider=a", "{name: other, respond: {text: x}}"),
        ("put", "/states/outage") => (path, "down"),
        ("post", "/faults") => (path + "?provider=a", "{times: 1, when: {key: sk-canary-f}, status: 500}"),
        ("delete", "/rules/weather") => (path + "?provider=a", ""),
        ("post", "/verify") => (path, "{when: {}}"),
        ("post", "/verdict") => (path, "{client_keys: [sk-canary-a]}"),
        _ => (path, ""),
    }
}

#[tokio::test]
async fn every_documented_path_answers_as_documented_and_shows_no_secret() {
    let desk = Desk::start(&format!("{TWO}{OUTAGE}")).await;
    desk.ask("a", KEY, HI).await;
    // So that there is one to be shown and one to be taken away.
    desk.call("POST", "/faults?provider=a", "", "{when: {key: sk-canary-f}, status: 500}").await;
    let document = desk.get("/openapi.json").await;
    let paths = document["paths"].as_object().expect("paths");
    // Last, what takes away what others need.
    let mut operations: Vec<(&str, &str, &Value)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").iter();
            methods.map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
        })
        .collect();
    operations
        .sort_by_key(|(method, path, _)| (path.ends_with("reset"), *method == "delete", *path == "/__mock/config"));
    for (method, path, operation) in operations {
        let (target, body) = sample(method, path);
        let response = desk.call(&method.to_uppercase(), &target, "", body).await;
        let (status, content) = operation["responses"].as_object().expect("responses").iter().next().expect("one");
        assert_eq!(response.status.to_string(), *status, "{method} {path}: {}", response.text());
        let kind = response.header("content-type").expect("a type").to_owned();
        let documented = content["content"].as_object().expect("content").keys().next().expect("one");
        assert!(kind.starts_with(documented.as_str()), "{method} {path}: {kind}");
        assert!(!response.text().contains("canary"), "{method} {path}: {}", response.text());
        if kind.starts_with("application/json") {
            let mut schema = content["content"][documented]["schema"].clone();
            schema["components"] = document["components"].clone();
            let validator = jsonschema::validator_for(&schema).expect("a schema");
            if let Err(error) = validator.validate(&response.json()) {
                panic!("{method} {path}: {error} at {}", error.instance_path());
            }
        }
    }
}

#[tokio::test]
async fn the_document_is_openapi_in_shape_and_its_references_lead_somewhere() {
    let desk = Desk::start("providers: {a: {}}").await;
    let document = desk.get("/openapi.json").await;
    let shape = json!({
        "type": "object",
        "required": ["openapi", "info", "paths", "components"],
        "additionalProperties": false,
        "properties": {
            "openapi": {"const": "3.1.0"},
            "info": {"type": "object", "required": ["title", "version"]},
            "paths": {"type": "object", "propertyNames": {"pattern": "^/__mock/"}, "additionalProperties": {
                "propertyNames": {"enum": ["get", "put", "post", "delete", "patch"]},
                "additionalProperties": {"$ref": "#/$defs/operation"},
            }},
            "components": {"type": "object", "required": ["schemas"]},
        },
        "$defs": {"operation": {
            "type": "object",
            "required": ["operationId", "summary", "responses"],
            "additionalProperties": false,
            "properties": {
                "operationId": {"type": "string", "pattern": "^[a-z][A-Za-z]+$"},
                "summary": {"type": "string", "minLength": 5},
                "parameters": {"type": "array", "items": {
                    "type": "object",
                    "required": ["name", "in", "schema"],
                    "properties": {"in": {"enum": ["query", "path", "header"]}},
                }},
                "requestBody": {"type": "object", "required": ["content"]},
                "responses": {"type": "object", "propertyNames": {"pattern": "^([1-5][0-9]{2}|default)$"},
                    "additionalProperties": {"type": "object", "required": ["description", "content"]}},
            },
        }},
    });
    let validator = jsonschema::validator_for(&shape).expect("a schema");
    let errors: Vec<String> =
        validator.iter_errors(&document).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let mut dangling = Vec::new();
    references(&document, &mut |target| {
        if document.pointer(target.trim_start_matches('#')).is_none() {
            dangling.push(target.to_owned());
        }
    });
    assert!(dangling.is_empty(), "{dangling:?}");
    let operations =
        document["paths"].as_object().expect("paths").values().flat_map(|path| path.as_object().expect("it is"));
    let mut ids: Vec<&Value> = operations.map(|(_, operation)| &operation["operationId"]).collect();
    let all = ids.len();
    ids.sort_by_key(|id| id.as_str());
    ids.dedup();
    assert_eq!(ids.len(), all, "an id is given twice");
}

fn references(value: &Value, visit: &mut impl FnMut(&str)) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, child)| match child.as_str() {
            Some(target) if name == "$ref" => visit(target),
            _ => references(child, visit),
        }),
        Value::Array(items) => items.iter().for_each(|item| references(item, visit)),
        _ => {}
    }
}

#[tokio::test]
async fn refusals_of_every_route_show_no_secret() {
    let desk = Desk::start(&format!("{TWO}{OUTAGE}")).await;
    desk.ask("a", "authorization: Bearer sk-canary-stranger\r\n", HI).await;
    desk.ask("b", "x-api-key: sk-canary-b\r\ncookie: sid=canary-c\r\n", HI).await;
    let document = desk.get("/openapi.json").await;
    let bodies = [
        "sk-canary-b",
        "{\"providers\": {\"a\": {\"auth\": {\"keys\": \"sk-canary-b\"}}}}",
        "providers: {a: {auth: {keys: [sk-canary-b]}, dialect: 7}}",
        "{when: {key: {contains: 17, equals: sk-canary-b}, state: {x: y}}}",
        "{when: {key: sk-canary-b, state: {x: y}}, status: 503}",
        "{client_keys: [canary]}",
        "client_keys: {sk-canary-b: [",
        "\u{1}sk-canary-b",
    ];
    let mut refused = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in ["GET", "PUT", "PATCH", "POST", "DELETE"] {
            // What a caller says in the path or as a name may be said back; bodies may not.
            let path = path.trim_start_matches("/__mock").replace(['{', '}'], "");
            let there = methods.get(method.to_lowercase()).is_some();
            for body in if there { &bodies[..] } else { &bodies[..1] } {
                let response = desk.call(method, &path, "if-match: \"999\"\r\n", body).await;
                assert!(!response.text().contains("canary"), "{method} {path} {body}: {}", response.text());
                assert!(response.headers.iter().all(|(_, value)| !value.contains("canary")), "{method} {path} {body}");
                refused += usize::from(response.status >= 400);
            }
        }
    }
    assert!(refused > 100, "only {refused} were refused");
}
