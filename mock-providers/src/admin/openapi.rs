//! The OpenAPI document of this API, made from the table of routes.
//!
//! Owns the schemas of what goes in and out. With the feature `schema`, configurations, rules and the like are
//! described in full; without it they are objects.

use serde_json::{Map, Value, json};

use super::Desk;
use super::call::Call;
use super::reply::{self, Refusal, Reply};
use super::route::{PREFIX, ROUTES, Route};

pub(super) async fn get(_: &Desk, _: Call<'_>) -> Result<Reply, Refusal> {
    Ok(Reply::json(&document()))
}

pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(format!("{PREFIX}{}", route.path)).or_insert_with(|| json!({}));
        path[route.method.to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Windtunnel mock providers: admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Bodies may be JSON or YAML. Times are milliseconds of the journals' clock, which `/ready` tells.",
        },
        "paths": paths,
        "components": {"schemas": schemas()},
    })
}

fn operation(route: &Route) -> Value {
    let (status, content_type, gives) = route.gives;
    let schema = json!({"$ref": format!("#/components/schemas/{gives}")});
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "parameters": parameters(route),
        "responses": {
            status.to_string(): {"description": "Done.", "content": {content_type: {"schema": schema}}},
            "default": {
                "description": "What is wrong, and what to try.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
            },
        },
    });
    if let Some(takes) = route.takes {
        let schema = json!({"schema": {"$ref": format!("#/components/schemas/{takes}")}});
        let content = json!({"application/json": schema, "application/yaml": schema});
        // A verdict has a policy without one.
        operation["requestBody"] = json!({"required": takes != "Policy", "content": content});
    }
    operation
}

/// Such as `putConfig` or `deleteRulesName`.
fn operation_id(route: &Route) -> String {
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(route.method.to_lowercase(), |id, word| id + &word[..1].to_uppercase() + &word[1..])
}

fn parameters(route: &Route) -> Vec<Value> {
    let text = json!({"type": "string"});
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> =
        names.map(|name| json!({"name": name, "in": "path", "required": true, "schema": text})).collect();
    parameters.extend(route.query.iter().map(|(name, meaning)| {
        json!({"name": name, "in": "query", "required": false, "description": meaning, "schema": text})
    }));
    if route.path == "/config" && route.method != "GET" || route.path.starts_with("/rules") {
        let meaning = "Only when the configuration still has this entity tag; else 412.";
        parameters.push(json!({"name": "If-Match", "in": "header", "description": meaning, "schema": text}));
    }
    parameters
}

fn schemas() -> Value {
    let finding = json!({"type": "object", "required": ["name", "severity", "requests", "evidence"], "properties": {
        "name": {"enum": crate::verdict::NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>()},
        "severity": {"enum": ["error", "warn"]},
        "requests": texts(),
        "evidence": {"type": "string"},
    }});
    let miss = json!({"type": "object", "required": ["id", "path", "reasons"], "properties": {
        "id": {"type": "string"}, "path": {"type": "string"}, "reasons": texts(),
    }});
    let mut schemas = json!({
        "Refusal": reply::schema(),
        "Health": object(&json!({"status": {"const": "ok"}, "version": {"type": "string"}})),
        "Ready": object(&json!({
            "ready": {"const": true}, "paused": {"type": "boolean"}, "saturated": {"type": "boolean"},
            "config": {"type": "integer"}, "now": {"type": "number"},
            "providers": {"type": "object", "additionalProperties": object(&json!({"url": {"type": "string"}}))},
            "states": {"type": "object", "additionalProperties": {"type": "string"}},
        })),
        "States": object(&json!({
            "elapsed": {"type": "number", "description": "Milliseconds since the start or the last reset of the states."},
            "machines": {"type": "object", "additionalProperties": object(&json!({"state": text(), "states": texts()}))},
        })),
        "State": {"anyOf": [text(), object(&json!({"state": text()}))]},
        "Sent": object(&json!({"machine": text(), "state": text()})),
        "Added": object(&json!({"provider": text(), "id": text()})),
        "Faults": object(&json!({"faults": {"type": "array", "items": object(&json!({
            "id": text(), "provider": text(), "fired": {"type": "integer"}, "fault": {"$ref": "#/components/schemas/Fault"},
        }))}})),
        "MergePatch": {"type": "object", "description": "As RFC 7396 says: null removes."},
        "Named": object(&json!({"provider": {"type": "string"}, "name": {"type": "string"}})),
        "Done": object(&json!({"done": texts()})),
        "Page": object(&json!({
            "requests": {"type": "array", "items": {"$ref": "#/components/schemas/Entry"}},
            "next": {"type": ["string", "null"], "description": "The cursor of the next page."},
        })),
        "Entry": entry(),
        "Verified": object(&json!({
            "pass": {"type": "boolean"}, "count": {"type": "integer"}, "requests": texts(),
            "expected": object(&json!({"min": {"type": "integer"}, "max": {"type": ["integer", "null"]}})),
            "near_misses": {"type": "array", "items": miss},
        })),
        "Verdict": object(&json!({
            "ok": {"type": "boolean"}, "judged": {"type": "integer"},
            "findings": {"type": "array", "items": finding},
        })),
        "Text": {"type": "string"},
        "Document": {"type": "object"},
    });
    read(schemas.as_object_mut().expect("it is one"));
    schemas
}

fn text() -> Value {
    json!({"type": "string"})
}

fn texts() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

/// With all properties always there.
fn object(properties: &Value) -> Value {
    let names: Vec<&String> = properties.as_object().into_iter().flatten().map(|(name, _)| name).collect();
    json!({"type": "object", "required": names, "properties": properties})
}

fn entry() -> Value {
    json!({
        "type": "object",
        "required": ["id", "seq", "provider", "received_at", "method", "path", "headers", "body", "body_bytes", "rule", "end"],
        "properties": {
            "id": {"type": "string"}, "seq": {"type": "integer"}, "provider": {"type": "string"},
            "connection": {"type": "integer"}, "on_connection": {"type": "integer"},
            "received_at": {"type": "number"}, "method": {"type": "string"}, "path": {"type": "string"},
            "query": {"type": ["string", "null"]}, "headers": {"type": "array"},
            "body": {"type": "string", "description": "Of a list, the first 2 KiB."}, "body_bytes": {"type": "integer"},
            "model": {"type": ["string", "null"]}, "stream": {"type": "boolean"}, "rule": {"type": "string"},
            "fault": {"type": ["string", "null"]}, "status": {"type": ["integer", "null"]},
            "delay": {"type": "number"}, "head_at": {"type": ["number", "null"]}, "events": {"type": "array"},
            "usage": {"type": ["object", "null"]}, "end": {"type": ["string", "object"]},
            "session": {"type": ["string", "null"], "description": "Its `X-Mock-Session`."},
            "draws": {"type": ["object", "null"], "description": "What everything made up for it follows from."},
            "rejected": {
                "type": "array",
                "description": "The rules that were passed over, each with what spoke against it.",
                "items": {"type": "array", "prefixItems": [text(), text()], "minItems": 2, "maxItems": 2},
            },
            "not_applicable": texts(),
        },
    })
}

/// What is read from YAML elsewhere too.
#[cfg(feature = "schema")]
fn read(schemas: &mut Map<String, Value>) {
    use schemars::generate::SchemaSettings;

    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    generator.subschema_for::<crate::script::Config>();
    generator.subschema_for::<crate::script::Rule>();
    generator.subschema_for::<crate::script::Fault>();
    generator.subschema_for::<crate::verdict::Policy>();
    generator.subschema_for::<super::verify::Expectation>();
    schemas.extend(generator.take_definitions(true));
}

/// What is read from YAML elsewhere too.
#[cfg(not(feature = "schema"))]
fn read(schemas: &mut Map<String, Value>) {
    for name in ["Config", "Rule", "Fault", "Policy", "Expectation"] {
        schemas.insert(name.to_owned(), json!({"type": "object"}));
    }
}
