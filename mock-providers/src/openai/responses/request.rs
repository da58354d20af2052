//! What a request for a response asks for.
//!
//! Owns the validation of every parameter but the input's items and the tools. Refuses to reject what OpenAI accepts:
//! unknown members pass.

use serde_json::{Map, Value};

use super::tools;
use crate::openai::ApiError;
use crate::openai::completion::Wishes;
use crate::openai::parameters::{
    Reading, between, count, flag, flag_or, given, metadata, model, optional_text, service_tier, stream_options, word,
};
use crate::openai::place::Place;
use crate::openai::reasoning::Effort;
use crate::openai::schema::check_format;

const SUMMARIES: &[&str] = &["auto", "concise", "detailed"];
const VERBOSITIES: &[&str] = &["low", "medium", "high"];
const FORMATS: &[&str] = &["text", "json_object", "json_schema"];
/// Fields that are checked to be texts.
const TEXTS: &[&str] = &["instructions", "user", "safety_identifier", "prompt_cache_key"];
const LOGPROBS: &str = "message.output_text.logprobs";
const ENCRYPTED: &str = "reasoning.encrypted_content";

/// A valid request.
pub(super) struct Asked<'v> {
    pub(super) body: &'v Map<String, Value>,
    pub(super) wishes: Wishes<'v>,
    /// Whether the model tells what it thought.
    pub(super) summary: bool,
    /// Whether its thoughts come along for the next turn.
    pub(super) encrypted: bool,
    pub(super) store: bool,
    pub(super) background: bool,
    pub(super) previous: Option<&'v str>,
}

impl<'v> Asked<'v> {
    pub(super) fn of(body: &'v Map<String, Value>, reading: Reading) -> Result<Self, ApiError> {
        let stream = reading.settle(flag(body, "stream"))?;
        let reasoning = reading.settle(group(body, "reasoning"))?;
        let include = reading.settle(include(body))?;
        reading.settle(check(body, stream))?;
        let wishes = Wishes {
            model: reading.settle(model(body))?,
            stream,
            choices: 1,
            max_tokens: reading.settle(count(body, "max_output_tokens", 1, u64::MAX))?,
            calls: reading.settle(tools::read(body))?,
            schema: reading.settle(schema(body))?,
            logprobs: reading.settle(logprobs(body, include.contains(&LOGPROBS)))?,
            effort: reading.settle(effort(reasoning))?,
            service_tier: reading.settle(service_tier(body))?,
            ..Wishes::default()
        };
        Ok(Self {
            body,
            wishes,
            summary: reading.settle(summary(reasoning))?.is_some(),
            encrypted: include.contains(&ENCRYPTED),
            store: reading.settle(flag_or(body, "store", true))?,
            background: reading.settle(flag(body, "background"))?,
            previous: given(body, "previous_response_id").and_then(Value::as_str),
        })
    }

    /// Whether thoughts are an item even where they cost nothing.
    pub(super) fn thinks(&self) -> bool {
        self.wishes.effort.is_some_and(|effort| effort != Effort::None)
    }
}

/// The parameters that only need to be valid.
fn check(body: &Map<String, Value>, stream: bool) -> Result<(), ApiError> {
    between(body, "temperature", 0.0, 2.0)?;
    between(body, "top_p", 0.0, 1.0)?;
    count(body, "max_tool_calls", 1, u64::MAX)?;
    TEXTS.iter().try_for_each(|name| optional_text(body, name))?;
    optional_text(body, "previous_response_id")?;
    word(body, "truncation", &["auto", "disabled"])?;
    if let Some(verbosity) = group(body, "text")?.and_then(|text| given(text, "verbosity")) {
        Place::of("text").field("verbosity").word(Some(verbosity), VERBOSITIES)?;
    }
    stream_options(body, stream)?;
    if flag(body, "background")? && !flag_or(body, "store", true)? {
        return Err(ApiError::wrong_value("background", "it needs 'store' to be true"));
    }
    if given(body, "previous_response_id").is_some() && given(body, "conversation").is_some() {
        return Err(ApiError::wrong_value("previous_response_id", "it cannot be used with 'conversation'"));
    }
    metadata(body)
}

/// An object that may be absent.
fn group<'v>(body: &'v Map<String, Value>, name: &str) -> Result<Option<&'v Map<String, Value>>, ApiError> {
    given(body, name).map(|value| Place::of(name).object(Some(value))).transpose()
}

/// How hard to think; asked to reason without saying so, a model does it as usual.
fn effort(reasoning: Option<&Map<String, Value>>) -> Result<Option<Effort>, ApiError> {
    let Some(reasoning) = reasoning else { return Ok(None) };
    let effort = Effort::at(Place::of("reasoning").field("effort"), given(reasoning, "effort"))?;
    Ok(Some(effort.unwrap_or_default()))
}

fn summary(reasoning: Option<&Map<String, Value>>) -> Result<Option<&'static str>, ApiError> {
    let Some(summary) = reasoning.and_then(|reasoning| given(reasoning, "summary")) else { return Ok(None) };
    Place::of("reasoning").field("summary").word(Some(summary), SUMMARIES).map(Some)
}

/// What is wanted besides.
fn include(body: &Map<String, Value>) -> Result<Vec<&str>, ApiError> {
    let Some(list) = given(body, "include") else { return Ok(Vec::new()) };
    let place = Place::of("include");
    let items = place.array(Some(list), 0..=usize::MAX)?.iter().enumerate();
    items.map(|(index, item)| place.item(index).text(Some(item))).collect()
}

fn logprobs(body: &Map<String, Value>, wanted: bool) -> Result<Option<usize>, ApiError> {
    let top = count(body, "top_logprobs", 0, 20)?.unwrap_or(0);
    Ok((wanted || top > 0).then_some(top))
}

/// The schema that the text must fit; null stands for any object.
fn schema(body: &Map<String, Value>) -> Result<Option<&Value>, ApiError> {
    let Some(format) = group(body, "text")?.and_then(|text| given(text, "format")) else { return Ok(None) };
    let (text, kind) = (Place::of("text"), format.get("type"));
    let place = text.field("format");
    match place.field("type").word(kind, FORMATS)? {
        "text" => Ok(None),
        "json_object" => Ok(Some(&Value::Null)),
        _ => {
            let name = place.field("name").name(format.get("name"))?;
            check_format(format.get("schema"), name, place.field("schema")).map(Some)
        }
    }
}
