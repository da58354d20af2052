//! The Anthropic dialect.
//!
//! Owns which path is which operation, whatever base path stands before it, and what all of them demand. Refuses to
//! know scripts' rules and faults.

pub(crate) mod calendar;
mod error;
mod events;
mod message;
mod models;
mod parameters;
mod prompt;
mod usage;

use crate::answer::Context;
use crate::digest::{BASE62, Random};
use crate::openai::Reading;
use crate::plan::{Answer, Header};
use crate::request::{Head, Request};

pub(crate) use error::{ApiError, envelope};
pub(crate) use usage::reported;

const VERSION: &str = "anthropic-version";
/// What nearly everybody sends.
const USUAL_VERSION: &str = "2023-06-01";

/// Whether a request to OpenAI's API is one of this instead.
pub(crate) fn claims(head: &Head) -> bool {
    let path = head.path().trim_end_matches('/');
    path.ends_with("/messages")
        || path.ends_with("/messages/count_tokens")
        || (head.method() != "POST"
            && (path.ends_with("/models") || path.contains("/models/"))
            && head.header(VERSION).is_some())
}

/// Answers as Anthropic would, with what the script wants different.
pub(crate) fn answer(request: &Request<'_>, context: &Context<'_>) -> Answer {
    route(request, context).unwrap_or_else(|error| error.answer(&context.ids))
}

fn route(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let path = request.head.path().trim_end_matches('/');
    let allow =
        |method| allow(request.head, method).and_then(|()| Reading::of(context.provider).settle(version(request.head)));
    if path.ends_with("/messages") {
        return allow("POST").and_then(|()| message::answer(request, context));
    }
    if path.ends_with("/messages/count_tokens") {
        return allow("POST").and_then(|()| prompt::answer(request, context));
    }
    if path.ends_with("/models") {
        return allow("GET").and_then(|()| models::list(context, request.head.query()));
    }
    if let Some((_, id)) = path.split_once("/models/") {
        return allow("GET").and_then(|()| models::retrieve(context, id));
    }
    Err(ApiError::not_found("no such path".to_owned()))
}

fn allow(head: &Head, allowed: &'static str) -> Result<(), ApiError> {
    let head_of_get = head.method() == "HEAD" && allowed == "GET";
    if head.method() == allowed || head_of_get { Ok(()) } else { Err(ApiError::wrong_method(allowed)) }
}

fn version(head: &Head) -> Result<(), ApiError> {
    match head.header(VERSION).map(str::trim) {
        Some(version) if is_date(version) => Ok(()),
        Some(version) => Err(ApiError::invalid(VERSION, &format!("'{version}' is no version: try {USUAL_VERSION}"))),
        None => Err(ApiError::invalid(VERSION, &format!("the header is required: try {USUAL_VERSION}"))),
    }
}

/// Versions are days; which of them there are, only Anthropic knows.
fn is_date(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(fits)
}

/// The id of a request, in its header and in its errors.
pub(crate) fn request_id(random: &Random) -> String {
    format!("req_{}", random.branch("x-request-id").word(24, BASE62))
}

/// That id among the headers of an answer.
pub(crate) fn request_id_of(headers: &[Header]) -> Option<&str> {
    headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("request-id")).map(|(_, value)| value.as_ref())
}
