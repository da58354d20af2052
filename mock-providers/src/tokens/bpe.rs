//! Real byte-pair encodings.
//!
//! Owns where a token's bytes fall in the text. Refuses to treat the names of special tokens as anything but text.

use tiktoken::CoreBpe;

use crate::script::Tokenizer;

/// The tables, loaded once for the whole process.
fn tables(tokenizer: Tokenizer) -> &'static CoreBpe {
    let name = if tokenizer == Tokenizer::Cl100k { "cl100k_base" } else { "o200k_base" };
    tiktoken::get_encoding(name).expect("both encodings are built in")
}

/// How many tokens a text has.
pub(super) fn count(tokenizer: Tokenizer, text: &str) -> u64 {
    tables(tokenizer).count(text) as u64
}

/// The tokens of a text, with boundaries inside characters left out.
pub(super) fn pieces(tokenizer: Tokenizer, text: &str) -> Vec<&str> {
    let tables = tables(tokenizer);
    let (mut pieces, mut start, mut end) = (Vec::new(), 0, 0);
    for token in tables.encode(text) {
        end += tables.decode(&[token]).len();
        if text.is_char_boundary(end) {
            pieces.push(&text[start..end]);
            start = end;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use Tokenizer::{Cl100k, O200k};

    /// The ids that OpenAI's own tokenizer gives.
    #[test]
    fn known_texts_have_their_known_tokens() {
        let known: [(Tokenizer, &str, &[u32]); 6] = [
            (Cl100k, "hello world", &[15339, 1917]),
            (Cl100k, "tiktoken is great!", &[83, 1609, 5963, 374, 2294, 0]),
            (Cl100k, "お誕生日おめでとう", &[33334, 45918, 243, 21990, 9080, 33334, 62004, 16556, 78699]),
            (O200k, "hello world", &[24912, 2375]),
            (O200k, "tiktoken is great!", &[83, 8251, 2488, 382, 2212, 0]),
            (O200k, "お誕生日おめでとう", &[8930, 9697, 243, 128225, 8930, 17693, 4344, 48669]),
        ];
        for (tokenizer, text, ids) in known {
            assert_eq!(tables(tokenizer).encode(text), ids, "{tokenizer:?}: {text}");
            assert_eq!(tokenizer.count(text), ids.len() as u64);
        }
    }

    #[test]
    fn the_name_of_a_special_token_is_text_like_any_other() {
        assert!(Cl100k.count("<|endoftext|>") > 1);
    }

    proptest::proptest! {
        #[test]
        fn pieces_are_the_text_and_no_more_than_its_tokens(text in "[ -~é你🙂\\n]{0,60}") {
            for tokenizer in [Cl100k, O200k] {
                let pieces = tokenizer.pieces(&text);
                proptest::prop_assert_eq!(pieces.concat(), text.as_str());
                proptest::prop_assert!(pieces.len() as u64 <= tokenizer.count(&text));
            }
        }
    }
}
