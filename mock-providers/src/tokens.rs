//! Tokens: counted, and as the pieces that streams send.
//!
//! Owns what a token is, for prompts and answers alike. By default it is an estimate: a word of at most twelve
//! characters with the white space before it; a longer word is several, and white space at the end is one. That is
//! about one token per English word, where real encodings have 1.3. Refuses to load tables that no script asks for.

#[cfg(feature = "bpe")]
mod bpe;

use crate::script::Tokenizer;

/// The most characters of an estimated token.
const LONGEST: usize = 12;
/// More bytes than a token has, but for strange ones of real encodings.
const ROOM: usize = 64;
/// No answer has more tokens, all its choices together.
pub(crate) const MOST: usize = 1 << 20;

impl Tokenizer {
    /// How many tokens a text has.
    pub(crate) fn count(self, text: &str) -> u64 {
        match self {
            Tokenizer::Estimate => plain_count(text.as_bytes()).unwrap_or_else(|| Pieces(text).count() as u64),
            #[cfg(feature = "bpe")]
            Tokenizer::O200k | Tokenizer::Cl100k => bpe::count(self, text),
        }
    }

    /// The tokens of a text. Where one ends inside a character, it is put together with the next.
    pub(crate) fn pieces(self, text: &str) -> Vec<&str> {
        match self {
            Tokenizer::Estimate => {
                let mut pieces = Vec::with_capacity(text.len() / 4 + 1);
                pieces.extend(Pieces(text));
                pieces
            }
            #[cfg(feature = "bpe")]
            Tokenizer::O200k | Tokenizer::Cl100k => bpe::pieces(self, text),
        }
    }

    /// Has the tables in memory before they are needed; at most some tenths of a second, so not on an async thread.
    pub(crate) fn load(self) {
        self.count("");
    }

    /// Whether there are tables to be loaded.
    pub(crate) fn has_tables(self) -> bool {
        self != Tokenizer::Estimate
    }
}

/// The estimated tokens of a text.
struct Pieces<'t>(&'t str);

impl<'t> Iterator for Pieces<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        if let Some(end) = plain_end(self.0.as_bytes()) {
            let (piece, rest) = self.0.split_at(end);
            self.0 = rest;
            return (end > 0).then_some(piece);
        }
        let mut in_word = false;
        let ends = |(count, (_, character)): &(usize, (usize, char))| {
            let space = character.is_whitespace();
            let ends = (space && in_word) || *count == LONGEST;
            in_word = !space;
            ends
        };
        let end = self.0.char_indices().enumerate().find(ends).map_or(self.0.len(), |(_, (at, _))| at);
        let (piece, rest) = self.0.split_at(end);
        self.0 = rest;
        (!piece.is_empty()).then_some(piece)
    }
}

/// Where the first token of a text ends, when nothing but ASCII decides it.
fn plain_end(text: &[u8]) -> Option<usize> {
    let mut in_word = false;
    for (at, byte) in text.iter().take(LONGEST + 1).enumerate() {
        let space = is_space(*byte);
        match byte {
            0x80.. => return None,
            _ if (space && in_word) || at == LONGEST => return Some(at),
            _ => in_word = !space,
        }
    }
    (text.len() <= LONGEST).then_some(text.len())
}

/// How many tokens a text has, when it is ASCII: each word, with the white space before it, is as many as it is long.
fn plain_count(text: &[u8]) -> Option<u64> {
    if !text.is_ascii() {
        return None;
    }
    let (mut tokens, mut start, mut in_word) = (0, 0, false);
    for (at, byte) in text.iter().enumerate() {
        let space = is_space(*byte);
        if space & in_word {
            tokens += (at - start).div_ceil(LONGEST);
            start = at;
        }
        in_word = !space;
    }
    Some((tokens + (text.len() - start).div_ceil(LONGEST)) as u64)
}

fn is_space(byte: u8) -> bool {
    const SPACES: [bool; 256] = {
        let mut spaces = [false; 256];
        let mut byte = b'\t';
        while byte <= b'\r' {
            spaces[byte as usize] = true;
            byte += 1;
        }
        spaces[b' ' as usize] = true;
        spaces
    };
    SPACES[byte as usize]
}

/// As much of a text as is looked at for so many tokens: a longer one has more of them.
pub(crate) fn beginning(text: &str, tokens: usize) -> &str {
    let mut end = tokens.saturating_add(1).saturating_mul(ROOM).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 6] =
        ["served by b", "  two  spaces ", "", "你好世界 héé", "anextremelylongwordindeed", "🙂🙃 a\n\n b"];

    proptest::proptest! {
        #[test]
        fn there_are_as_many_tokens_as_pieces(text in "[a-c \t\n]{0,60}|\\PC{0,40}") {
            let pieces = Tokenizer::Estimate.pieces(&text);
            proptest::prop_assert_eq!(Tokenizer::Estimate.count(&text), pieces.len() as u64);
            proptest::prop_assert_eq!(pieces.concat(), text);
        }
    }

    #[test]
    fn pieces_put_together_are_the_text() {
        for text in TEXTS {
            assert_eq!(Tokenizer::Estimate.pieces(text).concat(), text);
        }
    }

    #[test]
    fn an_estimated_token_is_a_word_of_at_most_twelve_characters_with_the_space_before_it() {
        let estimate = |text| Tokenizer::Estimate.pieces(text);
        assert_eq!(estimate("served by b"), ["served", " by", " b"]);
        assert_eq!(estimate("  two  spaces "), ["  two", "  spaces", " "]);
        assert_eq!(estimate("anextremelylongword"), ["anextremelyl", "ongword"]);
        assert_eq!(TEXTS.map(|text| Tokenizer::Estimate.count(text)), [3, 3, 0, 2, 3, 3]);
    }
}
