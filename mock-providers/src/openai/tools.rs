//! Tools of a request: what is offered, and which the model is made to call.
//!
//! Owns `tools`, `tool_choice` and `parallel_tool_calls`, and their forerunners `functions` and `function_call`. Refuses
//! to call again when a tool has just answered: loops end.

use serde_json::{Map, Value};

use super::ApiError;
use super::parameters::{flag_or, given};
use super::place::Place;
use super::{schema, synth};
use crate::digest::Random;
use crate::request::member;

/// More are refused.
const MOST: usize = 128;

/// What calls the answer may or must have.
#[derive(Default)]
pub(super) struct Calls<'v> {
    pub(super) offered: Vec<Tool<'v>>,
    pub(super) force: Force,
    /// The tool is chosen by name: OpenAI then ends with `stop`.
    pub(super) named: bool,
    /// At most one call.
    pub(super) single: bool,
    /// Functions as they were before tools.
    pub(super) legacy: bool,
}

/// Which tools must be called, by their places among the offered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Force {
    /// None: the answer is text.
    #[default]
    Nothing,
    /// One or more of these.
    Any(Vec<usize>),
    /// This one.
    One(usize),
}

/// A tool that the model may call.
pub(super) struct Tool<'v> {
    pub(super) name: &'v str,
    /// What its arguments must fit.
    pub(super) schema: &'v Value,
    /// It takes text instead of arguments.
    pub(super) custom: bool,
}

impl Tool<'_> {
    /// Made-up arguments, as text.
    pub(super) fn input(&self, random: &mut Random) -> String {
        if self.custom { synth::words(6, random) } else { synth::arguments(self.schema, random).to_string() }
    }
}

impl<'v> Calls<'v> {
    /// As the request's body says it.
    pub(super) fn read(body: &'v Map<String, Value>) -> Result<Self, ApiError> {
        let mut calls = Calls { single: !flag_or(body, "parallel_tool_calls", true)?, ..Self::default() };
        if let Some(tools) = given(body, "tools") {
            calls.offered = list(tools, Place::of("tools"), tool)?;
            calls.choose(given(body, "tool_choice"))?;
        } else if let Some(functions) = given(body, "functions") {
            calls.offered = list(functions, Place::of("functions"), function)?;
            (calls.legacy, calls.single) = (true, true);
            calls.choose_function(given(body, "function_call"))?;
        } else if let Some(choice) = given(body, "tool_choice") {
            let needs_tools = "it is only allowed when 'tools' are specified";
            return if choice == "none" { Ok(calls) } else { Err(ApiError::wrong_value("tool_choice", needs_tools)) };
        }
        if answered(body) {
            calls.force = Force::Nothing;
        }
        Ok(calls)
    }

    fn choose(&mut self, choice: Option<&Value>) -> Result<(), ApiError> {
        let place = Place::of("tool_choice");
        let Some(choice) = choice else { return Ok(()) };
        if let Value::String(mode) = choice {
            return self.force_by(mode, (0..self.offered.len()).collect(), place);
        }
        let choice = choice.as_object().ok_or_else(|| place.wrong_type("a string or an object", choice))?;
        let kind = place.field("type");
        match kind.word(choice.get("type"), &["function", "custom", "allowed_tools"])? {
            "allowed_tools" => {
                let place = place.field("allowed_tools");
                let allowed = place.object(choice.get("allowed_tools"))?;
                let mode = place.field("mode").word(allowed.get("mode"), &["auto", "required"])?;
                let listed = place.field("tools");
                let tools = allowed.get("tools").and_then(Value::as_array).ok_or_else(|| listed.missing())?;
                let known = tools.iter().enumerate().map(|(index, tool)| self.find(tool, listed.item(index)));
                let known = known.collect::<Result<_, _>>()?;
                self.force_by(mode, known, place)
            }
            _ => {
                self.force = Force::One(self.find(&Value::Object(choice.clone()), place)?);
                self.named = true;
                Ok(())
            }
        }
    }

    fn choose_function(&mut self, choice: Option<&Value>) -> Result<(), ApiError> {
        let place = Place::of("function_call");
        match choice {
            None => Ok(()),
            Some(Value::String(_)) => place.word(choice, &["none", "auto"]).map(|_| ()),
            Some(Value::Object(choice)) => {
                let name = place.field("name").text(choice.get("name"))?;
                self.force =
                    Force::One(self.place_of(name, false).ok_or_else(|| place.unknown_tool(name, "functions"))?);
                self.named = true;
                Ok(())
            }
            Some(other) => Err(place.wrong_type("a string or an object", other)),
        }
    }

    fn force_by(&mut self, mode: &str, tools: Vec<usize>, place: Place<'_>) -> Result<(), ApiError> {
        match mode {
            "none" | "auto" => {}
            "required" if tools.is_empty() => return Err(ApiError::wrong_value("tool_choice", "no tool is given")),
            "required" => self.force = Force::Any(tools),
            other => return Err(place.unknown(other, &["none", "auto", "required"])),
        }
        Ok(())
    }

    /// The offered tool that `{type, function: {name}}` stands for.
    fn find(&self, reference: &Value, place: Place<'_>) -> Result<usize, ApiError> {
        let kind = place.field("type").word(reference.get("type"), &["function", "custom"])?;
        let place = place.field(kind);
        let name = place.field("name").text(reference.get(kind).and_then(|inner| inner.get("name")))?;
        self.place_of(name, kind == "custom").ok_or_else(|| place.field("name").unknown_tool(name, "tools"))
    }

    fn place_of(&self, name: &str, custom: bool) -> Option<usize> {
        self.offered.iter().position(|tool| tool.name == name && tool.custom == custom)
    }
}

fn list<'v>(
    tools: &'v Value,
    place: Place<'_>,
    read: impl Fn(&'v Value, Place<'_>) -> Result<Tool<'v>, ApiError>,
) -> Result<Vec<Tool<'v>>, ApiError> {
    let tools = place.array(Some(tools), 1..=MOST)?;
    tools.iter().enumerate().map(|(index, tool)| read(tool, place.item(index))).collect()
}

fn tool<'v>(tool: &'v Value, place: Place<'_>) -> Result<Tool<'v>, ApiError> {
    let object = place.object(Some(tool))?;
    // Other servers take tools without a type, and so do some models of OpenAI.
    let kind = object
        .get("type")
        .map_or(Ok("function"), |kind| place.field("type").word(Some(kind), &["function", "custom"]))?;
    if kind == "function" {
        return function(object.get(kind).ok_or_else(|| place.field(kind).missing())?, place.field(kind));
    }
    let place = place.field(kind);
    let name = place.field("name").name(place.object(object.get(kind))?.get("name"))?;
    Ok(Tool { name, schema: &Value::Null, custom: true })
}

fn function<'v>(function: &'v Value, place: Place<'_>) -> Result<Tool<'v>, ApiError> {
    let function = place.object(Some(function))?;
    let name = place.field("name").name(function.get("name"))?;
    let parameters = function.get("parameters").unwrap_or(&Value::Null);
    schema::check_parameters(parameters, name, place.field("parameters"))?;
    Ok(Tool { name, schema: parameters, custom: false })
}

/// Whether a tool has answered since the user last spoke.
fn answered(body: &Map<String, Value>) -> bool {
    let messages = member(body, "messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let roles = messages.iter().rev().filter_map(|message| member(message.as_object()?, "role")?.as_str());
    roles.take_while(|role| *role != "user").any(|role| role == "tool" || role == "function")
}
