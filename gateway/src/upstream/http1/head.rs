//! Heads in HTTP/1.1: a request's is written, an answer's is read (RFC 9112 sections 2 to 6 and 9).

use std::mem::MaybeUninit;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use httparse::ParserConfig;
use hyper::ext::ReasonPhrase;

use super::body::{Body, Chunks};
use crate::upstream::{Error, UpstreamBody};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// Most fields of an answer's head.
const FIELDS: usize = 128;
/// Longest head of an answer.
pub(super) const LONGEST: usize = 128 * 1024;

/// What most requests take with their head.
const ORDINARY: usize = 2 * 1024;

/// How a request tells where its body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// There is none.
    NoBody,
    /// By its size.
    Known(u64),
    /// In chunks.
    Chunked,
}

impl Length {
    pub(super) fn of(request: &Request<UpstreamBody>) -> Self {
        let body = request.body();
        match (body.is_end_stream(), body.size_hint().exact()) {
            (true, _) | (_, Some(0)) => Self::NoBody,
            (false, Some(size)) => Self::Known(size),
            // HTTP/2 tells late that there is nothing: where a body means nothing none is taken
            (false, None) if [Method::GET, Method::HEAD].contains(request.method()) => Self::NoBody,
            (false, None) => Self::Chunked,
        }
    }
}

/// Writes a request's head. What it says of its length is what is sent, whatever its fields say.
pub(super) fn write(request: &Request<UpstreamBody>, length: Length, to: &mut Vec<u8>) {
    to.reserve(ORDINARY);
    to.extend_from_slice(request.method().as_str().as_bytes());
    to.push(b' ');
    to.extend_from_slice(request.uri().path_and_query().map_or("/", PathAndQuery::as_str).as_bytes());
    to.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in request.headers() {
        if name == CONTENT_LENGTH || name == TRANSFER_ENCODING {
            continue;
        }
        to.extend_from_slice(name.as_str().as_bytes());
        to.extend_from_slice(b": ");
        to.extend_from_slice(value.as_bytes());
        to.extend_from_slice(b"\r\n");
    }
    match length {
        // a method that is about what it encloses says that it encloses nothing (RFC 9110 section 8.6)
        Length::NoBody if [Method::POST, Method::PUT, Method::PATCH].contains(request.method()) => {
            to.extend_from_slice(b"content-length: 0\r\n");
        }
        Length::NoBody => (),
        Length::Known(size) => {
            to.extend_from_slice(b"content-length: ");
            to.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
            to.extend_from_slice(b"\r\n");
        }
        Length::Chunked => to.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    to.extend_from_slice(b"\r\n");
}

/// What an answer's head says.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) response: Response<()>,
    /// Bytes that it takes.
    pub(super) size: usize,
    pub(super) framing: Framing,
    /// How long the upstream keeps the connection when it is idle (RFC 2068 19.7.1.1, and in use ever since).
    pub(super) keep_alive: Option<Duration>,
}

/// What it says of where the answer ends, and the connection.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// The first length, and whether it is a length and the only one.
    length: Option<Option<u64>>,
    /// Whether the last coding is `chunked`.
    coded: Option<bool>,
    closes: bool,
    keeps: bool,
}

impl Framing {
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) {
        if *name == CONTENT_LENGTH {
            let size = size(value);
            self.length = Some(self.length.map_or(size, |length| length.filter(|_| length == size)));
        } else if *name == TRANSFER_ENCODING {
            let last = value.to_str().ok().and_then(|value| value.rsplit(',').next());
            self.coded = Some(last.is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked")));
        } else if *name == CONNECTION {
            for option in value.to_str().unwrap_or_default().split(',') {
                self.closes |= option.trim().eq_ignore_ascii_case("close");
                self.keeps |= option.trim().eq_ignore_ascii_case("keep-alive");
            }
        }
    }

    pub(super) fn is_coded(&self) -> bool {
        self.coded.is_some()
    }
}

/// Reads an answer's head, if it is whole.
///
/// # Errors
/// When it is no head of HTTP/1.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Head>, Error> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
    let mut head = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut head, bytes, &mut fields);
    let size = match parsed {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) if bytes.len() < LONGEST => return Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Err(Error::Malformed("its head is too large"));
        }
        Err(_) => return Err(Error::Malformed("its head is not HTTP/1.1")),
    };
    let mut response = Response::new(());
    let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
    *response.status_mut() = status.ok_or(Error::Malformed("its status is none"))?;
    *response.version_mut() = if head.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let (mut framing, mut keep_alive) = (Framing::default(), None);
    let headers = response.headers_mut();
    headers.reserve(head.headers.len());
    // all values share it
    let held = Bytes::copy_from_slice(&bytes[..size]);
    for field in &*head.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Error::Malformed("a name of a field"))?;
        let at = field.value.as_ptr().addr() - bytes.as_ptr().addr();
        let value = HeaderValue::from_maybe_shared(held.slice(at..at + field.value.len()));
        let value = value.map_err(|_| Error::Malformed("a value of a field"))?;
        framing.note(&name, &value);
        if name == KEEP_ALIVE {
            keep_alive = timeout(&value);
        }
        headers.append(name, value);
    }
    if framing.is_coded() {
        // it is not the length, and whoever reads on would take it for that (RFC 9112 section 6.3)
        headers.remove(CONTENT_LENGTH);
    }
    if let Some(reason) = head.reason.filter(|reason| response.status().canonical_reason() != Some(reason))
        && let Ok(reason) = ReasonPhrase::try_from(reason.as_bytes())
    {
        response.extensions_mut().insert(reason);
    }
    Ok(Some(Head { response, size, framing, keep_alive }))
}

impl Head {
    /// Where the body of the answer ends (RFC 9112 section 6.3).
    ///
    /// # Errors
    /// When its fields do not tell, or in two ways.
    pub(super) fn body(&self, asked: &Method) -> Result<Body, Error> {
        let (status, version) = (self.response.status(), self.response.version());
        if *asked == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Ok(Body::Over);
        }
        match (self.framing.coded, self.framing.length) {
            (Some(_), _) if version == Version::HTTP_10 => Err(Error::Malformed("HTTP/1.0 knows no Transfer-Encoding")),
            (Some(true), _) => Ok(Body::Chunked(Chunks::default())),
            (None, Some(length)) => Ok(Body::of(length.ok_or(Error::Malformed("its Content-Length"))?)),
            (Some(false), _) | (None, None) => Ok(Body::UntilClose),
        }
    }

    /// Whether another request may follow on the connection when the answer has ended (RFC 9112 section 9.3).
    pub(super) fn persists(&self) -> bool {
        let Framing { length, coded, closes, keeps } = self.framing;
        let twice = length.is_some() && coded.is_some();
        !closes && !twice && (keeps || self.response.version() == Version::HTTP_11)
    }
}

/// A length, also one that is repeated in a list.
fn size(value: &HeaderValue) -> Option<u64> {
    let mut sizes = value.to_str().ok()?.split(',').map(|part| {
        let part = part.trim_matches([' ', '\t']);
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u64>().ok())?
    });
    let first = sizes.next()??;
    sizes.all(|other| other == Some(first)).then_some(first)
}

/// `timeout` of a `Keep-Alive` header, in seconds.
pub(super) fn timeout(header: &HeaderValue) -> Option<Duration> {
    let mut parameters = header.to_str().ok()?.split(',').filter_map(|parameter| parameter.split_once('='));
    let (_, seconds) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"))?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}
