//! How a text becomes deltas, and whether parameters are validated: the YAML shapes.
//!
//! Owns no behaviour; the OpenAI dialect obeys them.

use std::num::NonZeroUsize;

use serde::Deserialize;

/// How the text of an answer is cut into the deltas of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Chunking {
    /// What is never torn apart.
    pub unit: Unit,
    /// How many of them make one delta.
    pub coalesce: NonZeroUsize,
}

impl Default for Chunking {
    fn default() -> Self {
        Self { unit: Unit::Token, coalesce: NonZeroUsize::MIN }
    }
}

/// What a text is cut into.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Tokens, as usage counts them.
    #[default]
    Token,
    /// Words, each with the space before it.
    Word,
    /// Characters.
    Char,
}

/// Whether the parameters of requests are validated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Strict {
    /// A parameter that cannot be meant counts as left out.
    Off,
    /// As OpenAI does: a 400 that names the parameter.
    #[default]
    Openai,
}
