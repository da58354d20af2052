//! JSON Schemas of the files that people write, and of the report: for editors, made from the types that read them.
//! Owns the four documents; shapes that no derive could know are in `forms`, names from the tables in `names`.
//! A test holds schema and reader together: each key that one knows, the other knows.

pub mod forms;
pub mod names;

use clap::ValueEnum;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

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
}

impl Kind {
    /// The schema.
    pub fn schema(self) -> Value {
        match self {
            Kind::Scenario => document::<Scenario>("A Windtunnel scenario"),
            Kind::Mock => document::<mock_providers::script::Config>("A configuration of Windtunnel's mock providers"),
            Kind::Target => document::<TargetFile>("A Windtunnel target"),
        }
    }

    /// The schema as text, as it is printed and committed.
    pub fn text(self) -> String {
        format!("{:#}\n", self.schema())
    }
}

fn document<T: JsonSchema>(title: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(|schema: &mut Schema| tidy(schema));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), json!(title));
    schema.to_value()
}

/// Formats such as `uint16` say nothing to an editor, and a default of null is none.
fn tidy(schema: &mut Schema) {
    if schema
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|format| format.starts_with("uint") || format == "double")
    {
        schema.remove("format");
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    schemars::transform::transform_subschemas(&mut tidy, schema);
}
