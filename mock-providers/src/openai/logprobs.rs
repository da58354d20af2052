//! Log probabilities: made up, but as a model's would be.
//!
//! Owns their draws and both their shapes, that of chat and that of completions. A token's numbers follow from its place
//! alone, so that streams and plain answers agree. Refuses to be sorted otherwise than by likelihood.

use std::io::Write;

use super::pieces::Pieces;
use super::render::{number, raw, text};
use super::synth;
use crate::digest::Random;
use crate::script::LogprobsSpec;

/// What the draws of one choice follow from.
#[derive(Debug, Clone)]
pub(super) struct Logprobs<'a> {
    random: Random,
    /// How many alternatives are shown for each token.
    top: usize,
    scripted: Option<&'a LogprobsSpec>,
}

/// The alternatives of one token, the likeliest first.
struct Drawn<'t> {
    own: f64,
    top: Vec<(&'t str, f64)>,
}

impl<'a> Logprobs<'a> {
    pub(super) fn new(random: Random, top: usize, scripted: Option<&'a LogprobsSpec>) -> Self {
        Self { random, top, scripted }
    }

    /// Of the token at this place of this part of the answer.
    fn draw<'t>(&self, part: usize, index: usize, token: &'t str) -> Drawn<'t> {
        let mut random = Random::new(&[self.random.clone().next(), part as u64, index as u64]);
        let mut step = || (1 + random.below(40_000)) as f64 / 100_000.0;
        // One token in eight is not the likeliest.
        let scripted = self.scripted.and_then(|scripted| scripted.literal(index));
        let rank = if step() < 0.05 && scripted.is_none() { 1 } else { 0 };
        let mut logprob = scripted.unwrap_or_else(|| -step());
        let mut all = Vec::with_capacity(self.top.max(rank + 1));
        for place in 0..self.top.max(rank + 1) {
            all.push((if place == rank { token } else { synth::other_word(token, place) }, logprob));
            logprob -= 1.0 + 4.0 * step();
        }
        let own = all[rank].1;
        all.truncate(self.top);
        Drawn { own, top: all }
    }

    /// The member `logprobs` of a chat choice, for stretches that are either all text or all refusal.
    pub(super) fn write(&self, out: &mut Vec<u8>, spoken: &[Spoken<'_>]) {
        let (before, after) = match spoken.iter().any(|own| own.refusal) {
            false => ("{\"content\":[", "],\"refusal\":null}"),
            true => ("{\"content\":null,\"refusal\":[", "]}"),
        };
        let tokens: Vec<(&Spoken<'_>, usize)> = Spoken::tokens(spoken).collect();
        list(out, before, &tokens, |out, (own, index)| {
            let token = own.pieces.token(*index);
            let drawn = self.draw(own.part, *index, token);
            raw(out, "{");
            write_one(out, token, drawn.own);
            list(out, ",\"top_logprobs\":[", &drawn.top, |out, (token, logprob)| {
                raw(out, "{");
                write_one(out, token, *logprob);
                raw(out, "}");
            });
            raw(out, "]}");
        });
        raw(out, after);
    }

    /// The member `logprobs` of a legacy choice; `offset` is where its first token lies, in characters.
    pub(super) fn write_legacy(&self, out: &mut Vec<u8>, spoken: &[Spoken<'_>], mut offset: usize) {
        let drawn = Spoken::tokens(spoken).map(|(own, index)| {
            let token = own.pieces.token(index);
            // Before the first token of a prompt there is nothing that it could be likely after.
            (token, self.draw(own.part, index, token), own.prompt && index == 0)
        });
        let drawn: Vec<(&str, Drawn<'_>, bool)> = drawn.collect();
        list(out, "{\"tokens\":[", &drawn, |out, (token, _, _)| text(out, token));
        list(out, "],\"token_logprobs\":[", &drawn, |out, (_, drawn, first)| match first {
            true => raw(out, "null"),
            false => decimal(out, drawn.own),
        });
        match self.top {
            0 => raw(out, "],\"top_logprobs\":null"),
            _ => {
                list(out, "],\"top_logprobs\":[", &drawn, |out, (token, drawn, first)| map(out, token, drawn, *first));
                raw(out, "]");
            }
        }
        list(out, ",\"text_offset\":[", &drawn, |out, (token, _, _)| {
            number(out, offset as u64);
            offset += token.chars().count();
        });
        raw(out, "]}");
    }
}

impl<'p> Spoken<'p> {
    /// A whole part.
    pub(super) fn all(part: usize, pieces: &'p Pieces<'p>, refusal: bool) -> Self {
        Self { part, pieces, tokens: 0..pieces.count(), refusal, prompt: false }
    }

    /// Every token, with the stretch that it is from.
    fn tokens(spoken: &[Self]) -> impl Iterator<Item = (&Self, usize)> {
        spoken.iter().flat_map(|own| own.tokens.clone().map(move |index| (own, index)))
    }
}

/// Some tokens of an answer.
#[derive(Clone)]
pub(super) struct Spoken<'p> {
    /// Which part of the answer they are from.
    pub(super) part: usize,
    pub(super) pieces: &'p Pieces<'p>,
    pub(super) tokens: std::ops::Range<usize>,
    pub(super) refusal: bool,
    /// They repeat the prompt.
    pub(super) prompt: bool,
}

fn list<T>(out: &mut Vec<u8>, before: &str, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    raw(out, before);
    for (nth, item) in items.iter().enumerate() {
        if nth > 0 {
            raw(out, ",");
        }
        write(out, item);
    }
}

/// The alternatives as a map, the token itself always among them.
fn map(out: &mut Vec<u8>, token: &str, drawn: &Drawn<'_>, first: bool) {
    if first {
        return raw(out, "null");
    }
    let missing = drawn.top.iter().all(|(known, _)| *known != token);
    let all: Vec<(&str, f64)> = drawn.top.iter().copied().chain(missing.then_some((token, drawn.own))).collect();
    list(out, "{", &all, |out, (token, logprob)| {
        text(out, token);
        raw(out, ":");
        decimal(out, *logprob);
    });
    raw(out, "}");
}

fn write_one(out: &mut Vec<u8>, token: &str, logprob: f64) {
    raw(out, "\"token\":");
    text(out, token);
    raw(out, ",\"logprob\":");
    decimal(out, logprob);
    list(out, ",\"bytes\":[", token.as_bytes(), |out, byte| number(out, (*byte).into()));
    raw(out, "]");
}

fn decimal(out: &mut Vec<u8>, logprob: f64) {
    write!(out, "{logprob:.5}").expect("a write into memory succeeds");
}
