//! The thoughts of a model: the YAML shapes.
//!
//! Owns no behaviour; the OpenAI dialect obeys them.

use serde::Deserialize;

/// What a model thinks before it answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Reasoning {
    /// How many tokens, at medium effort.
    pub tokens: Option<usize>,
    /// Whether the request's effort scales that number; default true.
    pub effort_scale: Option<bool>,
    /// Where the thoughts are shown; nowhere when left out, as at OpenAI.
    pub field: Option<ReasoningField>,
}

/// The member of a message that shows thoughts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReasoningField {
    /// `reasoning_content`, as DeepSeek, older vLLM and llama.cpp name it.
    ReasoningContent,
    /// `reasoning`, as OpenRouter and newer vLLM name it.
    Reasoning,
}

impl ReasoningField {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            ReasoningField::ReasoningContent => "reasoning_content",
            ReasoningField::Reasoning => "reasoning",
        }
    }
}
