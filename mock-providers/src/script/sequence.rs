//! The `sequence` of a rule: several answers in order.
//!
//! Owns its two YAML shapes (a list of steps, or a map with more to say) and which step a match gets.

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};

use super::Step;

/// Answers in order, and what comes after the last.
#[derive(Debug, Clone, Default)]
pub struct Sequence {
    /// The answers; none means that there is no sequence.
    pub steps: Vec<Step>,
    /// What comes after the last.
    pub on_exhausted: OnExhausted,
}

/// What comes after the last step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnExhausted {
    /// The last step, for ever.
    #[default]
    RepeatLast,
    /// The first step again.
    Cycle,
    /// The rule is passed over.
    FallThrough,
    /// An error that says so.
    Error,
}

/// What a sequence has for a match.
pub(crate) enum Turn {
    /// The step at this place.
    Step(usize),
    /// Nothing any more: the next rule may answer.
    PassedOver,
    /// Nothing any more, and nobody else may answer.
    Exhausted,
}

impl Sequence {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// For how many matches the steps are; the last one's repetition not counted.
    pub(crate) fn length(&self) -> u64 {
        self.steps.iter().map(Step::matches).fold(0, u64::saturating_add)
    }

    /// What the match after `before` earlier ones gets, when there are steps.
    pub(crate) fn turn(&self, before: u64) -> Turn {
        let length = self.length();
        let mut left = match self.on_exhausted {
            OnExhausted::FallThrough if before >= length => return Turn::PassedOver,
            OnExhausted::Error if before >= length => return Turn::Exhausted,
            OnExhausted::Cycle => before % length.max(1),
            _ => before,
        };
        let current = self.steps.iter().position(|step| {
            let here = left < step.matches();
            left = left.saturating_sub(step.matches());
            here
        });
        Turn::Step(current.unwrap_or(self.steps.len().saturating_sub(1)))
    }
}

impl Step {
    fn matches(&self) -> u64 {
        self.times.unwrap_or(1)
    }
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct SequenceKeys {
    steps: Vec<Step>,
    #[serde(default)]
    on_exhausted: OnExhausted,
}

impl<'de> Deserialize<'de> for Sequence {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct SequenceVisitor;
        impl<'de> Visitor<'de> for SequenceVisitor {
            type Value = Sequence;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of steps, or a map of steps and on_exhausted")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Sequence, A::Error> {
                let steps = Vec::deserialize(de::value::SeqAccessDeserializer::new(list))?;
                Ok(Sequence { steps, ..Sequence::default() })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Sequence, A::Error> {
                let SequenceKeys { steps, on_exhausted } = SequenceKeys::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Sequence { steps, on_exhausted })
            }
        }
        reader.deserialize_any(SequenceVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(on_exhausted: OnExhausted) -> Vec<Option<usize>> {
        let step = |times| Step { times: Some(times), ..Step::default() };
        let sequence = Sequence { steps: vec![step(2), step(0), step(1)], on_exhausted };
        let of = |turn| if let Turn::Step(index) = turn { Some(index) } else { None };
        (0..5).map(|before| of(sequence.turn(before))).collect()
    }

    #[test]
    fn what_comes_after_the_last_step_is_as_scripted() {
        assert_eq!(steps(OnExhausted::RepeatLast), [Some(0), Some(0), Some(2), Some(2), Some(2)]);
        assert_eq!(steps(OnExhausted::Cycle), [Some(0), Some(0), Some(2), Some(0), Some(0)]);
        assert_eq!(steps(OnExhausted::FallThrough), [Some(0), Some(0), Some(2), None, None]);
        assert_eq!(steps(OnExhausted::Error), [Some(0), Some(0), Some(2), None, None]);
    }
}
