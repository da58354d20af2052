//! Large answers: a body grown to an exact size.
//!
//! Owns where the growth goes (into a text, where there is one) and its bytes, which never vary. Refuses to shrink.

use bytes::Bytes;

use super::{Answer, Kind};

const FILLER: &[u8] = b"the wind moves over a model wing and each thread of smoke bends ";
/// What stands before a text in the JSON of any operation; the first that is found counts.
const TEXTS: &[&[u8]] = &[b"\"content\":\"", b"\"text\":\"", b"\"delta\":\"", b"\"message\":\""];

impl Answer {
    /// Grows the body to this many bytes: its first text, or else by spaces behind its JSON's last member.
    pub(crate) fn pad(&mut self, size: usize) {
        let length: usize = self.pieces.iter().map(|piece| piece.bytes.len()).sum();
        let Some(missing) = size.checked_sub(length).filter(|missing| *missing > 0) else { return };
        let stream = self.content_type.starts_with("text/event-stream");
        let content = self.pieces.iter_mut().filter(|piece| piece.kind == Kind::Content);
        for piece in content {
            if let Some(at) = place(&piece.bytes) {
                piece.bytes = grown(&piece.bytes, at, FILLER, missing);
                return;
            }
            if !stream {
                let at = piece.bytes.iter().rposition(|&byte| byte == b'}').unwrap_or(piece.bytes.len());
                piece.bytes = grown(&piece.bytes, at, b" ", missing);
                return;
            }
        }
    }
}

/// Where the first text begins.
fn place(bytes: &[u8]) -> Option<usize> {
    TEXTS.iter().find_map(|text| Some(memchr::memmem::find(bytes, text)? + text.len()))
}

/// The bytes with so many more at one place: one buffer, made once.
fn grown(bytes: &[u8], at: usize, filler: &[u8], missing: usize) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() + missing);
    out.extend_from_slice(&bytes[..at]);
    for _ in 0..missing / filler.len() {
        out.extend_from_slice(filler);
    }
    out.extend_from_slice(&filler[..missing % filler.len()]);
    out.extend_from_slice(&bytes[at..]);
    out.into()
}
