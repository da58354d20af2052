//! The chunked transfer coding, one byte at a time, strict about what a chunk header may be.

/// State between two pieces.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    state: State,
    size: u64,
    digits: u32,
    trailer_line: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Extension,
    SizeEnd,
    Data,
    DataEnd,
    DataEndLf,
    Trailer,
    Done,
}

impl Chunked {
    /// Whether the last chunk and the trailers were read.
    pub(super) fn complete(&self) -> bool {
        self.state == State::Done
    }

    /// Appends data; returns how many bytes were read, fewer only when the body is complete.
    pub(super) fn feed(&mut self, bytes: &[u8], data: &mut Vec<u8>) -> Result<usize, String> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::Done {
            if self.state == State::Data {
                let taken = (bytes.len() - at).min(usize::try_from(self.size).unwrap_or(usize::MAX));
                data.extend_from_slice(&bytes[at..at + taken]);
                self.size -= taken as u64;
                at += taken;
                if self.size == 0 {
                    self.state = State::DataEnd;
                }
                continue;
            }
            self.byte(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    fn byte(&mut self, byte: u8) -> Result<(), String> {
        self.state = match (self.state, byte) {
            (State::Size, digit) if digit.is_ascii_hexdigit() => self.digit(digit)?,
            (State::Size, b'\r') if self.digits > 0 => State::SizeEnd,
            (State::Size, b';' | b' ' | b'\t') if self.digits > 0 => State::Extension,
            (State::Extension, b'\r') => State::SizeEnd,
            (State::Extension, _) => State::Extension,
            (State::SizeEnd, b'\n') => self.sized(),
            (State::DataEnd, b'\r') => State::DataEndLf,
            (State::DataEndLf, b'\n') => State::Size,
            (State::Trailer, b'\n') if self.trailer_line == 0 => State::Done,
            (State::Trailer, b'\n') => {
                self.trailer_line = 0;
                State::Trailer
            }
            (State::Trailer, b'\r') => State::Trailer,
            (State::Trailer, _) => {
                self.trailer_line += 1;
                State::Trailer
            }
            (state, byte) => return Err(format!("malformed chunk: byte {byte:#04x} in {state:?}")),
        };
        Ok(())
    }

    fn digit(&mut self, digit: u8) -> Result<State, String> {
        if self.digits == 15 {
            return Err("malformed chunk: a size of more than 15 digits".to_owned());
        }
        let value = char::from(digit).to_digit(16).unwrap_or(0);
        self.size = self.size * 16 + u64::from(value);
        self.digits += 1;
        Ok(State::Size)
    }

    fn sized(&mut self) -> State {
        self.digits = 0;
        if self.size == 0 { State::Trailer } else { State::Data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> Result<(Vec<u8>, bool, usize), String> {
        let mut chunked = Chunked::default();
        let mut data = Vec::new();
        let mut last = 0;
        for piece in pieces {
            last = chunked.feed(piece, &mut data)?;
        }
        Ok((data, chunked.complete(), last))
    }

    #[test]
    fn every_split_gives_the_same_data() {
        let wire = b"4;x=y\r\nWiki\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
        for cut in 0..wire.len() {
            let (data, complete, _) = decode(&[&wire[..cut], &wire[cut..]]).expect("chunks");
            assert_eq!((data.as_slice(), complete), (b"Wiki0123456789".as_slice(), true));
        }
    }

    #[test]
    fn a_body_without_its_last_chunk_is_not_complete() {
        assert_eq!(decode(&[b"3\r\nabc\r\n"]).map(|(_, complete, _)| complete), Ok(false));
        assert!(decode(&[b"zz\r\n"]).is_err());
        assert!(decode(&[b"1\r\nabc"]).is_err());
        assert_eq!(decode(&[b"0\r\n\r\nHTTP"]).map(|(_, _, read)| read), Ok(5));
    }
}
