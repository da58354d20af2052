//! Which requests are ordinary, and what they say (RFC 9112 sections 2, 3 and 6).

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use httparse::Status;

use crate::listen::HEAD_FIELDS;

/// A body up to this size is held together with its head.
const SMALL: usize = 4 * 1024;
/// Most digits of a length: what they tell fits.
const DIGITS: usize = 15;

/// An ordinary request. Not to be shown: its head holds credentials.
pub(super) struct Ordinary {
    pub(super) head: Request<()>,
    /// What has come of its body.
    pub(super) arrived: Bytes,
    /// Bytes of its body that have not come.
    pub(super) left: u64,
    /// Bytes that it takes of those that have come.
    pub(super) size: usize,
    /// It asks for the connection to end with the answer.
    pub(super) closes: bool,
}

/// Reads the request that begins with these bytes, if its head is whole and it is ordinary.
pub(super) fn read(bytes: &[u8]) -> Option<Ordinary> {
    let mut fields = [const { MaybeUninit::uninit() }; HEAD_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let Ok(Status::Complete(size)) = parsed.parse_with_uninit_headers(bytes, &mut fields) else { return None };
    if parsed.version != Some(1) {
        return None;
    }
    // an answer to HEAD has another framing, CONNECT another target
    let method = match parsed.method? {
        "POST" => Method::POST,
        "GET" => Method::GET,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        "OPTIONS" => Method::OPTIONS,
        _ => return None,
    };
    let target = parsed.path.filter(|target| target.starts_with('/'))?;

    let mut told = Told::default();
    for field in &*parsed.headers {
        told.note(field)?;
    }
    let length = told.length.unwrap_or(0);
    let arrived = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len() - size);

    // all values share it, and a small body does; a larger one may be let go before them
    let together = if arrived <= SMALL { size + arrived } else { size };
    let held = Bytes::copy_from_slice(&bytes[..together]);
    let part = |text: &[u8]| {
        let at = text.as_ptr().addr() - bytes.as_ptr().addr();
        held.slice(at..at + text.len())
    };
    let mut head = Request::new(());
    *head.method_mut() = method;
    *head.uri_mut() = Uri::from_maybe_shared(part(target.as_bytes())).ok()?;
    let headers = head.headers_mut();
    headers.reserve(parsed.headers.len());
    for field in &*parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_maybe_shared(part(field.value)).ok()?);
    }
    let (left, end) = (length - arrived as u64, size + arrived);
    let arrived = if end == together { held.slice(size..) } else { Bytes::copy_from_slice(&bytes[size..end]) };
    Some(Ordinary { head, size: end, arrived, left, closes: told.closes })
}

/// What the fields say of the request's framing and its connection.
#[derive(Debug, Default)]
struct Told {
    length: Option<u64>,
    closes: bool,
}

impl Told {
    /// Notes a field; `None` when with it the request is not ordinary.
    fn note(&mut self, field: &httparse::Header<'_>) -> Option<()> {
        let is = |name: &HeaderName| field.name.eq_ignore_ascii_case(name.as_str());
        // told by their lengths first, because most fields are none of these
        match field.name.len() {
            2 if is(&TE) => return None,
            6 if is(&EXPECT) => return None,
            7 if is(&UPGRADE) || is(&TRAILER) => return None,
            17 if is(&TRANSFER_ENCODING) => return None,
            10 if is(&CONNECTION) => match field.value {
                value if value.eq_ignore_ascii_case(b"keep-alive") => (),
                value if value.eq_ignore_ascii_case(b"close") => self.closes = true,
                _ => return None,
            },
            14 if is(&CONTENT_LENGTH) => {
                let digits = std::str::from_utf8(field.value).ok()?;
                let plain = digits.len() <= DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
                if !plain || self.length.is_some() {
                    return None;
                }
                self.length = Some(digits.parse().ok()?);
            }
            _ => (),
        }
        Some(())
    }
}
