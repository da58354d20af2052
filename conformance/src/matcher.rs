//! Typed matchers: what a value must be, and a sentence when it is not.
//! A bare value means `equals`; a map names matchers, all of which must hold; unknown names are errors.
//! Pure: values in, verdict out. Where the values come from is `expect`'s business.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde_json::{Number, Value};

use crate::schema::forms;

mod judge;

pub use judge::Seen;

/// A condition on what was seen.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// All must hold.
    conditions: Vec<Condition>,
}

/// One named condition.
#[derive(Debug, Clone)]
enum Condition {
    Equals(Value),
    Contains(Value),
    Matches(Pattern),
    Absent,
    Present,
    In(Vec<Value>),
    Between(Option<f64>, Option<f64>),
    Near { value: f64, within: f64 },
    Count(Box<Matcher>),
    ExactlyOnce(Value),
    Type(JsonType),
    Subset(Value),
    BytesEqual(String),
    SameOrderAs(Value),
    Not(Box<Matcher>),
}

/// The type of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum JsonType {
    Null,
    Boolean,
    Number,
    Integer,
    String,
    Array,
    Object,
}

/// A regular expression, checked when read.
#[derive(Debug, Clone)]
struct Pattern(regex::Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        regex::Regex::new(&text).map(Pattern).map_err(|error| D::Error::custom(format!("not a pattern: {error}")))
    }
}

/// A list, or the reference that stands for one.
fn choices<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Value>>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Array(values) => Ok(Some(values)),
        reference @ Value::String(_) => Ok(Some(vec![reference])),
        other => Err(D::Error::custom(format!("`in` takes a list of values, not {other}"))),
    }
}

/// Named conditions; all of them must hold.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[schemars(rename = "Conditions")]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    /// The same value; 1 equals 1.0, a text equals only a text.
    #[serde(default, deserialize_with = "given")]
    equals: Option<Value>,
    /// A text contains it (a list: each of them), an array has it, an object has the key.
    #[serde(default, deserialize_with = "given")]
    contains: Option<Value>,
    /// A regular expression finds something.
    #[schemars(with = "Option<forms::Pattern>")]
    matches: Option<Pattern>,
    /// There is no occurrence.
    absent: Option<bool>,
    /// There is an occurrence.
    present: Option<bool>,
    /// One of these; or a reference to a list, such as `${options.timeout_status}`.
    #[serde(default, deserialize_with = "choices")]
    #[schemars(with = "Option<forms::Choices>")]
    r#in: Option<Vec<Value>>,
    /// From the first to the second number; null leaves a side open.
    between: Option<(Option<f64>, Option<f64>)>,
    /// Close enough to a number.
    near: Option<Near>,
    /// On the number of elements of a single array, else of occurrences.
    count: Option<Box<Matcher>>,
    /// One occurrence, and it equals this; in a body: found once.
    #[serde(default, deserialize_with = "given")]
    exactly_once: Option<Value>,
    /// The type of the value.
    r#type: Option<JsonType>,
    /// Every key of this is there with its value, at any depth.
    #[serde(default, deserialize_with = "given")]
    subset: Option<Value>,
    /// The same bytes.
    bytes_equal: Option<String>,
    /// Common keys stand in the same order as in this object, list of names or JSON text.
    #[serde(default, deserialize_with = "given")]
    same_order_as: Option<Value>,
    /// This does not hold.
    not: Option<Box<Matcher>>,
}

/// A number and how far from it is near.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Near {
    value: f64,
    within: f64,
}

/// Keeps an explicit null apart from an absent key.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Matcher {
    /// The bare form.
    pub fn equals(value: impl Into<Value>) -> Matcher {
        Matcher { conditions: vec![Condition::Equals(value.into())] }
    }

    /// The text of a bare text; for words with a meaning of their own such as `reported`.
    pub fn word(&self) -> Option<&str> {
        match self.conditions.as_slice() {
            [Condition::Equals(Value::String(word))] => Some(word),
            _ => None,
        }
    }

    fn named(named: Named) -> Result<Matcher, &'static str> {
        let mut conditions = Vec::new();
        conditions.extend(named.equals.map(Condition::Equals));
        conditions.extend(named.contains.map(Condition::Contains));
        conditions.extend(named.matches.map(Condition::Matches));
        conditions.extend(named.absent.map(|yes| if yes { Condition::Absent } else { Condition::Present }));
        conditions.extend(named.present.map(|yes| if yes { Condition::Present } else { Condition::Absent }));
        conditions.extend(named.r#in.map(Condition::In));
        conditions.extend(named.between.map(|(low, high)| Condition::Between(low, high)));
        conditions.extend(named.near.map(|near| Condition::Near { value: near.value, within: near.within }));
        conditions.extend(named.count.map(Condition::Count));
        conditions.extend(named.exactly_once.map(Condition::ExactlyOnce));
        conditions.extend(named.r#type.map(Condition::Type));
        conditions.extend(named.subset.map(Condition::Subset));
        conditions.extend(named.bytes_equal.map(Condition::BytesEqual));
        conditions.extend(named.same_order_as.map(Condition::SameOrderAs));
        conditions.extend(named.not.map(Condition::Not));
        if conditions.is_empty() {
            return Err("an empty matcher matches nothing in particular; name one, such as `present: true`");
        }
        Ok(Matcher { conditions })
    }

    /// The same matcher with every text passed through `fill` (for `${…}`).
    pub fn filled(&self, fill: &dyn Fn(&Value) -> Value) -> Matcher {
        Matcher { conditions: self.conditions.iter().map(|condition| condition.filled(fill)).collect() }
    }
}

impl Condition {
    fn filled(&self, fill: &dyn Fn(&Value) -> Value) -> Condition {
        match self {
            Condition::Equals(value) => Condition::Equals(fill(value)),
            Condition::Contains(value) => Condition::Contains(fill(value)),
            Condition::In(values) => Condition::In(
                values
                    .iter()
                    .flat_map(|value| match (value, fill(value)) {
                        (Value::String(_), Value::Array(several)) => several,
                        (_, one) => vec![one],
                    })
                    .collect(),
            ),
            Condition::Count(inner) => Condition::Count(Box::new(inner.filled(fill))),
            Condition::ExactlyOnce(value) => Condition::ExactlyOnce(fill(value)),
            Condition::Subset(value) => Condition::Subset(fill(value)),
            Condition::BytesEqual(text) => match fill(&Value::String(text.clone())) {
                Value::String(text) => Condition::BytesEqual(text),
                other => Condition::BytesEqual(other.to_string()),
            },
            Condition::SameOrderAs(value) => Condition::SameOrderAs(fill(value)),
            Condition::Not(inner) => Condition::Not(Box::new(inner.filled(fill))),
            same => same.clone(),
        }
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Matcher;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, or a map of matchers")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Matcher, E> {
        Ok(Matcher::equals(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Matcher, E> {
        Ok(Matcher::equals(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Matcher, E> {
        Ok(Matcher::equals(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Matcher, E> {
        Number::from_f64(value).map(Matcher::equals).ok_or_else(|| E::custom("a number that JSON cannot express"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Matcher, E> {
        Ok(Matcher::equals(text))
    }

    fn visit_unit<E: Error>(self) -> Result<Matcher, E> {
        Ok(Matcher::equals(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Matcher, E> {
        Ok(Matcher::equals(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Matcher, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element::<Value>()? {
            values.push(value);
        }
        Ok(Matcher::equals(Value::Array(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Matcher, A::Error> {
        let named = Named::deserialize(MapAccessDeserializer::new(map))?;
        Matcher::named(named).map_err(A::Error::custom)
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, condition) in self.conditions.iter().enumerate() {
            if index > 0 {
                f.write_str(" and ")?;
            }
            write!(f, "{condition}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Equals(value) => write!(f, "{value}"),
            Condition::Contains(value) => write!(f, "containing {value}"),
            Condition::Matches(pattern) => write!(f, "matching /{}/", pattern.0),
            Condition::Absent => f.write_str("absent"),
            Condition::Present => f.write_str("present"),
            Condition::In(values) => write!(f, "one of {}", Value::Array(values.clone())),
            Condition::Between(low, high) => match (low, high) {
                (Some(low), Some(high)) => write!(f, "between {low} and {high}"),
                (Some(low), None) => write!(f, "at least {low}"),
                (None, Some(high)) => write!(f, "at most {high}"),
                (None, None) => f.write_str("a number"),
            },
            Condition::Near { value, within } => write!(f, "{value} ± {within}"),
            Condition::Count(inner) => write!(f, "as many as: {inner}"),
            Condition::ExactlyOnce(value) => write!(f, "exactly once {value}"),
            Condition::Type(kind) => write!(f, "of type {}", format!("{kind:?}").to_lowercase()),
            Condition::Subset(value) => write!(f, "including {value}"),
            Condition::BytesEqual(text) => write!(f, "the bytes {}", Value::String(text.clone())),
            Condition::SameOrderAs(value) => write!(f, "keys in the order of {value}"),
            Condition::Not(inner) => write!(f, "not ({inner})"),
        }
    }
}
