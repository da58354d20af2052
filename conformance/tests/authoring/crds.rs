//! The CRDs without a server: they know the fields that the gateway knows, no others, and every manifest of the
//! repository fits them.

use std::collections::BTreeSet;
use std::path::Path;

use gateway::config::kind::Kind;
use gateway::crds::crds;
use serde::de::DeserializeSeed;
use serde_json::{Value, json};

use super::{manifests, windtunnel};

/// What is wrong on purpose, as its scenario is about that.
const WRONG: [&str; 2] = [
    "scenarios/cl/CL-02.yaml AgentgatewayBackend/spec/ai/provider/port: \"not-a-port\" is not of type \"integer\"",
    "scenarios/cl/CL-06.yaml AgentgatewayPolicy/spec/traffic/retry: \
     Additional properties are not allowed ('atempts' was unexpected)",
];

fn kind(crd: &Value) -> &str {
    crd["spec"]["names"]["kind"].as_str().expect("a kind")
}

fn schema(crd: &Value) -> &Value {
    &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// Goes through a schema and asks the reader of its kind at each place.
struct Walk {
    kind: Kind,
    asked: usize,
}

impl Walk {
    fn at(&mut self, schema: &Value, path: &[&str]) {
        let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
        if let Some(fields) = schema["properties"].as_object() {
            if !open {
                self.asks("field", fields.keys().cloned().collect(), path, json!({"zzz": 1}));
            }
            for (name, field) in fields {
                self.at(field, &[path, &[name]].concat());
            }
        }
        if let Some(words) = schema["enum"].as_array() {
            let words = words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
            self.asks("variant", words, path, json!("zzz"));
        }
        if !open && schema["items"].is_object() {
            self.at(&schema["items"], &[path, &["[]"]].concat());
        }
        if schema["additionalProperties"].is_object() {
            self.at(&schema["additionalProperties"], &[path, &["any"]].concat());
        }
    }

    fn asks(&mut self, what: &str, known: BTreeSet<String>, path: &[&str], value: Value) {
        self.asked += 1;
        let spec = path.iter().rev().fold(value, |inner, key| match *key {
            "[]" => json!([inner]),
            key => json!({key: inner}),
        });
        let object = json!({"spec": spec, "metadata": {"name": "one"}});
        let said = self.kind.deserialize(object).expect_err("zzz is unknown").to_string();
        let expected =
            said.strip_prefix(&format!("unknown {what} `zzz`, ")).unwrap_or_else(|| panic!("{path:?}: {said}"));
        let names: BTreeSet<String> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert_eq!(names, known, "the {what}s of the reader and the schema at {path:?}");
    }
}

#[test]
fn schema_and_reader_of_each_kind_know_the_same_fields_and_words() {
    for crd in crds() {
        let mut walk = Walk { kind: Kind::named(kind(&crd)).expect("a kind that is read"), asked: 0 };
        walk.at(&schema(&crd)["properties"]["spec"], &[]);
        assert!(walk.asked >= 3, "{}: {}", kind(&crd), walk.asked);
    }
}

#[test]
fn every_field_says_what_it_is() {
    fn at(schema: &Value, path: &str) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            assert!(field["description"].as_str().is_some_and(|text| !text.is_empty()), "{path} has no description");
            at(field, &path);
            at(&field["items"], &path);
        }
    }
    for crd in crds() {
        at(&schema(&crd)["properties"]["spec"], kind(&crd));
    }
}

#[test]
fn the_schemas_are_as_agreed() {
    let mut lines = String::new();
    for crd in crds() {
        outline(schema(&crd), kind(&crd), &mut lines);
    }
    insta::assert_snapshot!(lines);
}

/// A line for each field: its type, its bounds, its rules.
fn outline(schema: &Value, path: &str, lines: &mut String) {
    let about = ["description", "properties", "items", "additionalProperties", "type"];
    let type_ = schema["type"].as_str().unwrap_or("any");
    lines.push_str(&format!("{path} {type_}"));
    for (key, value) in schema.as_object().into_iter().flatten().filter(|(key, _)| !about.contains(&key.as_str())) {
        let shown = match key.strip_prefix("x-kubernetes-").unwrap_or(key) {
            "validations" => format!("{} rules", value.as_array().map_or(0, Vec::len)),
            "preserve-unknown-fields" => "open".to_owned(),
            key => format!("{key}={value}"),
        };
        lines.push_str(&format!(" {shown}"));
    }
    lines.push('\n');
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        // the policies of a provider are those of its backend
        if !(path.ends_with("provider") || path.ends_with("providers[]")) || name != "policies" {
            outline(field, &format!("{path}.{name}"), lines);
        }
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[key].is_object() && type_ != "any" {
            outline(&schema[key], &format!("{path}{mark}"), lines);
        }
    }
}

#[test]
fn every_manifest_of_the_repository_fits() {
    let validators: Vec<_> = crds()
        .iter()
        .map(|crd| {
            let mut closed = schema(crd).clone();
            close(&mut closed);
            (kind(crd).to_owned(), jsonschema::draft202012::new(&closed).expect("a schema"))
        })
        .collect();
    let (mut tried, mut wrong) = (0, Vec::new());
    for (file, object) in manifests::all() {
        if let Some((kind, validator)) = validators.iter().find(|(kind, _)| object["kind"] == kind.as_str()) {
            tried += 1;
            let errors = validator.iter_errors(&object);
            wrong.extend(errors.map(|error| format!("{file} {kind}{}: {error}", error.instance_path())));
        }
    }
    assert!(tried > 250, "{tried} manifests");
    wrong.sort();
    assert_eq!(wrong, WRONG);
}

/// No fields but those that are listed: the API server warns of others, or refuses them.
fn close(schema: &mut Value) {
    if schema["properties"].is_object() && schema["x-kubernetes-preserve-unknown-fields"] != true {
        schema["additionalProperties"] = json!(false);
    }
    match schema {
        Value::Object(map) => map.values_mut().for_each(close),
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn the_command_prints_a_document_for_each_definition() {
    let (status, text) = windtunnel(Path::new("."), &["schema", "crds"], &[]);
    assert_eq!(status, 0);
    let read = |document| -> Value { serde::Deserialize::deserialize(document).expect("YAML") };
    let printed: Vec<Value> = serde_yaml::Deserializer::from_str(&text).map(read).collect();
    assert_eq!(printed, crds());
}
