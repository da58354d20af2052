//! Reads JSON of which only the beginning was kept: a text that was cut off ends there, and what cannot be completed is
//! left out. Whole JSON is read as it is.

use serde_json::Value;

/// The value, as much of it as there is; `None` where even that is no JSON.
pub(super) fn read(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok().or_else(|| serde_json::from_slice(&mended(text)).ok())
}

/// Where a text can be cut off, and what has to be closed then.
#[derive(Default)]
struct Mending {
    open: Vec<u8>,
    /// Everything before it is complete, but for what is open.
    good: usize,
    /// A value follows, not the name of a member.
    value: bool,
}

impl Mending {
    fn step(&mut self, at: usize, byte: u8) {
        match byte {
            b'{' | b'[' => {
                self.open.push(if byte == b'{' { b'}' } else { b']' });
                (self.good, self.value) = (at + 1, byte == b'[');
            }
            b'}' | b']' => {
                self.open.pop();
                self.good = at + 1;
            }
            b',' => (self.good, self.value) = (at, self.open.last() == Some(&b']')),
            b':' => self.value = true,
            _ => (),
        }
    }
}

fn mended(text: &[u8]) -> Vec<u8> {
    let mut mending = Mending::default();
    let mut at = 0;
    let mut whole = None;
    while at < text.len() {
        if text[at] != b'"' {
            mending.step(at, text[at]);
            at += 1;
            continue;
        }
        let (end, closed) = string(text, at + 1);
        if !closed && mending.value {
            whole = Some(end);
        }
        at = if closed { end + 1 } else { text.len() };
    }
    let mut mended = text[..whole.unwrap_or(mending.good)].to_vec();
    if whole.is_some() {
        // half a character at the cut is none
        let valid = std::str::from_utf8(&mended).map_or_else(|error| error.valid_up_to(), str::len);
        mended.truncate(valid);
        mended.push(b'"');
    }
    mended.extend(mending.open.iter().rev());
    mended
}

/// Where a string ends, and whether by its quote; an escape that is not whole is not part of it.
fn string(text: &[u8], mut at: usize) -> (usize, bool) {
    while at < text.len() {
        let length = match (text[at], text.get(at + 1)) {
            (b'"', _) => return (at, true),
            (b'\\', Some(b'u')) => 6,
            (b'\\', _) => 2,
            _ => 1,
        };
        if at + length > text.len() {
            return (at, false);
        }
        at += length;
    }
    (at, false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_that_was_cut_off_ends_there() {
        let whole = r#"{"a":[{"b":"one"},{"b":"t\u00e4\"wo"}],"c":true}"#;
        let read = |end: &str| super::read(&whole.as_bytes()[..whole.find(end).unwrap()]).unwrap();
        assert_eq!(super::read(whole.as_bytes()).unwrap(), json!({"a": [{"b": "one"}, {"b": "tä\"wo"}], "c": true}));
        assert_eq!(read("ne"), json!({"a": [{"b": "o"}]}));
        assert_eq!(read(r#"":"t"#), json!({"a": [{"b": "one"}, {}]}), "the name of a member is none");
        assert_eq!(read("e4"), json!({"a": [{"b": "one"}, {"b": "t"}]}), "half an escape is none");
        assert_eq!(read("ue}"), json!({"a": [{"b": "one"}, {"b": "tä\"wo"}]}), "half a word is none");
        assert_eq!(super::read(&"{\"a\":\"x北".as_bytes()[..9]), Some(json!({"a": "x"})), "half a character is none");
    }

    proptest! {
        #[test]
        fn every_beginning_of_an_object_is_read(length in 1usize..120) {
            let whole = r#"{"model":"m-é","n":12.5,"x":null,"messages":[{"role":"user","content":[{"type":"text","text":"h\\i\n\u00e9"}]},{}],"s":[]}"#;
            prop_assert!(read(&whole.as_bytes()[..length.min(whole.len())]).is_some());
        }

        #[test]
        fn nothing_that_comes_is_too_odd(bytes in prop::collection::vec(prop::sample::select(b"{}[]\",:\\u1 ".to_vec()), 0..64)) {
            let _any = read(&bytes);
        }
    }
}
