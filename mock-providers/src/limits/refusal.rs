//! What a caller is told who asked too much.
//!
//! Owns the wording: the limit, what is used, what was asked for, and how long to wait. Refuses to decide.

use std::time::Duration;

use super::headers::{self, Style};
use crate::openai::ApiError;
use crate::plan::Header;
use crate::script::{Measure, WhenFull};

/// Why a request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The quota of this minute is used up.
    Spent { of: Measure, limit: u64, used: u64, requested: u64, wait: Duration },
    /// No wait would help.
    TooLarge { of: Measure, limit: u64, requested: u64 },
    /// Too many are in flight, and as many as may wait are waiting.
    Full { limit: u32, queue: u32, answer: WhenFull },
}

const CODE: Option<&str> = Some("rate_limit_exceeded");

impl Refusal {
    /// As OpenAI says it.
    pub(crate) fn error(&self, model: Option<&str>) -> ApiError {
        let model = model.map(|model| format!(" for {model}")).unwrap_or_default();
        match *self {
            Refusal::Spent { of, limit, used, requested, wait } => {
                let (measure, wait) = (measure(of), headers::go_duration(wait));
                let message = format!(
                    "Rate limit reached{model} on {measure}: Limit {limit}, Used {used}, Requested {requested}. \
                     Please try again in {wait}."
                );
                ApiError::limit(429, of.name(), CODE, message)
            }
            Refusal::TooLarge { of, limit, requested } => {
                let message = format!(
                    "Request too large{model} on {}: Limit {limit}, Requested {requested}. No wait helps: shorten the \
                     prompt or lower the token limit of the answer.",
                    measure(of)
                );
                ApiError::limit(429, of.name(), CODE, message)
            }
            Refusal::Full { limit, queue, answer } => {
                let message = format!("Too many requests at once{model}: Limit {limit} in flight, {queue} waiting.");
                match answer {
                    WhenFull::TooManyRequests => ApiError::limit(429, Measure::Requests.name(), CODE, message),
                    WhenFull::Unavailable => ApiError::limit(503, "service_unavailable", None, message),
                }
            }
        }
    }

    /// When to come again, where that is known.
    pub(super) fn wait(&self, style: Style) -> Vec<Header> {
        match self {
            Refusal::Spent { wait, .. } => headers::wait(style, *wait),
            Refusal::TooLarge { .. } | Refusal::Full { .. } => Vec::new(),
        }
    }
}

fn measure(of: Measure) -> &'static str {
    match of {
        Measure::Requests => "requests per min (RPM)",
        Measure::Tokens => "tokens per min (TPM)",
    }
}
