//! The matchers that `when` uses, compiled as they are read.
//!
//! Owns matching text and JSON against a matcher, so that a bad expression is an error at its place in the file.
//! Refuses to know requests; `rules` takes them apart.

use regex::Regex;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde_json::Value;
use serde_json_path::JsonPath;

/// A pattern in which `*` stands for any run of characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Glob(pub String);

impl Glob {
    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else { return false };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        true
    }
}

/// A JSONPath.
#[derive(Debug, Clone)]
pub struct Path {
    path: JsonPath,
    text: String,
}

impl Path {
    /// Where in the value it finds something, as JSON pointers.
    pub(crate) fn pointers(&self, value: &Value) -> Vec<String> {
        self.path.query_located(value).locations().map(|place| place.to_json_pointer()).collect()
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first value it finds.
    pub fn first<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.path.query(value).first()
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let text = String::deserialize(reader)?;
        match JsonPath::parse(&text) {
            Ok(path) => Ok(Self { path, text }),
            Err(error) => Err(de::Error::custom(format!("JSONPath `{text}`: {error}"))),
        }
    }
}

/// Conditions on places in the body.
#[derive(Debug, Clone, Default)]
pub struct BodyMatch(pub Vec<(Path, ValueMatch)>);

impl<'de> Deserialize<'de> for BodyMatch {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct BodyVisitor;
        impl<'de> Visitor<'de> for BodyVisitor {
            type Value = BodyMatch;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of JSONPaths to values or matchers")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BodyMatch, A::Error> {
                let mut conditions = Vec::new();
                while let Some(condition) = map.next_entry()? {
                    conditions.push(condition);
                }
                Ok(BodyMatch(conditions))
            }
        }
        reader.deserialize_map(BodyVisitor)
    }
}

/// A regular expression.
#[derive(Debug, Clone)]
pub struct Pattern(pub Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let text = String::deserialize(reader)?;
        Regex::new(&text).map(Self).map_err(de::Error::custom)
    }
}

/// What a text must be: a bare string means `equals`.
#[derive(Debug, Clone, Default)]
pub struct TextMatch {
    /// The whole text.
    pub equals: Option<String>,
    /// A part of it.
    pub contains: Option<String>,
    /// Its beginning.
    pub prefix: Option<String>,
    /// Found anywhere in it.
    pub matches: Option<Pattern>,
    /// Whether there is one at all.
    pub present: Option<bool>,
}

impl TextMatch {
    /// Whether one of the texts satisfies every given condition, or their absence does.
    pub fn holds_any<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> bool {
        let mut texts = texts.into_iter().peekable();
        if texts.peek().is_none() { self.holds(None) } else { texts.any(|text| self.holds(Some(text))) }
    }

    /// Whether the text, or its absence, satisfies every given condition.
    pub fn holds(&self, text: Option<&str>) -> bool {
        let Some(text) = text else { return self.present == Some(false) };
        self.present != Some(false)
            && self.equals.as_deref().is_none_or(|want| text == want)
            && self.contains.as_deref().is_none_or(|part| text.contains(part))
            && self.prefix.as_deref().is_none_or(|start| text.starts_with(start))
            && self.matches.as_ref().is_none_or(|pattern| pattern.0.is_match(text))
    }
}

#[derive(Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(super) struct TextConditions {
    equals: Option<String>,
    contains: Option<String>,
    prefix: Option<String>,
    matches: Option<Pattern>,
    /// The same as `matches`.
    regex: Option<Pattern>,
    present: Option<bool>,
}

impl TextConditions {
    fn whole<E: de::Error>(self) -> Result<TextMatch, E> {
        let Self { equals, contains, prefix, matches, regex, present } = self;
        if matches.is_some() && regex.is_some() {
            return Err(E::custom("`matches` and `regex` are the same key: give one of them"));
        }
        Ok(TextMatch { equals, contains, prefix, matches: matches.or(regex), present })
    }
}

impl<'de> Deserialize<'de> for TextMatch {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = TextMatch;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string or a map of equals, contains, prefix, matches, present")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<TextMatch, E> {
                Ok(TextMatch { equals: Some(text.to_owned()), ..TextMatch::default() })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TextMatch, A::Error> {
                TextConditions::deserialize(MapAccessDeserializer::new(map))?.whole()
            }
        }
        reader.deserialize_any(TextVisitor)
    }
}

/// What the name of a model must be: a bare string is a glob.
#[derive(Debug, Clone)]
pub enum ModelMatch {
    /// The whole name.
    Glob(Glob),
    /// Named conditions.
    Text(TextMatch),
}

impl ModelMatch {
    /// Whether the name, or its absence, fits.
    pub fn holds(&self, model: Option<&str>) -> bool {
        match self {
            Self::Glob(glob) => model.is_some_and(|model| glob.matches(model)),
            Self::Text(text) => text.holds(model),
        }
    }
}

impl<'de> Deserialize<'de> for ModelMatch {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct ModelVisitor;
        impl<'de> Visitor<'de> for ModelVisitor {
            type Value = ModelMatch;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a glob such as `gpt-4*`, or a map of equals, contains, prefix, matches, present")
            }
            fn visit_str<E: de::Error>(self, glob: &str) -> Result<ModelMatch, E> {
                Ok(ModelMatch::Glob(Glob(glob.to_owned())))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ModelMatch, A::Error> {
                TextConditions::deserialize(MapAccessDeserializer::new(map))?.whole().map(ModelMatch::Text)
            }
        }
        reader.deserialize_any(ModelVisitor)
    }
}

/// What a JSON value must be: anything but a map means `equals`.
#[derive(Debug, Clone, Default)]
pub struct ValueMatch {
    /// The whole value.
    pub equals: Option<Value>,
    /// A part of a string, or an element of an array.
    pub contains: Option<Value>,
    /// Found anywhere in a string.
    pub matches: Option<Pattern>,
    /// Whether there is one at all.
    pub present: Option<bool>,
}

impl ValueMatch {
    /// Whether the value, or its absence, satisfies every given condition.
    pub fn holds(&self, value: Option<&Value>) -> bool {
        let Some(value) = value else { return self.present == Some(false) };
        self.present != Some(false)
            && self.equals.as_ref().is_none_or(|want| value == want)
            && self.contains.as_ref().is_none_or(|part| contains(value, part))
            && self.matches.as_ref().is_none_or(|p| value.as_str().is_some_and(|text| p.0.is_match(text)))
    }
}

fn contains(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        (Value::Array(items), part) => items.contains(part),
        _ => false,
    }
}

#[derive(Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(super) struct ValueConditions {
    equals: Option<Value>,
    contains: Option<Value>,
    matches: Option<Pattern>,
    present: Option<bool>,
}

impl<'de> Deserialize<'de> for ValueMatch {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct ValueVisitor;
        fn equals<E>(value: impl Into<Value>) -> Result<ValueMatch, E> {
            Ok(ValueMatch { equals: Some(value.into()), ..ValueMatch::default() })
        }
        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = ValueMatch;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value or a map of equals, contains, matches, present")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<ValueMatch, E> {
                equals(value)
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<ValueMatch, E> {
                equals(value)
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<ValueMatch, E> {
                equals(value)
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<ValueMatch, E> {
                equals(value)
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<ValueMatch, E> {
                equals(value)
            }
            fn visit_unit<E: de::Error>(self) -> Result<ValueMatch, E> {
                equals(Value::Null)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<ValueMatch, A::Error> {
                equals(Vec::<Value>::deserialize(de::value::SeqAccessDeserializer::new(seq))?)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ValueMatch, A::Error> {
                let c = ValueConditions::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ValueMatch { equals: c.equals, contains: c.contains, matches: c.matches, present: c.present })
            }
        }
        reader.deserialize_any(ValueVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_the_whole_text() {
        let glob = |pattern: &str| Glob(pattern.to_owned());
        assert!(glob("gpt-4*").matches("gpt-4o-mini"));
        assert!(glob("*/chat/completions").matches("/v1/chat/completions"));
        assert!(glob("a*b*c").matches("a-b-b-c"));
        assert!(glob("*").matches(""));
        assert!(!glob("gpt-4").matches("gpt-4o"));
        assert!(!glob("a*bc").matches("abcd"));
        assert!(!glob("ab*b").matches("ab"));
    }

    #[test]
    fn an_absent_text_satisfies_only_present_false() {
        assert!(TextMatch { present: Some(false), ..TextMatch::default() }.holds(None));
        assert!(!TextMatch { contains: Some(String::new()), ..TextMatch::default() }.holds(None));
    }
}
