//! Decodes answers that a provider compressed although it was asked not to: the client did not ask for that,
//! and their usage is to be read. Lazy, so that a small answer that unpacks to a huge one is held nowhere.

use std::collections::VecDeque;
use std::io::{self, Write};

use bytes::{Buf, Bytes};
use flate2::write::{GzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

/// Bytes that are unpacked at once: at deflate's best they become a thousand times as many.
const STEP: usize = 1024;

/// The decoder of one answer.
#[derive(Debug)]
pub struct Decoder {
    format: Format,
    input: VecDeque<Bytes>,
}

#[derive(Debug)]
enum Format {
    Gzip(GzDecoder<Vec<u8>>),
    Zlib(ZlibDecoder<Vec<u8>>),
}

impl Decoder {
    /// The decoder that an answer's head asks for; the head then describes the decoded answer.
    /// Unknown encodings, and several on top of each other, are left as they are: the client gets what the provider sent.
    pub fn take_over(headers: &mut HeaderMap) -> Option<Self> {
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        let (Some(encoding), None) = (encodings.next(), encodings.next()) else { return None };
        let encoding = encoding.to_str().ok()?.trim();
        let is = |name: &str| encoding.eq_ignore_ascii_case(name);
        let format = if is("gzip") || is("x-gzip") {
            Format::Gzip(GzDecoder::new(Vec::new()))
        } else if is("deflate") {
            Format::Zlib(ZlibDecoder::new(Vec::new()))
        } else {
            return None;
        };
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        Some(Self { format, input: VecDeque::new() })
    }

    /// Takes bytes as they came.
    pub fn push(&mut self, bytes: Bytes) {
        self.input.push_back(bytes);
    }

    /// Whether everything that came was unpacked.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.input.iter().all(Bytes::is_empty)
    }

    /// The next unpacked bytes; `None` when more must come first.
    ///
    /// # Errors
    /// When the bytes are not in the format that was announced.
    pub fn unpacked(&mut self) -> io::Result<Option<Bytes>> {
        while let Some(front) = self.input.front_mut() {
            let step = front.split_to(front.remaining().min(STEP));
            if front.is_empty() {
                self.input.pop_front();
            }
            let bytes = match &mut self.format {
                Format::Gzip(decoder) => unpack(decoder, &step, GzDecoder::get_mut)?,
                Format::Zlib(decoder) => unpack(decoder, &step, ZlibDecoder::get_mut)?,
            };
            if !bytes.is_empty() {
                return Ok(Some(bytes.into()));
            }
        }
        Ok(None)
    }

    /// The end of what came.
    ///
    /// # Errors
    /// When the packed bytes did not end there.
    pub fn end(&mut self) -> io::Result<()> {
        match &mut self.format {
            Format::Gzip(decoder) => decoder.try_finish(),
            Format::Zlib(decoder) => decoder.try_finish(),
        }
    }
}

fn unpack<D: Write>(decoder: &mut D, bytes: &[u8], out: fn(&mut D) -> &mut Vec<u8>) -> io::Result<Vec<u8>> {
    decoder.write_all(bytes)?;
    decoder.flush()?;
    Ok(std::mem::take(out(decoder)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn decoder(encoding: &'static str) -> Option<Decoder> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, http::HeaderValue::from_static(encoding));
        let decoder = Decoder::take_over(&mut headers);
        assert_eq!(headers.is_empty(), decoder.is_some());
        decoder
    }

    #[test]
    fn flushed_parts_come_out_as_they_come_in() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let mut decoder = decoder("gzip").unwrap();
        for part in ["data: 1\n\n", "data: 北\n\n"] {
            encoder.write_all(part.as_bytes()).unwrap();
            encoder.flush().unwrap();
            for byte in std::mem::take(encoder.get_mut()) {
                decoder.push(Bytes::from(vec![byte]));
            }
            let mut got = Vec::new();
            while let Some(bytes) = decoder.unpacked().unwrap() {
                got.extend_from_slice(&bytes);
            }
            assert_eq!(got, part.as_bytes());
        }
        assert!(decoder.end().is_err(), "the packed bytes have not ended");
    }

    #[test]
    fn a_bomb_is_unpacked_piece_by_piece() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b'x'; 50 << 20]).unwrap();
        let mut decoder = decoder("GZIP").unwrap();
        decoder.push(encoder.finish().unwrap().into());
        let mut total = 0;
        while let Some(bytes) = decoder.unpacked().unwrap() {
            assert!(bytes.len() <= 2 << 20, "{}", bytes.len());
            total += bytes.len();
        }
        assert!(total == 50 << 20 && decoder.is_idle() && decoder.end().is_ok());
    }

    #[test]
    fn other_encodings_are_left_alone_and_damage_is_an_error() {
        assert!(["br", "zstd", "gzip, gzip", "gzip,br", "identity", ""].iter().all(|other| decoder(other).is_none()));
        let mut twice = HeaderMap::new();
        for _ in 0..2 {
            twice.append(CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
        }
        assert!(Decoder::take_over(&mut twice).is_none() && twice.len() == 2, "of two layers none is taken off");
        let mut damaged = decoder("deflate").unwrap();
        damaged.push(Bytes::from_static(b"not packed at all"));
        assert!(damaged.unpacked().is_err());
    }
}
