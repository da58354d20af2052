//! The `tokenizer` key: what counts tokens.
//!
//! Owns its names, also those that this build does not have: asking for one says so. Refuses to count, as `tokens` does.

use serde::Deserialize;
use serde::de::{self, Deserializer};

/// What counts tokens and cuts texts into them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename_all = "snake_case"))]
pub enum Tokenizer {
    /// A cheap estimate: words with the space before them, long ones in parts of twelve characters.
    #[default]
    Estimate,
    /// The encoding of GPT-4o and later models.
    #[cfg(feature = "bpe")]
    O200k,
    /// The encoding of GPT-4 and GPT-3.5.
    #[cfg(feature = "bpe")]
    Cl100k,
}

impl<'de> Deserialize<'de> for Tokenizer {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        match String::deserialize(reader)?.as_str() {
            "estimate" => Ok(Self::Estimate),
            #[cfg(feature = "bpe")]
            "o200k" => Ok(Self::O200k),
            #[cfg(feature = "bpe")]
            "cl100k" => Ok(Self::Cl100k),
            #[cfg(not(feature = "bpe"))]
            absent @ ("o200k" | "cl100k") => Err(de::Error::custom(format!(
                "`tokenizer: {absent}` needs a build with the feature `bpe`, which this one has not: try `estimate`"
            ))),
            other => Err(de::Error::unknown_variant(other, &["estimate", "o200k", "cl100k"])),
        }
    }
}
