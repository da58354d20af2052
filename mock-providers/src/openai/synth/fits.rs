//! Whether a value fits a schema.
//!
//! Owns the keywords that made-up values are checked by. Refuses to be a validator for others: what it does not know, it
//! lets pass.

use regex::RegexBuilder;
use serde_json::{Map, Value};

use super::budget::{Budget, PATTERN};
use crate::openai::schema::resolve;

/// Deeper nested schemas are taken for fitting.
const DEEPEST: usize = 96;
/// A larger expression is taken for matching.
const LARGEST: usize = 1 << 20;

/// Whether it does, with references into the root; as far as can be told with what is left of the budget.
pub(super) fn fits(root: &Value, schema: &Value, value: &Value, budget: &Budget) -> bool {
    Check { root, budget }.fits(schema, value, 0)
}

struct Check<'s> {
    root: &'s Value,
    budget: &'s Budget,
}

impl Check<'_> {
    fn fits(&self, schema: &Value, value: &Value, depth: usize) -> bool {
        let Value::Object(keys) = schema else { return *schema != Value::Bool(false) };
        if depth > DEEPEST || !self.budget.spend(1) {
            return true;
        }
        let sub = |schema: &Value| self.fits(schema, value, depth + 1);
        let list = |name: &str| keys.get(name).and_then(Value::as_array);
        let referred = keys.get("$ref").and_then(Value::as_str).and_then(|reference| resolve(self.root, reference));
        let (then, otherwise) = (keys.get("then"), keys.get("else"));
        referred.is_none_or(sub)
            && is_of_type(keys, value)
            && keys.get("const").is_none_or(|constant| equal(constant, value))
            && list("enum")
                .is_none_or(|options| !self.affords(options) || options.iter().any(|option| equal(option, value)))
            && list("allOf").is_none_or(|all| all.iter().all(sub))
            && list("anyOf").is_none_or(|any| any.iter().any(sub))
            && list("oneOf").is_none_or(|one| one.iter().filter(|schema| sub(schema)).count() == 1)
            && keys.get("not").is_none_or(|not| !sub(not))
            && keys.get("if").is_none_or(|condition| if sub(condition) { then } else { otherwise }.is_none_or(sub))
            && match value {
                Value::Number(_) => number(keys, value.as_f64().unwrap_or_default()),
                Value::String(text) => self.string(keys, text),
                Value::Array(items) => self.array(keys, items, depth),
                Value::Object(members) => self.object(keys, members, value, depth),
                _ => true,
            }
    }

    /// Whether a look at all of a list can be afforded.
    fn affords(&self, list: &[Value]) -> bool {
        self.budget.spend(list.len() / 8)
    }

    fn matches(&self, pattern: &str, text: &str) -> bool {
        !self.budget.spend(PATTERN) || matches(pattern, text)
    }

    fn string(&self, keys: &Map<String, Value>, text: &str) -> bool {
        within(keys, "minLength", "maxLength", text.chars().count())
            && keys.get("pattern").and_then(Value::as_str).is_none_or(|pattern| self.matches(pattern, text))
    }

    fn array(&self, keys: &Map<String, Value>, items: &[Value], depth: usize) -> bool {
        let prefix = keys.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let any = Value::Bool(true);
        let schema = |place: usize| prefix.get(place).or(keys.get("items")).unwrap_or(&any);
        let unique = keys.get("uniqueItems") == Some(&Value::Bool(true));
        let contained = |schema: &Value| items.iter().filter(|item| self.fits(schema, item, depth + 1)).count() as f64;
        let least = keys.get("minContains").and_then(Value::as_f64).unwrap_or(1.0);
        let most = keys.get("maxContains").and_then(Value::as_f64).unwrap_or(f64::INFINITY);
        within(keys, "minItems", "maxItems", items.len())
            && items.iter().enumerate().all(|(place, item)| self.fits(schema(place), item, depth + 1))
            && (!unique
                || !self.budget.spend(items.len() * items.len() / 16)
                || items.iter().enumerate().all(|(place, item)| !items[..place].contains(item)))
            && keys.get("contains").is_none_or(|schema| (least..=most).contains(&contained(schema)))
    }

    fn object(&self, keys: &Map<String, Value>, members: &Map<String, Value>, value: &Value, depth: usize) -> bool {
        let map = |name: &str| keys.get(name).and_then(Value::as_object);
        let names = |value: &Value| {
            let names = value.as_array().filter(|names| self.affords(names));
            names.into_iter().flatten().filter_map(Value::as_str).all(|name| members.contains_key(name))
        };
        let each = members.iter().all(|(name, member)| {
            let own = map("properties").and_then(|properties| properties.get(name));
            let patterns = map("patternProperties").into_iter().flatten();
            let matching: Vec<&Value> =
                patterns.filter(|(pattern, _)| self.matches(pattern, name)).map(|(_, own)| own).collect();
            let other = keys.get("additionalProperties").filter(|_| own.is_none() && matching.is_empty());
            own.into_iter().chain(matching).chain(other).all(|schema| self.fits(schema, member, depth + 1))
                && keys.get("propertyNames").is_none_or(|schema| self.fits(schema, &name.as_str().into(), depth + 1))
        });
        let present = |(name, _): &(&String, &Value)| members.contains_key(*name);
        each && keys.get("required").is_none_or(names)
            && within(keys, "minProperties", "maxProperties", members.len())
            && map("dependentRequired").into_iter().flatten().filter(present).all(|(_, needed)| names(needed))
            && map("dependentSchemas")
                .into_iter()
                .flatten()
                .filter(present)
                .all(|(_, schema)| self.fits(schema, value, depth + 1))
    }
}

fn is_of_type(keys: &Map<String, Value>, value: &Value) -> bool {
    let is = |kind: &str| match (kind, value) {
        ("integer", Value::Number(number)) => number.as_f64().is_some_and(|number| number.fract() == 0.0),
        ("null", Value::Null) | ("boolean", Value::Bool(_)) | ("number", Value::Number(_)) => true,
        ("string", Value::String(_)) | ("array", Value::Array(_)) | ("object", Value::Object(_)) => true,
        _ => false,
    };
    match keys.get("type") {
        Some(Value::String(kind)) => is(kind),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).any(is),
        _ => true,
    }
}

fn equal(one: &Value, other: &Value) -> bool {
    one == other || one.as_f64().is_some_and(|number| other.as_f64() == Some(number))
}

fn number(keys: &Map<String, Value>, value: f64) -> bool {
    let bound = |name: &str| keys.get(name).and_then(Value::as_f64);
    let opened = |name: &str| keys.get(name) == Some(&Value::Bool(true));
    bound("minimum").is_none_or(|low| value > low || (value == low && !opened("exclusiveMinimum")))
        && bound("maximum").is_none_or(|high| value < high || (value == high && !opened("exclusiveMaximum")))
        && bound("exclusiveMinimum").is_none_or(|low| value > low)
        && bound("exclusiveMaximum").is_none_or(|high| value < high)
        && bound("multipleOf").is_none_or(|step| {
            let times = value / step;
            (times - times.round()).abs() < 1e-9 * times.abs().max(1.0)
        })
}

fn within(keys: &Map<String, Value>, least: &str, most: &str, count: usize) -> bool {
    let bound = |name: &str| keys.get(name).and_then(Value::as_f64);
    bound(least).is_none_or(|least| count as f64 >= least) && bound(most).is_none_or(|most| count as f64 <= most)
}

/// Whether it does; an expression that is none of ours is taken for matching.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    RegexBuilder::new(pattern).size_limit(LARGEST).build().map_or(true, |regex| regex.is_match(text))
}
