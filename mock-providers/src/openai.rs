//! The OpenAI dialect.
//!
//! Owns which path is which operation, whatever base path stands before it. Refuses to know scripts' rules and faults.

mod chat;
mod completion;
mod embeddings;
mod error;
mod legacy;
mod models;
mod moderations;
mod parameters;
mod responses;
mod stream;
mod synth;
mod usage;

use crate::answer::Context;
use crate::plan::Answer;
use crate::request::Request;

pub(crate) use error::ApiError;
pub(crate) use usage::prompt as prompt_tokens;

/// All answers claim to be made at this time, so that equal requests get equal bytes.
const CREATED: u64 = 1_767_225_600;

/// Answers as OpenAI would, with what the script wants different.
pub(crate) fn answer(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let path = request.head.path().trim_end_matches('/');
    let method = request.head.method();
    if path.ends_with("/chat/completions") {
        return allow(method, "POST", path).and_then(|()| chat::answer(request, context));
    }
    if path.ends_with("/completions") {
        return allow(method, "POST", path).and_then(|()| legacy::answer(request, context));
    }
    if path.ends_with("/responses") {
        return allow(method, "POST", path).and_then(|()| responses::answer(request, context));
    }
    if path.ends_with("/moderations") {
        return allow(method, "POST", path).and_then(|()| moderations::answer(request, context));
    }
    if path.ends_with("/embeddings") {
        return allow(method, "POST", path).and_then(|()| embeddings::answer(request, context));
    }
    if path.ends_with("/models") {
        return allow(method, "GET", path).map(|()| models::list(context.provider));
    }
    if let Some((_, id)) = path.split_once("/models/") {
        return allow(method, "GET", path).and_then(|()| models::retrieve(context.provider, id));
    }
    Err(ApiError::unknown_path(method, request.head.path()))
}

fn allow(method: &str, allowed: &'static str, path: &str) -> Result<(), ApiError> {
    let head_of_get = method == "HEAD" && allowed == "GET";
    if method == allowed || head_of_get { Ok(()) } else { Err(ApiError::wrong_method(method, allowed, path)) }
}

/// The dated model that a name stands for today; other names stand for themselves.
fn resolve(model: &str) -> &str {
    match model {
        "gpt-4o" => "gpt-4o-2024-08-06",
        "gpt-4o-mini" => "gpt-4o-mini-2024-07-18",
        "gpt-4.1" => "gpt-4.1-2025-04-14",
        "gpt-4.1-mini" => "gpt-4.1-mini-2025-04-14",
        "gpt-4.1-nano" => "gpt-4.1-nano-2025-04-14",
        "gpt-4" => "gpt-4-0613",
        "gpt-3.5-turbo" => "gpt-3.5-turbo-0125",
        "o3" => "o3-2025-04-16",
        "o3-mini" => "o3-mini-2025-01-31",
        "o4-mini" => "o4-mini-2025-04-16",
        other => other,
    }
}
