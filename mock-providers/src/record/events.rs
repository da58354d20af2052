//! The pieces of a body: unpacked, and cut into the events of a stream.
//!
//! Owns content codings that can be undone as the bytes come, and where events end. Refuses to read events.

use std::io::{self, Write};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::write::{GzDecoder, ZlibDecoder};

use super::answer::Piece;
use crate::script::Encoding;

/// The content codings that are unpacked, by their names in HTTP.
pub(super) const CODINGS: [(&str, Encoding); 3] =
    [("gzip", Encoding::Gzip), ("x-gzip", Encoding::Gzip), ("deflate", Encoding::Deflate)];

/// How an answer is encoded, by its `content-encoding`; an error is a coding that cannot be undone.
pub(super) fn coding(name: Option<&str>) -> Result<Option<Encoding>, ()> {
    let name = name.map(str::trim).filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"));
    let Some(name) = name else { return Ok(None) };
    let known = CODINGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map(|(_, encoding)| Some(*encoding)).ok_or(())
}

/// The same pieces unpacked; none where the bytes, or of a whole body their end, are not what the coding says.
pub(super) fn unpack(pieces: &[Piece], encoding: Encoding, whole: bool) -> Option<Vec<Piece>> {
    match encoding {
        Encoding::Gzip => drain(pieces, whole, GzDecoder::new(Vec::new()), GzDecoder::get_mut, GzDecoder::try_finish),
        Encoding::Deflate => {
            drain(pieces, whole, ZlibDecoder::new(Vec::new()), ZlibDecoder::get_mut, ZlibDecoder::try_finish)
        }
        Encoding::Br | Encoding::Zstd => None,
    }
}

fn drain<D: Write>(
    pieces: &[Piece],
    whole: bool,
    mut decoder: D,
    out: fn(&mut D) -> &mut Vec<u8>,
    finish: fn(&mut D) -> io::Result<()>,
) -> Option<Vec<Piece>> {
    let mut unpacked = Vec::with_capacity(pieces.len());
    for (index, (at, bytes)) in pieces.iter().enumerate() {
        let written = decoder.write_all(bytes).and_then(|()| decoder.flush());
        let last = whole && index + 1 == pieces.len();
        written.and_then(|()| if last { finish(&mut decoder) } else { Ok(()) }).ok()?;
        let bytes = std::mem::take(out(&mut decoder));
        if !bytes.is_empty() {
            unpacked.push((*at, bytes.into()));
        }
    }
    Some(unpacked)
}

/// The events, each with its blank line and the time when that came; a rest without one is the last.
pub(super) fn split(pieces: &[Piece]) -> Vec<Piece> {
    let (mut events, mut buffer, mut latest) = (Vec::new(), BytesMut::new(), Duration::ZERO);
    for (at, bytes) in pieces {
        buffer.extend_from_slice(bytes);
        while let Some(end) = end_of_event(&buffer) {
            events.push((*at, buffer.split_to(end).freeze()));
        }
        latest = *at;
    }
    if !buffer.is_empty() {
        events.push((latest, buffer.freeze()));
    }
    events
}

/// Where the first blank line ends.
fn end_of_event(bytes: &[u8]) -> Option<usize> {
    let blank: [&[u8]; 3] = [b"\n\n", b"\r\n\r\n", b"\r\r"];
    blank.iter().filter_map(|line| Some(memchr::memmem::find(bytes, line)? + line.len())).min()
}

/// All bytes at once.
pub(super) fn joined(pieces: &[Piece]) -> Bytes {
    match pieces {
        [(_, only)] => only.clone(),
        several => several.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn pieces(parts: &[&[u8]]) -> Vec<Piece> {
        let at = |index| Duration::from_millis(index as u64);
        parts.iter().enumerate().map(|(index, part)| (at(index), Bytes::copy_from_slice(part))).collect()
    }

    #[test]
    fn events_end_at_their_blank_lines_and_no_byte_is_lost() {
        for (parts, expected) in [
            (&[&b"data: a\n\nda"[..], b"ta: b\n", b"\ndata: c"][..], &[0, 2, 2][..]),
            (&[b"data: a\r\n\r\ndata: b\r\n\r\n"], &[0, 0]),
            (&[b"data: a\r\rdata: b\r", b"\r"], &[0, 1]),
            (&[b": x\n\n\n", b"data: a\n\n"], &[0, 1]),
        ] {
            let events = split(&pieces(parts));
            let times: Vec<u128> = events.iter().map(|(at, _)| at.as_millis()).collect();
            assert_eq!(times, expected);
            assert_eq!(joined(&events), parts.concat());
        }
    }

    #[test]
    fn packed_pieces_are_unpacked_as_they_come() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let mut packed = Vec::new();
        for text in ["one", "two", "three"] {
            encoder.write_all(text.as_bytes()).and_then(|()| encoder.flush()).expect("memory");
            packed.push(std::mem::take(encoder.get_mut()));
        }
        let parts: Vec<&[u8]> = packed.iter().map(Vec::as_slice).collect();
        let unpacked = unpack(&pieces(&parts), Encoding::Gzip, false).expect("gzip");
        assert_eq!(unpacked, pieces(&[b"one", b"two", b"three"]));
        assert_eq!(unpack(&pieces(&parts), Encoding::Gzip, true), None, "its end is missing");
        assert_eq!(unpack(&pieces(&[b"no more than plain"]), Encoding::Gzip, false), None);
        assert_eq!(
            (coding(Some("GZIP")), coding(Some("br")), coding(None)),
            (Ok(Some(Encoding::Gzip)), Err(()), Ok(None))
        );
    }
}
