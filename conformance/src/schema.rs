//! JSON Schemas of the files that people write, of reports and benchmarks: for editors, made from the types that read them.
//! Owns the documents, and prints the gateway's CRDs; shapes that no derive could know are in `forms`, names from the tables in `names`.
//! A test holds schema and reader together: each key that one knows, the other knows.

pub mod forms;
pub mod names;

use clap::ValueEnum;
use gateway::crds::crds;
use mock_providers::script::Config;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use crate::bench::model::Run;
use crate::report::model::Report;
use crate::scenario::Scenario;
use crate::target::TargetFile;

/// What there is a schema of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A scenario file.
    Scenario,
    /// A file for `windtunnel mock --config`.
    Mock,
    /// A target file.
    Target,
    /// A report of `run --report json=…`.
    Report,
    /// A run of `bench --report json=…`.
    Bench,
    /// The CustomResourceDefinitions of agentgateway's kinds, for `kubectl apply --server-side -f -`.
    Crds,
}

impl Kind {
    /// The schema; several CRDs are a list of them.
    pub fn schema(self) -> Value {
        match self {
            Kind::Scenario => document::<Scenario>("A Windtunnel scenario", read()),
            Kind::Mock => document::<Config>("A configuration of Windtunnel's mock providers", read()),
            Kind::Target => document::<TargetFile>("A Windtunnel target", read()),
            Kind::Report => document::<Report>("A Windtunnel report", read().for_serialize()),
            Kind::Bench => document::<Run>("A Windtunnel benchmark", read().for_serialize()),
            Kind::Crds => crds().into(),
        }
    }

    /// The schema as text, as it is printed and committed.
    pub fn text(self) -> String {
        match self {
            Kind::Crds => crds().iter().map(yaml).collect(),
            _ => format!("{:#}\n", self.schema()),
        }
    }
}

/// A document of several.
fn yaml(value: &Value) -> String {
    format!("---\n{}", serde_yaml::to_string(value).expect("JSON is YAML"))
}

/// Of files that are read.
fn read() -> SchemaSettings {
    SchemaSettings::draft2020_12().with_transform(|schema: &mut Schema| tidy(schema))
}

fn document<T: JsonSchema>(title: &str, settings: SchemaSettings) -> Value {
    let made = settings.into_generator().into_root_schema_for::<T>().to_value();
    let mut document = json!({"$schema": made["$schema"], "title": title});
    if let (Value::Object(document), Value::Object(made)) = (&mut document, made) {
        let rest = made.into_iter().filter(|(key, _)| key != "$schema" && key != "title");
        document.extend(rest);
        // By name, so that a new shape does not move all others in the committed file.
        if let Some(shapes) = document.get_mut("$defs").and_then(Value::as_object_mut) {
            shapes.sort_keys();
        }
    }
    document
}

/// Formats such as `uint16` say nothing to an editor, a default of null is none, and sentences go on over line ends.
fn tidy(schema: &mut Schema) {
    if schema
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|format| format.starts_with("uint") || format == "double")
    {
        schema.remove("format");
    }
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    schemars::transform::transform_subschemas(&mut tidy, schema);
}
