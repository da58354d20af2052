//! The Anthropic dialect.
//!
//! Owns which path is which operation, whatever base path stands before it, and what all of them demand. Refuses to
//! know scripts' rules and faults.

mod calendar;
mod error;
mod events;
mod message;
mod models;
mod parameters;
mod prompt;
mod usage;

use crate::answer::Context;
use crate::digest::{BASE62, Random};
use crate::plan::{Answer, Header};
use crate::request::{Head, Request};

pub(crate) use error::{ApiError, envelope};
pub(crate) use usage::reported;

const VERSION: &str = "anthropic-version";
const VERSIONS: &[&str] = &["2023-06-01", "2023-01-01"];

/// Whether a request to OpenAI's API is one of this instead.
pub(crate) fn claims(head: &Head) -> bool {
    let path = head.path().trim_end_matches('/');
    path.ends_with("/messages")
        || path.ends_with("/messages/count_tokens")
        || ((path.ends_with("/models") || path.contains("/models/")) && head.header(VERSION).is_some())
}

/// Answers as Anthropic would, with what the script wants different.
pub(crate) fn answer(request: &Request<'_>, context: &Context<'_>) -> Answer {
    route(request, context).unwrap_or_else(|error| error.answer(&context.random))
}

fn route(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let path = request.head.path().trim_end_matches('/');
    let allow = |method| allow(request.head, method).and_then(|()| version(request.head));
    if path.ends_with("/messages") {
        return allow("POST").and_then(|()| message::answer(request, context));
    }
    if path.ends_with("/messages/count_tokens") {
        return allow("POST").and_then(|()| prompt::answer(request, context));
    }
    if path.ends_with("/models") {
        return allow("GET").and_then(|()| models::list(context.provider, request.head.query()));
    }
    if let Some((_, id)) = path.split_once("/models/") {
        return allow("GET").and_then(|()| models::retrieve(context.provider, id));
    }
    Err(ApiError::not_found("no such path".to_owned()))
}

fn allow(head: &Head, allowed: &'static str) -> Result<(), ApiError> {
    let head_of_get = head.method() == "HEAD" && allowed == "GET";
    if head.method() == allowed || head_of_get { Ok(()) } else { Err(ApiError::wrong_method(allowed)) }
}

fn version(head: &Head) -> Result<(), ApiError> {
    match head.header(VERSION) {
        Some(version) if VERSIONS.contains(&version.trim()) => Ok(()),
        Some(version) => Err(ApiError::invalid(VERSION, &format!("'{version}' is no version: try {}", VERSIONS[0]))),
        None => Err(ApiError::invalid(VERSION, &format!("the header is required: try {}", VERSIONS[0]))),
    }
}

/// The id of a request, in its header and in its errors.
pub(crate) fn request_id(random: &Random) -> String {
    format!("req_{}", random.branch("x-request-id").word(24, BASE62))
}

/// That id among the headers of an answer.
pub(crate) fn request_id_of(headers: &[Header]) -> Option<&str> {
    headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("request-id")).map(|(_, value)| value.as_ref())
}
