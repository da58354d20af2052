//! A validating JSON scanner that remembers where the top-level members are.
//! One pass, no recursion, no allocation, no tree; it never changes or copies the text.
//! Grammar: RFC 8259. UTF-8 is checked first; nesting deeper than [`MAX_DEPTH`] is refused.

use std::borrow::Cow;
use std::ops::Range;

use crate::block::{Block, among, up_to};

/// Deepest nesting that is accepted.
pub const MAX_DEPTH: usize = 1024;

/// Why a text is not JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {offset}")]
pub struct JsonError {
    /// Byte offset of the first offending byte.
    pub offset: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// The type of a value, enough to decide what to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `"…"`
    String,
    /// `-1.5e3`
    Number,
    /// `true`
    True,
    /// `false`
    False,
    /// `null`
    Null,
    /// `{…}`
    Object,
    /// `[…]`
    Array,
}

/// One member of an object: spans into the scanned text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The key with its quotes.
    pub key: Range<usize>,
    /// The value.
    pub value: Range<usize>,
    /// The value's type.
    pub kind: Kind,
}

/// The outermost object of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Offset just behind `{`.
    pub start: usize,
    /// Offset of `}`.
    pub end: usize,
    /// Whether it has no members.
    pub empty: bool,
}

/// Validates `text` as one JSON object and calls `member` for each top-level member in order.
///
/// # Errors
/// When the text is not UTF-8, not JSON, not an object, or has anything but whitespace behind it.
pub fn scan_object(text: &[u8], mut member: impl FnMut(&str, Member)) -> Result<Object, JsonError> {
    if !text.is_ascii()
        && let Err(error) = std::str::from_utf8(text)
    {
        return Err(JsonError { offset: error.valid_up_to(), what: "invalid UTF-8" });
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err(JsonError { offset: 0, what: "a byte order mark is not JSON" });
    }
    let mut cursor = Cursor { text, at: 0 };
    cursor.space();
    if cursor.peek() != Some(b'{') {
        let what = if cursor.at == text.len() { "the body is empty" } else { "the body must be a JSON object" };
        return cursor.fail(what);
    }
    let object = cursor.members(&mut member)?;
    cursor.space();
    if cursor.at != text.len() {
        return cursor.fail("unexpected text after the JSON object");
    }
    Ok(object)
}

/// The text of a string value or key given with its quotes; `None` when an escape has no character (a lone surrogate).
#[must_use]
pub fn unquote(quoted: &[u8]) -> Option<Cow<'_, str>> {
    let inner = quoted.get(1..quoted.len().checked_sub(1)?)?;
    if memchr::memchr(b'\\', inner).is_none() {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice::<String>(quoted).ok().map(Cow::Owned)
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn fail<T>(&self, what: &'static str) -> Result<T, JsonError> {
        let what = if self.at >= self.text.len() { "the JSON text ends too early" } else { what };
        Err(JsonError { offset: self.at, what })
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return self.fail(what);
        }
        self.at += 1;
        Ok(())
    }

    /// The members of the object at the cursor.
    fn members(&mut self, member: &mut impl FnMut(&str, Member)) -> Result<Object, JsonError> {
        self.expect(b'{', "expected an object")?;
        let start = self.at;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Object { start, end: self.at - 1, empty: true });
        }
        loop {
            self.space();
            let key_start = self.at;
            self.string("expected a member name")?;
            let key = key_start..self.at;
            self.space();
            self.expect(b':', "expected `:`")?;
            self.space();
            let value_start = self.at;
            let kind = self.value()?;
            let text = self.text;
            if let Some(name) = unquote(&text[key.clone()]) {
                member(&name, Member { key, value: value_start..self.at, kind });
            }
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Object { start, end: self.at - 1, empty: false });
                }
                _ => return self.fail("expected `,` or `}`"),
            }
        }
    }

    /// One value of any type; containers are walked with a bit per level (set: object).
    fn value(&mut self) -> Result<Kind, JsonError> {
        let mut levels = [0u64; MAX_DEPTH / 64];
        let mut depth = 0usize;
        let outer = match self.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            _ => return self.scalar(),
        };
        loop {
            // at the start of a value
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth == MAX_DEPTH {
                        return Err(JsonError { offset: self.at, what: "nested too deeply" });
                    }
                    let bit = 1u64 << (depth % 64);
                    if open == b'{' {
                        levels[depth / 64] |= bit
                    } else {
                        levels[depth / 64] &= !bit
                    }
                    depth += 1;
                    self.at += 1;
                    self.space();
                    let close = if open == b'{' { b'}' } else { b']' };
                    if self.peek() != Some(close) {
                        if open == b'{' {
                            self.name()?;
                        }
                        continue;
                    }
                }
                _ => {
                    self.scalar()?;
                }
            }
            // behind a value: close levels until a comma asks for the next one
            loop {
                if depth == 0 {
                    return Ok(outer);
                }
                self.space();
                let object = levels[(depth - 1) / 64] >> ((depth - 1) % 64) & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        self.space();
                        if object {
                            self.name()?;
                        }
                        break;
                    }
                    Some(b'}') if object => (),
                    Some(b']') if !object => (),
                    _ => return self.fail(if object { "expected `,` or `}`" } else { "expected `,` or `]`" }),
                }
                self.at += 1;
                depth -= 1;
            }
        }
    }

    fn name(&mut self) -> Result<(), JsonError> {
        self.string("expected a member name")?;
        self.space();
        self.expect(b':', "expected `:`")?;
        self.space();
        Ok(())
    }

    fn scalar(&mut self) -> Result<Kind, JsonError> {
        match self.peek() {
            Some(b'"') => self.string("expected a string").map(|()| Kind::String),
            Some(b't') => self.word(b"true", Kind::True),
            Some(b'f') => self.word(b"false", Kind::False),
            Some(b'n') => self.word(b"null", Kind::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.fail("expected a value"),
        }
    }

    fn word(&mut self, word: &'static [u8], kind: Kind) -> Result<Kind, JsonError> {
        if !self.text[self.at..].starts_with(word) {
            return self.fail("expected a value");
        }
        self.at += word.len();
        Ok(kind)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.fail("expected a digit") } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Kind, JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Kind::Number)
    }

    fn string(&mut self, what: &'static str) -> Result<(), JsonError> {
        self.expect(b'"', what)?;
        loop {
            self.at += plain_prefix(&self.text[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return self.fail("control character in a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return self.fail("invalid \\u escape");
                    }
                    self.at += 1;
                }
            }
            _ => return self.fail("invalid escape"),
        }
        Ok(())
    }
}

/// Bytes that no text has between its quotes as they are.
fn telling(block: &Block) -> u32 {
    among(block, [b'"', b'\\']) | up_to(block, 0x1F)
}

fn tells(byte: &u8) -> bool {
    matches!(byte, b'"' | b'\\' | ..=0x1F)
}

/// Length of the prefix without quote, backslash or control character.
fn plain_prefix(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(block) = text[at..].first_chunk() {
        let hit = telling(block);
        if hit != 0 {
            return at + hit.trailing_zeros() as usize;
        }
        at += block.len();
    }
    at + text[at..].iter().position(tells).unwrap_or(text.len() - at)
}

/// Whether a text stands between quotes as it is, without escapes.
#[must_use]
pub fn is_plain(text: &[u8]) -> bool {
    let (blocks, rest) = text.as_chunks();
    // the end with some of the bytes before it once more
    let end = match (text.last_chunk(), text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(end), ..) => telling(end),
        (None, Some(first), Some(last)) => telling(&concat(*first, *last)),
        _ => rest.iter().any(tells).into(),
    };
    blocks.iter().fold(end, |hit, block| hit | telling(block)) == 0
}

fn concat(first: [u8; 8], last: [u8; 8]) -> Block {
    let [first, last] = [first, last].map(|half| u128::from(u64::from_le_bytes(half)));
    (first | last << 64).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(text: &str) -> Result<Vec<(String, Kind)>, JsonError> {
        let mut found = Vec::new();
        scan_object(text.as_bytes(), |name, member| found.push((name.to_owned(), member.kind)))?;
        Ok(found)
    }

    #[test]
    fn only_top_level_members_are_reported_and_escaped_keys_are_decoded() {
        let text = r#" {"mod\u0065l":"a","messages":[{"model":"no","x":[1,-0.5e+3,{}]}],"stream":true} "#;
        let found = names(text).unwrap();
        assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["model", "messages", "stream"]);
        assert_eq!(found[1].1, Kind::Array);
    }

    #[test]
    fn everything_that_is_not_one_object_is_refused() {
        for text in [
            "",
            " ",
            "[]",
            "{",
            "{\"a\"",
            "{\"a\":}",
            "{\"a\":1,}",
            "{} x",
            "{\"a\":01}",
            "{\"a\":\"\\x\"}",
            "{\"a\":[1}}",
        ] {
            assert!(names(text).is_err(), "{text:?}");
        }
        assert!(scan_object(b"{\"a\":\"\xff\"}", |_, _| ()).is_err());
        assert!(scan_object(b"\xef\xbb\xbf{}", |_, _| ()).is_err());
    }

    #[test]
    fn nesting_is_bounded_without_recursion() {
        let deep = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(names(&deep(MAX_DEPTH)).is_ok());
        assert_eq!(names(&deep(MAX_DEPTH + 1)).unwrap_err().what, "nested too deeply");
    }

    proptest! {
        #[test]
        fn a_plain_text_is_one_that_needs_no_escapes(text in "[a-z\"\\\\\u{1}\u{1f} \u{7f}é]{0,20}|[ -!#-~é]{0,40}") {
            let plain = serde_json::to_string(&text).unwrap() == format!("\"{text}\"");
            prop_assert_eq!(is_plain(text.as_bytes()), plain);
        }

        #[test]
        fn the_verdict_equals_serde_json_on_mutated_objects(
            base in prop::sample::select(vec![
                r#"{"a":[1,2.5e-3,{"b":null,"c":[]}],"d":"x\n\u00e9é","e":{"f":true}}"#,
                r#"{"model":"m","messages":[{"role":"user","content":"hi \" there"}],"stream":false}"#,
            ]),
            cut in 0usize..90, byte in any::<u8>(), how in 0..3,
        ) {
            let mut text = base.as_bytes().to_vec();
            let at = cut.min(text.len() - 1);
            match how { 0 => text.truncate(at), 1 => text[at] = byte, _ => text.insert(at, byte) }
            let ours = scan_object(&text, |_, _| ()).is_ok();
            let oracle = matches!(serde_json::from_slice::<serde_json::Value>(&text), Ok(serde_json::Value::Object(_)));
            // serde_json also refuses lone surrogates, which the JSON grammar allows
            let surrogate = std::str::from_utf8(&text).is_ok_and(|text| text.contains("\\u"));
            prop_assert!(ours == oracle || surrogate, "{:?}", String::from_utf8_lossy(&text));
        }
    }
}
