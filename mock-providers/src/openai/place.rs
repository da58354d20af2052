//! The place of a parameter in a request's body, and what is wrong there.
//!
//! Owns the path (`messages[0].content[1].type`), the codes and the wording of parameter errors. A path is spelled only
//! when there is an error to tell: until then it costs nothing.

use std::fmt;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::ApiError;

/// A parameter, by its way from the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Field(&'p str),
    Item(usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}")?;
        }
        match self.step {
            Step::Field(name) if self.parent.is_some() => write!(f, ".{name}"),
            Step::Field(name) => f.write_str(name),
            Step::Item(index) => write!(f, "[{index}]"),
        }
    }
}

/// Names of tools and schemas are no longer.
const NAME: usize = 64;

impl<'p> Place<'p> {
    /// A member of the body.
    pub(super) fn of(name: &'p str) -> Self {
        Self { parent: None, step: Step::Field(name) }
    }

    /// A member of what is here.
    pub(super) fn field<'q>(&'q self, name: &'q str) -> Place<'q> {
        Place { parent: Some(self), step: Step::Field(name) }
    }

    /// An item of what is here.
    pub(super) fn item(&self, index: usize) -> Place<'_> {
        Place { parent: Some(self), step: Step::Item(index) }
    }

    /// A 400 about it.
    pub(super) fn error(&self, code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::parameter(&self.to_string(), code, message)
    }

    /// A 400 about what does not fit the other parameters.
    pub(super) fn inconsistent(&self, message: impl Into<String>) -> ApiError {
        ApiError::inconsistent(&self.to_string(), message)
    }

    pub(super) fn missing(&self) -> ApiError {
        ApiError::missing(&self.to_string())
    }

    pub(super) fn wrong_type(&self, expected: &str, value: &Value) -> ApiError {
        let got = kind_of(value);
        self.error("invalid_type", format!("Invalid type for '{self}': expected {expected}, but got {got} instead."))
    }

    /// None of the words that may stand here.
    pub(super) fn unknown(&self, word: &str, words: &[&str]) -> ApiError {
        let listed = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
        self.error("invalid_value", format!("Invalid value: '{word}'. Supported values are: {listed}."))
    }

    /// This model does not take it.
    pub(super) fn unsupported(&self, instead: &str) -> ApiError {
        let message = format!("Unsupported parameter: '{self}' is not supported with this model. {instead}");
        self.error("unsupported_parameter", message)
    }

    pub(super) fn unknown_tool(&self, name: &str, list: &str) -> ApiError {
        self.error("invalid_value", format!("Invalid value for '{self}': no '{name}' is among the '{list}'."))
    }

    /// An array of so many items.
    pub(super) fn array<'v>(
        &self,
        value: Option<&'v Value>,
        length: RangeInclusive<usize>,
    ) -> Result<&'v Vec<Value>, ApiError> {
        let value = value.ok_or_else(|| self.missing())?;
        let items = value.as_array().ok_or_else(|| self.wrong_type("an array", value))?;
        let (count, least, most) = (items.len(), length.start(), length.end());
        if items.is_empty() && *least > 0 {
            let message = format!("Invalid '{self}': empty array. Expected an array with minimum length {least}.");
            return Err(self.error("empty_array", message));
        }
        if count > *most {
            let message = format!("Invalid '{self}': array too long. Expected at most {most} items, but got {count}.");
            return Err(self.error("array_above_max_length", message));
        }
        Ok(items)
    }

    pub(super) fn object<'v>(&self, value: Option<&'v Value>) -> Result<&'v Map<String, Value>, ApiError> {
        let value = value.ok_or_else(|| self.missing())?;
        value.as_object().ok_or_else(|| self.wrong_type("an object", value))
    }

    pub(super) fn text<'v>(&self, value: Option<&'v Value>) -> Result<&'v str, ApiError> {
        let value = value.ok_or_else(|| self.missing())?;
        value.as_str().ok_or_else(|| self.wrong_type("a string", value))
    }

    /// A text of at most so many characters.
    pub(super) fn short_text<'v>(&self, value: Option<&'v Value>, most: usize) -> Result<&'v str, ApiError> {
        let text = self.text(value)?;
        let length = text.chars().count();
        if length <= most {
            return Ok(text);
        }
        let message =
            format!("Invalid '{self}': string too long. Expected at most {most} characters, but got {length}.");
        Err(self.error("string_above_max_length", message))
    }

    /// One of these words.
    pub(super) fn word<'w>(&self, value: Option<&Value>, words: &[&'w str]) -> Result<&'w str, ApiError> {
        let word = self.text(value)?;
        words.iter().find(|known| **known == word).copied().ok_or_else(|| self.unknown(word, words))
    }

    /// A name of letters, digits, underscores and dashes.
    pub(super) fn name<'v>(&self, value: Option<&'v Value>) -> Result<&'v str, ApiError> {
        let name = self.short_text(value, NAME)?;
        let fits = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'_' || letter == b'-';
        if !name.is_empty() && name.bytes().all(fits) {
            return Ok(name);
        }
        let why = "string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'";
        Err(self.error("invalid_value", format!("Invalid '{self}': {why}.")))
    }
}

/// A value's type, as errors say it.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_spelled_as_a_path() {
        let messages = Place::of("messages");
        let message = messages.item(3);
        assert_eq!(message.field("content").item(0).field("type").to_string(), "messages[3].content[0].type");
    }
}
