//! The headers of requests and answers that all operations share.
//!
//! Owns what OpenAI sends with every answer, and what it asks of a request's headers. Refuses rate limits, which are
//! counted elsewhere.

use std::time::Duration;

use super::ApiError;
use crate::digest::{HEX, Random};
use crate::plan::Header;
use crate::request::Head;

/// Longest `X-Client-Request-Id`.
const MAX_CLIENT_ID: usize = 512;

/// What every answer has, errors included.
pub(crate) fn common(random: &Random, delay: Duration) -> [Header; 4] {
    let millis = if delay.is_zero() { "0".into() } else { delay.as_millis().to_string().into() };
    let id = random.branch("x-request-id").named("req_", 32, HEX);
    [
        ("x-request-id".into(), id.into()),
        ("openai-processing-ms".into(), millis),
        ("openai-version".into(), "2020-10-01".into()),
        ("openai-organization".into(), "mock-organization".into()),
    ]
}

/// Checks the caller's own id of the request; organization and project may be anyone's.
pub(super) fn check(head: &Head) -> Result<(), ApiError> {
    const NAME: &str = "X-Client-Request-Id";
    match head.header(NAME) {
        Some(id) if !id.is_ascii() => Err(ApiError::bad_header(NAME, "it is not ASCII")),
        Some(id) if id.len() > MAX_CLIENT_ID => Err(ApiError::bad_header(NAME, "it has more than 512 characters")),
        _ => Ok(()),
    }
}

/// Checks that a body is said to be JSON, if anything is said.
pub(super) fn json(head: &Head) -> Result<(), ApiError> {
    let Some(given) = head.header("content-type") else { return Ok(()) };
    if given == "application/json" {
        return Ok(());
    }
    let essence = given.split(';').next().unwrap_or_default().trim();
    let subtype = essence.rsplit_once('/').map_or("", |(_, subtype)| subtype);
    let is_json = subtype.eq_ignore_ascii_case("json")
        || subtype.rsplit_once('+').is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"));
    if is_json { Ok(()) } else { Err(ApiError::wrong_content_type(given)) }
}
