//! From a type to a structural schema of Kubernetes: no references, no alternatives, one `type` at each place, whole
//! numbers with the formats that the API server knows. A type that takes unknown fields keeps them; one that refuses
//! them has the API server warn of them or, in strict mode, refuse them. Owns no fact about any field.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::bounds::{self, Held};
use super::rules;
use crate::config::resources::{Present, SecretString};

/// Keeps fields that the schema does not name.
const KEEP: &str = "x-kubernetes-preserve-unknown-fields";
/// What stays of a schema as it is.
const KEPT: [&str; 5] = ["pattern", "minimum", "maximum", "required", KEEP];

/// Any content.
impl JsonSchema for Present {
    fn schema_name() -> Cow<'static, str> {
        "Present".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({KEEP: true})
    }
}

impl JsonSchema for SecretString {
    fn schema_name() -> Cow<'static, str> {
        "SecretString".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "password"})
    }
}

/// The structural schema of a type.
pub(super) fn of<T: JsonSchema>() -> Value {
    let root = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
    let shapes = Shapes { named: &root["$defs"] };
    Value::Object(shapes.structural(&root, &T::schema_name()))
}

/// The types that others refer to by name.
struct Shapes<'s> {
    named: &'s Value,
}

impl<'s> Shapes<'s> {
    /// `type_` is the Rust type's name where the schema is that of a type.
    fn structural(&self, schema: &Value, type_: &str) -> Map<String, Value> {
        if let Some(name) = reference(schema) {
            let mut shape = self.structural(&self.named[name], name);
            if let Some(words) = schema["description"].as_str() {
                shape.insert("description".to_owned(), told(words, &self.named[name]));
            }
            return shape;
        }
        if let Some(one) = schema["anyOf"].as_array().and_then(|either| either.iter().find(|one| !is_null(one))) {
            let mut one = one.clone();
            one["description"] = schema["description"].clone();
            return self.structural(&one, type_);
        }
        let mut shape = Map::new();
        if let Some(words) = schema["description"].as_str() {
            shape.insert("description".to_owned(), told(words, schema));
        }
        if let Some(type_) = single_type(schema) {
            shape.insert("type".to_owned(), type_.into());
        }
        if let Some(values) = values(schema) {
            shape.insert("enum".to_owned(), values.into());
        }
        if let Some((format, most)) = schema["format"].as_str().and_then(format) {
            shape.insert("format".to_owned(), format.into());
            shape.extend(most.map(|most| ("maximum".to_owned(), most.into())));
        }
        for key in KEPT {
            shape.extend(schema.get(key).map(|value| (key.to_owned(), value.clone())));
        }
        self.content(schema, type_, &mut shape);
        let rules = rules::of(type_);
        if !rules.is_empty() {
            shape.insert("x-kubernetes-validations".to_owned(), rules.into());
        }
        shape
    }

    /// Fields, items and values.
    fn content(&self, schema: &Value, type_: &str, shape: &mut Map<String, Value>) {
        if schema["items"].is_object() {
            shape.insert("items".to_owned(), self.structural(&schema["items"], "").into());
        }
        if schema["additionalProperties"].is_object() {
            let value = self.structural(&schema["additionalProperties"], "");
            shape.insert("additionalProperties".to_owned(), value.into());
        }
        if let Some(fields) = schema["properties"].as_object() {
            let fields = fields.iter().map(|(name, field)| (name.clone(), self.field(type_, name, field).into()));
            let fields: Map<String, Value> = fields.collect();
            // server-side apply makes null of a map that loses its last field, unless the map is one value
            if !shape.contains_key("required") && fields.values().all(|field| field.get("properties").is_none()) {
                shape.insert("x-kubernetes-map-type".to_owned(), "atomic".into());
            }
            shape.insert("properties".to_owned(), fields.into());
            if schema["additionalProperties"] != json!(false) {
                shape.insert(KEEP.to_owned(), true.into());
            }
        }
    }

    /// A field of a type, within its bounds.
    fn field(&self, type_: &str, name: &str, schema: &Value) -> Map<String, Value> {
        let mut shape = self.structural(schema, "");
        match bounds::held(type_, name) {
            Some(Held::Object) => drop(shape.insert("type".to_owned(), "object".into())),
            Some(Held::Text) => {
                shape.remove(KEEP);
                shape.insert("type".to_owned(), "string".into());
            }
            Some(Held::List) => {
                shape.remove(KEEP);
                shape.insert("type".to_owned(), "array".into());
                shape.insert("items".to_owned(), json!({"type": "object", KEEP: true}));
            }
            None => {}
        }
        shape.extend(bounds::of(type_, name));
        shape
    }
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/$defs/")
}

fn is_null(schema: &Value) -> bool {
    schema["type"] == "null"
}

/// The type, an absent value left aside: in Kubernetes a field that is absent is not there.
fn single_type(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::String(one) => Some(one),
        Value::Array(several) => several.iter().filter_map(Value::as_str).find(|one| *one != "null"),
        _ if schema["oneOf"].is_array() => Some("string"),
        _ => None,
    }
}

/// The words of a closed set; `oneOf` lists those with a meaning of their own.
fn values(schema: &Value) -> Option<Vec<Value>> {
    if let Some(values) = schema["enum"].as_array() {
        return Some(values.iter().filter(|value| !value.is_null()).cloned().collect());
    }
    let several = schema["oneOf"].as_array()?;
    Some(several.iter().flat_map(|one| values(one).unwrap_or_else(|| vec![one["const"].clone()])).collect())
}

/// A description, and what each of the words means where there is a closed set of them.
fn told(words: &str, schema: &Value) -> Value {
    let mut told = words.replace('\n', " ");
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        if let (Some(value), Some(meaning)) = (one["const"].as_str(), one["description"].as_str()) {
            told.push_str(&format!(" `{value}`: {}", meaning.replace('\n', " ")));
        }
    }
    told.into()
}

/// The API server's name of a number's format, and the most that it holds where the format alone does not say.
fn format(name: &str) -> Option<(&'static str, Option<u64>)> {
    match name {
        "uint8" | "uint16" | "int16" | "int32" => Some(("int32", None)),
        "uint32" => Some(("int64", Some(u32::MAX.into()))),
        "uint64" | "int64" => Some(("int64", None)),
        "password" => Some(("password", None)),
        _ => None,
    }
}
