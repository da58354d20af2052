//! The deltas of a completion, in the order in which a stream sends them.
//!
//! Owns that choices take turns and how a call is told in steps. Refuses to write them: that is each stream's.

use super::completion::{Choice, Part};
use super::pieces::Pieces;

/// One step of a stream's content.
#[derive(Clone, Copy)]
pub(super) enum Delta<'c> {
    /// A stretch of text, of this part of the answer.
    Text { part: usize, pieces: &'c Pieces<'c>, step: usize },
    /// A stretch of a refusal.
    Refusal { part: usize, pieces: &'c Pieces<'c>, step: usize },
    /// A stretch of thoughts.
    Reasoning { pieces: &'c Pieces<'c>, step: usize },
    /// The beginning of the nth call.
    Call { nth: usize, id: &'c str, name: &'c str, custom: bool },
    /// A stretch of its arguments.
    Arguments { nth: usize, custom: bool, pieces: &'c Pieces<'c>, step: usize },
}

impl<'c> Delta<'c> {
    /// What it adds to a text.
    pub(super) fn said(&self) -> &'c str {
        match self {
            Delta::Text { pieces, step, .. }
            | Delta::Refusal { pieces, step, .. }
            | Delta::Reasoning { pieces, step }
            | Delta::Arguments { pieces, step, .. } => pieces.delta(*step).unwrap_or_default(),
            Delta::Call { .. } => "",
        }
    }
}

/// A delta and whose it is.
pub(super) struct Turn<'c> {
    pub(super) choice: usize,
    pub(super) delta: Delta<'c>,
}

/// The deltas of all choices, taking turns.
pub(super) fn turns<'c>(choices: &'c [Choice<'c>], thoughts: bool) -> impl Iterator<Item = Turn<'c>> {
    let mut queues: Vec<Deltas<'c>> = choices.iter().map(|choice| Deltas::of(choice, thoughts)).collect();
    let (mut at, mut silent) = (0, 0);
    std::iter::from_fn(move || {
        while silent < queues.len() {
            let choice = at;
            at = (at + 1) % queues.len();
            match queues[choice].next() {
                Some(delta) => {
                    silent = 0;
                    return Some(Turn { choice, delta });
                }
                None => silent += 1,
            }
        }
        None
    })
}

/// The deltas of one choice.
struct Deltas<'c> {
    parts: &'c [Part<'c>],
    part: usize,
    step: usize,
    /// How many calls have begun.
    calls: usize,
    thoughts: bool,
}

impl<'c> Deltas<'c> {
    fn of(choice: &'c Choice<'c>, thoughts: bool) -> Self {
        Self { parts: &choice.parts, part: 0, step: 0, calls: 0, thoughts }
    }

    /// The nth delta of a part, if it has so many.
    fn delta(&mut self, own: &'c Part<'c>, step: usize) -> Option<Delta<'c>> {
        let part = self.part;
        match own {
            Part::Text(pieces) => (step < pieces.delta_count()).then_some(Delta::Text { part, pieces, step }),
            Part::Refusal(pieces) => (step < pieces.delta_count()).then_some(Delta::Refusal { part, pieces, step }),
            Part::Reasoning(pieces) => {
                (self.thoughts && step < pieces.delta_count()).then_some(Delta::Reasoning { pieces, step })
            }
            Part::Call { id, name, custom, .. } if step == 0 => {
                self.calls += 1;
                Some(Delta::Call { nth: self.calls - 1, id, name, custom: *custom })
            }
            Part::Call { arguments: pieces, custom, .. } => {
                let (nth, custom, step) = (self.calls - 1, *custom, step - 1);
                (step < pieces.delta_count()).then_some(Delta::Arguments { nth, custom, pieces, step })
            }
        }
    }
}

impl<'c> Iterator for Deltas<'c> {
    type Item = Delta<'c>;

    fn next(&mut self) -> Option<Delta<'c>> {
        loop {
            let own = self.parts.get(self.part)?;
            if let Some(delta) = self.delta(own, self.step) {
                self.step += 1;
                return Some(delta);
            }
            (self.part, self.step) = (self.part + 1, 0);
        }
    }
}

impl Choice<'_> {
    /// How many deltas it has at most.
    pub(super) fn delta_count(&self) -> usize {
        let count = |part: &Part<'_>| match part {
            Part::Text(pieces) | Part::Refusal(pieces) | Part::Reasoning(pieces) => pieces.delta_count(),
            Part::Call { arguments, .. } => 1 + arguments.delta_count(),
        };
        self.parts.iter().map(count).sum()
    }

    /// Whether text comes before any call or refusal.
    pub(super) fn begins_with_text(&self) -> bool {
        let first = self.parts.iter().find(|part| !matches!(part, Part::Reasoning(_)));
        !matches!(first, Some(Part::Call { .. } | Part::Refusal(_)))
    }
}
