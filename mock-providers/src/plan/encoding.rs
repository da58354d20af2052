//! Content codings: gzip, deflate, br and zstd, piece by piece.
//!
//! Owns the bytes of each coding and the flush after each piece, so that every event can be decoded as it arrives.
//! Refuses to compress with br and zstd: their streams are well-formed, but hold the bytes as they are (stored), which
//! a decoder cannot tell from a poor compressor and which needs no further library.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::{Piece, Plan};
use crate::script::Encoding;

/// Most bytes of one stored block, in both formats.
const BLOCK: usize = 1 << 16;
const IN_MEMORY: &str = "a write into memory succeeds";

impl Plan {
    /// Encodes the body, and says so in a header unless the script writes that one itself.
    pub(super) fn encode(&mut self, encoding: Encoding) {
        if self.is_bodiless() {
            return;
        }
        if !self.has_header("content-encoding") {
            self.headers.push(("content-encoding".into(), encoding.token().into()));
        }
        if self.pieces.is_empty() {
            self.pieces.push(Piece::default());
        }
        let mut encoder = Encoder::new(encoding);
        let last = self.pieces.len() - 1;
        for piece in &mut self.pieces[..last] {
            piece.bytes = encoder.piece(&piece.bytes);
        }
        self.pieces[last].bytes = encoder.last(&self.pieces[last].bytes);
    }
}

/// Whether the `Accept-Encoding` of a request (empty: nothing is accepted) lets the encoding through.
pub(crate) fn accepts(header: &str, encoding: Encoding) -> bool {
    let mut any = false;
    for option in header.split(',') {
        let (name, parameters) = option.split_once(';').unwrap_or((option, ""));
        let quality = parameters.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok());
        let wanted = quality.is_none_or(|quality| quality > 0.0);
        if name.trim().eq_ignore_ascii_case(encoding.token()) {
            return wanted;
        }
        any |= name.trim() == "*" && wanted;
    }
    any
}

/// An encoder under way; what it has written is taken after each piece.
enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
    Brotli(Stored),
    Zstd(Stored),
}

impl Encoder {
    fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Encoding::Deflate => Self::Deflate(ZlibEncoder::new(Vec::new(), Compression::fast())),
            Encoding::Br => Self::Brotli(Stored::default()),
            Encoding::Zstd => Self::Zstd(Stored::default()),
        }
    }

    /// The encoded bytes of a piece, all that is needed to decode it.
    fn piece(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.is_empty() {
            return Bytes::new();
        }
        match self {
            Self::Gzip(encoder) => {
                flushed(encoder, bytes).expect(IN_MEMORY);
                std::mem::take(encoder.get_mut()).into()
            }
            Self::Deflate(encoder) => {
                flushed(encoder, bytes).expect(IN_MEMORY);
                std::mem::take(encoder.get_mut()).into()
            }
            Self::Brotli(stored) => stored.brotli(bytes).into(),
            Self::Zstd(stored) => stored.zstd(bytes).into(),
        }
    }

    /// The encoded bytes of the last piece and the end of the stream.
    fn last(self, bytes: &[u8]) -> Bytes {
        let finished = match self {
            Self::Gzip(mut encoder) => encoder.write_all(bytes).and_then(|()| encoder.finish()),
            Self::Deflate(mut encoder) => encoder.write_all(bytes).and_then(|()| encoder.finish()),
            Self::Brotli(mut stored) => {
                let mut out = stored.brotli(bytes);
                // ISLAST and ISLASTEMPTY.
                out.push(0b11);
                Ok(out)
            }
            Self::Zstd(mut stored) => {
                let mut out = stored.zstd(bytes);
                // The last block: raw, and empty.
                out.extend_from_slice(&[1, 0, 0]);
                Ok(out)
            }
        };
        finished.expect(IN_MEMORY).into()
    }
}

fn flushed(encoder: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    encoder.write_all(bytes)?;
    encoder.flush()
}

/// A stream of stored blocks.
#[derive(Default)]
struct Stored {
    begun: bool,
}

impl Stored {
    /// RFC 7932: a window of 64 KiB, then uncompressed meta-blocks, each padded to a whole byte.
    fn brotli(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + 8);
        if !std::mem::replace(&mut self.begun, true) {
            // WBITS (one zero bit), then an empty meta-block of metadata: ISLAST 0, MNIBBLES 3, reserved 0, no length.
            out.push(0b0000_1100);
        }
        for block in bytes.chunks(BLOCK) {
            // ISLAST 0, MNIBBLES 0 (four), MLEN-1 in 16 bits, ISUNCOMPRESSED 1.
            let header = (block.len() as u32 - 1) << 3 | 1 << 19;
            out.extend_from_slice(&header.to_le_bytes()[..3]);
            out.extend_from_slice(block);
        }
        out
    }

    /// RFC 8878: a window of 128 KiB, then raw blocks; no checksum.
    fn zstd(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + 12);
        if !std::mem::replace(&mut self.begun, true) {
            out.extend_from_slice(&[0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3]);
        }
        for block in bytes.chunks(BLOCK) {
            out.extend_from_slice(&(block.len() as u32 * 8).to_le_bytes()[..3]);
            out.extend_from_slice(block);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    const ALL: [Encoding; 4] = [Encoding::Gzip, Encoding::Deflate, Encoding::Br, Encoding::Zstd];

    fn encoded(encoding: Encoding, pieces: &[&[u8]]) -> Vec<Bytes> {
        let (mut encoder, (last, rest)) = (Encoder::new(encoding), pieces.split_last().expect("a piece"));
        let mut all: Vec<Bytes> = rest.iter().map(|piece| encoder.piece(piece)).collect();
        all.push(encoder.last(last));
        all
    }

    /// What a decoder makes of the bytes, as far as they go.
    fn decoded(encoding: Encoding, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let whole = match encoding {
            Encoding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).is_ok(),
            Encoding::Deflate => flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut out).is_ok(),
            Encoding::Br => brotli_decompressor::Decompressor::new(bytes, 4096).read_to_end(&mut out).is_ok(),
            Encoding::Zstd => match ruzstd::decoding::StreamingDecoder::new(bytes) {
                Ok(mut decoder) => decoder.read_to_end(&mut out).is_ok(),
                Err(_) => false,
            },
        };
        (out, whole)
    }

    #[test]
    fn every_coding_is_read_by_its_decoder() {
        let large: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
        for encoding in ALL {
            for pieces in [&[&b""[..]][..], &[b"one"], &[b"one", b"", b"two"], &[&large, b"x", &large]] {
                let all = encoded(encoding, pieces).concat();
                assert_eq!(decoded(encoding, &all), (pieces.concat(), true), "{encoding:?}");
            }
        }
    }

    #[test]
    fn what_came_so_far_can_be_decoded_without_the_rest() {
        // The two decoders that hand out what they have before an error.
        for encoding in [Encoding::Gzip, Encoding::Deflate] {
            let pieces = encoded(encoding, &[b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n"]);
            assert_eq!(decoded(encoding, &pieces[0]), (b"data: 1\n\n".to_vec(), false));
            assert_eq!(decoded(encoding, &pieces[..2].concat()), (b"data: 1\n\ndata: 2\n\n".to_vec(), false));
        }
    }

    #[test]
    fn accept_encoding_is_read_with_its_weights() {
        let gzip = |header| accepts(header, Encoding::Gzip);
        assert!(gzip("gzip") && gzip("br, GZip;q=0.5") && gzip("*"));
        assert!(!gzip("") && !gzip("br") && !gzip("identity"));
        assert!(!gzip("gzip;q=0, *") && !gzip("*;q=0"));
    }
}
