//! HTTP/2 as bytes: frames, and header blocks of literal fields, whose names and values may be anything.
//! Owns no state of connections or streams; refuses to read blocks that it could not have written.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// What a client's connection begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest payload that everybody accepts.
const PAYLOAD: usize = 16 * 1024;
/// A literal field that no table keeps, its name spelt out.
const LITERAL: u8 = 0;
/// The flag behind which nothing of a stream follows.
const END_STREAM: u8 = 0x1;
/// The flag behind which nothing of a header block follows.
const END_HEADERS: u8 = 0x4;
/// The flags that put something beside the block into its frame: padding and priority.
const DRESSED: u8 = 0x28;

/// The kinds of frames that are told apart here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes of a body.
    Data,
    /// A header block.
    Headers,
    /// The end of one stream, at once.
    Reset,
    /// The end of the connection, once its streams have ended.
    Goaway,
    /// More of a header block.
    Continuation,
    /// Any other.
    Other(u8),
}

impl Kind {
    fn of(number: u8) -> Kind {
        match number {
            0 => Kind::Data,
            1 => Kind::Headers,
            3 => Kind::Reset,
            7 => Kind::Goaway,
            9 => Kind::Continuation,
            other => Kind::Other(other),
        }
    }

    fn number(self) -> u8 {
        match self {
            Kind::Data => 0,
            Kind::Headers => 1,
            Kind::Reset => 3,
            Kind::Goaway => 7,
            Kind::Continuation => 9,
            Kind::Other(number) => number,
        }
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// As on the wire.
    pub flags: u8,
    /// 0 is the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The next frame; `None` when there is none.
    pub async fn read(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
        let mut head = [0; 9];
        let read = reader.read(&mut head).await?;
        if read == 0 {
            return Ok(None);
        }
        reader.read_exact(&mut head[read..]).await?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        reader.read_exact(&mut payload).await?;
        Ok(Some(Frame { kind: Kind::of(kind), flags, stream: u32::from_be_bytes(stream) & (u32::MAX >> 1), payload }))
    }

    /// Data of a stream, the last or not.
    pub fn data(stream: u32, payload: Vec<u8>, last: bool) -> Frame {
        Frame { kind: Kind::Data, flags: if last { END_STREAM } else { 0 }, stream, payload }
    }

    /// On the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX).to_be_bytes();
        [&length[1..], &[self.kind.number(), self.flags], &self.stream.to_be_bytes(), &self.payload].concat()
    }

    /// Whether nothing of its stream follows.
    pub fn is_last(&self) -> bool {
        matches!(self.kind, Kind::Data | Kind::Headers) && self.flags & END_STREAM != 0
    }

    /// Why a stream or a connection ends.
    pub fn code(&self) -> Option<String> {
        let at = match self.kind {
            Kind::Reset => 0,
            Kind::Goaway => 4,
            _ => return None,
        };
        let code: [u8; 4] = self.payload.get(at..at + 4)?.try_into().ok()?;
        Some(code_name(u32::from_be_bytes(code)))
    }

    /// This HEADERS frame with other fields, on the wire; large blocks take several frames.
    pub fn with_fields(&self, fields: &[(String, String)]) -> Vec<u8> {
        let block = block(fields);
        let mut pieces: Vec<&[u8]> = block.chunks(PAYLOAD).collect();
        let last = pieces.pop().unwrap_or_default();
        let mut out = Vec::new();
        for (index, piece) in pieces.iter().chain([&last]).enumerate() {
            let first = if index == 0 { self.flags & END_STREAM } else { 0 };
            let end = if index == pieces.len() { END_HEADERS } else { 0 };
            let kind = if index == 0 { Kind::Headers } else { Kind::Continuation };
            out.extend(Frame { kind, flags: first | end, stream: self.stream, payload: piece.to_vec() }.bytes());
        }
        out
    }

    /// The fields of a HEADERS frame that [`Frame::with_fields`] wrote; `None` for any other.
    pub fn fields(&self) -> Option<Vec<(String, String)>> {
        let plain = self.kind == Kind::Headers && self.flags & END_HEADERS != 0 && self.flags & DRESSED == 0;
        let (mut rest, mut fields) = (plain.then_some(self.payload.as_slice())?, Vec::new());
        while let Some((first, more)) = rest.split_first() {
            rest = (*first == LITERAL).then_some(more)?;
            fields.push((text(&mut rest)?, text(&mut rest)?));
        }
        Some(fields)
    }
}

/// The name of an error code.
pub fn code_name(code: u32) -> String {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let name = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
    name.map_or_else(|| format!("error {code:#x}"), |name| (*name).to_owned())
}

/// A block of literal fields, as they are.
fn block(fields: &[(String, String)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(LITERAL);
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// A length in seven bits and as many bytes more as it takes (RFC 7541 section 5.1).
fn length(length: usize, out: &mut Vec<u8>) {
    const SEVEN: usize = 127;
    let Some(mut rest) = length.checked_sub(SEVEN) else {
        out.extend(u8::try_from(length));
        return;
    };
    out.extend(u8::try_from(SEVEN));
    while rest > SEVEN {
        out.extend(u8::try_from(rest % 128 + 128));
        rest /= 128;
    }
    out.extend(u8::try_from(rest));
}

/// Takes a text without Huffman code from the front.
fn text(rest: &mut &[u8]) -> Option<String> {
    let (first, mut more) = rest.split_first()?;
    let mut size = usize::from(*first);
    if size == 127 {
        for shift in [0, 7, 14, 21] {
            let (next, behind) = more.split_first()?;
            more = behind;
            size += usize::from(next & 127) << shift;
            if next & 128 == 0 {
                break;
            }
        }
    }
    let (text, behind) = (size <= more.len() && *first < 128).then(|| more.split_at(size))?;
    *rest = behind;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, usize)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, size)| ((*name).to_owned(), "\r".repeat(*size))).collect()
    }

    #[tokio::test]
    async fn frames_and_their_fields_come_back_as_they_were_written() {
        let plain = Frame { kind: Kind::Headers, flags: END_STREAM, stream: 5, payload: Vec::new() };
        for sizes in [0, 1, 126, 127, 128, 254, 255, 256, 5000] {
            let fields = fields(&[(":path", sizes), ("A b", 3)]);
            let bytes = plain.with_fields(&fields);
            let read = Frame::read(&mut bytes.as_slice()).await.expect("a frame").expect("a frame");
            assert_eq!((read.stream, read.is_last(), read.fields()), (5, true, Some(fields)));
            assert_eq!(read.bytes(), bytes);
        }
    }

    #[tokio::test]
    async fn a_large_block_takes_several_frames() {
        let plain = Frame { kind: Kind::Headers, flags: END_STREAM, stream: 1, payload: Vec::new() };
        let bytes = plain.with_fields(&fields(&[("a", 40_000)]));
        let (mut rest, mut kinds) = (bytes.as_slice(), Vec::new());
        while let Some(frame) = Frame::read(&mut rest).await.expect("frames") {
            kinds.push((frame.kind, frame.flags));
        }
        assert_eq!(kinds, [(Kind::Headers, END_STREAM), (Kind::Continuation, 0), (Kind::Continuation, END_HEADERS)]);
    }

    #[tokio::test]
    async fn half_a_frame_is_an_error_and_none_is_the_end() {
        let bytes = Frame::data(1, b"hello".to_vec(), true).bytes();
        for cut in 1..bytes.len() {
            assert!(Frame::read(&mut &bytes[..cut]).await.is_err(), "{cut}");
        }
        assert!(Frame::read(&mut &bytes[..0]).await.expect("an end").is_none());
    }

    #[test]
    fn codes_have_names_and_only_literal_fields_are_read() {
        let goaway = Frame { kind: Kind::Goaway, flags: 0, stream: 0, payload: vec![0, 0, 0, 9, 0, 0, 0, 1] };
        assert_eq!(goaway.code().as_deref(), Some("PROTOCOL_ERROR"));
        assert_eq!(code_name(0x99), "error 0x99");
        for payload in [vec![0x82], vec![0, 0x81, 1], vec![0, 3, b'a'], vec![0, 127, 255, 255]] {
            let frame = Frame { kind: Kind::Headers, flags: END_HEADERS, stream: 1, payload };
            assert_eq!(frame.fields(), None);
        }
    }
}
