//! The small written forms inside a scenario: durations, JSONPaths, ordered pairs, one-or-many.
//! Each refuses what it cannot read at the place where it stands.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{
    Deserialize, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer,
};

use super::expect::OneOrList;

/// A duration written as `250ms`, `1.5s`, `80us` or `2m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// Reads the written form.
    pub fn parse(text: &str) -> Option<Span> {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = text[..digits].parse().ok()?;
        let seconds = match &text[digits..] {
            "us" => number / 1e6,
            "ms" => number / 1e3,
            "s" => number,
            "m" => number * 60.0,
            "h" => number * 3600.0,
            _ => return None,
        };
        Duration::try_from_secs_f64(seconds).ok().map(Span)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Span::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is not a duration; write it as 250ms, 1.5s or 2m")))
    }
}

/// A number of bytes written as `512B`, `64KiB` or `8MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// Reads the written form.
    pub fn parse(text: &str) -> Option<Size> {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
        let shift = match unit {
            "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(1 << shift).map(Size)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Size::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is not a size; write it as 512B, 64KiB or 8MiB")))
    }
}

/// For optional durations.
pub fn optional_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Span::deserialize(deserializer).map(|span| Some(span.0))
}

/// A JSONPath (RFC 9535), checked when it is read.
#[derive(Debug, Clone)]
pub struct JsonPath {
    /// As written.
    pub text: String,
    /// Ready for queries.
    pub path: serde_json_path::JsonPath,
}

impl<'de> Deserialize<'de> for JsonPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match serde_json_path::JsonPath::parse(&text) {
            Ok(path) => Ok(JsonPath { text, path }),
            Err(error) => Err(D::Error::custom(format!("`{text}` is not a JSONPath: {error}"))),
        }
    }
}

/// A map whose order counts.
#[derive(Debug, Clone)]
pub struct Pairs<T, K = String>(pub Vec<(K, T)>);

impl<T, K> Pairs<T, K> {
    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T, K> Default for Pairs<T, K> {
    fn default() -> Self {
        Pairs(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, K: Deserialize<'de>> Deserialize<'de> for Pairs<T, K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T, K>(PhantomData<(T, K)>);
        impl<'de, T: Deserialize<'de>, K: Deserialize<'de>> Visitor<'de> for Read<T, K> {
            type Value = Pairs<T, K>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Read(PhantomData))
    }
}

/// A text, or a list of texts.
#[derive(Debug, Clone)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = OneOrMany;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<OneOrMany, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<OneOrMany, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<OneOrMany, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
                let mut many = Vec::new();
                while let Some(text) = seq.next_element::<String>()? {
                    many.push(text);
                }
                Ok(OneOrMany(many))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrList<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = OneOrList<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one or a list")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(text.into_deserializer()).map(|one| OneOrList(vec![one]))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrList(vec![one]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(one) = seq.next_element()? {
                    list.push(one);
                }
                Ok(OneOrList(list))
            }
        }
        deserializer.deserialize_any(Read(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(Span::parse("250ms"), Some(Span(Duration::from_millis(250))));
        assert_eq!(Span::parse("1.5s"), Some(Span(Duration::from_millis(1500))));
        assert_eq!(Span::parse("80us"), Some(Span(Duration::from_micros(80))));
        assert_eq!(Span::parse("5"), None);
        assert_eq!(Span::parse("fast"), None);
    }

    #[test]
    fn sizes_need_a_unit() {
        assert_eq!(Size::parse("64KiB"), Some(Size(65_536)));
        assert_eq!(Size::parse("3B"), Some(Size(3)));
        assert_eq!(Size::parse("64"), None);
        assert_eq!(Size::parse("64KB"), None);
    }
}
