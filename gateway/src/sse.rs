//! Finds event boundaries in a byte stream (WHATWG HTML, server-sent events) and an event's data.
//! Bytes are never changed; an event inside one chunk is a slice of it.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

/// Splits chunks into events. Feed with [`Reader::push`], drain with [`Reader::next`].
#[derive(Debug, Default)]
pub struct Reader {
    partial: BytesMut,
    chunk: Bytes,
    line_has_bytes: bool,
    after_cr: bool,
}

impl Reader {
    /// Adds the next chunk; the previous one must be drained.
    pub fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
    }

    /// The next complete event with its terminator, as it came.
    #[expect(clippy::should_implement_trait, reason = "it borrows a buffer that push refills: not an iterator")]
    pub fn next(&mut self) -> Option<Bytes> {
        match self.boundary() {
            Some(end) => {
                let tail = self.chunk.split_to(end);
                if self.partial.is_empty() {
                    return Some(tail);
                }
                self.partial.extend_from_slice(&tail);
                Some(self.partial.split().freeze())
            }
            None => {
                self.partial.extend_from_slice(&self.chunk);
                self.chunk.clear();
                None
            }
        }
    }

    /// Bytes behind the last complete event.
    pub fn take_rest(&mut self) -> Bytes {
        self.partial.split().freeze()
    }

    /// Bytes held back for an event that is not complete yet.
    #[must_use]
    pub fn held(&self) -> usize {
        self.partial.len()
    }

    /// Offset just behind the blank line that ends an event.
    fn boundary(&mut self) -> Option<usize> {
        let mut start = 0;
        while let Some(found) = memchr::memchr2(b'\n', b'\r', &self.chunk[start..]) {
            let at = start + found;
            let feed_of_crlf = self.chunk[at] == b'\n' && found == 0 && self.after_cr;
            let blank = found == 0 && !self.line_has_bytes && !feed_of_crlf;
            self.after_cr = self.chunk[at] == b'\r';
            self.line_has_bytes = false;
            start = at + 1;
            if blank {
                if self.after_cr && self.chunk.get(start) == Some(&b'\n') {
                    start += 1;
                    self.after_cr = false;
                }
                return Some(start);
            }
        }
        if start < self.chunk.len() {
            self.line_has_bytes = true;
            self.after_cr = false;
        }
        None
    }
}

/// The `data` of an event: its data lines joined by line feeds; `None` without a data line.
#[must_use]
pub fn data(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut joined: Option<Cow<'_, [u8]>> = None;
    let mut start = 0;
    for end in memchr::memchr2_iter(b'\n', b'\r', event).chain([event.len()]) {
        let line = &event[start..end];
        start = end + 1;
        let Some(value) = line.strip_prefix(b"data").filter(|rest| rest.is_empty() || rest[0] == b':') else {
            continue;
        };
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        joined = Some(match joined {
            None => Cow::Borrowed(value),
            Some(before) => {
                let mut all = before.into_owned();
                all.push(b'\n');
                all.extend_from_slice(value);
                Cow::Owned(all)
            }
        });
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(stream: &[u8], cuts: &[usize]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (mut reader, mut found, mut at) = (Reader::default(), Vec::new(), 0);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
        ends.sort_unstable();
        ends.push(stream.len());
        for end in ends {
            reader.push(Bytes::copy_from_slice(&stream[at..end]));
            while let Some(event) = reader.next() {
                found.push(event.to_vec());
            }
            at = end;
        }
        (found, reader.take_rest().to_vec())
    }

    #[test]
    fn every_line_ending_ends_an_event() {
        for stream in ["data: a\n\ndata: b\n\n", "data: a\r\n\r\ndata: b\r\n\r\n", "data: a\r\rdata: b\r\r"] {
            let (found, rest) = events(stream.as_bytes(), &[]);
            let texts: Vec<_> = found.iter().filter_map(|event| data(event)).map(Cow::into_owned).collect();
            assert_eq!(texts, [b"a".to_vec(), b"b".to_vec()], "{stream:?}");
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn data_lines_are_joined_and_other_fields_ignored() {
        assert_eq!(data(b"event: x\ndata:1\ndata: 2\nid: 3\n\n").unwrap().as_ref(), b"1\n2");
        assert_eq!(data(b": comment\n\n"), None);
        assert_eq!(data(b"data\n\n").unwrap().as_ref(), b"");
        assert_eq!(data(b"database: x\n\n"), None);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_data_and_loses_no_byte(
            parts in prop::collection::vec(
                prop::sample::select(vec!["data: x", "data: é北😀", ": c", "\n", "\r\n", "\r", "\n\n", "id: 1", "data"]), 0..20),
            cuts in prop::collection::vec(any::<usize>(), 0..8),
        ) {
            let stream = parts.concat().into_bytes();
            let whole = events(&stream, &[]);
            let split = events(&stream, &cuts);
            let texts = |found: &[Vec<u8>]| found.iter().filter_map(|e| data(e).map(Cow::into_owned)).collect::<Vec<_>>();
            prop_assert_eq!(texts(&whole.0), texts(&split.0));
            for (found, rest) in [&whole, &split] {
                let mut all = found.concat();
                all.extend_from_slice(rest);
                prop_assert_eq!(&all, &stream);
            }
        }
    }
}
