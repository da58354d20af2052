//! The APIs that a provider speaks, as far as they differ.
//!
//! Owns the choice: which API a request belongs to, and who makes its answers, its errors and its common headers.
//! Refuses to know what any of them says.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::answer::Context;
use crate::digest::Random;
use crate::journal::Usage;
use crate::plan::{Answer, Header};
use crate::request::{Head, Request};
use crate::script::Dialect;
use crate::{anthropic, azure, openai};

impl Dialect {
    /// The dialect of a request: a provider of OpenAI's serves the messages of Anthropic's too.
    pub(crate) fn of(self, head: &Head) -> Self {
        if self == Dialect::Openai && anthropic::claims(head) { Dialect::Anthropic } else { self }
    }

    /// Whether [`Self::of`] may be this one.
    pub(crate) fn serves(self, dialect: Self) -> bool {
        dialect == self || (self, dialect) == (Dialect::Openai, Dialect::Anthropic)
    }

    /// The dialect that a request's key is given as in: paths of Azure's bring its header.
    pub(crate) fn of_key(self, head: &Head) -> Self {
        if self == Dialect::Openai && azure::deployment(head.path()).is_some() { Dialect::Azure } else { self }
    }

    /// What this API answers, as far as the script leaves it to it.
    pub(crate) fn answer(self, request: &Request<'_>, context: &Context<'_>) -> Answer {
        match self {
            Dialect::Openai => openai::answer(request, context).unwrap_or_else(|error| error.answer()),
            Dialect::Azure => azure::answer(request, context).unwrap_or_else(|error| error.at_azure().answer()),
            Dialect::Anthropic => anthropic::answer(request, context),
        }
    }

    /// The error that a status means.
    pub(crate) fn error(self, status: u16, message: Option<&str>, random: &Random) -> Answer {
        match self {
            Dialect::Openai => openai::ApiError::of_status(status, message).answer(),
            Dialect::Azure => openai::ApiError::of_status(status, message).at_azure().answer(),
            Dialect::Anthropic => anthropic::ApiError::of_status(status, message).answer(random),
        }
    }

    /// An error of OpenAI's in the form of this API.
    pub(crate) fn shaped(self, error: openai::ApiError, random: &Random) -> Answer {
        match self {
            Dialect::Openai => error.answer(),
            Dialect::Azure => error.at_azure().answer(),
            Dialect::Anthropic => anthropic::ApiError::of_status(error.status, Some(&error.message)).answer(random),
        }
    }

    /// The error for a key that is wrong.
    pub(crate) fn wrong_key(self, key: &str, random: &Random) -> Answer {
        match self {
            Dialect::Openai => openai::ApiError::wrong_key(key).answer(),
            Dialect::Azure => openai::ApiError::wrong_key(key).at_azure().answer(),
            Dialect::Anthropic => anthropic::ApiError::wrong_key().answer(random),
        }
    }

    /// The error for a key that is missing.
    pub(crate) fn missing_key(self, status: u16, random: &Random) -> Answer {
        match self {
            Dialect::Openai => openai::ApiError::missing_key(status).answer(),
            Dialect::Azure => openai::ApiError::missing_key(status).at_azure().answer(),
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
    pub(crate) fn common_headers(self, random: &Random, head: &Head, delay: Duration) -> [Option<Header>; 5] {
        match self {
            Dialect::Openai => {
                let [a, b, c, d] = openai::common_headers(random, delay).map(Some);
                [a, b, c, d, None]
            }
            Dialect::Azure => azure::headers(random, head).map(Some),
            Dialect::Anthropic => {
                [Some(("request-id".into(), anthropic::request_id(random).into())), None, None, None, None]
            }
        }
    }
}

fn openai_error(error: Option<&Value>) -> Value {
    error.cloned().unwrap_or_else(openai::usual_error)
}
