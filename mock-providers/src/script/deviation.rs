//! The values of those `fault` keys that change what an answer says.
//!
//! Owns their YAML shape; refuses to own their effect, which is `plan::deviate`'s and `quirks`'.

use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::{Path, duration};

/// How an error is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorShape {
    /// `{"error": {…}}`, as OpenAI does.
    Object,
    /// `{"error": "text"}`.
    String,
    /// `{"object": "error", "message": …, "type": …, "code": …}`.
    Flat,
    /// `{"error": {"message": …}, "message": …}`.
    NoType,
    /// `[{"error": {…}}]`.
    Array,
}

/// What an answer becomes whose prompt is too long for the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OverflowAs {
    /// Of a stream: a 200 whose only event is the error.
    InStream,
    /// A 500 `server_error`.
    ServerError,
    /// A 200 with the error as its body, or as its only event.
    Success,
    /// Of a stream: a 200 without content.
    EmptyStream,
    /// A 400 `exceed_context_size_error` with an integer code, `n_prompt_tokens` and `n_ctx`.
    ExceedContextSize,
}

/// Comments that keep a connection alive.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CommentKeepalive {
    /// How often; left out: once, before the first content.
    pub every: Option<Every>,
    /// What the comment says; default `keep-alive`.
    pub text: Option<String>,
}

/// Events that keep a connection alive: `data: : keepalive`.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DataKeepalive {
    /// How often; left out: once, before the first content.
    pub every: Option<Every>,
}

/// How often something comes between the events of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// Before every nth content event.
    Events(usize),
    /// After so much silence, again and again.
    Silence(Duration),
}

impl<'de> Deserialize<'de> for Every {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct EveryVisitor;
        impl Visitor<'_> for EveryVisitor {
            type Value = Every;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number of events from 1 on, or a duration")
            }
            fn visit_u64<E: de::Error>(self, events: u64) -> Result<Every, E> {
                let events = usize::try_from(events).ok().filter(|events| *events > 0);
                events.map(Every::Events).ok_or_else(|| E::custom("`every` counts events from 1 on"))
            }
            fn visit_i64<E: de::Error>(self, events: i64) -> Result<Every, E> {
                self.visit_u64(u64::try_from(events).unwrap_or_default())
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Every, E> {
                let silence = duration::parse(text).map_err(E::custom)?;
                if silence.is_zero() {
                    return Err(E::custom("`every` is a duration above zero"));
                }
                Ok(Every::Silence(silence))
            }
        }
        reader.deserialize_any(EveryVisitor)
    }
}

/// Reported usage that does not add up.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UsageMismatch {
    /// By how much the total (where there is none: the output) is more than the parts.
    pub delta: i64,
}

/// A model that thinks for long before it says anything.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SlowReasoning {
    /// How long.
    #[serde(rename = "for", deserialize_with = "duration::deserialize")]
    #[cfg_attr(feature = "schema", schemars(with = "super::schema::Time"))]
    pub duration: Duration,
    /// How many deltas of reasoning a chat stream sends meanwhile; at most 10000.
    #[serde(default)]
    pub deltas: usize,
}

/// A member that is not there.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MissingField {
    /// Everything that this finds is taken out.
    pub path: Path,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keepalive_comes_every_few_events_or_after_a_silence_and_never_all_the_time() {
        let read = |text: &str| serde_json::from_str::<Every>(text).map_err(|error| error.to_string());
        assert_eq!(read("3"), Ok(Every::Events(3)));
        assert_eq!(read("\"15s\""), Ok(Every::Silence(Duration::from_secs(15))));
        assert!(read("0").is_err_and(|error| error.contains("from 1 on")));
        assert!(read("\"0ms\"").is_err_and(|error| error.contains("above zero")));
        assert!(read("true").is_err_and(|error| error.contains("or a duration")));
    }
}
