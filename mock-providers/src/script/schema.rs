//! The written forms of a script for JSON Schema: those that no derive could know.
//!
//! Owns shapes for editors only; what is read, the readers beside it say, and a test of the harness holds both together.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::matching::{TextConditions, ValueConditions};
use super::respond::EventKeys;
use super::{
    BodyMatch, Every, Hang, HeaderValues, Headers, Path, Pattern, SseEvent, TextMatch, UsageNumbers, UsageSpec,
    ValueMatch,
};

macro_rules! written {
    ($($type:ty as $name:literal: |$generator:ident| $schema:expr;)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn schema_id() -> Cow<'static, str> {
                concat!("mock_providers::", $name).into()
            }
            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

/// A duration with its unit.
pub(super) struct Time;

/// A number of bytes, with or without a unit.
pub(super) struct Size;

written! {
    Time as "ScriptTime": |_generator| json_schema!({
        "description": "A duration with its unit: 80us, 250ms, 1.5s, 2m; a day is the longest.",
        "type": "string",
        "pattern": r"^\s*[0-9][0-9.]*(ns|us|µs|ms|s|m|h)\s*$",
    });
    Size as "ScriptSize": |_generator| json_schema!({
        "description": "A size such as 5MiB, 64KiB or 300B, or a number of bytes.",
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^\s*[0-9]+\s*(B|kB|KiB|MB|MiB)?\s*$"},
        ],
    });
    Headers as "ScriptHeaders": |generator| json_schema!({
        "description": "Headers by name, in this order.",
        "type": "object",
        "additionalProperties": generator.subschema_for::<HeaderValues>(),
    });
    HeaderValues as "ScriptHeaderValues": |_generator| json_schema!({
        "description": "A header's value, or a list of them; an empty list removes a default header.",
        "anyOf": [
            {"type": ["string", "number", "boolean"]},
            {"type": "array", "items": {"type": ["string", "number", "boolean"]}},
        ],
    });
    UsageSpec as "Usage": |generator| json_schema!({
        "description": "What is reported as used.",
        "anyOf": [
            {"const": "auto", "description": "An estimate: one token per word piece."},
            {"const": "none", "description": "Nothing is reported."},
            generator.subschema_for::<UsageNumbers>(),
        ],
    });
    SseEvent as "ScriptEvent": |generator| json_schema!({
        "description": "One literal event of a stream.",
        "anyOf": [
            {"const": "done", "description": "The event `data: [DONE]`."},
            generator.subschema_for::<EventKeys>(),
        ],
    });
    Hang as "Hang": |generator| json_schema!({
        "description": "`true`: until the caller leaves; or a duration, after which the answer comes.",
        "anyOf": [{"const": true}, generator.subschema_for::<Time>()],
    });
    Every as "Every": |generator| json_schema!({
        "description": "How often: before every nth content event, or after each silence of a duration.",
        "anyOf": [{"type": "integer", "minimum": 1}, generator.subschema_for::<Time>()],
    });
    Path as "ScriptPath": |_generator| json_schema!({"description": "A JSONPath (RFC 9535).", "type": "string"});
    Pattern as "ScriptPattern": |_generator| json_schema!({
        "description": "A regular expression.",
        "type": "string",
    });
    BodyMatch as "BodyMatch": |generator| json_schema!({
        "description": "Conditions on places in the body, by JSONPath.",
        "type": "object",
        "additionalProperties": generator.subschema_for::<ValueMatch>(),
    });
    TextMatch as "TextMatch": |generator| json_schema!({
        "description": "A text that must be equal, or named conditions.",
        "anyOf": [{"type": "string"}, generator.subschema_for::<TextConditions>()],
    });
    ValueMatch as "ValueMatch": |generator| json_schema!({
        "description": "A value that must be equal, or named conditions.",
        "anyOf": [
            {"type": ["null", "boolean", "number", "string", "array"]},
            generator.subschema_for::<ValueConditions>(),
        ],
    });
}
