//! Heads in HTTP/1.1: a request's is written, an answer's is read (RFC 9112 sections 2 to 6 and 9).

use std::mem::MaybeUninit;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use httparse::ParserConfig;
use hyper::ext::ReasonPhrase;

use super::body::{Body, Chunks};
use crate::upstream::{Error, UpstreamBody};

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
    pub(super) fn of(body: &UpstreamBody) -> Self {
        match (body.is_end_stream(), body.size_hint().exact()) {
            (true, _) | (_, Some(0)) => Self::NoBody,
            (false, Some(size)) => Self::Known(size),
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

/// Reads an answer's head, if it is whole, and how many bytes it takes.
///
/// # Errors
/// When it is no head of HTTP/1.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Response<()>, usize)>, Error> {
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
    let headers = response.headers_mut();
    headers.reserve(head.headers.len());
    for field in &*head.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Error::Malformed("a name of a field"))?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| Error::Malformed("a value of a field"))?;
        headers.append(name, value);
    }
    if let Some(reason) = head.reason.filter(|reason| response.status().canonical_reason() != Some(reason))
        && let Ok(reason) = ReasonPhrase::try_from(reason.as_bytes())
    {
        response.extensions_mut().insert(reason);
    }
    Ok(Some((response, size)))
}

/// Where the body of an answer ends (RFC 9112 section 6.3).
///
/// # Errors
/// When its fields do not tell, or in two ways.
pub(super) fn body(response: &Response<()>, asked: &Method) -> Result<Body, Error> {
    let (status, headers) = (response.status(), response.headers());
    if *asked == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(Body::Over);
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        return match (response.version(), is_chunked(headers)) {
            (Version::HTTP_10, _) => Err(Error::Malformed("HTTP/1.0 knows no Transfer-Encoding")),
            (_, true) => Ok(Body::Chunked(Chunks::default())),
            (_, false) => Ok(Body::UntilClose),
        };
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return Ok(Body::UntilClose) };
    let length = size(first).filter(|length| lengths.all(|other| size(other) == Some(*length)));
    Ok(Body::of(length.ok_or(Error::Malformed("its Content-Length"))?))
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

/// Whether the last coding is `chunked`.
fn is_chunked(headers: &HeaderMap) -> bool {
    let last = headers.get_all(TRANSFER_ENCODING).iter().next_back().and_then(|value| value.to_str().ok());
    let coding = last.and_then(|value| value.rsplit(',').next());
    coding.is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked"))
}

/// Whether another request may follow on the connection when the answer has ended (RFC 9112 section 9.3).
pub(super) fn persists(response: &Response<()>) -> bool {
    let headers = response.headers();
    let mut options = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let closes = options.any(|value| value.split(',').any(|option| option.trim().eq_ignore_ascii_case("close")));
    let twice = headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH);
    response.version() == Version::HTTP_11 && !closes && !twice
}
