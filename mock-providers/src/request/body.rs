//! The body of a request.
//!
//! Owns fixed-length and chunked bodies, up to a bound; refuses loose chunk syntax.

use bytes::{Bytes, BytesMut};

use super::Length;
use crate::wire::{Gone, Wire};

/// No body may be larger.
pub(crate) const MAX_BODY: usize = 64 << 20;
const MAX_LINE: usize = 4 << 10;
const STEP: usize = 1 << 20;

/// Why a body is not whole.
#[derive(Debug)]
pub(crate) enum BodyProblem {
    /// The caller left.
    Gone(Gone),
    /// Its chunks are not well-formed.
    Malformed(String),
    /// It is larger than we take.
    TooLarge,
    /// As much as was wanted is here, and more would come.
    Enough,
}

impl From<Gone> for BodyProblem {
    fn from(gone: Gone) -> Self {
        Self::Gone(gone)
    }
}

/// Reads the body as far as it comes or is wanted, and says what kept it from being whole.
pub(crate) async fn read_body(wire: &mut Wire, length: Length, most: usize) -> (Bytes, Option<BodyProblem>) {
    match length {
        Length::None => (Bytes::new(), None),
        Length::Fixed(length) if length > most as u64 => {
            let (body, problem) = fixed(wire, most as u64).await;
            (body, problem.or(Some(BodyProblem::Enough)))
        }
        Length::Fixed(length) => fixed(wire, length).await,
        Length::Chunked => {
            let mut body = BytesMut::new();
            let problem = chunked(wire, &mut body, most).await.err();
            (body.freeze(), problem)
        }
    }
}

async fn fixed(wire: &mut Wire, length: u64) -> (Bytes, Option<BodyProblem>) {
    let Some(length) = usize::try_from(length).ok().filter(|&length| length <= MAX_BODY) else {
        return (Bytes::new(), Some(BodyProblem::TooLarge));
    };
    // At once for what has to come, in steps for what a caller only claims.
    while wire.inbound.len() < length {
        wire.inbound.reserve((length - wire.inbound.len()).min(STEP));
        if let Err(gone) = wire.fill().await {
            return (wire.inbound.split().freeze(), Some(gone.into()));
        }
    }
    (wire.take(length), None)
}

async fn chunked(wire: &mut Wire, body: &mut BytesMut, most: usize) -> Result<(), BodyProblem> {
    loop {
        if body.len() >= most {
            return Err(BodyProblem::Enough);
        }
        let line = read_line(wire).await?;
        let size = chunk_size(&line).map_err(BodyProblem::Malformed)?;
        if size == 0 {
            // Trailers, if any, end with an empty line; nothing here needs them.
            while !read_line(wire).await?.is_empty() {}
            return Ok(());
        }
        if body.len() + size > MAX_BODY {
            return Err(BodyProblem::TooLarge);
        }
        take(wire, size.min(most - body.len()), body).await?;
        if body.len() >= most {
            return Err(BodyProblem::Enough);
        }
        if !read_line(wire).await?.is_empty() {
            return Err(BodyProblem::Malformed("a chunk is longer than its size says".to_owned()));
        }
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, String> {
    let digits = line.split(|&b| b == b';').next().unwrap_or_default();
    let text = std::str::from_utf8(digits).unwrap_or_default();
    if text.is_empty() || text.len() > 8 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(format!("`{}` is not a chunk size", String::from_utf8_lossy(line)));
    }
    usize::from_str_radix(text, 16).map_err(|e| e.to_string())
}

/// Moves bytes over as they come, so that a body cut short is kept as far as it came.
async fn take(wire: &mut Wire, mut size: usize, body: &mut BytesMut) -> Result<(), Gone> {
    loop {
        let now = size.min(wire.inbound.len());
        body.extend_from_slice(&wire.inbound.split_to(now));
        size -= now;
        if size == 0 {
            return Ok(());
        }
        wire.fill().await?;
    }
}

/// One line without its CRLF.
async fn read_line(wire: &mut Wire) -> Result<Bytes, BodyProblem> {
    loop {
        if let Some(at) = memchr::memchr(b'\n', &wire.inbound) {
            let line = wire.inbound.split_to(at + 1).freeze();
            let content = line.strip_suffix(b"\r\n");
            let content = content.ok_or_else(|| BodyProblem::Malformed("a chunk line ends in a bare LF".to_owned()))?;
            return Ok(line.slice_ref(content));
        }
        if wire.inbound.len() > MAX_LINE {
            return Err(BodyProblem::Malformed("a chunk line has no end".to_owned()));
        }
        wire.fill().await?;
    }
}
