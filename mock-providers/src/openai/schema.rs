//! JSON schemas in requests: formats of answers and parameters of tools.
//!
//! Owns what is refused as no schema. Refuses to demand more than well-formedness: of `strict` schemas OpenAI demands
//! that each object lists all its properties as required, and of `json_object` that a message mentions JSON; who sends
//! others is not told so here.

use serde_json::{Map, Value};

use super::ApiError;
use super::parameters::given;
use super::place::Place;

const TYPES: &[&str] = &["string", "number", "integer", "boolean", "object", "array", "null"];
/// Keywords that hold a schema.
const ONE: &[&str] = &["items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"];
/// Keywords that hold a list of schemas.
const LISTS: &[&str] = &["anyOf", "oneOf", "allOf", "prefixItems"];
/// Keywords that hold schemas by name.
const MAPS: &[&str] = &["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
/// Keywords that hold a count.
const COUNTS: &[&str] = &["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"];
/// Keywords that hold a number.
const NUMBERS: &[&str] = &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];

/// The schema that `response_format` wants the text to fit; null stands for any object.
pub(super) fn response_format(body: &Map<String, Value>) -> Result<Option<&Value>, ApiError> {
    let Some(format) = given(body, "response_format") else { return Ok(None) };
    let place = Place::of("response_format");
    let format = place.object(Some(format))?;
    match place.field("type").word(format.get("type"), &["json_object", "json_schema", "text"])? {
        "json_object" => Ok(Some(&Value::Null)),
        "json_schema" => json_schema(format, place).map(Some),
        _ => Ok(None),
    }
}

fn json_schema<'v>(format: &'v Map<String, Value>, place: Place<'_>) -> Result<&'v Value, ApiError> {
    let place = place.field("json_schema");
    let wrapper = place.object(format.get("json_schema"))?;
    let name = place.field("name").name(wrapper.get("name"))?;
    if let Some(strict) = given(wrapper, "strict").filter(|strict| !strict.is_boolean()) {
        return Err(place.field("strict").wrong_type("a boolean", strict));
    }
    check_format(wrapper.get("schema"), name, place.field("schema"))
}

/// Checks the schema of a format with this name.
pub(super) fn check_format<'v>(schema: Option<&'v Value>, name: &str, place: Place<'_>) -> Result<&'v Value, ApiError> {
    let schema = schema.ok_or_else(|| place.missing())?;
    place.object(Some(schema))?;
    let invalid = |fault| place.inconsistent(format!("Invalid schema for response_format '{name}': {fault}."));
    check(schema).map_err(invalid)?;
    Ok(schema)
}

/// Checks the parameters of a function; none at all are fine.
pub(super) fn check_parameters(schema: &Value, name: &str, place: Place<'_>) -> Result<(), ApiError> {
    if schema.is_null() {
        return Ok(());
    }
    let object = place.object(Some(schema))?;
    let invalid = |fault: String| {
        place.error("invalid_function_parameters", format!("Invalid schema for function '{name}': {fault}."))
    };
    if let Some(kind) = object.get("type").filter(|kind| *kind != "object") {
        return Err(invalid(format!("schema must be of type 'object', not {kind}")));
    }
    check(schema).map_err(invalid)
}

/// Checks that a schema is one; says where it is not.
fn check(schema: &Value) -> Result<(), String> {
    Check { root: schema }.at(schema).map_err(|Fault { what, path }| format!("{what}, at '{path}'"))
}

/// What is wrong with a schema, and where.
struct Fault {
    what: String,
    path: String,
}

impl Fault {
    fn new(what: String, path: &str) -> Self {
        Self { what, path: path.to_owned() }
    }

    /// The same as seen from further out. A path is put together only where something is wrong.
    fn within(self, place: impl std::fmt::Display) -> Self {
        Self { path: format!("/{place}{}", self.path), ..self }
    }
}

struct Check<'s> {
    root: &'s Value,
}

impl Check<'_> {
    fn at(&self, schema: &Value) -> Result<(), Fault> {
        let Value::Object(schema) = schema else {
            let fine = schema.is_boolean();
            return if fine { Ok(()) } else { Err(Fault::new(format!("{schema} is no schema"), "/")) };
        };
        kind(schema)?;
        bounds(schema)?;
        if let Some(reference) = schema.get("$ref") {
            let known = reference.as_str().is_some_and(|reference| resolve(self.root, reference).is_some());
            known.then_some(()).ok_or_else(|| Fault::new(format!("reference {reference} leads nowhere"), "/$ref"))?;
        }
        for key in ONE.iter().filter(|key| schema.contains_key(**key)) {
            self.at(&schema[*key]).map_err(|fault| fault.within(key))?;
        }
        for key in LISTS {
            let Some(list) = schema.get(*key) else { continue };
            let Some(items) = list.as_array().filter(|list| !list.is_empty()) else {
                return Err(Fault::new(format!("{list} is no list of schemas"), "").within(key));
            };
            let mut items = items.iter().enumerate();
            items.try_for_each(|(index, item)| self.at(item).map_err(|fault| fault.within(index).within(key)))?;
        }
        for key in MAPS {
            let Some(map) = schema.get(*key) else { continue };
            let no_map = || Fault::new(format!("{map} is no map of schemas"), "").within(key);
            let mut items = map.as_object().ok_or_else(no_map)?.iter();
            items.try_for_each(|(name, item)| self.at(item).map_err(|fault| fault.within(name).within(key)))?;
        }
        Ok(())
    }
}

fn kind(schema: &Map<String, Value>) -> Result<(), Fault> {
    let known = |kind: &Value| kind.as_str().is_some_and(|kind| TYPES.contains(&kind));
    let fine = match schema.get("type") {
        None => true,
        Some(Value::Array(kinds)) => !kinds.is_empty() && kinds.iter().all(known),
        Some(kind) => known(kind),
    };
    let wrong = || Fault::new(format!("{} is not valid under any of the given types", schema["type"]), "/type");
    if fine { Ok(()) } else { Err(wrong()) }
}

fn bounds(schema: &Map<String, Value>) -> Result<(), Fault> {
    let fine = |key: &str, value: &Value| match key {
        "enum" => value.as_array().is_some_and(|options| !options.is_empty()),
        "required" => value.as_array().is_some_and(|names| names.iter().all(Value::is_string)),
        "pattern" | "format" => value.is_string(),
        "multipleOf" => value.as_f64().is_some_and(|step| step > 0.0),
        key if COUNTS.contains(&key) => {
            value.as_u64().is_some() || value.as_f64().is_some_and(|count| count.fract() == 0.0 && count >= 0.0)
        }
        // A boolean is the fourth draft's way.
        key if NUMBERS.contains(&key) => value.is_number() || (value.is_boolean() && key.starts_with("exclusive")),
        _ => true,
    };
    match schema.iter().find(|(key, value)| !fine(key, value)) {
        None => Ok(()),
        Some((key, value)) => Err(Fault::new(format!("{value} is no value for '{key}'"), "").within(key)),
    }
}

/// The schema that a reference within the document means.
pub(super) fn resolve<'s>(root: &'s Value, reference: &str) -> Option<&'s Value> {
    let pointer = reference.strip_prefix('#')?;
    root.pointer(pointer)
}
