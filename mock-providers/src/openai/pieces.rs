//! A text of an answer with its tokens, and the deltas in which a stream sends it.
//!
//! Owns where a text is cut, for all who send, count or limit it: one buffer, no string for each piece. Refuses to know
//! what a token is: that is `tokens`'.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use crate::answer::Context;
use crate::script::{Chunking, Tokenizer, Unit};

/// How texts are cut.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cuts {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) chunking: Chunking,
}

impl Cuts {
    /// As the script says.
    pub(crate) fn of(context: &Context<'_>) -> Self {
        let chunking = context.respond.chunking.or(context.provider.chunking).unwrap_or_default();
        Self { tokenizer: context.tokenizer, chunking }
    }
}

/// A text and its cuts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pieces<'a> {
    text: Cow<'a, str>,
    tokenizer: Tokenizer,
    /// How many tokens there are, once somebody has asked.
    count: OnceCell<usize>,
    /// Where each of them ends, once somebody has asked.
    tokens: OnceCell<Vec<usize>>,
    /// Where each delta ends; when left out each token is one.
    deltas: Option<Vec<usize>>,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(text: impl Into<Cow<'a, str>>, Cuts { tokenizer, chunking }: Cuts) -> Self {
        let mut pieces = Self { text: text.into(), tokenizer, ..Self::default() };
        if chunking != Chunking::default() {
            pieces.deltas = Some(delta_ends(&pieces.text, pieces.tokens(), chunking));
        }
        pieces
    }

    /// Made-up words, so many: each is a token of the estimate.
    pub(crate) fn words(text: String, count: usize, cuts: Cuts) -> Self {
        let pieces = Self::new(text, cuts);
        if !cuts.tokenizer.has_tables() {
            debug_assert_eq!(pieces.tokenizer.count(&pieces.text), count as u64, "a word is at most a token");
            // Cut by deltas, they are counted already.
            let _ = pieces.count.set(count);
        }
        pieces
    }

    /// The text of a call's arguments, which comes in more than one delta if it can.
    pub(crate) fn arguments(text: impl Into<Cow<'a, str>>, tokenizer: Tokenizer) -> Self {
        let mut pieces = Self::new(text, Cuts { tokenizer, ..Cuts::default() });
        let second_half = |at: &usize| *at > 0 && *at >= pieces.text.len() / 2;
        let middle = pieces.text.char_indices().map(|(at, _)| at).find(second_half);
        if let (1, Some(middle)) = (pieces.count(), middle) {
            pieces.set_tokens(vec![middle, pieces.text.len()]);
        }
        pieces
    }

    /// Exactly these deltas, each of them one token.
    pub(crate) fn exact(deltas: &[String]) -> Self {
        let end = |at: &mut usize, delta: &String| {
            *at += delta.len();
            Some(*at)
        };
        let mut pieces = Self { text: deltas.concat().into(), ..Self::default() };
        pieces.set_tokens(deltas.iter().scan(0, end).collect());
        pieces
    }

    /// All of it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// How many tokens it has.
    pub(crate) fn count(&self) -> usize {
        // Of a real encoding, the pieces are fewer than the tokens where one ends inside a character.
        *self.count.get_or_init(|| match self.tokens.get() {
            None if !self.tokenizer.has_tables() => self.tokenizer.count(&self.text) as usize,
            _ => self.tokens().len(),
        })
    }

    fn tokens(&self) -> &[usize] {
        self.tokens.get_or_init(|| token_ends(&self.text, self.tokenizer))
    }

    fn set_tokens(&mut self, ends: Vec<usize>) {
        (self.count, self.tokens) = (ends.len().into(), ends.into());
    }

    /// One token.
    pub(crate) fn token(&self, index: usize) -> &str {
        slice(&self.text, self.tokens(), index)
    }

    /// One delta, if there are so many.
    pub(crate) fn delta(&self, index: usize) -> Option<&str> {
        let ends = self.delta_ends();
        (index < ends.len()).then(|| slice(&self.text, ends, index))
    }

    /// How many deltas there are.
    pub(crate) fn delta_count(&self) -> usize {
        self.delta_ends().len()
    }

    /// All deltas.
    pub(crate) fn deltas(&self) -> impl Iterator<Item = &str> {
        (0..self.delta_count()).filter_map(|index| self.delta(index))
    }

    /// The tokens that are complete with this delta, and were not before.
    pub(crate) fn tokens_of(&self, delta: usize) -> Range<usize> {
        let Some(ends) = &self.deltas else { return delta..delta + 1 };
        let complete = |end: usize| self.tokens().partition_point(|token| *token <= end);
        let before = if delta == 0 { 0 } else { complete(ends[delta - 1]) };
        before..complete(ends[delta])
    }

    /// Leaves the first tokens.
    pub(crate) fn keep(&mut self, tokens: usize) {
        if tokens < self.count() {
            self.end_at(if tokens == 0 { 0 } else { self.tokens()[tokens - 1] });
        }
    }

    /// Ends the text at this byte.
    pub(crate) fn end_at(&mut self, at: usize) {
        let mut tokens = self.tokens().to_vec();
        match &mut self.text {
            Cow::Borrowed(text) => *text = &text[..at],
            Cow::Owned(text) => text.truncate(at),
        }
        for ends in [Some(&mut tokens), self.deltas.as_mut()].into_iter().flatten() {
            ends.retain(|end| *end <= at);
            if ends.last().copied().unwrap_or(0) < at {
                ends.push(at);
            }
        }
        self.set_tokens(tokens);
    }

    fn delta_ends(&self) -> &[usize] {
        self.deltas.as_deref().unwrap_or_else(|| self.tokens())
    }
}

fn slice<'t>(text: &'t str, ends: &[usize], index: usize) -> &'t str {
    let start = if index == 0 { 0 } else { ends[index - 1] };
    &text[start..ends[index]]
}

fn token_ends(text: &str, tokenizer: Tokenizer) -> Vec<usize> {
    let mut end = 0;
    let ends = tokenizer.pieces(text).into_iter().map(|piece| {
        end += piece.len();
        end
    });
    ends.collect()
}

fn delta_ends(text: &str, tokens: &[usize], chunking: Chunking) -> Vec<usize> {
    let units = match chunking.unit {
        Unit::Token => tokens.to_vec(),
        Unit::Word => word_ends(text),
        Unit::Char => text.char_indices().map(|(at, character)| at + character.len_utf8()).collect(),
    };
    units.chunks(chunking.coalesce.get()).filter_map(|units| units.last().copied()).collect()
}

/// A word ends where a space follows it; spaces at the end are a word, too.
fn word_ends(text: &str) -> Vec<usize> {
    let mut in_word = false;
    let mut ends: Vec<usize> = text
        .char_indices()
        .filter_map(|(at, character)| {
            let ended = in_word && character.is_whitespace();
            in_word = !character.is_whitespace();
            ended.then_some(at)
        })
        .collect();
    if !text.is_empty() {
        ends.push(text.len());
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, chunking: Chunking) -> Pieces<'_> {
        Pieces::new(text, Cuts { chunking, ..Cuts::default() })
    }

    fn cut(text: &str, unit: Unit, coalesce: usize) -> Vec<String> {
        let chunking = Chunking { unit, coalesce: coalesce.try_into().expect("not zero") };
        pieces(text, chunking).deltas().map(str::to_owned).collect()
    }

    #[test]
    fn a_delta_is_so_many_tokens_words_or_characters() {
        let text = "an extraordinarily long word";
        assert_eq!(cut(text, Unit::Token, 1), ["an", " extraordina", "rily", " long", " word"]);
        assert_eq!(cut(text, Unit::Word, 1), ["an", " extraordinarily", " long", " word"]);
        assert_eq!(cut(text, Unit::Word, 3), ["an extraordinarily long", " word"]);
        assert_eq!(cut("héé", Unit::Char, 2), ["hé", "é"]);
        assert_eq!(cut("", Unit::Char, 2), Vec::<String>::new());
    }

    #[test]
    fn each_token_belongs_to_the_delta_that_completes_it() {
        let chunking = Chunking { unit: Unit::Char, coalesce: 2.try_into().expect("not zero") };
        let pieces = pieces("one a", chunking);
        let tokens: Vec<Range<usize>> = (0..3).map(|delta| pieces.tokens_of(delta)).collect();
        assert_eq!(tokens, [0..0, 0..1, 1..2]);
        assert_eq!((pieces.token(0), pieces.token(1)), ("one", " a"));
    }

    #[test]
    fn a_cut_text_keeps_its_deltas_before_the_cut() {
        let mut pieces =
            pieces("one two three", Chunking { coalesce: 2.try_into().expect("two"), ..Chunking::default() });
        pieces.keep(3);
        assert_eq!((pieces.count(), pieces.text()), (3, "one two three"));
        pieces.end_at(9);
        assert_eq!(pieces.deltas().collect::<Vec<_>>(), ["one two", " t"]);
        pieces.keep(1);
        assert_eq!((pieces.text(), pieces.count(), pieces.delta_count()), ("one", 1, 1));
        pieces.keep(0);
        assert_eq!((pieces.text(), pieces.delta_count()), ("", 0));
    }

    #[test]
    fn arguments_come_in_two_deltas_at_least() {
        assert_eq!(Pieces::arguments("{}", Tokenizer::Estimate).deltas().collect::<Vec<_>>(), ["{", "}"]);
        assert_eq!(Pieces::arguments("é", Tokenizer::Estimate).deltas().collect::<Vec<_>>(), ["é"]);
        assert_eq!(Pieces::arguments("", Tokenizer::Estimate).delta_count(), 0);
    }
}
