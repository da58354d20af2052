//! How each matcher judges what was seen.

use serde_json::Value;

use super::{Condition, JsonType, Matcher};

/// What an expectation looks at: nothing, one value, several occurrences, or bytes.
#[derive(Debug, Clone)]
pub enum Seen {
    /// Occurrences: a header's values, the nodes of a JSONPath, one scalar.
    Values(Vec<Value>),
    /// A body.
    Bytes(Vec<u8>),
}

impl Seen {
    /// One value.
    pub fn one(value: impl Into<Value>) -> Seen {
        Seen::Values(vec![value.into()])
    }

    /// A value that may be missing.
    pub fn maybe(value: Option<impl Into<Value>>) -> Seen {
        Seen::Values(value.map(Into::into).into_iter().collect())
    }

    /// The sentence for "actual".
    pub fn describe(&self) -> String {
        match self {
            Seen::Values(values) => match values.as_slice() {
                [] => "absent".to_owned(),
                [one] => shortened(&one.to_string()),
                several => {
                    let list: Vec<String> = several.iter().map(Value::to_string).collect();
                    shortened(&format!("{} occurrences: {}", several.len(), list.join(", ")))
                }
            },
            Seen::Bytes(bytes) if bytes.is_empty() => "an empty body".to_owned(),
            Seen::Bytes(bytes) => shortened(&Value::from(String::from_utf8_lossy(bytes)).to_string()),
        }
    }

    fn values(&self) -> Vec<Value> {
        match self {
            Seen::Values(values) => values.clone(),
            Seen::Bytes(bytes) if bytes.is_empty() => Vec::new(),
            Seen::Bytes(bytes) => vec![Value::from(String::from_utf8_lossy(bytes))],
        }
    }
}

fn shortened(text: &str) -> String {
    const LIMIT: usize = 600;
    match text.char_indices().nth(LIMIT) {
        Some((cut, _)) => format!("{}… ({} bytes in all)", &text[..cut], text.len()),
        None => text.to_owned(),
    }
}

impl Matcher {
    /// Whether all conditions hold.
    pub fn holds(&self, seen: &Seen) -> bool {
        self.conditions.iter().all(|condition| condition.holds(seen))
    }
}

impl Condition {
    fn holds(&self, seen: &Seen) -> bool {
        let values = seen.values();
        let all = |test: &dyn Fn(&Value) -> bool| !values.is_empty() && values.iter().all(test);
        match self {
            Condition::Equals(Value::String(wanted)) if wanted.is_empty() && values.is_empty() => {
                matches!(seen, Seen::Bytes(_))
            }
            Condition::Equals(wanted) => all(&|value| equal(value, wanted)),
            Condition::Contains(wanted) => all(&|value| contains(value, wanted)),
            Condition::Matches(pattern) => all(&|value| pattern.0.is_match(&text_of(value))),
            Condition::Absent => values.is_empty(),
            Condition::Present => !values.is_empty(),
            Condition::In(wanted) => all(&|value| wanted.iter().any(|one| equal(value, one))),
            Condition::Between(low, high) => all(&|value| {
                number(value).is_some_and(|n| low.is_none_or(|low| n >= low) && high.is_none_or(|high| n <= high))
            }),
            Condition::Near { value: wanted, within } => {
                all(&|value| number(value).is_some_and(|n| (n - wanted).abs() <= *within))
            }
            Condition::Count(inner) => inner.holds(&Seen::one(count(&values))),
            Condition::ExactlyOnce(wanted) => exactly_once(seen, &values, wanted),
            Condition::Type(kind) => all(&|value| kind.fits(value)),
            Condition::Subset(wanted) => all(&|value| subset(wanted, value)),
            Condition::BytesEqual(wanted) => match seen {
                Seen::Bytes(bytes) => bytes == wanted.as_bytes(),
                Seen::Values(_) => all(&|value| text_of(value) == *wanted),
            },
            Condition::SameOrderAs(wanted) => all(&|value| same_order(value, wanted)),
            Condition::Not(inner) => !inner.holds(seen),
        }
    }
}

fn count(values: &[Value]) -> usize {
    match values {
        [Value::Array(items)] => items.len(),
        values => values.len(),
    }
}

fn exactly_once(seen: &Seen, values: &[Value], wanted: &Value) -> bool {
    match (seen, values) {
        (Seen::Bytes(_), [Value::String(text)]) => text.matches(&text_of(wanted)).count() == 1,
        (_, [one]) => equal(one, wanted),
        _ => false,
    }
}

/// Equality by value: 1 and 1.0 are the same number, a text equals only a text.
fn equal(actual: &Value, wanted: &Value) -> bool {
    match (actual, wanted) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        (actual, wanted) => actual == wanted,
    }
}

fn contains(actual: &Value, wanted: &Value) -> bool {
    match actual {
        Value::String(text) => match wanted {
            Value::Array(all) => all.iter().all(|one| text.contains(&text_of(one))),
            one => text.contains(&text_of(one)),
        },
        Value::Array(items) => items.iter().any(|item| equal(item, wanted)),
        Value::Object(map) => wanted.as_str().is_some_and(|key| map.contains_key(key)),
        _ => false,
    }
}

fn subset(wanted: &Value, actual: &Value) -> bool {
    match (wanted, actual) {
        (Value::Object(wanted), Value::Object(actual)) => {
            wanted.iter().all(|(key, wanted)| actual.get(key).is_some_and(|actual| subset(wanted, actual)))
        }
        (Value::Array(wanted), Value::Array(actual)) => {
            wanted.len() == actual.len() && wanted.iter().zip(actual).all(|(wanted, actual)| subset(wanted, actual))
        }
        (wanted, actual) => equal(actual, wanted),
    }
}

/// Keys common to both objects stand in the same order, at every depth; a list of names works like an object.
fn same_order(actual: &Value, wanted: &Value) -> bool {
    let parsed;
    let wanted = match wanted {
        Value::String(text) => match serde_json::from_str(text) {
            Ok(value) => {
                parsed = value;
                &parsed
            }
            Err(_) => return false,
        },
        other => other,
    };
    match (actual, wanted) {
        (Value::Object(actual), Value::Array(names)) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            let order: Vec<&str> = actual.keys().map(String::as_str).filter(|key| names.contains(key)).collect();
            order == names
        }
        (Value::Object(actual), Value::Object(wanted)) => {
            let ours: Vec<&String> = actual.keys().filter(|key| wanted.contains_key(*key)).collect();
            let theirs: Vec<&String> = wanted.keys().filter(|key| actual.contains_key(*key)).collect();
            ours == theirs && ours.iter().all(|key| same_order_below(&actual[*key], &wanted[*key]))
        }
        _ => same_order_below(actual, wanted),
    }
}

fn same_order_below(actual: &Value, wanted: &Value) -> bool {
    match (actual, wanted) {
        (Value::Object(_), Value::Object(_)) => same_order(actual, wanted),
        (Value::Array(a), Value::Array(b)) => a.iter().zip(b).all(|(a, b)| same_order_below(a, b)),
        _ => true,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl JsonType {
    fn fits(self, value: &Value) -> bool {
        match self {
            JsonType::Null => value.is_null(),
            JsonType::Boolean => value.is_boolean(),
            JsonType::Number => value.is_number(),
            JsonType::Integer => value.is_i64() || value.is_u64(),
            JsonType::String => value.is_string(),
            JsonType::Array => value.is_array(),
            JsonType::Object => value.is_object(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(matcher: &str, seen: Seen) -> bool {
        let matcher: Matcher = serde_saphyr::from_str(matcher).expect("a matcher");
        matcher.holds(&seen)
    }

    fn header(values: &[&str]) -> Seen {
        Seen::Values(values.iter().map(|value| Value::from(*value)).collect())
    }

    #[test]
    fn a_bare_value_means_equals() {
        assert!(holds("200", Seen::one(200)));
        assert!(!holds("200", Seen::one(503)));
        assert!(holds("[1, 2]", Seen::one(json!([1, 2.0]))));
        assert!(!holds("hi", Seen::Values(vec![])));
        assert!(holds("null", Seen::one(Value::Null)));
        assert!(holds("{equals: null}", Seen::one(Value::Null)));
        assert!(!holds("{equals: null}", Seen::Values(vec![])));
    }

    #[test]
    fn every_occurrence_must_hold() {
        assert!(!holds("a", header(&["a", "b"])));
        assert!(holds("{exactly_once: a}", header(&["a"])));
        assert!(!holds("{exactly_once: a}", header(&["a", "a"])));
        assert!(holds("{count: 2}", header(&["a", "a"])));
        assert!(holds("{count: {between: [1, null]}}", Seen::one(json!([1, 2, 3]))));
    }

    #[test]
    fn presence_is_about_occurrences() {
        assert!(holds("{absent: true}", header(&[])));
        assert!(holds("{absent: false}", header(&["x"])));
        assert!(!holds("{present: true}", header(&[])));
    }

    #[test]
    fn text_matchers_work_on_bodies() {
        let body = Seen::Bytes(b"data: [DONE]\n\n".to_vec());
        assert!(holds("{exactly_once: '[DONE]', contains: 'data:', not: {contains: error}}", body.clone()));
        assert!(holds("{matches: '^data'}", body.clone()));
        assert!(holds("{bytes_equal: \"data: [DONE]\\n\\n\"}", body));
        assert!(holds("''", Seen::Bytes(Vec::new())));
    }

    #[test]
    fn numbers_have_ranges() {
        assert!(holds("{between: [1, 2]}", Seen::one(2)));
        assert!(!holds("{between: [1, 2]}", Seen::one(3)));
        assert!(holds("{near: {value: 10, within: 0.5}}", Seen::one(10.4)));
        assert!(holds("{in: [400, 404]}", Seen::one(404)));
    }

    #[test]
    fn subset_and_type_look_into_json() {
        assert!(holds("{subset: {a: {b: 1}}}", Seen::one(json!({"a": {"b": 1, "c": 2}}))));
        assert!(!holds("{subset: {a: {b: 2}}}", Seen::one(json!({"a": {"b": 1}}))));
        assert!(holds("{type: integer}", Seen::one(3)));
        assert!(!holds("{type: string}", Seen::one(3)));
    }

    #[test]
    fn the_order_of_keys_can_be_compared() {
        let actual = json!({"b": {"y": 1, "x": 2}, "a": 1});
        assert!(holds("{same_order_as: [b, a]}", Seen::one(actual.clone())));
        assert!(!holds("{same_order_as: [a, b]}", Seen::one(actual.clone())));
        assert!(holds(
            "{same_order_as: '{\"b\": {\"y\": 0, \"x\": 0}, \"new\": 1, \"a\": 0}'}",
            Seen::one(actual.clone())
        ));
        assert!(!holds("{same_order_as: {b: {x: 0, y: 0}}}", Seen::one(actual)));
    }

    #[test]
    fn an_unknown_matcher_is_refused_with_its_name() {
        let error = serde_saphyr::from_str::<Matcher>("{equal: 1}").expect_err("a typo").to_string();
        assert!(error.contains("equal"), "{error}");
        assert!(serde_saphyr::from_str::<Matcher>("{}").is_err());
    }
}
