//! Scripts of any kind: random choices led through the schema of all keys, written as YAML.
//!
//! Owns the values that a key may get. A key that is new in the schema is in these scripts at once. What is left out
//! asks for what a run does not have: certificates, addresses, files and the tables of tokenizers.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::script::Config;

/// Keys that are never drawn.
const LEFT_OUT: &[&str] = &["tls", "certificate", "listen", "admin", "tokenizer", "trace", "text_file"];
/// A map has at most so many of its keys by choice.
const KEYS: usize = 4;
/// From this depth on, maps have no more keys and lists no more items than they must.
const DEPTH: usize = 9;

const TEXTS: &[&str] =
    &["", "hi", "a", "m-1", "*", "stop", "h\u{e9}\u{e9} \u{4f60}\u{597d} \u{1f300} a\r\n\r\nb\0", "one two three four"];
const TIMES: &[&str] = &["0ms", "1us", "1ms", "2ms"];
const SIZES: &[&str] = &["0B", "300B", "20KiB"];
const PATHS: &[&str] = &["$.model", "$..content", "$.messages[?@.role == 'user'].content", "$"];
const PATTERNS: &[&str] = &["", "a+", "^(h|m)i?.*$", "[\u{e9}-\u{4f60}]{1,3}"];
const STATUSES: &[u64] = &[100, 200, 204, 304, 400, 429, 500, 503, 529, 999];
const NUMBERS: &[u64] = &[0, 1, 2, 3, 7, 40, 1000];

/// The schema of a configuration.
static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Config>().to_value());

/// A configuration of one provider named `a`, as the choices have it; without choices the simplest one.
pub fn config(choices: &[u16]) -> String {
    let mut drawer = Drawer { choices: choices.iter() };
    let provider = drawer.value(&json!({"$ref": "#/$defs/Provider"}), "", 0);
    let mut config = drawer.value(&SCHEMA, "", 0);
    config["providers"] = json!({ "a": provider });
    let mut text = String::new();
    write(&mut text, &config, 0, drawer.below(4));
    text
}

struct Drawer<'c> {
    choices: std::slice::Iter<'c, u16>,
}

impl Drawer<'_> {
    /// A number below the bound; 0 when there are no more choices.
    fn below(&mut self, bound: usize) -> usize {
        self.choices.next().map_or(0, |choice| usize::from(*choice)) % bound.max(1)
    }

    fn one<'v, T: ?Sized>(&mut self, values: &[&'v T]) -> &'v T {
        values[self.below(values.len())]
    }

    /// A value that the schema of this key allows.
    fn value(&mut self, schema: &Value, key: &str, depth: usize) -> Value {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let name = name.trim_start_matches("#/$defs/");
            return self.known(name, depth).unwrap_or_else(|| self.value(&SCHEMA["$defs"][name], key, depth));
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        for list in ["enum", "anyOf", "oneOf"] {
            let Some(options) = schema.get(list).and_then(Value::as_array) else { continue };
            let options: Vec<&Value> = options.iter().filter(|option| option["type"] != "null").collect();
            let Some(option) = options.get(self.below(options.len())) else { continue };
            return if list == "enum" { (*option).clone() } else { self.value(option, key, depth) };
        }
        match kind(schema) {
            "object" => self.map(schema, depth),
            "array" => self.list(schema, key, depth),
            "string" if key.ends_with("_base64") => "/w==".into(),
            "string" => self.one(TEXTS).into(),
            "boolean" => (self.below(4) != 1).into(),
            "integer" => self.integer(schema, key),
            "number" => [0.0, 1.0, 0.5, 2.0][self.below(4)].into(),
            _ => [json!(null), json!("hi"), json!({"usage": {"prompt_tokens": -1}}), json!([1, "a"])][self.below(4)]
                .clone(),
        }
    }

    /// Values of shapes whose schema does not say enough.
    fn known(&mut self, name: &str, depth: usize) -> Option<Value> {
        Some(match name {
            "ScriptTime" => self.one(TIMES).into(),
            "ScriptSize" => self.one(SIZES).into(),
            "ScriptPath" => self.one(PATHS).into(),
            "ScriptPattern" => self.one(PATTERNS).into(),
            "BodyMatch" => json!({ self.one(PATHS): self.one(TEXTS) }),
            "ScriptHeaders" => {
                json!({ self.one(&["x-a", "content-type", "content-length", "connection"]): self.one(&["1", "close", "text/plain"]) })
            }
            "Machine" => {
                let faults = self.list(&json!({"items": {"$ref": "#/$defs/Fault"}}), "faults", depth);
                json!({"initial": "stop", "states": {"stop": {"faults": faults}, "hi": {}}, "schedule": [{"at": "1ms", "to": "hi"}]})
            }
            _ => return None,
        })
    }

    fn map(&mut self, schema: &Value, depth: usize) -> Value {
        let mut map = Map::new();
        let empty = Map::new();
        let keys = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for key in required.iter().filter_map(Value::as_str).filter(|key| !LEFT_OUT.contains(key)) {
            map.insert(key.to_owned(), self.value(&keys[key], key, depth + 1));
        }
        let free: Vec<&String> = keys.keys().filter(|key| !LEFT_OUT.contains(&key.as_str())).collect();
        let most = schema.get("maxProperties").and_then(Value::as_u64).map_or(KEYS, |most| most as usize);
        let least = schema.get("minProperties").and_then(Value::as_u64).unwrap_or(0) as usize;
        let more = if depth < DEPTH { self.below(most.min(KEYS) + 1).max(least) } else { least };
        for _ in 0..more.min(free.len()) {
            let key = free[self.below(free.len())];
            map.insert(key.clone(), self.value(&keys[key], key, depth + 1));
        }
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            for _ in 0..if depth < DEPTH { self.below(3) } else { 0 } {
                let key = self.one(&["stop", "hi", "x-a", "tool_calls"]);
                map.insert(key.to_owned(), self.value(values, key, depth + 1));
            }
        }
        map.into()
    }

    fn list(&mut self, schema: &Value, key: &str, depth: usize) -> Value {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0) as usize;
        let length = if depth < DEPTH { self.below(3).max(least) } else { least };
        let items = schema.get("items").unwrap_or(&Value::Null);
        (0..length).map(|_| self.value(items, key, depth + 1)).collect()
    }

    fn integer(&mut self, schema: &Value, key: &str) -> Value {
        let numbers = if key == "status" { STATUSES } else { NUMBERS };
        let number = numbers[self.below(numbers.len())];
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64).map(|bound| bound as u64);
        number.max(bound("minimum").unwrap_or(0)).min(bound("maximum").unwrap_or(u64::MAX)).into()
    }
}

fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or(""),
        _ => "",
    }
}

/// Block style down to a depth, then JSON, which is YAML too.
fn write(text: &mut String, value: &Value, depth: usize, blocks: usize) {
    match value {
        Value::Object(map) if depth < blocks && !map.is_empty() => {
            for (key, value) in map {
                text.push_str(&format!("\n{:indent$}{}:", "", json!(key), indent = 2 * depth));
                write(text, value, depth + 1, blocks);
            }
        }
        Value::Array(list) if depth < blocks && !list.is_empty() => {
            for value in list {
                text.push_str(&format!("\n{:indent$}- ", "", indent = 2 * depth));
                write(text, value, depth + 1, 0);
            }
        }
        other => text.push_str(&format!(" {other}")),
    }
}
