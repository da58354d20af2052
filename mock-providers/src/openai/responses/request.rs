//! What a request for a response asks for.
//!
//! Owns the validation of every parameter but the input's items. Refuses to reject what OpenAI accepts: unknown members
//! pass, and so do tools that only OpenAI could run.

use serde_json::{Map, Value};

use crate::openai::ApiError;
use crate::openai::completion::Wishes;
use crate::openai::parameters::{between, count, flag, flag_or, given, model};
use crate::openai::reasoning::Effort;
use crate::openai::tools::{Calls, Force, Tool};

const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];
const SUMMARIES: &[&str] = &["auto", "concise", "detailed"];
const VERBOSITIES: &[&str] = &["low", "medium", "high"];
const TRUNCATIONS: &[&str] = &["auto", "disabled"];
const TIERS: &[&str] = &["auto", "default", "flex", "scale", "priority", "fast"];
const NAME_LENGTH: usize = 64;

/// A valid request.
pub(super) struct Asked<'v> {
    pub(super) body: &'v Map<String, Value>,
    pub(super) wishes: Wishes<'v>,
    /// Whether the model thinks first, and how much.
    pub(super) effort: Option<&'v str>,
    /// Whether it tells what it thought.
    pub(super) summary: bool,
    /// Whether its thoughts come along for the next turn.
    pub(super) encrypted: bool,
    pub(super) store: bool,
    pub(super) background: bool,
    pub(super) previous: Option<&'v str>,
}

impl<'v> Asked<'v> {
    pub(super) fn of(body: &'v Map<String, Value>) -> Result<Self, ApiError> {
        let wishes = Wishes {
            model: model(body)?,
            stream: flag(body, "stream")?,
            choices: 1,
            max_tokens: count(body, "max_output_tokens", 1, u64::MAX)?,
            calls: calls(body)?,
            schema: schema(body)?,
            // Thoughts are items here, and counted as such.
            effort: Some(Effort::None),
            ..Wishes::default()
        };
        check(body)?;
        let reasoning = group(body, "reasoning")?;
        let effort = word(reasoning, "reasoning", "effort", EFFORTS)?.unwrap_or("medium");
        let summary = word(reasoning, "reasoning", "summary", SUMMARIES)?.is_some();
        let asked = Self {
            body,
            wishes,
            effort: reasoning.filter(|_| effort != "none").map(|_| effort),
            summary,
            encrypted: includes(body)?.contains(&"reasoning.encrypted_content"),
            store: given(body, "store").is_none() || flag(body, "store")?,
            background: flag(body, "background")?,
            previous: text(body, "previous_response_id")?,
        };
        if asked.background && !asked.store {
            return Err(ApiError::wrong_value("background", "it needs 'store' to be true"));
        }
        if asked.previous.is_some() && given(body, "conversation").is_some() {
            return Err(ApiError::wrong_value("previous_response_id", "it cannot be used with 'conversation'"));
        }
        Ok(asked)
    }
}

/// The parameters that only need to be valid.
fn check(body: &Map<String, Value>) -> Result<(), ApiError> {
    between(body, "temperature", 0.0, 2.0)?;
    between(body, "top_p", 0.0, 1.0)?;
    count(body, "top_logprobs", 0, 20)?;
    count(body, "max_tool_calls", 1, u64::MAX)?;
    flag(body, "parallel_tool_calls")?;
    text(body, "instructions")?;
    text(body, "user")?;
    word(Some(body), "", "truncation", TRUNCATIONS)?;
    word(Some(body), "", "service_tier", TIERS)?;
    word(group(body, "text")?, "text", "verbosity", VERBOSITIES)?;
    if let Some(options) = group(body, "stream_options")? {
        if !flag(body, "stream")? {
            return Err(ApiError::wrong_value("stream_options", "it is only allowed when 'stream' is true"));
        }
        flag(options, "include_obfuscation")?;
    }
    metadata(body)
}

/// A string that may be absent.
fn text<'v>(body: &'v Map<String, Value>, name: &str) -> Result<Option<&'v str>, ApiError> {
    given(body, name).map(|value| value.as_str().ok_or_else(|| ApiError::wrong_type(name, "a string"))).transpose()
}

/// An object that may be absent.
fn group<'v>(body: &'v Map<String, Value>, name: &str) -> Result<Option<&'v Map<String, Value>>, ApiError> {
    given(body, name).map(|value| value.as_object().ok_or_else(|| ApiError::wrong_type(name, "an object"))).transpose()
}

/// One of a few words that may be absent.
fn word<'v>(
    group: Option<&'v Map<String, Value>>,
    place: &str,
    name: &str,
    words: &[&str],
) -> Result<Option<&'v str>, ApiError> {
    let Some(value) = group.and_then(|group| given(group, name)) else { return Ok(None) };
    let param = if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    let value = value.as_str().ok_or_else(|| ApiError::wrong_type(&param, "a string"))?;
    if words.contains(&value) {
        return Ok(Some(value));
    }
    Err(ApiError::wrong_value(&param, &format!("it is none of {}", words.join(", "))))
}

/// What is wanted besides.
fn includes(body: &Map<String, Value>) -> Result<Vec<&str>, ApiError> {
    let Some(list) = given(body, "include") else { return Ok(Vec::new()) };
    let wrong = || ApiError::wrong_type("include", "an array of strings");
    list.as_array().ok_or_else(wrong)?.iter().map(|item| item.as_str().ok_or_else(wrong)).collect()
}

fn metadata(body: &Map<String, Value>) -> Result<(), ApiError> {
    let Some(pairs) = group(body, "metadata")? else { return Ok(()) };
    if pairs.len() > 16 {
        return Err(ApiError::wrong_value("metadata", "it has more than 16 pairs"));
    }
    for (key, value) in pairs {
        let param = format!("metadata.{key}");
        let value = value.as_str().ok_or_else(|| ApiError::wrong_type(&param, "a string"))?;
        if key.chars().count() > 64 || value.chars().count() > 512 {
            return Err(ApiError::wrong_value(&param, "a key has more than 64 or a value more than 512 characters"));
        }
    }
    Ok(())
}

/// The functions that may be called, and the one that must be, if one must.
fn calls(body: &Map<String, Value>) -> Result<Calls<'_>, ApiError> {
    let offered = functions(body)?;
    let force = match forced(body, &offered)?.filter(|_| !has_result(body)) {
        Some(place) => Force::One(place),
        None => Force::Nothing,
    };
    Ok(Calls { offered, force, single: !flag_or(body, "parallel_tool_calls", true)?, ..Calls::default() })
}

/// The place of the function that must be called.
fn forced(body: &Map<String, Value>, functions: &[Tool<'_>]) -> Result<Option<usize>, ApiError> {
    match given(body, "tool_choice") {
        None => Ok(None),
        Some(Value::String(mode)) => match mode.as_str() {
            "none" | "auto" => Ok(None),
            "required" if given(body, "tools").is_none() => {
                Err(ApiError::wrong_value("tool_choice", "'required' needs 'tools'"))
            }
            "required" => Ok((!functions.is_empty()).then_some(0)),
            _ => Err(ApiError::wrong_value("tool_choice", "it is neither none nor auto nor required")),
        },
        Some(choice) => named(choice, functions),
    }
}

/// A tool that is chosen by name, or by being among a few.
fn named(choice: &Value, functions: &[Tool<'_>]) -> Result<Option<usize>, ApiError> {
    fn name_of(tool: &Value) -> Option<&str> {
        tool.get("name").and_then(Value::as_str)
    }
    let named = match choice.get("type").and_then(Value::as_str) {
        Some("function") => Some(name_of(choice).ok_or_else(|| ApiError::missing("tool_choice.name"))?),
        Some("allowed_tools") if choice.get("mode").and_then(Value::as_str) == Some("required") => {
            choice.get("tools").and_then(Value::as_array).into_iter().flatten().find_map(name_of)
        }
        // What OpenAI runs itself is never called here.
        Some(_) => None,
        None => return Err(ApiError::missing("tool_choice.type")),
    };
    let Some(named) = named else { return Ok(None) };
    let found = functions.iter().position(|tool| tool.name == named);
    found.map(Some).ok_or_else(|| ApiError::wrong_value("tool_choice", "no such tool is given in 'tools'"))
}

/// Whether the input ends with the result of a call: then it is time for an answer.
fn has_result(body: &Map<String, Value>) -> bool {
    let last = body.get("input").and_then(|input| input.as_array()?.last());
    last.is_some_and(|item| item.get("type").and_then(Value::as_str) == Some("function_call_output"))
}

/// The function tools, each with its schema.
fn functions(body: &Map<String, Value>) -> Result<Vec<Tool<'_>>, ApiError> {
    let tools = match given(body, "tools") {
        None => return Ok(Vec::new()),
        Some(tools) => tools.as_array().ok_or_else(|| ApiError::wrong_type("tools", "an array of objects"))?,
    };
    let mut functions = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        let param = |name: &str| format!("tools[{index}].{name}");
        let tool = tool.as_object().ok_or_else(|| ApiError::wrong_type(&format!("tools[{index}]"), "an object"))?;
        let kind = tool.get("type").ok_or_else(|| ApiError::missing(&param("type")))?;
        if kind.as_str().ok_or_else(|| ApiError::wrong_type(&param("type"), "a string"))? != "function" {
            continue;
        }
        let name = tool.get("name").ok_or_else(|| ApiError::missing(&param("name")))?;
        let name = name.as_str().ok_or_else(|| ApiError::wrong_type(&param("name"), "a string"))?;
        if !is_name(name) {
            return Err(ApiError::wrong_value(&param("name"), "it is not 1 to 64 letters, digits, `_` or `-`"));
        }
        let schema = given(tool, "parameters").unwrap_or(&Value::Null);
        if !schema.is_object() && !schema.is_null() {
            return Err(ApiError::wrong_type(&param("parameters"), "a JSON schema"));
        }
        functions.push(Tool { name, schema, custom: false });
    }
    Ok(functions)
}

fn is_name(name: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=NAME_LENGTH).contains(&name.len()) && name.bytes().all(known)
}

/// The schema that the text must fit; null stands for any object.
fn schema(body: &Map<String, Value>) -> Result<Option<&Value>, ApiError> {
    let Some(format) = group(body, "text")?.and_then(|text| given(text, "format")) else { return Ok(None) };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(&Value::Null)),
        Some("json_schema") => {
            let name = format.get("name").ok_or_else(|| ApiError::missing("text.format.name"))?;
            if !name.as_str().is_some_and(is_name) {
                return Err(ApiError::wrong_value("text.format.name", "it is not 1 to 64 letters, digits, `_` or `-`"));
            }
            let schema = format.get("schema").filter(|schema| schema.is_object());
            schema.map(Some).ok_or_else(|| ApiError::missing("text.format.schema"))
        }
        None => Err(ApiError::missing("text.format.type")),
        Some(_) => Err(ApiError::wrong_value("text.format.type", "it is none of text, json_object, json_schema")),
    }
}
