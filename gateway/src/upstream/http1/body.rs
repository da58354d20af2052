//! The body of an answer in HTTP/1.1: which bytes of a connection are it, and where it ends (RFC 9112 sections 6 and 7).

use crate::upstream::Error;

/// Most bytes of extensions and trailers, which nobody reads.
const ASIDE: usize = 16 * 1024;

/// What is still to come of a body.
#[derive(Debug)]
pub(super) enum Body {
    /// Nothing.
    Over,
    /// So many bytes, not 0.
    Left(u64),
    /// Chunks.
    Chunked(Chunks),
    /// All that comes until the connection ends.
    UntilClose,
}

impl Body {
    /// A body of known length.
    pub(super) fn of(length: u64) -> Self {
        if length == 0 { Self::Over } else { Self::Left(length) }
    }

    /// Of so many bytes, how many are its content at most.
    pub(super) fn most(&self, bytes: usize) -> usize {
        match self {
            Self::Over => 0,
            Self::Left(left) => usize::try_from(*left).unwrap_or(usize::MAX).min(bytes),
            Self::Chunked(_) | Self::UntilClose => bytes,
        }
    }

    /// Takes what belongs to the body from the front of `bytes`; its content goes to `content`, also where an error follows.
    ///
    /// # Errors
    /// When the chunks make no sense.
    pub(super) fn take(&mut self, bytes: &mut &[u8], content: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Over => (),
            Self::Left(left) => {
                *left -= pass(*left, bytes, content);
                if *left == 0 {
                    *self = Self::Over;
                }
            }
            Self::Chunked(chunks) => {
                if chunks.take(bytes, content)? {
                    *self = Self::Over;
                }
            }
            Self::UntilClose => drop(pass(u64::MAX, bytes, content)),
        }
        Ok(())
    }
}

/// Passes at most `most` bytes on; how many it were.
fn pass(most: u64, bytes: &mut &[u8], content: &mut Vec<u8>) -> u64 {
    let here = usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len());
    let (passed, rest) = bytes.split_at(here);
    content.extend_from_slice(passed);
    *bytes = rest;
    here as u64
}

/// The framing of chunks, byte by byte but for their content. Extensions and trailers are passed over.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    place: Place,
    /// Bytes that the chunk still has.
    left: u64,
    aside: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Where a size begins.
    #[default]
    Start,
    Size,
    /// Behind a size.
    Space,
    Extension,
    SizeEnd,
    Content,
    ContentEnd,
    /// Behind the CR at the end of the content.
    ContentLf,
    /// Where a trailer begins, or the empty line.
    Trailers,
    Trailer,
    TrailerLf,
    LastLf,
    Over,
}

impl Chunks {
    /// True when the last chunk and its trailers have passed.
    fn take(&mut self, bytes: &mut &[u8], content: &mut Vec<u8>) -> Result<bool, Error> {
        while self.place != Place::Over {
            if self.place == Place::Content {
                self.left -= pass(self.left, bytes, content);
                if self.left == 0 {
                    self.place = Place::ContentEnd;
                }
            }
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(false) };
            *bytes = rest;
            self.place = self.step(byte).ok_or(Error::Malformed("its chunks"))?;
        }
        Ok(true)
    }

    /// Where a byte of the framing leads to; nowhere when it fits nowhere.
    fn step(&mut self, byte: u8) -> Option<Place> {
        Some(match (self.place, byte) {
            (Place::Start | Place::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16)?;
                self.left = self.left.checked_mul(16)? + u64::from(digit);
                Place::Size
            }
            (Place::Size | Place::Space | Place::Extension, b'\r') => Place::SizeEnd,
            (Place::Size | Place::Space, b' ' | b'\t') => Place::Space,
            (Place::Size | Place::Space, b';') => Place::Extension,
            (Place::SizeEnd, b'\n') if self.left == 0 => Place::Trailers,
            (Place::SizeEnd, b'\n') => Place::Content,
            (Place::ContentEnd, b'\r') => Place::ContentLf,
            (Place::ContentLf, b'\n') => Place::Start,
            (Place::Trailers, b'\r') => Place::LastLf,
            (Place::Trailer, b'\r') => Place::TrailerLf,
            (Place::TrailerLf, b'\n') => Place::Trailers,
            (Place::LastLf, b'\n') => Place::Over,
            (Place::Extension | Place::Trailers | Place::Trailer, byte) if byte != b'\n' => {
                self.aside += 1;
                (self.aside <= ASIDE).then_some(())?;
                if self.place == Place::Extension { Place::Extension } else { Place::Trailer }
            }
            _ => return None,
        })
    }
}
