//! `POST /chat/completions`: the request.
//!
//! Owns its validation and what of it steers an answer. Refuses to reject what OpenAI accepts: unknown fields pass.

use serde_json::{Map, Value};

use super::completion::{Completion, Wishes};
use super::parameters::{
    Reading, between, count, flag, given, integer, logit_bias, metadata, model, object, optional_text, service_tier,
    stops, stream_options, word,
};
use super::place::Place;
use super::reasoning::{self, Effort};
use super::tools::Calls;
use super::{ApiError, messages, render, schema, stream};
use crate::answer::Context;
use crate::plan::Answer;
use crate::request::Request;

/// Fields that are checked to be texts, and mean nothing to an answer.
const TEXTS: &[&str] = &["user", "safety_identifier", "prompt_cache_key"];

/// Answers a chat request, plain or as a stream.
pub(super) fn answer(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let mut wishes = read(object(request)?, Reading::of(context.provider))?;
    if context.fault.ignore_n {
        wishes.choices = 1;
    }
    let completion = Completion::new(request, &wishes, context);
    Ok(match wishes.stream {
        true => Answer::stream(stream::pieces(&completion, &wishes, context)),
        false => Answer::json(200, render::json(&completion), completion.usage),
    })
}

fn read(body: &Map<String, Value>, reading: Reading) -> Result<Wishes<'_>, ApiError> {
    let model = reading.settle(model(body))?;
    reading.settle(messages::check(body))?;
    let stream = reading.settle(flag(body, "stream"))?;
    reading.settle(sampling(body))?;
    let choices = reading.settle(count(body, "n", 1, 128))?.unwrap_or(1);
    let max_tokens = reading.settle(max_tokens(body, model))?;
    let (include_usage, obfuscate) = reading.settle(stream_options(body, stream))?;
    let effort = reading.settle(Effort::read(body))?;
    reading.settle(reasoner(body, model, effort))?;
    reading.settle(unsaid(body))?;
    let wishes = Wishes {
        model,
        stream,
        include_usage,
        obfuscate,
        choices,
        max_tokens,
        stops: reading.settle(stops(body))?,
        calls: reading.settle(Calls::read(body))?,
        schema: reading.settle(schema::response_format(body))?,
        logprobs: reading.settle(logprobs(body))?,
        effort,
        service_tier: reading.settle(service_tier(body))?,
    };
    reading.settle(messages::check_turns(body))?;
    Ok(wishes)
}

/// What steers a real model's draws, and not ours.
fn sampling(body: &Map<String, Value>) -> Result<(), ApiError> {
    between(body, "temperature", 0.0, 2.0)?;
    between(body, "top_p", 0.0, 1.0)?;
    between(body, "presence_penalty", -2.0, 2.0)?;
    between(body, "frequency_penalty", -2.0, 2.0)?;
    integer(body, "seed")?;
    logit_bias(body)
}

/// What is accepted and changes nothing.
fn unsaid(body: &Map<String, Value>) -> Result<(), ApiError> {
    TEXTS.iter().try_for_each(|name| optional_text(body, name))?;
    flag(body, "store")?;
    metadata(body)?;
    word(body, "verbosity", &["low", "medium", "high"])?;
    prediction(body)?;
    modalities(body)
}

fn max_tokens(body: &Map<String, Value>, model: &str) -> Result<Option<usize>, ApiError> {
    let old = count(body, "max_tokens", 1, u64::MAX)?;
    let new = count(body, "max_completion_tokens", 1, u64::MAX)?;
    if old.is_some() && reasoning::reasons(model) {
        return Err(Place::of("max_tokens").unsupported("Use 'max_completion_tokens' instead."));
    }
    if old.is_some() && new.is_some() {
        let message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
        return Err(ApiError::parameter("max_tokens", "invalid_parameter_combination", message));
    }
    Ok(new.or(old))
}

/// What a model that reasons does not take.
fn reasoner(body: &Map<String, Value>, model: &str, effort: Option<Effort>) -> Result<(), ApiError> {
    if given(body, "stop").is_some() && reasoning::refuses_stop(model) {
        return Err(Place::of("stop").unsupported("It ends its answers itself."));
    }
    let temperature = given(body, "temperature").filter(|temperature| temperature.as_f64() != Some(1.0));
    match temperature {
        Some(value) if reasoning::reasons(model) && effort != Some(Effort::None) => {
            let message = format!(
                "Unsupported value: 'temperature' does not support {value} with this model. \
                 Only the default (1) value is supported."
            );
            Err(ApiError::parameter("temperature", "unsupported_value", message))
        }
        _ => Ok(()),
    }
}

fn logprobs(body: &Map<String, Value>) -> Result<Option<usize>, ApiError> {
    let wanted = flag(body, "logprobs")?;
    let top = count(body, "top_logprobs", 0, 20)?;
    match (wanted, top) {
        (true, top) => Ok(Some(top.unwrap_or(0))),
        (false, None | Some(0)) => Ok(None),
        (false, Some(_)) => Err(ApiError::wrong_value("top_logprobs", "it is only allowed when 'logprobs' is true")),
    }
}

fn prediction(body: &Map<String, Value>) -> Result<(), ApiError> {
    let Some(value) = given(body, "prediction") else { return Ok(()) };
    let place = Place::of("prediction");
    let prediction = place.object(Some(value))?;
    place.field("type").word(prediction.get("type"), &["content"])?;
    match prediction.get("content") {
        Some(Value::String(_) | Value::Array(_)) => Ok(()),
        Some(other) => Err(place.field("content").wrong_type("a string or an array of objects", other)),
        None => Err(place.field("content").missing()),
    }
}

fn modalities(body: &Map<String, Value>) -> Result<(), ApiError> {
    let Some(value) = given(body, "modalities") else { return Ok(()) };
    let place = Place::of("modalities");
    let words = place.array(Some(value), 1..=2)?.iter().enumerate();
    for (index, word) in words {
        if place.item(index).word(Some(word), &["text", "audio"])? == "audio" {
            let message = "Unsupported value: 'modalities' does not support 'audio' with this model.";
            return Err(place.error("unsupported_value", message));
        }
    }
    Ok(())
}
