//! Secrets taken out of text before anybody sees it: as they are, in base64 and percent-encoded, and in pieces, as
//! they stand where a body was cut or came in several reads. Owns the replacing only; which secrets there are, says
//! `world`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A shorter secret is none: its letters stand everywhere.
const SHORTEST: usize = 4;
/// A piece of a secret that is at least so long is replaced too.
const PIECE: usize = 12;

/// The secrets of one scenario, put in by whoever makes them as soon as they are there: also when a start fails.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<BTreeMap<String, String>>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    /// One of the scenario's own.
    pub fn named(&self, name: &str, secret: &str) {
        self.known().insert(secret.to_owned(), format!("[secrets.{name}]"));
    }

    /// One that stands in a manifest; it may be one of the scenario's own.
    pub fn key(&self, secret: &str) {
        self.known().entry(secret.to_owned()).or_insert_with(|| "[a Secret's value]".to_owned());
    }

    /// What stands for those that are known by now.
    pub fn masks(&self) -> Masks {
        Masks::new(self.known().clone())
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Secrets, and what stands for each of them.
#[derive(Clone, Default)]
pub struct Masks {
    /// Every spelling, the longest first, with the index of its mask.
    spellings: Vec<(String, usize)>,
    /// Every piece of every spelling.
    pieces: HashMap<[u8; PIECE], usize>,
    masks: Vec<String>,
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.masks).finish()
    }
}

impl Masks {
    /// Of pairs of a secret and its mask.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Masks {
        let mut all = Masks::default();
        for (secret, mask) in pairs {
            let index = all.masks.len();
            all.masks.push(mask);
            all.spellings.extend(spellings(&secret).into_iter().map(|spelling| (spelling, index)));
        }
        // A secret that holds another goes first, or a rest of it would stay.
        all.spellings.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        for (spelling, index) in &all.spellings {
            for piece in spelling.as_bytes().windows(PIECE) {
                if let Ok(piece) = piece.try_into() {
                    all.pieces.entry(piece).or_insert(*index);
                }
            }
        }
        all
    }

    /// The text with every secret, and every long piece of one, replaced by its mask.
    pub fn hide(&self, text: &str) -> String {
        let whole = self.spellings.iter().fold(text.to_owned(), |text, (spelling, index)| {
            if text.contains(spelling) { text.replace(spelling, &self.masks[*index]) } else { text }
        });
        if self.pieces.is_empty() { whole } else { self.without_pieces(&whole) }
    }

    fn without_pieces(&self, text: &str) -> String {
        let bytes = text.as_bytes();
        let found = |at: usize| {
            let window: &[u8; PIECE] = bytes.get(at..at + PIECE)?.try_into().ok()?;
            self.pieces.get(window).copied()
        };
        let (mut out, mut kept, mut at) = (String::with_capacity(text.len()), 0, 0);
        while at + PIECE <= bytes.len() {
            let Some(index) = found(at) else {
                at += 1;
                continue;
            };
            let mut end = at + PIECE;
            while end < bytes.len() && found(end + 1 - PIECE).is_some() {
                end += 1;
            }
            // Pieces may begin and end within a character of several bytes.
            let (mut from, mut to) = (at, end);
            while !text.is_char_boundary(from) {
                from -= 1;
            }
            while !text.is_char_boundary(to) {
                to += 1;
            }
            let from = from.max(kept);
            out.push_str(&text[kept..from]);
            out.push_str(&self.masks[index]);
            (kept, at) = (to, to);
        }
        out.push_str(&text[kept..]);
        out
    }
}

/// The ways to write a secret. One that is too short to be told from other text has only its own.
fn spellings(secret: &str) -> Vec<String> {
    let mut all = vec![secret.to_owned(), secret.trim().to_owned()];
    if secret.len() >= PIECE {
        for shift in 0..3 {
            let bytes = [&[0; 2][..shift], secret.as_bytes()].concat();
            // The first characters hold bits of what stands before, the last one of what stands behind.
            let kept = (shift * 8).div_ceil(6)..bytes.len() * 8 / 6;
            let texts = [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)];
            all.extend(texts.iter().filter_map(|text| text.get(kept.clone()).map(str::to_owned)));
        }
        all.push(percent(secret, |byte| format!("%{byte:02X}")));
        all.push(percent(secret, |byte| format!("%{byte:02x}")));
        // In JSON, and in JSON that stands in JSON.
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        all.push(quoted(secret));
        all.push(quoted(&quoted(secret)));
    }
    all.retain(|spelling| spelling.trim().len() >= SHORTEST);
    all.sort_unstable();
    all.dedup();
    all
}

fn percent(text: &str, spell: impl Fn(u8) -> String) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { spell(byte) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "sk-0123456789abcdef/ghij+klm";

    fn masks(pairs: &[(&str, &str)]) -> Masks {
        Masks::new(pairs.iter().map(|(secret, mask)| ((*secret).to_owned(), (*mask).to_owned())))
    }

    fn hidden(text: &str) -> String {
        masks(&[(SECRET, "[s]")]).hide(text)
    }

    #[test]
    fn a_secret_is_replaced_in_each_spelling() {
        assert_eq!(hidden(&format!("a {SECRET} b")), "a [s] b");
        assert_eq!(hidden("?k=sk-0123456789abcdef%2Fghij%2Bklm&x"), "?k=[s]&x");
        assert_eq!(hidden("?k=sk-0123456789abcdef%2fghij%2bklm&x"), "?k=[s]&x");
        for around in ["", "u", "us", "user:"] {
            let text = STANDARD_NO_PAD.encode(format!("{around}{SECRET}{around}"));
            let seen = hidden(&text);
            assert!(seen.contains("[s]") && seen.len() < around.len() * 3 + 12, "{text} became {seen}");
        }
    }

    #[test]
    fn a_piece_of_a_secret_is_replaced_and_a_shorter_one_is_not() {
        assert_eq!(hidden("cut: sk-0123456789a… (900 bytes)"), "cut: [s]… (900 bytes)");
        assert_eq!(hidden("9abcdef/ghij+klm and on"), "[s] and on");
        assert_eq!(hidden("sk-01234567…"), "sk-01234567…");
    }

    #[test]
    fn a_secret_within_another_leaves_no_rest() {
        let masks = masks(&[("inner-secret-1", "[i]"), ("Bearer inner-secret-1 tail", "[o]")]);
        assert_eq!(masks.hide("x Bearer inner-secret-1 tail"), "x [o]");
        assert_eq!(masks.hide("inner-secret-1"), "[i]");
    }

    #[test]
    fn empty_and_short_secrets_and_odd_characters_do_no_harm() {
        let masks = masks(&[("", "[e]"), ("    ", "[b]"), ("o", "[o]"), ("ключ-от-двери", "[k]")]);
        assert_eq!(masks.hide("to    ключ-от-двери"), "to    [k]");
        assert_eq!(masks.hide("юч-от-две"), "[k]");
        assert_eq!(masks.hide("короткий"), "короткий");
    }

    #[test]
    fn a_debug_print_shows_no_secret() {
        assert_eq!(format!("{:?}", masks(&[(SECRET, "[s]")])), "{\"[s]\"}");
    }
}
