//! The APIs that a provider speaks, as far as they differ.
//!
//! Owns the choice: which API a request belongs to, and who makes its answers, its errors and its common headers.
//! Refuses to know what any of them says.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::answer::Context;
use crate::digest::{self, Random};
use crate::journal::Usage;
use crate::plan::{Answer, Header};
use crate::request::{Head, Request};
use crate::script::Dialect;
use crate::{anthropic, openai};

impl Dialect {
    /// The dialect of a request: a provider of OpenAI's serves the messages of Anthropic's too.
    pub(crate) fn of(self, head: &Head) -> Self {
        if self == Dialect::Openai && anthropic::claims(head) { Dialect::Anthropic } else { self }
    }

    /// What this API answers, as far as the script leaves it to it.
    pub(crate) fn answer(self, request: &Request<'_>, context: &Context<'_>) -> Answer {
        match self {
            Dialect::Openai | Dialect::Azure => openai::answer(request, context).unwrap_or_else(|error| error.answer()),
            Dialect::Anthropic => anthropic::answer(request, context),
        }
    }

    /// The error that a status means.
    pub(crate) fn error(self, status: u16, message: Option<&str>, random: &Random) -> Answer {
        match self {
            Dialect::Openai | Dialect::Azure => openai::ApiError::of_status(status, message).answer(),
            Dialect::Anthropic => anthropic::ApiError::of_status(status, message).answer(random),
        }
    }

    /// The error for a key that is wrong.
    pub(crate) fn wrong_key(self, key: &str, random: &Random) -> Answer {
        match self {
            Dialect::Openai | Dialect::Azure => openai::ApiError::wrong_key(key).answer(),
            Dialect::Anthropic => anthropic::ApiError::wrong_key().answer(random),
        }
    }

    /// The error for a key that is missing.
    pub(crate) fn missing_key(self, status: u16, random: &Random) -> Answer {
        match self {
            Dialect::Openai | Dialect::Azure => openai::ApiError::missing_key(status).answer(),
            Dialect::Anthropic => anthropic::ApiError::missing_key(status).answer(random),
        }
    }

    /// An error as the whole body, with what stands under `error`.
    pub(crate) fn error_body(self, error: Option<&Value>, headers: &[Header]) -> Bytes {
        let body = match self {
            Dialect::Openai | Dialect::Azure => json!({ "error": openai_error(error) }),
            Dialect::Anthropic => anthropic::envelope(error.cloned(), anthropic::request_id_of(headers)),
        };
        body.to_string().into()
    }

    /// An error as an event of a stream, with what stands under `error`.
    pub(crate) fn error_event(self, error: Option<&Value>) -> Bytes {
        match self {
            Dialect::Openai | Dialect::Azure => format!("data: {}\n\n", json!({ "error": openai_error(error) })),
            Dialect::Anthropic => format!("event: error\ndata: {}\n\n", anthropic::envelope(error.cloned(), None)),
        }
        .into()
    }

    /// The usage in a literal body, or in an event after those that reported `before`.
    pub(crate) fn reported(self, value: &Value, before: Option<Usage>) -> Option<Usage> {
        match self {
            Dialect::Openai | Dialect::Azure => openai::reported(value),
            Dialect::Anthropic => anthropic::reported(value, before),
        }
    }

    /// The headers that every answer has.
    pub(crate) fn common_headers(self, random: &Random, delay: Duration) -> [Option<Header>; 3] {
        if self == Dialect::Anthropic {
            return [Some(("request-id".into(), anthropic::request_id(random).into())), None, None];
        }
        let id = random.branch("x-request-id").word(32, digest::HEX);
        let millis = if delay.is_zero() { "0".into() } else { delay.as_millis().to_string().into() };
        [
            Some(("x-request-id".into(), format!("req_{id}").into())),
            Some(("openai-processing-ms".into(), millis)),
            Some(("openai-version".into(), "2020-10-01".into())),
        ]
    }
}

fn openai_error(error: Option<&Value>) -> Value {
    error.cloned().unwrap_or_else(openai::usual_error)
}
