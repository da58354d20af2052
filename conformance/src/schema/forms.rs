//! The written forms of scenario and target files as schemas: durations, sizes, matchers, manifests, one-or-many.
//! Owns shapes for editors only; what is read, the readers say.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::matcher::{Matcher, Named};
use crate::scenario::At;
use crate::scenario::expect::OneOrList;
use crate::scenario::text::{JsonPath, OneOrMany, Pairs, Size, Span};
use crate::schema::names;
use crate::target;

macro_rules! written {
    ($($type:ty as $name:literal: |$generator:ident| $schema:expr;)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn schema_id() -> Cow<'static, str> {
                concat!(module_path!(), "::", $name).into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

/// A Kubernetes manifest, or a file of them.
#[derive(Debug, Clone, Copy)]
pub struct Manifest;

/// A regular expression.
#[derive(Debug, Clone, Copy)]
pub struct Pattern;

/// A list of values, or the reference that stands for one.
#[derive(Debug, Clone, Copy)]
pub struct Choices;

written! {
    Span as "Duration": |_generator| json_schema!({
        "description": "A duration with its unit: 80us, 250ms, 1.5s, 2m.",
        "type": "string",
        "pattern": r"^[0-9][0-9.]*(us|ms|s|m|h)$",
    });
    Size as "Size": |_generator| json_schema!({
        "description": "A number of bytes with its unit: 512B, 64KiB, 8MiB.",
        "type": "string",
        "pattern": "^[0-9]+(B|KiB|MiB|GiB)$",
    });
    JsonPath as "JsonPath": |_generator| json_schema!({"description": "A JSONPath (RFC 9535).", "type": "string"});
    OneOrMany as "OneOrMany": |_generator| json_schema!({
        "description": "A value, or a list of texts.",
        "anyOf": [{"type": ["string", "integer", "boolean"]}, {"type": "array", "items": {"type": "string"}}],
    });
    Pattern as "Pattern": |_generator| json_schema!({
        "description": "A regular expression.",
        "type": "string",
    });
    target::Pattern as "LinePattern": |_generator| json_schema!({
        "description": "A regular expression on a line of output.",
        "type": "string",
    });
    Choices as "Choices": |_generator| json_schema!({"anyOf": [{"type": "array"}, {"type": "string"}]});
    Matcher as "Matcher": |generator| json_schema!({
        "description": "A value that must be equal, or named conditions.",
        "anyOf": [
            {"type": ["null", "boolean", "number", "string", "array"]},
            generator.subschema_for::<Named>(),
        ],
    });
    Manifest as "Manifest": |generator| json_schema!({
        "description": "A Kubernetes manifest, or `use:` with a file of manifests, only for targets that claim what it `needs`.",
        "type": "object",
        "properties": {
            "use": {
                "description": "A file, relative to the scenario's own folder or to the suite's.",
                "type": "string",
            },
            "needs": generator.subschema_for::<names::Capability>(),
            "apiVersion": {"description": "May be left out for kinds that are known.", "type": "string"},
            "kind": {"type": "string"},
        },
        "oneOf": [
            {"required": ["use"], "not": {"required": ["kind"]}, "maxProperties": 2},
            {"required": ["kind"], "not": {"anyOf": [{"required": ["use"]}, {"required": ["needs"]}]}},
        ],
    });
    target::Supports as "Supports": |generator| json_schema!({
        "description": "`all`, or a list of capabilities.",
        "anyOf": [{"const": "all"}, {"type": "array", "items": generator.subschema_for::<names::Capability>()}],
    });
}

/// `kill`, the other name of `stop` in a change.
pub fn with_kill(schema: &mut Schema) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    if let Some((properties, stop)) = properties.and_then(|all| all.get("stop").cloned().map(|stop| (all, stop))) {
        properties.insert("kill".to_owned(), stop);
    }
}

/// Where it stands makes no difference to its shape.
impl<T: JsonSchema> JsonSchema for At<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// Its keys are free, its values are not.
impl<T: JsonSchema, K> JsonSchema for Pairs<T, K> {
    fn schema_name() -> Cow<'static, str> {
        format!("Pairs_of_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "additionalProperties": generator.subschema_for::<T>()})
    }
}

impl<T: JsonSchema> JsonSchema for OneOrList<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("One_or_list_of_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}
