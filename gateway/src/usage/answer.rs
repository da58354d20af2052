//! `usage` and `model` of a whole JSON answer, found while it passes by.

use super::Usage;
use crate::block::{Block, among};
use crate::json::unquote;

/// Largest `usage` or `model` value that is read from a JSON answer.
const MAX_VALUE: usize = 8 * 1024;

/// Reads `usage` and `model` of a JSON answer that arrives in chunks, without keeping the chunks.
#[derive(Debug, Default)]
pub struct AnswerScan {
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// Inside the outermost object, before the colon.
    expect_key: bool,
    /// A name, or a value that is read, is awaited or under way.
    keeping: bool,
    /// What of it came in earlier chunks.
    kept: Vec<u8>,
    field: Option<Field>,
    model: Option<Box<str>>,
    usage: Option<Usage>,
    started: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Usage,
    Model,
}

impl AnswerScan {
    /// Reads the next chunk.
    pub fn push(&mut self, chunk: &[u8]) {
        // where in this chunk that begins which is kept
        let mut from = 0;
        let mut start = 0;
        while start < chunk.len() {
            let rest = &chunk[start..];
            let block = block_of(rest);
            let (quotes, escapes) = (among(&block, [b'"']), among(&block, [b'\\']));
            if self.in_string && !self.escaped && quotes | escapes == 0 {
                // a long text: a search is worth its beginning
                start += memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                continue;
            }
            let size = rest.len().min(block.len());
            let escaped = escaped(escapes, self.escaped);
            self.escaped = escaped >> size & 1 == 1;
            let texts = texts(quotes & !escaped, self.in_string);
            self.in_string = texts >> (block.len() - 1) & 1 == 1;
            let brackets = among(&block, [b'{', b'}', b'[', b']']) & !texts;
            if self.depth <= 1 || brackets != 0 {
                let marks = among(&block, [b':', b',']) & !texts;
                self.read_block(chunk, start, brackets, marks, &mut from);
            }
            start += size;
        }
        if self.keeping {
            let here = self.trimmed(&chunk[from..]);
            let here = if self.in_string { here } else { here.trim_ascii_end() };
            let room = (MAX_VALUE + 1).saturating_sub(self.kept.len()).min(here.len());
            self.kept.extend_from_slice(&here[..room]);
        }
    }

    /// Reads the brackets of a block, and its marks within the outermost value.
    fn read_block(&mut self, chunk: &[u8], start: usize, brackets: u32, marks: u32, from: &mut usize) {
        let mut left = !0;
        loop {
            let told = left & if self.depth == 1 { brackets | marks } else { brackets };
            if told == 0 {
                return;
            }
            let bit = told.trailing_zeros();
            left = !1 << bit;
            self.step(chunk, start + bit as usize, from);
        }
    }

    /// Reads a bracket or a mark.
    fn step(&mut self, chunk: &[u8], at: usize, from: &mut usize) {
        match chunk[at] {
            open @ (b'{' | b'[') => {
                self.depth += 1;
                self.started = true;
                self.expect_key = self.depth == 1 && open == b'{';
                if self.expect_key {
                    (self.keeping, *from) = (true, at + 1);
                }
            }
            b':' if self.expect_key => {
                self.field = match self.text(&chunk[*from..at]) {
                    Some(b"\"usage\"") => Some(Field::Usage),
                    Some(b"\"model\"") => Some(Field::Model),
                    _ => None,
                };
                self.expect_key = false;
                (self.keeping, *from) = (self.field.is_some(), at + 1);
                self.kept.clear();
            }
            b',' => {
                self.end_field(&chunk[*from..at]);
                self.expect_key = true;
                (self.keeping, *from) = (true, at + 1);
            }
            b'}' | b']' => {
                if self.depth == 1 {
                    self.end_field(&chunk[*from..at]);
                }
                self.depth = self.depth.saturating_sub(1);
            }
            _ => (),
        }
    }

    /// Without the space before a name or a value, of which there may be more than of these.
    fn trimmed<'t>(&self, here: &'t [u8]) -> &'t [u8] {
        if self.kept.is_empty() { here.trim_ascii_start() } else { here }
    }

    /// What is kept with what came of it in this chunk; nothing when it is too long to be of interest.
    fn text<'t>(&'t mut self, here: &'t [u8]) -> Option<&'t [u8]> {
        let here = self.trimmed(here).trim_ascii_end();
        if self.kept.len() + here.len() > MAX_VALUE {
            return None;
        }
        if self.kept.is_empty() {
            return Some(here);
        }
        self.kept.extend_from_slice(here);
        Some(&self.kept)
    }

    /// Whether the text was one complete JSON value (by its brackets).
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.started && self.depth == 0 && !self.in_string
    }

    /// Tokens and model, as far as they were told.
    #[must_use]
    pub fn finish(&mut self) -> (Option<Usage>, Option<Box<str>>) {
        (self.usage, self.model.take())
    }

    /// A member of the outermost object ends behind `here`.
    fn end_field(&mut self, here: &[u8]) {
        match self.field.take() {
            Some(Field::Usage) => {
                let usage = self.text(here).and_then(|value| Usage::read(std::str::from_utf8(value).ok()?));
                self.usage = usage.or(self.usage);
            }
            Some(Field::Model) => {
                let text = self.text(here).filter(|text| text.starts_with(b"\""));
                let model = text.and_then(unquote).map(Into::into);
                self.model = model.or_else(|| self.model.take());
            }
            None => (),
        }
        self.keeping = false;
        self.kept.clear();
    }
}

/// Which bytes stand behind an escape, `before` the first byte too; the bit behind the last byte is for the next block.
fn escaped(mut escapes: u32, before: bool) -> u32 {
    let mut escaped = u32::from(before);
    escapes &= !escaped;
    while escapes != 0 {
        let behind = (escapes & escapes.wrapping_neg()) << 1;
        escaped |= behind;
        escapes &= escapes - 1;
        escapes &= !behind;
    }
    escaped
}

/// Which bytes belong to a text, with the quote before it and not with the one behind it.
fn texts(quotes: u32, in_string: bool) -> u32 {
    let odd = [1, 2, 4, 8].into_iter().fold(quotes, |odd, step| odd ^ odd << step);
    if in_string { !odd } else { odd }
}

/// The next bytes, with spaces behind the last.
fn block_of(bytes: &[u8]) -> Block {
    bytes.first_chunk().copied().unwrap_or_else(|| {
        let mut block = [b' '; _];
        block[..bytes.len()].copy_from_slice(bytes);
        block
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_answer_that_is_padded_tells_the_same() {
        let space = " ".repeat(70_000);
        for text in [
            format!(r#"{{"model":"m","usage":{{"prompt_tokens":3}}{space}}}"#),
            format!(r#"{{"usage":{{"prompt_tokens":3}}{space},"model":"m"{space}}}"#),
            format!(r#"{{{space}"model":"m","usage"{space}:{{"prompt_tokens":3}}}}{space}"#),
        ] {
            for size in [1, 16, 1000, 65_536, text.len()] {
                let mut scan = AnswerScan::default();
                text.as_bytes().chunks(size).for_each(|chunk| scan.push(chunk));
                let told = (Some(Usage { input: 3, ..Usage::default() }), Some("m".into()));
                assert_eq!(scan.finish(), told, "{} bytes at a time", size);
            }
        }
    }

    #[test]
    fn an_escape_counts_wherever_it_falls_within_a_block_and_a_chunk() {
        for before in 0..40 {
            let padding = " ".repeat(before);
            let text =
                format!(r#"{{"a":{{"t":"{padding}\"}},[\\"}},"model":"{padding}\"\\","usage":{{"prompt_tokens":3}}}}"#);
            for cut in 0..text.len() {
                let mut scan = AnswerScan::default();
                let (one, other) = text.as_bytes().split_at(cut);
                scan.push(one);
                scan.push(other);
                let model = format!("{padding}\"\\");
                assert!(scan.balanced(), "{text} cut at {cut}");
                assert_eq!(
                    scan.finish(),
                    (Some(Usage { input: 3, ..Usage::default() }), Some(model.into())),
                    "{text} cut at {cut}"
                );
            }
        }
    }

    /// Any JSON, with names and texts that look like what is searched for.
    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let text = prop::sample::select(vec!["usage", "model", "", "a\\", "\"usage\":{", "}]\\\"", "\u{1f642}", "\n"]);
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<u32>().prop_map(serde_json::Value::from),
            text.clone().prop_map(serde_json::Value::from),
            Just(serde_json::json!({"prompt_tokens": 11, "completion_tokens": 7})),
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            let members = prop::collection::vec((text.clone(), inner.clone()), 0..4);
            let members =
                members.prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(serde_json::Value::Array),
                members.prop_map(serde_json::Value::Object)
            ]
        })
    }

    proptest! {
        #[test]
        fn an_answer_tells_what_its_own_members_say(value in any_json(), cut in any::<prop::sample::Index>(), spaced: bool) {
            let text = if spaced { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
            let (first, second) = text.split_at(cut.index(text.len() + 1));
            let mut scan = AnswerScan::default();
            scan.push(first);
            scan.push(second);
            let of = |name: &str| value.as_object().and_then(|members| members.get(name));
            let usage = of("usage").and_then(|usage| Usage::read(&usage.to_string()));
            prop_assert_eq!(scan.balanced(), value.is_object() || value.is_array(), "{}", value);
            prop_assert_eq!(scan.finish(), (usage, of("model").and_then(|model| model.as_str()).map(Into::into)), "{}", value);
        }

        #[test]
        fn an_answer_in_any_chunks_tells_the_same(cuts in prop::collection::vec(0usize..200, 0..6)) {
            let text = br#"{"id":"x","a":{"usage":{"prompt_tokens":9}},"model":"gpt-\u0034","choices":[{"message":{"content":"\"usage\":{}"}}],"usage":{"prompt_tokens":11,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":3}}}"#;
            let mut ends: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            ends.push(text.len());
            ends.sort_unstable();
            let (mut scan, mut at) = (AnswerScan::default(), 0);
            for end in ends {
                scan.push(&text[at..end]);
                at = end;
            }
            prop_assert!(scan.balanced());
            let (usage, model) = scan.finish();
            prop_assert_eq!(usage, Some(Usage { input: 11, output: 7, cached: 3, ..Usage::default() }));
            prop_assert_eq!(model.as_deref(), Some("gpt-4"));
        }
    }
}
