//! What answers say of time, and what their draws follow from.
//!
//! Owns `clock` and `determinism`; refuses to tell the time unless the script asks for the real one.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// When answers claim to be made, and where their ids come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// The `created` of every answer.
    pub created: Created,
    /// Where ids come from.
    pub ids: Ids,
}

/// The time that answers claim to be made at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// This one, so that equal requests get equal bytes.
    At(u64),
    /// The machine's.
    Real,
}

impl Default for Created {
    fn default() -> Self {
        Self::At(1_767_225_600)
    }
}

impl Created {
    /// In seconds of the Unix epoch.
    pub(crate) fn seconds(self) -> u64 {
        match self {
            Self::At(time) => time,
            Self::Real => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        }
    }
}

impl<'de> Deserialize<'de> for Created {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct CreatedVisitor;
        impl Visitor<'_> for CreatedVisitor {
            type Value = Created;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a Unix time in seconds, or `real`")
            }
            fn visit_u64<E: de::Error>(self, time: u64) -> Result<Created, E> {
                Ok(Created::At(time))
            }
            fn visit_i64<E: de::Error>(self, time: i64) -> Result<Created, E> {
                u64::try_from(time).map(Created::At).map_err(|_| E::custom("a Unix time is not negative"))
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Created, E> {
                let unknown = || E::custom(format!("`{word}` is neither a Unix time in seconds nor `real`"));
                (word == "real").then_some(Created::Real).ok_or_else(unknown)
            }
        }
        reader.deserialize_any(CreatedVisitor)
    }
}

/// Where the ids of answers come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Ids {
    /// They follow from seed, rule, request and occurrence.
    #[default]
    Derived,
    /// No two are ever equal, and no two runs either.
    Random,
}

/// What the draws of a request follow from, beside the seed and the rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Determinism {
    /// The request, and how often it was made before.
    #[default]
    PerRequest,
    /// How many requests its provider got before.
    PerSequence,
}
