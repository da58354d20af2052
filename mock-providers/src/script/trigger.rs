//! The trigger keys of a fault: when it happens.
//!
//! Owns their YAML shapes and bounds; refuses to count and to roll, which is `rules`'.

use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::{When, duration};

/// A stretch of time since the start, or the last reset, of the states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct During {
    /// Its beginning; at once when left out.
    #[serde(deserialize_with = "duration::deserialize")]
    #[cfg_attr(feature = "schema", schemars(with = "super::schema::Time"))]
    pub from: Duration,
    /// Its end, which is outside; never when left out.
    #[serde(deserialize_with = "duration::option::deserialize")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::schema::Time>"))]
    pub to: Option<Duration>,
}

impl During {
    /// Whether the time lies in it.
    pub fn holds(&self, elapsed: Duration) -> bool {
        elapsed >= self.from && self.to.is_none_or(|to| elapsed < to)
    }
}

/// A probability of 0 to 1.
pub(super) fn probability<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<f64>, D::Error> {
    let probability = Option::<f64>::deserialize(reader)?;
    match probability {
        Some(p) if !(0.0..=1.0).contains(&p) => {
            Err(de::Error::custom(format!("a probability lies between 0 and 1, and {p} does not: 0.02 is 2 %")))
        }
        fine => Ok(fine),
    }
}

/// A number of requests that something happens every so often.
pub(super) fn every<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<u64>, D::Error> {
    match Option::<u64>::deserialize(reader)? {
        Some(0) => Err(de::Error::custom("`every: 0` is no interval: 1 is every request, 2 every other one")),
        fine => Ok(fine),
    }
}

/// A stretch that has not ended before it begins.
pub(super) fn during<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<During>, D::Error> {
    match Option::<During>::deserialize(reader)? {
        Some(During { from, to: Some(to) }) if from >= to => {
            Err(de::Error::custom(format!("`during` ends at {to:?}, which is not after its beginning at {from:?}")))
        }
        fine => Ok(fine),
    }
}

/// Conditions on a request that cannot count matches.
pub(super) fn when<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Box<When>>, D::Error> {
    let when = Option::<Box<When>>::deserialize(reader)?;
    match when {
        Some(when) if !when.nth.0.is_empty() => {
            Err(de::Error::custom("`when: {nth: …}` counts the matches of a rule: a fault has an `nth` of its own"))
        }
        fine => Ok(fine),
    }
}
