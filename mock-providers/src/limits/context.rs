//! How many tokens fit into a model, and faults that pretend that a quota is used up.
//!
//! Owns the estimate of what a request asks for. Refuses to count what was used: that is `limits`.

use std::num::NonZeroU32;
use std::time::Duration;

use super::bucket::Standing;
use super::headers::{self, Style};
use super::refusal::Refusal;
use crate::openai::{self, ApiError};
use crate::plan::Header;
use crate::request::Request;
use crate::script::{Dialect, Fault, LimitHeaders, Limits, Measure, Provider, Tokenizer};

const MINUTE: Duration = Duration::from_secs(60);
/// What a fault pretends where the script sets no limit.
const USUAL_RPM: u64 = 60;
const USUAL_TPM: u64 = 60_000;

/// How many tokens the answer may have, where the caller says so.
pub(super) fn asked(request: &Request<'_>) -> Option<u64> {
    let fields = ["max_completion_tokens", "max_tokens", "max_output_tokens"];
    fields.iter().find_map(|field| request.field(field)?.as_u64())
}

/// The error for a request that does not fit into the window of its model.
pub(crate) fn overflow(provider: &Provider, request: &Request<'_>) -> Option<ApiError> {
    let window = window(provider, request)?;
    let (prompt, answer) = (openai::prompt_tokens(request, provider.tokenizer()), asked(request).unwrap_or(0));
    (prompt.saturating_add(answer) > window).then(|| too_long(request, window, prompt, answer))
}

fn window(provider: &Provider, request: &Request<'_>) -> Option<u64> {
    provider.model(request.model()?)?.context_window
}

fn too_long(request: &Request<'_>, window: u64, prompt: u64, answer: u64) -> ApiError {
    let param = ["messages", "input", "prompt"].into_iter().find(|name| request.field(name).is_some());
    let message = format!(
        "This model's context holds {window} tokens, but the request asks for {}: {prompt} of the prompt and {answer} \
         for the answer. Shorten one of them.",
        prompt.saturating_add(answer)
    );
    ApiError::parameter(param.unwrap_or("messages"), "context_length_exceeded", message)
}

/// What a fault makes of a request that is within its limits: the error, and headers that agree with it.
pub(crate) fn as_if(
    fault: &Fault,
    provider: &Provider,
    dialect: Dialect,
    request: &Request<'_>,
) -> Option<(ApiError, Vec<Header>)> {
    if fault.insufficient_quota {
        let message = "The quota of this account is used up; see its plan and billing.";
        return Some((ApiError::limit(429, "insufficient_quota", Some("insufficient_quota"), message), Vec::new()));
    }
    let limits = provider.limits.as_ref();
    if let Some(of) = fault.rate_limited {
        let (refusal, standing) = spent(of, limits, request);
        let (style, mut headers) = (Style::of(dialect), Vec::new());
        if limits.is_none_or(|limits| limits.headers != LimitHeaders::Never) {
            headers.extend(headers::standing(style, of, standing, super::wall()));
            headers.extend(refusal.wait(style));
        }
        return Some((refusal.error(request.model()), headers));
    }
    if fault.context_overflow {
        let (prompt, answer) = (openai::prompt_tokens(request, provider.tokenizer()), asked(request).unwrap_or(0));
        let needed = prompt.saturating_add(answer);
        let window = window(provider, request).filter(|window| *window < needed);
        return Some((too_long(request, window.unwrap_or(needed.saturating_sub(1)), prompt, answer), Vec::new()));
    }
    fault.concurrency_full.then(|| {
        let limit = limits.and_then(|limits| limits.concurrent).map_or(1, NonZeroU32::get);
        let queue = limits.map(|limits| limits.queue).unwrap_or_default();
        let refusal = Refusal::Full { limit, queue: queue.max, answer: queue.when_full };
        (refusal.error(request.model()), Vec::new())
    })
}

/// A quota of which nothing is left.
fn spent(of: Measure, limits: Option<&Limits>, request: &Request<'_>) -> (Refusal, Standing) {
    let given = |limit: Option<NonZeroU32>, usual| limit.map_or(usual, |limit| u64::from(limit.get()));
    let (limit, requested) = match of {
        Measure::Requests => (given(limits.and_then(|limits| limits.rpm), USUAL_RPM), 1),
        Measure::Tokens => {
            let limit = given(limits.and_then(|limits| limits.tpm), USUAL_TPM);
            let prompt = openai::prompt_tokens(request, Tokenizer::Estimate);
            (limit, prompt.saturating_add(asked(request).unwrap_or(0)).clamp(1, limit))
        }
    };
    let wait = MINUTE.mul_f64(requested as f64 / limit as f64);
    (Refusal::Spent { of, limit, used: limit, requested, wait }, Standing { limit, remaining: 0, reset: MINUTE })
}
