//! A value made from its schema, step by step.
//!
//! Owns the choice between alternatives and types, and that recursion ends: deep down only what is required is made,
//! and after so many steps nothing. Refuses to be sure: `fits` says whether the value is right.

use serde_json::{Map, Value};

use super::budget::Budget;
use super::fits::fits;
use super::flat::{flat, rest};
use super::{array, format, number, object};
use crate::digest::Random;

/// From this depth on only what is required is made.
const SPARE: usize = 6;
/// Nothing lies deeper.
const DEEPEST: usize = 48;
/// Values that do not fit are made anew so often.
const TRIES: usize = 8;
/// Keywords that nothing is made from: a value is tried until it fits.
const TRIED: &[&str] =
    &["not", "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas", "contains"];
/// From the smallest to the largest.
const TYPES: &[&str] = &["null", "boolean", "integer", "number", "string", "array", "object"];

/// Who makes one value.
pub(super) struct Maker<'s> {
    pub(super) root: &'s Value,
    pub(super) random: &'s mut Random,
    pub(super) budget: Budget,
}

impl<'s> Maker<'s> {
    pub(super) fn new(root: &'s Value, random: &'s mut Random) -> Self {
        Self { root, random, budget: Budget::new() }
    }

    /// A value, if there is one that is not too deep.
    pub(super) fn make(&mut self, schema: &Value, depth: usize) -> Option<Value> {
        if !self.budget.spend(1) || depth > DEEPEST || *schema == Value::Bool(false) {
            return None;
        }
        let schema = flat(self.root, schema, &self.budget);
        if *schema == Value::Bool(false) {
            return None;
        }
        let Value::Object(keys) = schema.as_ref() else { return Some(super::words(1, self.random).into()) };
        if !TRIED.iter().any(|key| keys.contains_key(*key)) {
            return self.once(&schema, keys, depth);
        }
        let mut last = None;
        for _ in 0..TRIES {
            last = Some(self.once(&schema, keys, depth)?);
            if last.as_ref().is_some_and(|value| self.fits(&schema, value)) {
                break;
            }
        }
        last
    }

    fn fits(&self, schema: &Value, value: &Value) -> bool {
        fits(self.root, schema, value, &self.budget)
    }

    fn copy(&self, value: &Value) -> Option<Value> {
        self.budget.spend_value(value).then(|| value.clone())
    }

    /// Whether only what is required is made.
    pub(super) fn is_spare(&self, depth: usize) -> bool {
        depth >= SPARE || self.budget.is_low()
    }

    fn once(&mut self, schema: &Value, keys: &Map<String, Value>, depth: usize) -> Option<Value> {
        if let Some(constant) = keys.get("const") {
            return self.copy(constant);
        }
        if let Some(options) = keys.get("enum").and_then(Value::as_array) {
            let fitting: Vec<&Value> = options.iter().filter(|option| self.fits(schema, option)).collect();
            let chosen = (!fitting.is_empty()).then(|| fitting[self.random.below(fitting.len())])?;
            return self.copy(chosen);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(options) = keys.get(key).and_then(Value::as_array) {
                let rest = self.budget.spend_map(keys).then(|| rest(keys, key))?;
                return self.one_of(schema, options, rest, depth);
            }
        }
        if let Some(condition) = keys.get("if") {
            let rest = self.budget.spend_map(keys).then(|| rest(keys, "if"))?;
            let any = Value::Bool(true);
            let met = serde_json::json!({ "allOf": [condition, keys.get("then").unwrap_or(&any)] });
            let options = [met, keys.get("else").unwrap_or(&any).clone()];
            return self.one_of(schema, &options, rest, depth);
        }
        self.of_type(keys, depth)
    }

    /// A value of one alternative that fits the whole, tried in an order that is drawn; deep down the smallest first.
    fn one_of(&mut self, whole: &Value, options: &[Value], rest: Option<Value>, depth: usize) -> Option<Value> {
        let mut order: Vec<usize> = (0..options.len()).collect();
        let first = self.random.below(options.len().max(1));
        order.rotate_left(first);
        if self.is_spare(depth) {
            order.sort_by_cached_key(|option| weight(self.root, &options[*option], &self.budget));
        }
        for option in order {
            if !rest
                .as_ref()
                .is_none_or(|rest| self.budget.spend_value(rest) && self.budget.spend_value(&options[option]))
            {
                return None;
            }
            let both = rest.as_ref().map(|rest| serde_json::json!({ "allOf": [rest, options[option]] }));
            for _ in 0..TRIES {
                let Some(value) = self.make(both.as_ref().unwrap_or(&options[option]), depth + 1) else { break };
                if self.fits(whole, &value) {
                    return Some(value);
                }
            }
        }
        None
    }

    fn of_type(&mut self, keys: &Map<String, Value>, depth: usize) -> Option<Value> {
        let mut kinds = kinds(keys);
        if self.is_spare(depth) {
            kinds.sort_by_key(|kind| TYPES.iter().position(|known| known == kind));
        } else {
            let first = self.random.below(kinds.len().max(1));
            kinds.rotate_left(first);
        }
        kinds.into_iter().find_map(|kind| match kind {
            "null" => Some(Value::Null),
            "boolean" => Some((self.random.below(2) == 1).into()),
            "integer" => number::integer(keys, self.random),
            "number" => number::number(keys, self.random),
            "string" => {
                let text = format::string(keys, self.random, &self.budget)?;
                self.budget.spend_text(&text).then_some(Value::String(text))
            }
            "array" => array::array(self, keys, depth),
            _ => object::object(self, keys, depth),
        })
    }
}

/// The types that a value may have: as the schema says, or as its other keywords tell.
fn kinds(keys: &Map<String, Value>) -> Vec<&str> {
    match keys.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => {
            let has = |names: &[&str]| names.iter().any(|name| keys.contains_key(*name));
            vec![match () {
                () if has(&[
                    "properties",
                    "required",
                    "additionalProperties",
                    "minProperties",
                    "patternProperties",
                ]) =>
                {
                    "object"
                }
                () if has(&["items", "prefixItems", "minItems", "uniqueItems", "contains"]) => "array",
                () if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) => "number",
                () => "string",
            }]
        }
    }
}

/// How large the values of a schema are, roughly; references may lead anywhere.
fn weight(root: &Value, schema: &Value, budget: &Budget) -> usize {
    let schema = flat(root, schema, budget);
    let Value::Object(keys) = schema.as_ref() else { return 0 };
    if keys.contains_key("const") || keys.contains_key("enum") {
        return 0;
    }
    let place = |kind: &&str| TYPES.iter().position(|known| known == kind);
    kinds(keys).iter().filter_map(place).min().unwrap_or(TYPES.len())
}
