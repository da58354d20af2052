//! The written forms of what goes wrong with the head and the writes of a response.
//!
//! Owns their YAML shape; refuses the keys that have a place in the body, which are `point`'s.

use std::time::Duration;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, IntoDeserializer, MapAccess, Visitor};

use crate::script::{Distribution, duration};

/// How long nothing is said.
#[derive(Debug, Clone, PartialEq)]
pub enum Hang {
    /// Until the caller leaves.
    Forever,
    /// Then things go on.
    For(Distribution<Duration>),
}

impl<'de> Deserialize<'de> for Hang {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct HangVisitor;
        impl<'de> Visitor<'de> for HangVisitor {
            type Value = Hang;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`true`, a duration or a distribution of durations")
            }
            fn visit_bool<E: de::Error>(self, yes: bool) -> Result<Hang, E> {
                if yes { Ok(Hang::Forever) } else { Err(E::custom("leave the key out instead of saying false")) }
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hang, E> {
                Distribution::deserialize(text.into_deserializer()).map(Hang::For)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Hang, A::Error> {
                Distribution::deserialize(MapAccessDeserializer::new(map)).map(Hang::For)
            }
        }
        reader.deserialize_any(HangVisitor)
    }
}

/// A redirection.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// What `location` says.
    pub to: String,
    /// Default 307.
    pub status: Option<u16>,
}

/// How a declared length is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BadContentLength {
    /// Larger than the body, after which the connection ends.
    More,
    /// Smaller than the body.
    Less,
}

/// Where writes end; the kinds may be combined.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Split {
    /// After every n bytes of the body.
    pub every: Option<usize>,
    /// At these offsets of the body.
    pub at: Vec<usize>,
    /// After the first byte of every multi-byte character.
    pub inside_utf8: bool,
    /// In the middle of the JSON of every event.
    pub inside_json: bool,
    /// Silence between the writes.
    #[serde(deserialize_with = "duration::option::deserialize")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::script::schema::Time>"))]
    pub gap: Option<Duration>,
}

/// A few bytes at a time.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Dribble {
    /// Bytes of each write.
    pub bytes: usize,
    /// Silence between the writes.
    #[serde(deserialize_with = "duration::deserialize")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::script::schema::Time"))]
    pub gap: Duration,
}
