//! Where an answer ends before its end: stop strings, token limits, and the faults that act like them.
//!
//! Owns the finish reason of what was cut. Exact `chunks` of a script are cut by faults alone.

use super::completion::{Choice, Part, Wishes};
use crate::answer::Context;
use crate::tokens;

impl Wishes<'_> {
    /// How many tokens a choice may have: as the request says, and never without bounds.
    pub(super) fn most(&self, context: &Context<'_>) -> usize {
        let asked = self.max_tokens.filter(|_| !context.fault.ignore_max_tokens).unwrap_or(tokens::MOST);
        asked.min(tokens::MOST / self.choices.max(1))
    }
}

impl Choice<'_> {
    /// Cuts the answer as the request and the faults want it.
    pub(super) fn limit(&mut self, wishes: &Wishes<'_>, context: &Context<'_>) {
        let fault = context.fault;
        if context.respond.chunks.is_none() {
            if !fault.ignore_stop && self.stop(&wishes.stops) {
                self.finish = "stop".into();
            }
            if self.keep(wishes.most(context)) {
                self.finish = "length".into();
            }
        }
        if fault.length_cut {
            self.halve("length");
        }
        if fault.content_filter {
            self.halve("content_filter");
        }
    }

    /// Ends the text before the first stop string; says whether there was one.
    fn stop(&mut self, stops: &[&str]) -> bool {
        for index in 0..self.parts.len() {
            let Part::Text(pieces) = &mut self.parts[index] else { continue };
            let first = stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| pieces.text().find(stop)).min();
            if let Some(at) = first {
                pieces.end_at(at);
                self.parts.truncate(index + 1);
                return true;
            }
        }
        false
    }

    /// Ends the answer after so many tokens, thoughts first; says whether that cut anything.
    fn keep(&mut self, most: usize) -> bool {
        if self.tokens() <= most {
            return false;
        }
        let mut thoughts = most;
        self.reasoning = self.reasoning.min(most);
        let mut left = most - self.reasoning;
        for index in 0..self.parts.len() {
            let tokens = self.parts[index].tokens();
            match &mut self.parts[index] {
                Part::Reasoning(pieces) => {
                    pieces.keep(thoughts);
                    thoughts -= pieces.count();
                }
                _ if tokens <= left => left -= tokens,
                Part::Text(pieces) | Part::Refusal(pieces) => {
                    pieces.keep(left);
                    self.parts.truncate(index + 1);
                    return true;
                }
                Part::Call { arguments, .. } => {
                    arguments.keep(left.saturating_sub(1));
                    // Without a token not even its name was said.
                    self.parts.truncate(if left == 0 { index } else { index + 1 });
                    return true;
                }
            }
        }
        true
    }

    fn halve(&mut self, finish: &'static str) {
        self.keep(self.reasoning + (self.tokens() - self.reasoning) / 2);
        self.finish = finish.into();
    }
}
