//! The written forms of a script for JSON Schema: those that no derive could know.
//!
//! Owns shapes for editors only; what is read, the readers beside it say, and a test of the harness holds both together.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::matching::{TextConditions, ValueConditions};
use super::model::{Model, Named};
use super::respond::EventKeys;
use super::sequence::SequenceKeys;
use super::when::TurnBounds;
use super::{
    BodyMatch, Created, Distribution, Embedding, EmbeddingSize, Every, Hang, HeaderValues, Headers, LogprobsSpec,
    ModelMatch, OneOrMany, Path, Pattern, Sequence, SseEvent, Step, TextMatch, Turns, UsageNumbers, UsageSpec,
    ValueMatch, WhenFull,
};

/// A bare value or one form of drawing it.
fn distribution(description: &str, bare: &Schema, amount: &Schema) -> Schema {
    let number = json!({"type": "number", "minimum": 0});
    let form = |required: &[(&str, &Value)], optional: &[(&str, &Value)]| {
        let all = required.iter().chain(optional).map(|(name, shape)| ((*name).to_owned(), (*shape).clone()));
        let required: Vec<&str> = required.iter().map(|(name, _)| *name).collect();
        let properties: Map<String, Value> = all.collect();
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    };
    let list = |items: Value| json!({"type": "array", "items": items, "minItems": 1});
    let (value, amount) = (bare.as_value(), amount.as_value());
    let path = json!({"type": "string"});
    json_schema!({
        "description": description,
        "anyOf": [value, {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": false,
            "properties": {
                "constant": value,
                "uniform": form(&[("lower", amount), ("upper", amount)], &[]),
                "normal": form(&[("mean", amount), ("std_dev", amount)], &[("min", amount), ("max", amount)]),
                "lognormal": form(&[("median", amount), ("sigma", &number)], &[("max", amount)]),
                "exponential": form(&[("mean", amount)], &[("max", amount)]),
                "gamma": form(&[("mean", amount), ("shape", &number)], &[]),
                "percentiles": form(&[("p50", amount), ("p90", amount), ("p99", amount), ("max", amount)], &[]),
                "histogram": list(form(&[("le", amount), ("weight", &number)], &[])),
                "choice": list(form(&[("value", amount)], &[("weight", &number)])),
                "trace": form(&[], &[("values", &list(amount.clone())), ("file", &path), ("loop", &json!({"type": "boolean"}))]),
            },
        }],
    })
}

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
    LogprobsSpec as "ScriptLogprobs": |_generator| json_schema!({
        "description": "The log probabilities shown, whatever the request says.",
        "anyOf": [
            {"const": "none", "description": "None."},
            {"const": "synth", "description": "Made-up ones."},
            {"type": "array", "items": {"type": "number", "maximum": 0}, "description": "Those of the first tokens."},
        ],
    });
    SseEvent as "ScriptEvent": |generator| json_schema!({
        "description": "One literal event of a stream.",
        "anyOf": [
            {"const": "done", "description": "The event `data: [DONE]`."},
            generator.subschema_for::<EventKeys>(),
        ],
    });
    Named as "ScriptModel": |generator| json_schema!({
        "description": "A model: its name, or a map.",
        "anyOf": [{"type": "string"}, generator.subschema_for::<Model>()],
    });
    Embedding as "ScriptEmbedding": |generator| json_schema!({
        "description": "The vectors of embeddings: this one, or made-up ones of a size.",
        "anyOf": [{"type": "array", "items": {"type": "number"}}, generator.subschema_for::<EmbeddingSize>()],
    });
    Hang as "Hang": |generator| json_schema!({
        "description": "`true`: until the caller leaves; or a duration, after which the answer comes.",
        "anyOf": [{"const": true}, generator.subschema_for::<Distribution<Duration>>()],
    });
    Distribution<Duration> as "ScriptDurations": |generator| {
        let time = generator.subschema_for::<Time>();
        distribution("A duration, or how one is drawn.", &time, &time)
    };
    Distribution<usize> as "ScriptNumbers": |_generator| distribution(
        "A whole number, or how one is drawn.",
        &json_schema!({"type": "integer", "minimum": 0, "maximum": 1 << 20}),
        &json_schema!({"type": "number", "minimum": 0, "maximum": 1 << 20}),
    );
    WhenFull as "WhenFull": |_generator| json_schema!({"description": "A status.", "enum": [429, 503]});
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
    ModelMatch as "ModelMatch": |generator| json_schema!({
        "description": "A glob over the name of a model, or named conditions.",
        "anyOf": [{"type": "string"}, generator.subschema_for::<TextConditions>()],
    });
    OneOrMany<String> as "ScriptNames": |_generator| json_schema!({
        "description": "A name or a list of names.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    });
    OneOrMany<u64> as "ScriptNumbers": |_generator| json_schema!({
        "description": "A number or a list of numbers.",
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "array", "items": {"type": "integer", "minimum": 0}},
        ],
    });
    Turns as "ScriptTurns": |generator| json_schema!({
        "description": "A number, or a range with both its ends.",
        "anyOf": [{"type": "integer", "minimum": 0}, generator.subschema_for::<TurnBounds>()],
    });
    Sequence as "ScriptSequence": |generator| json_schema!({
        "description": "Steps in order, or a map that also says what comes after the last.",
        "anyOf": [
            {"type": "array", "items": generator.subschema_for::<Step>()},
            generator.subschema_for::<SequenceKeys>(),
        ],
    });
    Created as "ScriptCreated": |_generator| json_schema!({
        "description": "A Unix time in seconds, or `real` for the machine's.",
        "anyOf": [{"type": "integer", "minimum": 0}, {"const": "real"}],
    });
    ValueMatch as "ValueMatch": |generator| json_schema!({
        "description": "A value that must be equal, or named conditions.",
        "anyOf": [
            {"type": ["null", "boolean", "number", "string", "array"]},
            generator.subschema_for::<ValueConditions>(),
        ],
    });
}
