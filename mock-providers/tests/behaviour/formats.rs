//! Answers in JSON, as `response_format` wants them.

use serde_json::{Value, json};

use crate::support::{Response, chat, provider};

async fn ask(script: &str, format: Value, more: Value) -> Response {
    let mut body =
        json!({"model": "m", "messages": [{"role": "user", "content": "in JSON, please"}], "response_format": format});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    chat(&provider(script).await, &body.to_string()).await
}

fn wrapped(schema: Value) -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": schema}})
}

fn person() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["name", "age", "mail", "tags", "boss"],
        "properties": {
            "name": {"type": "string", "minLength": 2},
            "age": {"type": "integer", "minimum": 18, "maximum": 99},
            "mail": {"type": "string", "format": "email"},
            "tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": true, "maxItems": 3},
            "boss": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        },
    })
}

#[tokio::test]
async fn a_schema_is_answered_with_json_that_is_valid_plain_and_streamed() {
    let validator = jsonschema::validator_for(&person()).expect("a schema");
    let plain = ask("{}", wrapped(person()), json!({"n": 8})).await.json();
    for choice in plain["choices"].as_array().expect("choices") {
        let text = choice["message"]["content"].as_str().expect("text");
        assert!(validator.is_valid(&serde_json::from_str(text).expect("JSON")), "{text}");
    }
    let events = ask("{}", wrapped(person()), json!({"stream": true})).await.events();
    let text: String = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert!(validator.is_valid(&serde_json::from_str(&text).expect("JSON")), "{text}");
}

#[tokio::test]
async fn an_object_is_enough_when_no_schema_is_given() {
    let format = json!({"type": "json_object"});
    for more in [json!({}), json!({"messages": [{"role": "user", "content": "hi"}]})] {
        let body = ask("{}", format.clone(), more).await.json();
        let text = body["choices"][0]["message"]["content"].as_str().expect("text");
        assert!(serde_json::from_str::<Value>(text).expect("JSON").is_object());
    }
}

#[tokio::test]
async fn a_limit_cuts_json_as_well_and_a_script_wins() {
    let short = ask("{}", wrapped(person()), json!({"max_tokens": 2})).await.json();
    assert_eq!(
        (&short["choices"][0]["finish_reason"], &short["usage"]["completion_tokens"]),
        (&json!("length"), &json!(2))
    );
    let scripted = ask("{respond: {text: no JSON}}", wrapped(person()), json!({})).await.json();
    assert_eq!(scripted["choices"][0]["message"]["content"], "no JSON");
}

#[tokio::test]
async fn what_is_no_schema_is_refused_and_the_reason_says_where() {
    for (schema, place) in [
        (json!({"type": "text"}), "/type"),
        (json!({"type": "object", "properties": {"a": {"type": 7}}}), "/properties/a/type"),
        (json!({"type": "array", "items": 3}), "/items"),
        (json!({"anyOf": []}), "/anyOf"),
        (json!({"$ref": "#/$defs/nowhere"}), "/$ref"),
        (json!({"type": "string", "minLength": "long"}), "/minLength"),
        (json!({"type": "object", "required": "a"}), "/required"),
    ] {
        let response = ask("{}", wrapped(schema.clone()), json!({})).await;
        let error = &response.json()["error"];
        assert_eq!((response.status, &error["param"]), (400, &json!("response_format.json_schema.schema")), "{schema}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(place)), "{error}");
    }
    assert_eq!(ask("{}", wrapped(json!([])), json!({})).await.status, 400);
}
