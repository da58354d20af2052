//! Heads that say something wrong about a good body.
//!
//! Owns headers that are wrong, missing, doubled or huge, and lengths that lie. Refuses to touch the body.

use super::super::{Ending, Plan};
use crate::script::{BadContentLength, Encoding, Fault, Framing};

/// By how many bytes a declared length is wrong.
const WRONG_BY: usize = 10;

impl Plan {
    /// Encodes the body whatever the caller accepts; says whether it was plain.
    pub(super) fn encode_unasked(&mut self) -> bool {
        let plain = self.encoding.is_none() && !self.is_bodiless() && !self.has_header("content-encoding");
        if plain {
            self.encoding = Some(Encoding::Gzip);
        }
        plain
    }

    pub(super) fn spoil_head(&mut self, fault: &Fault, done: &mut Vec<&'static str>) {
        if let Some(name) = &fault.wrong_content_type {
            self.set_header("content-type", name.clone());
            done.push("wrong_content_type");
        }
        let missing = fault.missing_content_type.then(|| self.drop_header("content-type"));
        self.note("missing_content_type", missing, done);
        let wrong = fault.bad_content_length.map(|how| self.misdeclare(how));
        self.note("bad_content_length", wrong, done);
        let doubled = (!fault.duplicate_headers.is_empty()).then(|| self.double(&fault.duplicate_headers));
        self.note("duplicate_headers", doubled, done);
        if let Some(size) = fault.huge_header {
            self.set_header("x-huge-header", "h".repeat(size));
            done.push("huge_header");
        }
    }

    /// Declares another length; after a body that is too short, the connection ends.
    fn misdeclare(&mut self, how: BadContentLength) -> bool {
        let length = self.body_length();
        if self.is_bodiless() || (how == BadContentLength::Less && length == 0) {
            return false;
        }
        self.drop_header("content-length");
        self.drop_header("transfer-encoding");
        self.framing = Framing::ContentLength;
        self.declared = Some(match how {
            BadContentLength::More => length + WRONG_BY,
            BadContentLength::Less => length.saturating_sub(WRONG_BY),
        });
        if how == BadContentLength::More && !self.http2 && self.ending == Ending::Complete {
            self.ending = Ending::Fin;
        }
        true
    }

    /// Says the headers of these names twice; says whether there was any.
    fn double(&mut self, names: &[String]) -> bool {
        let length = self.declared.unwrap_or_default().to_string();
        let framing = match self.framing {
            _ if self.is_bodiless() => None,
            Framing::ContentLength => Some(("content-length", length)),
            Framing::Chunked if !self.http2 => Some(("transfer-encoding", "chunked".to_owned())),
            _ => None,
        };
        if let Some((name, value)) = framing
            && !self.has_header(name)
            && names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
        {
            self.set_header(name, value);
        }
        let wanted = |name: &str| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        let again: Vec<_> = self.headers.iter().filter(|(name, _)| wanted(name)).cloned().collect();
        self.headers.extend(again.iter().cloned());
        !again.is_empty()
    }
}
