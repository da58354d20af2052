//! The OpenAI dialect.
//!
//! Owns what is the same for all operations: path, method, headers, body and model are checked in this order.
//! Refuses to know scripts' rules and faults.

mod author;
mod chat;
mod completion;
mod deltas;
mod embeddings;
mod error;
mod headers;
mod legacy;
mod limits;
mod logprobs;
mod messages;
mod models;
mod moderations;
mod operation;
mod parameters;
pub(crate) mod pieces;
mod place;
mod reasoning;
mod render;
mod responses;
mod schema;
mod stream;
pub(crate) mod synth;
mod tools;
mod usage;

use bytes::Bytes;
use serde_json::Value;

use crate::answer::Context;
use crate::azure;
use crate::plan::Answer;
use crate::request::{Length, Request};
use responses::stored;

pub(crate) use error::{ApiError, usual_error};
pub(crate) use headers::common as common_headers;
pub(crate) use operation::{Operation, decoded};
pub(crate) use parameters::Reading;
pub(crate) use responses::Stored;
pub(crate) use usage::{prompt as prompt_tokens, reported};

/// Answers as OpenAI would, with what the script wants different.
pub(crate) fn answer(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let (method, path) = (request.head.method(), request.head.path());
    let deployed = request.deployment().map(|deployment| azure::deployed(request, deployment));
    let request = deployed.as_ref().unwrap_or(request);
    headers::check(request.head)?;
    let operation = Operation::of(path).ok_or_else(|| ApiError::unknown_path(method, path))?;
    if method == "OPTIONS" {
        return Ok(options(operation));
    }
    if !operation.takes(method) {
        return Err(ApiError::wrong_method(method, operation.methods(), path));
    }
    if let Some(kind) = operation.kind() {
        headers::json(request.head)?;
        body(request)?;
        models::known(request, context.provider, kind)?;
        if context.fault.prompt_filter {
            return Err(ApiError::filtered());
        }
    }
    match operation {
        Operation::Chat => chat::answer(request, context),
        Operation::Completions => legacy::answer(request, context),
        Operation::Responses => responses::answer(request, context),
        Operation::Response(id) if method == "DELETE" => stored::delete(context.stored, id),
        Operation::Response(id) => stored::retrieve(context.stored, id, request.head.query()),
        Operation::InputItems(id) => stored::input_items(context.stored, id, request.head.query()),
        Operation::Cancel(id) => stored::cancel(context.stored, id),
        Operation::Embeddings => embeddings::answer(request, context),
        Operation::Moderations => moderations::answer(request, context),
        Operation::Models => Ok(models::list(context)),
        Operation::Model(id) if method == "DELETE" => models::delete(context.provider, id),
        Operation::Model(id) => models::retrieve(context, id),
    }
}

/// What is wrong with a body that is no JSON object.
fn body(request: &Request<'_>) -> Result<(), ApiError> {
    match &request.json {
        Some(Value::Object(_)) => Ok(()),
        Some(_) => Err(ApiError::not_an_object()),
        None if matches!(request.head.length, Length::None | Length::Fixed(0)) => Err(ApiError::no_body()),
        None => Err(ApiError::not_json()),
    }
}

/// Which methods a path has, and no body.
fn options(operation: Operation<'_>) -> Answer {
    let mut answer = Answer::json(204, Bytes::new(), None);
    answer.pieces.clear();
    answer.headers.push(("allow".into(), format!("{}, OPTIONS", operation.methods()).into()));
    answer
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
