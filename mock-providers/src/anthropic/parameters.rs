//! The parameters of a request for a message, read as Anthropic reads them.
//!
//! Owns the errors for what is missing, of a wrong type, out of range or at odds with something else. Refuses to reject
//! fields that it does not know.

mod content;

use serde_json::{Map, Value};

use super::ApiError;
use crate::openai::Reading;
use crate::request::Request;
use crate::script::Provider;

const LEAST_BUDGET: u64 = 1024;

/// What a request asks for.
pub(super) struct Wishes<'v> {
    pub(super) model: &'v str,
    pub(super) stream: bool,
    pub(super) max_tokens: usize,
    pub(super) stops: Vec<&'v str>,
    /// A tool that must be called, unless its result is there already.
    pub(super) call: Option<ForcedCall<'v>>,
    /// Not more than one call.
    pub(super) single_call: bool,
    /// It wants thoughts.
    pub(super) thinking: Option<Thinking>,
    /// The schema that a text must fit.
    pub(super) format: Option<&'v Value>,
}

/// How a model is to think.
pub(super) struct Thinking {
    /// Whether the thoughts are shown, or signed alone.
    pub(super) shown: bool,
}

/// A tool and what it takes.
pub(super) struct ForcedCall<'v> {
    pub(super) name: &'v str,
    pub(super) schema: &'v Value,
}

/// The body, which must be an object.
pub(super) fn object<'r>(request: &'r Request<'_>) -> Result<&'r Map<String, Value>, ApiError> {
    request.json.as_ref().and_then(Value::as_object).ok_or_else(ApiError::not_json)
}

/// Everything that a request for a message has.
pub(super) fn wishes<'v>(body: &'v Map<String, Value>, provider: &Provider) -> Result<Wishes<'v>, ApiError> {
    let reading = Reading::of(provider);
    let model = prompt(body, provider)?;
    let max_tokens =
        count(body, "max_tokens", 1).and_then(|count| count.ok_or_else(|| ApiError::missing("max_tokens")));
    let max_tokens = reading.or_else(max_tokens, || u64::MAX)?;
    let choice = given(body, "tool_choice");
    let call = reading.settle(forced_call(body, choice))?;
    let thinking = reading.settle(thinking(body, max_tokens))?;
    reading.settle(sampling(body, thinking.is_some()))?;
    if thinking.is_some() && call.is_some() {
        let why = "it does not go with a tool_choice that forces a call";
        reading.settle(Err::<(), _>(ApiError::invalid("thinking", why)))?;
    }
    reading.settle(metadata(body))?;
    reading.settle(one_of(body, "service_tier", &["auto", "standard_only"]))?;
    let single = choice.and_then(|choice| choice.get("disable_parallel_tool_use")).and_then(Value::as_bool);
    let answered = body.get("messages").is_some_and(content::ends_with_a_result);
    Ok(Wishes {
        model,
        stream: reading.settle(flag(body, "stream"))?,
        max_tokens: usize::try_from(max_tokens).unwrap_or(usize::MAX),
        stops: reading.settle(stops(body))?,
        call: call.filter(|_| !answered),
        single_call: single == Some(true),
        thinking,
        format: reading.settle(format(body))?,
    })
}

/// What a request has whose tokens are counted, too; gives the model.
pub(super) fn prompt<'v>(body: &'v Map<String, Value>, provider: &Provider) -> Result<&'v str, ApiError> {
    let reading = Reading::of(provider);
    let model = reading.settle(model_of(body))?;
    let messages = body.get("messages").ok_or_else(|| ApiError::missing("messages"));
    reading.settle(messages.and_then(content::messages))?;
    reading.settle(given(body, "system").map_or(Ok(()), content::system))?;
    reading.settle(tools(body))?;
    if provider.lacks(model) {
        return Err(ApiError::not_found(format!("model: {model}")));
    }
    Ok(model)
}

fn model_of(body: &Map<String, Value>) -> Result<&str, ApiError> {
    let model = body.get("model").ok_or_else(|| ApiError::missing("model"))?;
    let model = model.as_str().ok_or_else(|| ApiError::invalid("model", "it must be a string"))?;
    if model.is_empty() { Err(ApiError::invalid("model", "it must have at least one character")) } else { Ok(model) }
}

/// What steers a real model's draws, and not ours; with thoughts not all of it goes.
fn sampling(body: &Map<String, Value>, thinks: bool) -> Result<(), ApiError> {
    let temperature = between(body, "temperature", 1.0)?;
    between(body, "top_p", 1.0)?;
    let top_k = count(body, "top_k", 0)?;
    if thinks && (temperature.is_some_and(|value| value < 1.0) || top_k.is_some()) {
        return Err(ApiError::invalid("thinking", "it goes with neither a temperature below 1 nor top_k"));
    }
    Ok(())
}

/// The value, unless it is absent or null.
fn given<'v>(body: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    body.get(name).filter(|value| !value.is_null())
}

fn flag(body: &Map<String, Value>, name: &str) -> Result<bool, ApiError> {
    let Some(value) = given(body, name) else { return Ok(false) };
    value.as_bool().ok_or_else(|| ApiError::invalid(name, "it must be a boolean"))
}

fn count(body: &Map<String, Value>, name: &str, least: u64) -> Result<Option<u64>, ApiError> {
    let Some(value) = given(body, name) else { return Ok(None) };
    let count = value.as_u64().filter(|count| *count >= least);
    count.map(Some).ok_or_else(|| ApiError::invalid(name, &format!("it must be an integer from {least} on")))
}

fn between(body: &Map<String, Value>, name: &str, most: f64) -> Result<Option<f64>, ApiError> {
    let Some(value) = given(body, name) else { return Ok(None) };
    let number = value.as_f64().filter(|number| (0.0..=most).contains(number));
    number.map(Some).ok_or_else(|| ApiError::invalid(name, &format!("it must be a number from 0 to {most}")))
}

fn one_of(body: &Map<String, Value>, name: &str, words: &[&str]) -> Result<(), ApiError> {
    match given(body, name) {
        Some(value) if !value.as_str().is_some_and(|word| words.contains(&word)) => {
            Err(ApiError::invalid(name, &format!("it must be one of {}", words.join(", "))))
        }
        _ => Ok(()),
    }
}

fn metadata(body: &Map<String, Value>) -> Result<(), ApiError> {
    let Some(metadata) = given(body, "metadata") else { return Ok(()) };
    let metadata = metadata.as_object().ok_or_else(|| ApiError::invalid("metadata", "it must be an object"))?;
    match given(metadata, "user_id") {
        Some(id) if !id.is_string() => Err(ApiError::invalid("metadata.user_id", "it must be a string")),
        _ => Ok(()),
    }
}

fn stops(body: &Map<String, Value>) -> Result<Vec<&str>, ApiError> {
    let wrong = || ApiError::invalid("stop_sequences", "it must be an array of strings that are not blank");
    let Some(stops) = given(body, "stop_sequences") else { return Ok(Vec::new()) };
    let stops = stops.as_array().ok_or_else(wrong)?;
    let stop = |stop: &'_ Value| stop.as_str().is_some_and(|stop| !stop.trim().is_empty());
    if stops.iter().all(stop) { Ok(stops.iter().filter_map(Value::as_str).collect()) } else { Err(wrong()) }
}

fn thinking(body: &Map<String, Value>, max_tokens: u64) -> Result<Option<Thinking>, ApiError> {
    let Some(thinking) = given(body, "thinking") else { return Ok(None) };
    match thinking.get("type").and_then(Value::as_str) {
        // Between tools is not before the answer.
        Some("disabled" | "between_tools") => return Ok(None),
        Some("adaptive") => {}
        Some("enabled") => {
            let place = "thinking.enabled.budget_tokens";
            let budget = thinking.get("budget_tokens").ok_or_else(|| ApiError::missing(place))?;
            let budget = budget.as_u64().filter(|budget| *budget >= LEAST_BUDGET);
            let budget = budget.ok_or_else(|| ApiError::invalid(place, "it must be an integer from 1024 on"))?;
            if budget >= max_tokens {
                return Err(ApiError::invalid("max_tokens", "it must be greater than thinking.budget_tokens"));
            }
        }
        _ => return Err(ApiError::invalid("thinking.type", "it must be one of adaptive, enabled, disabled")),
    }
    let omitted = thinking.get("display").and_then(Value::as_str) == Some("omitted");
    Ok(Some(Thinking { shown: !omitted }))
}

fn format(body: &Map<String, Value>) -> Result<Option<&Value>, ApiError> {
    let Some(config) = given(body, "output_config") else { return Ok(None) };
    let config = config.as_object().ok_or_else(|| ApiError::invalid("output_config", "it must be an object"))?;
    let Some(format) = given(config, "format") else { return Ok(None) };
    if format.get("type").and_then(Value::as_str) != Some("json_schema") {
        return Err(ApiError::invalid("output_config.format.type", "it must be json_schema"));
    }
    let schema = format.get("schema").ok_or_else(|| ApiError::missing("output_config.format.schema"))?;
    let object = schema.is_object().then_some(schema);
    object.map(Some).ok_or_else(|| ApiError::invalid("output_config.format.schema", "it must be an object"))
}

fn tools(body: &Map<String, Value>) -> Result<(), ApiError> {
    let Some(tools) = given(body, "tools") else { return Ok(()) };
    let tools = tools.as_array().ok_or_else(|| ApiError::invalid("tools", "it must be an array"))?;
    for (index, tool) in tools.iter().enumerate() {
        let name = tool.get("name").ok_or_else(|| ApiError::missing(&format!("tools.{index}.name")))?;
        if !name.as_str().is_some_and(is_tool_name) {
            let why = "it must have 1 to 128 letters, digits, underscores and dashes";
            return Err(ApiError::invalid(&format!("tools.{index}.name"), why));
        }
        // Tools of Anthropic's own have a type, and no schema.
        if matches!(tool.get("type").and_then(Value::as_str), None | Some("custom")) {
            let place = format!("tools.{index}.input_schema");
            let schema = tool.get("input_schema").ok_or_else(|| ApiError::missing(&place))?;
            if schema.get("type").and_then(Value::as_str) != Some("object") {
                return Err(ApiError::invalid(&format!("{place}.type"), "it must be object"));
            }
        }
    }
    Ok(())
}

fn is_tool_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn forced_call<'v>(
    body: &'v Map<String, Value>,
    choice: Option<&'v Value>,
) -> Result<Option<ForcedCall<'v>>, ApiError> {
    let Some(choice) = choice else { return Ok(None) };
    let tools = given(body, "tools").and_then(Value::as_array).filter(|tools| !tools.is_empty());
    let tools = tools.ok_or_else(|| ApiError::invalid("tool_choice", "it needs tools"))?;
    let named = match choice.get("type").and_then(Value::as_str) {
        Some("auto" | "none") => return Ok(None),
        Some("any") => None,
        Some("tool") => {
            let name = choice.get("name").and_then(Value::as_str);
            Some(name.ok_or_else(|| ApiError::missing("tool_choice.tool.name"))?)
        }
        _ => return Err(ApiError::invalid("tool_choice.type", "it must be one of auto, any, tool, none")),
    };
    let forced = tools.iter().find_map(|tool| {
        let name = tool.get("name")?.as_str()?;
        let schema = tool.get("input_schema").unwrap_or(&Value::Null);
        named.is_none_or(|wanted| wanted == name).then_some(ForcedCall { name, schema })
    });
    forced.map(Some).ok_or_else(|| ApiError::invalid("tool_choice.tool.name", "no such tool is given in tools"))
}
