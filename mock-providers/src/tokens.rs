//! Tokens, by a cheap estimate.
//!
//! Owns what a token is: of an answer a piece, which is a word of at most twelve characters with the space before it;
//! of a prompt a word. Refuses to imitate a real tokenizer.

const PIECE: usize = 12;

/// Cuts a text into the pieces that a stream sends.
pub(crate) fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut letters, mut in_word) = (0, 0, false);
    for (at, character) in text.char_indices() {
        let space = character.is_whitespace();
        if (space && in_word) || letters == PIECE {
            pieces.push(&text[start..at]);
            (start, letters) = (at, 0);
        }
        in_word = !space;
        letters += 1;
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

/// The words of a text.
pub(crate) fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_put_together_are_the_text() {
        for text in ["served by b", "  two  spaces ", "", "你好世界 héé", "anextremelylongwordindeed"] {
            assert_eq!(pieces(text).concat(), text);
        }
        assert_eq!(pieces("served by b"), ["served", " by", " b"]);
        assert_eq!(pieces("anextremelylongword").len(), 2);
    }
}
