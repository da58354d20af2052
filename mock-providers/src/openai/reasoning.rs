//! Models that think before they answer.
//!
//! Owns which models do by their name, and how many tokens it takes them. Refuses to think.

use serde_json::{Map, Value};

use super::ApiError;
use super::parameters::meaning;
use super::place::Place;
use crate::script::Respond;

/// What a model thinks at medium effort when nothing is scripted.
const USUAL: usize = 128;

/// How hard a model is to think.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Effort {
    None,
    Minimal,
    Low,
    #[default]
    Medium,
    High,
    Xhigh,
    Max,
}

impl Effort {
    const NAMES: &[(&str, Effort)] = &[
        ("none", Effort::None),
        ("minimal", Effort::Minimal),
        ("low", Effort::Low),
        ("medium", Effort::Medium),
        ("high", Effort::High),
        ("xhigh", Effort::Xhigh),
        ("max", Effort::Max),
    ];

    /// As `reasoning_effort` says it.
    pub(super) fn read(body: &Map<String, Value>) -> Result<Option<Self>, ApiError> {
        meaning(body, "reasoning_effort", Self::NAMES)
    }

    /// As a word at some other place says it.
    pub(super) fn at(place: Place<'_>, word: Option<&Value>) -> Result<Option<Self>, ApiError> {
        let Some(word) = word else { return Ok(None) };
        let names: Vec<&str> = Self::NAMES.iter().map(|(name, _)| *name).collect();
        let name = place.word(Some(word), &names)?;
        Ok(Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, effort)| *effort))
    }

    /// Doubles from step to step.
    fn scale(self, tokens: usize) -> usize {
        match self {
            Effort::None => 0,
            Effort::Minimal => tokens / 4,
            Effort::Low => tokens / 2,
            Effort::Medium => tokens,
            Effort::High => tokens.saturating_mul(2),
            Effort::Xhigh => tokens.saturating_mul(4),
            Effort::Max => tokens.saturating_mul(8),
        }
    }
}

/// Whether a model of this name reasons: the o-series and gpt-5, but for its chat variants.
pub(super) fn reasons(model: &str) -> bool {
    let mut letters = model.chars();
    let o_series = letters.next() == Some('o') && letters.next().is_some_and(|digit| digit.is_ascii_digit());
    o_series || is_newest(model) && !model.contains("-chat")
}

/// Whether `stop` means nothing to it: all models that reason but the first generation.
pub(super) fn refuses_stop(model: &str) -> bool {
    reasons(model) && !model.starts_with("o1")
}

fn is_newest(model: &str) -> bool {
    model.strip_prefix("gpt-5").is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
}

/// How many tokens the model thinks.
pub(super) fn tokens(respond: &Respond, model: &str, effort: Option<Effort>) -> usize {
    let usual = if reasons(model) { USUAL } else { 0 };
    let scripted = respond.reasoning.unwrap_or_default();
    let tokens = scripted.tokens.unwrap_or(usual);
    if scripted.effort_scale == Some(false) { tokens } else { effort.unwrap_or_default().scale(tokens) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_reason_by_their_name() {
        for model in ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5-nano", "gpt-5.1"] {
            assert!(reasons(model), "{model}");
        }
        for model in ["gpt-4o", "omni-moderation-latest", "gpt-5-chat-latest", "gpt-50", "o", ""] {
            assert!(!reasons(model), "{model}");
        }
        assert!(refuses_stop("o3") && !refuses_stop("o1-preview"));
    }

    #[test]
    fn effort_scales_what_is_thought() {
        let scaled: Vec<usize> = Effort::NAMES.iter().map(|(_, effort)| effort.scale(100)).collect();
        assert_eq!(scaled, [0, 25, 50, 100, 200, 400, 800]);
    }
}
