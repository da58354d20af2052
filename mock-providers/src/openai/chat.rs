//! `POST /chat/completions`: the request.
//!
//! Owns its validation and what of it steers an answer. Refuses to reject what OpenAI accepts: unknown fields pass.

use serde_json::{Map, Value};

use super::completion::Completion;
use super::parameters::{between, count, flag, given, include_usage, model, object, stops};
use super::{ApiError, stream};
use crate::answer::Context;
use crate::plan::Answer;
use crate::request::Request;

const ROLES: &[&str] = &["developer", "system", "user", "assistant", "tool", "function"];

/// What a request for text asks for.
#[derive(Default)]
pub(super) struct Wishes<'v> {
    pub(super) model: &'v str,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) choices: usize,
    pub(super) max_tokens: Option<usize>,
    pub(super) stops: Vec<&'v str>,
    pub(super) call: Option<ForcedCall<'v>>,
    /// The schema that the text must fit; null stands for any object.
    pub(super) schema: Option<&'v Value>,
}

/// A tool that the request makes the model call.
pub(super) struct ForcedCall<'v> {
    pub(super) name: &'v str,
    pub(super) schema: &'v Value,
    /// Chosen by name: OpenAI then ends with `stop`.
    pub(super) named: bool,
}

/// Answers a chat request, plain or as a stream.
pub(super) fn answer(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let wishes = validate(object(request)?)?;
    let completion = Completion::new(request, &wishes, context);
    Ok(match wishes.stream {
        true => Answer::stream(stream::pieces(&completion, wishes.include_usage, context.pace())),
        false => Answer::json(200, completion.json(), completion.usage),
    })
}

fn validate(body: &Map<String, Value>) -> Result<Wishes<'_>, ApiError> {
    let model = model(body)?;
    messages(body.get("messages").ok_or_else(|| ApiError::missing("messages"))?)?;
    let stream = flag(body, "stream")?;
    between(body, "temperature", 0.0, 2.0)?;
    between(body, "top_p", 0.0, 1.0)?;
    between(body, "presence_penalty", -2.0, 2.0)?;
    between(body, "frequency_penalty", -2.0, 2.0)?;
    let choices = count(body, "n", 1, 128)?.unwrap_or(1);
    let max_tokens = count(body, "max_tokens", 1, u64::MAX)?;
    let max_completion_tokens = count(body, "max_completion_tokens", 1, u64::MAX)?;
    Ok(Wishes {
        model,
        stream,
        include_usage: include_usage(body, stream)?,
        choices,
        max_tokens: max_completion_tokens.or(max_tokens),
        stops: stops(body)?,
        call: forced_call(body)?,
        schema: schema(body)?,
    })
}

fn messages(messages: &Value) -> Result<(), ApiError> {
    let messages = messages.as_array().ok_or_else(|| ApiError::wrong_type("messages", "an array of objects"))?;
    if messages.is_empty() {
        return Err(ApiError::wrong_value("messages", "it must have at least one message"));
    }
    for (index, message) in messages.iter().enumerate() {
        let param = format!("messages[{index}]");
        let message = message.as_object().ok_or_else(|| ApiError::wrong_type(&param, "an object"))?;
        let role = message.get("role").ok_or_else(|| ApiError::missing(&format!("{param}.role")))?;
        if !role.as_str().is_some_and(|role| ROLES.contains(&role)) {
            return Err(ApiError::wrong_value(&format!("{param}.role"), "it is no known role"));
        }
        if !matches!(message.get("content"), None | Some(Value::Null | Value::String(_) | Value::Array(_))) {
            return Err(ApiError::wrong_type(&format!("{param}.content"), "a string or an array of parts"));
        }
    }
    Ok(())
}

fn forced_call(body: &Map<String, Value>) -> Result<Option<ForcedCall<'_>>, ApiError> {
    let tools = match given(body, "tools") {
        None => &[][..],
        Some(Value::Array(tools)) => tools.as_slice(),
        Some(_) => return Err(ApiError::wrong_type("tools", "an array of objects")),
    };
    let choice = given(body, "tool_choice");
    let named = choice.and_then(|choice| choice.get("function")?.get("name")?.as_str());
    if choice.is_some_and(|choice| choice.as_str().is_some_and(|mode| !["none", "auto", "required"].contains(&mode))) {
        return Err(ApiError::wrong_value("tool_choice", "it is neither none nor auto nor required"));
    }
    let required = choice.and_then(Value::as_str) == Some("required");
    if !required && named.is_none() {
        return Ok(None);
    }
    let forced = tools.iter().filter_map(|tool| tool.get("function")).find_map(|function| {
        let name = function.get("name")?.as_str()?;
        let schema = function.get("parameters").unwrap_or(&Value::Null);
        named.is_none_or(|wanted| wanted == name).then_some(ForcedCall { name, schema, named: named.is_some() })
    });
    forced.map(Some).ok_or_else(|| ApiError::wrong_value("tool_choice", "no such tool is given in 'tools'"))
}

fn schema(body: &Map<String, Value>) -> Result<Option<&Value>, ApiError> {
    let Some(format) = given(body, "response_format") else { return Ok(None) };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(&Value::Null)),
        Some("json_schema") => {
            let schema = format.get("json_schema").and_then(|wrapper| wrapper.get("schema"));
            schema.map(Some).ok_or_else(|| ApiError::missing("response_format.json_schema.schema"))
        }
        _ => Err(ApiError::wrong_value("response_format.type", "it is no known format")),
    }
}
