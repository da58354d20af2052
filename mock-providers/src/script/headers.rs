//! The `headers` of an answer: names with one value, several or none.
//!
//! Owns their YAML shape and their order; refuses to judge names and values, which may be wrong on purpose.

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

/// Headers in the order written.
#[derive(Debug, Clone, Default)]
pub struct Headers(pub Vec<(String, HeaderValues)>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct HeadersVisitor;
        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of header names to a value or a list of values")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    headers.push(entry);
                }
                Ok(Headers(headers))
            }
        }
        reader.deserialize_map(HeadersVisitor)
    }
}

/// The values of one header; none removes a default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderValues(pub Vec<String>);

impl<'de> Deserialize<'de> for HeaderValues {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct ValuesVisitor;
        impl<'de> Visitor<'de> for ValuesVisitor {
            type Value = HeaderValues;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a header value or a list of them")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<HeaderValues, E> {
                Ok(HeaderValues(vec![value.to_owned()]))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<HeaderValues, E> {
                Ok(HeaderValues(vec![value.to_string()]))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<HeaderValues, E> {
                Ok(HeaderValues(vec![value.to_string()]))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<HeaderValues, E> {
                Ok(HeaderValues(vec![value.to_string()]))
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<HeaderValues, E> {
                Ok(HeaderValues(vec![value.to_string()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<HeaderValues, A::Error> {
                let mut values = Vec::new();
                while let Some(HeaderValues(more)) = seq.next_element()? {
                    values.extend(more);
                }
                Ok(HeaderValues(values))
            }
        }
        reader.deserialize_any(ValuesVisitor)
    }
}
