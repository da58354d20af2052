//! The tools of a request for a response.
//!
//! Owns their flat shape and `tool_choice`. Refuses the tools that only OpenAI could run: they are never called.

use serde_json::{Map, Value};

use crate::openai::ApiError;
use crate::openai::parameters::{flag_or, given};
use crate::openai::place::Place;
use crate::openai::schema::check_parameters;
use crate::openai::tools::{Calls, Force, Tool};

/// What calls the answer may or must have; none once the input ends with the output of one.
pub(super) fn read(body: &Map<String, Value>) -> Result<Calls<'_>, ApiError> {
    let mut calls = Calls { single: !flag_or(body, "parallel_tool_calls", true)?, ..Calls::default() };
    if let Some(tools) = given(body, "tools") {
        let place = Place::of("tools");
        for (index, value) in place.array(Some(tools), 0..=usize::MAX)?.iter().enumerate() {
            calls.offered.extend(tool(value, place.item(index))?);
        }
    }
    if let Some(choice) = given(body, "tool_choice") {
        choose(&mut calls, choice, given(body, "tools").is_some())?;
    }
    if is_answered(body) {
        calls.force = Force::Nothing;
    }
    Ok(calls)
}

/// One that we can call, or none.
fn tool<'v>(value: &'v Value, place: Place<'_>) -> Result<Option<Tool<'v>>, ApiError> {
    let tool = place.object(Some(value))?;
    let custom = match place.field("type").text(tool.get("type"))? {
        "function" => false,
        "custom" => true,
        _ => return Ok(None),
    };
    let name = place.field("name").name(tool.get("name"))?;
    let schema = tool.get("parameters").filter(|_| !custom).unwrap_or(&Value::Null);
    check_parameters(schema, name, place.field("parameters"))?;
    Ok(Some(Tool { name, schema, custom }))
}

fn choose<'v>(calls: &mut Calls<'v>, choice: &'v Value, tools: bool) -> Result<(), ApiError> {
    let place = Place::of("tool_choice");
    let choice = match choice {
        Value::String(mode) => return choose_any(calls, mode, tools, place),
        Value::Object(choice) => choice,
        other => return Err(place.wrong_type("a string or an object", other)),
    };
    match place.field("type").text(choice.get("type"))? {
        "function" | "custom" => {
            let name = place.field("name").text(choice.get("name"))?;
            calls.force = Force::One(find(calls, name).ok_or_else(|| place.unknown_tool(name, "tools"))?);
        }
        "allowed_tools" if choice.get("mode").and_then(Value::as_str) == Some("required") => {
            let allowed = choice.get("tools").and_then(Value::as_array).into_iter().flatten();
            let names = allowed.filter_map(|tool| tool.get("name")?.as_str());
            let known: Vec<usize> = names.filter_map(|name| find(calls, name)).collect();
            calls.force = if known.is_empty() { Force::Nothing } else { Force::Any(known) };
        }
        _ => {}
    }
    Ok(())
}

fn choose_any(calls: &mut Calls<'_>, mode: &str, tools: bool, place: Place<'_>) -> Result<(), ApiError> {
    match mode {
        "none" | "auto" => {}
        "required" if !tools => return Err(ApiError::wrong_value("tool_choice", "'required' needs 'tools'")),
        "required" if calls.offered.is_empty() => {}
        "required" => calls.force = Force::Any((0..calls.offered.len()).collect()),
        other => return Err(place.unknown(other, &["none", "auto", "required"])),
    }
    Ok(())
}

fn find(calls: &Calls<'_>, name: &str) -> Option<usize> {
    calls.offered.iter().position(|tool| tool.name == name)
}

/// Whether the input ends with the output of a call: then it is time for an answer.
fn is_answered(body: &Map<String, Value>) -> bool {
    let last = body.get("input").and_then(|input| input.as_array()?.last()?.get("type")?.as_str());
    last.is_some_and(|kind| kind.ends_with("_call_output"))
}
