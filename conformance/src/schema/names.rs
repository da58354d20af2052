//! Names that a table in code lists, as schemas: each with its sentence, so that an editor proposes and explains them.
//! Owns no name: profiles, capabilities and options are `capability`'s, saboteurs are `saboteur`'s.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::capability::{CAPABILITIES, OPTIONS, PROFILES};
use crate::saboteur;

/// A name of the table in `$all`.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident, $what:literal, $all:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $type;

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn schema_id() -> Cow<'static, str> {
                concat!(module_path!(), "::", stringify!($type)).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let one = |(name, summary): (&str, &str)| json!({"const": name, "description": summary});
                let all: Vec<Value> = $all.map(one).collect();
                json_schema!({"description": $what, "oneOf": all})
            }
        }
    };
}

named! {
    /// The name of a profile.
    Profile, "The profile whose result it counts for; `windtunnel list --profiles`.",
    PROFILES.iter().map(|profile| (profile.name, profile.summary))
}

named! {
    /// The name of a capability.
    Capability, "Something a target may claim; `windtunnel list --capabilities`.",
    CAPABILITIES.iter().map(|capability| (capability.name, capability.summary))
}

named! {
    /// The name of a saboteur.
    Saboteur, "A deliberate defect; `windtunnel list --saboteurs`.",
    saboteur::Saboteur::ALL.iter().map(|saboteur| (saboteur.name(), saboteur.summary()))
}

/// The options that a target may declare.
#[derive(Debug, Clone, Copy)]
pub struct Options;

impl JsonSchema for Options {
    fn schema_name() -> Cow<'static, str> {
        "Options".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let option = |option: &crate::capability::Choice| {
            let description = format!("{}; usual: {}", option.summary, option.usual);
            (option.name.to_owned(), json!({"description": description, "type": "array"}))
        };
        let properties: Map<String, Value> = OPTIONS.iter().map(option).collect();
        json_schema!({"type": "object", "properties": properties, "additionalProperties": false})
    }
}

/// The id of a scenario.
#[derive(Debug, Clone, Copy)]
pub struct Id;

impl JsonSchema for Id {
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[A-Z]+-[0-9]+$"})
    }
}
