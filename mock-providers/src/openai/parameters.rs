//! The parameters of a request's body, read as OpenAI reads them.
//!
//! Owns the errors for what is missing, of a wrong type or out of range. Refuses to reject fields that it does not know.

use serde_json::{Map, Value};

use super::ApiError;
use super::place::Place;
use crate::request::{Request, member};
use crate::script::{Provider, Strict};

/// A service of a tier that a request may name, and the one that answers it.
const TIERS: &[(&str, &str)] = &[
    ("auto", "default"),
    ("default", "default"),
    ("flex", "flex"),
    ("scale", "scale"),
    ("priority", "priority"),
    ("fast", "priority"),
];

/// Whether what cannot be meant is an error, or counts as left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    lenient: bool,
}

impl Reading {
    pub(crate) fn of(provider: &Provider) -> Self {
        Self { lenient: provider.strict == Some(Strict::Off) }
    }

    /// What was read, or nothing in the place of an error.
    pub(crate) fn settle<T: Default, E>(self, read: Result<T, E>) -> Result<T, E> {
        self.or_else(read, T::default)
    }

    /// What was read, or something else in the place of an error.
    pub(crate) fn or_else<T, E>(self, read: Result<T, E>, instead: impl FnOnce() -> T) -> Result<T, E> {
        if self.lenient { Ok(read.unwrap_or_else(|_| instead())) } else { read }
    }
}

/// The body, which must be an object.
pub(super) fn object<'r>(request: &'r Request<'_>) -> Result<&'r Map<String, Value>, ApiError> {
    request.json.as_ref().and_then(Value::as_object).ok_or_else(ApiError::not_json)
}

/// The model, which must be named.
pub(super) fn model(body: &Map<String, Value>) -> Result<&str, ApiError> {
    let model = Place::of("model").text(member(body, "model"))?;
    if model.is_empty() { Err(ApiError::missing("model")) } else { Ok(model) }
}

/// The value, unless it is absent or null.
pub(super) fn given<'v>(body: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    member(body, name).filter(|value| !value.is_null())
}

/// A boolean, false when absent.
pub(super) fn flag(body: &Map<String, Value>, name: &str) -> Result<bool, ApiError> {
    flag_or(body, name, false)
}

/// A boolean with its default.
pub(super) fn flag_or(body: &Map<String, Value>, name: &str, default: bool) -> Result<bool, ApiError> {
    let Some(value) = given(body, name) else { return Ok(default) };
    value.as_bool().ok_or_else(|| Place::of(name).wrong_type("a boolean", value))
}

/// Checks a number that may be absent.
pub(super) fn between(body: &Map<String, Value>, name: &str, low: f64, high: f64) -> Result<Option<f64>, ApiError> {
    let Some(value) = given(body, name) else { return Ok(None) };
    let number = value.as_f64().ok_or_else(|| Place::of(name).wrong_type("a decimal number", value))?;
    let (code, why, bound) = match number {
        number if number < low => ("decimal_below_min_value", "below minimum value. Expected a value >= ", low),
        number if number > high => ("decimal_above_max_value", "above maximum value. Expected a value <= ", high),
        number => return Ok(Some(number)),
    };
    let message = format!("Invalid '{name}': decimal {why}{bound}, but got {value} instead.");
    Err(ApiError::parameter(name, code, message))
}

/// A whole number that may be absent.
pub(super) fn count(body: &Map<String, Value>, name: &str, low: u64, high: u64) -> Result<Option<usize>, ApiError> {
    let Some(value) = given(body, name) else { return Ok(None) };
    let whole = value.is_u64() || value.is_i64();
    if !whole {
        return Err(Place::of(name).wrong_type("an integer", value));
    }
    let (code, why, bound) = match value.as_u64() {
        Some(number) if (low..=high).contains(&number) => {
            return Ok(Some(usize::try_from(number).unwrap_or(usize::MAX)));
        }
        Some(number) if number > high => ("integer_above_max_value", "above maximum value. Expected a value <= ", high),
        _ => ("integer_below_min_value", "below minimum value. Expected a value >= ", low),
    };
    let message = format!("Invalid '{name}': integer {why}{bound}, but got {value} instead.");
    Err(ApiError::parameter(name, code, message))
}

/// Checks an integer that may be absent, of whatever size.
pub(super) fn integer(body: &Map<String, Value>, name: &str) -> Result<(), ApiError> {
    match given(body, name) {
        Some(value) if !(value.is_i64() || value.is_u64()) => Err(Place::of(name).wrong_type("an integer", value)),
        _ => Ok(()),
    }
}

/// Checks a text that may be absent.
pub(super) fn optional_text(body: &Map<String, Value>, name: &str) -> Result<(), ApiError> {
    given(body, name).map_or(Ok(()), |value| Place::of(name).text(Some(value)).map(|_| ()))
}

/// One of a few words, that may be absent.
pub(super) fn word<'w>(body: &Map<String, Value>, name: &str, words: &[&'w str]) -> Result<Option<&'w str>, ApiError> {
    given(body, name).map(|value| Place::of(name).word(Some(value), words)).transpose()
}

/// What one of a few words stands for, if it is given.
pub(super) fn meaning<T: Copy>(
    body: &Map<String, Value>,
    name: &str,
    table: &[(&str, T)],
) -> Result<Option<T>, ApiError> {
    let Some(value) = given(body, name) else { return Ok(None) };
    let words: Vec<&str> = table.iter().map(|(word, _)| *word).collect();
    let word = Place::of(name).word(Some(value), &words)?;
    Ok(table.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning))
}

/// The service tier that answers.
pub(super) fn service_tier(body: &Map<String, Value>) -> Result<Option<&'static str>, ApiError> {
    meaning(body, "service_tier", TIERS)
}

/// What a stream is to have beside its content: usage, and padding.
pub(super) fn stream_options(body: &Map<String, Value>, stream: bool) -> Result<(bool, bool), ApiError> {
    let Some(value) = given(body, "stream_options") else { return Ok((false, false)) };
    let options = Place::of("stream_options").object(Some(value))?;
    if !stream {
        return Err(ApiError::wrong_value("stream_options", "it is only allowed when 'stream' is true"));
    }
    let read = |name: &'static str| match given(options, name) {
        None => Ok(false),
        Some(Value::Bool(yes)) => Ok(*yes),
        Some(other) => Err(Place::of("stream_options").field(name).wrong_type("a boolean", other)),
    };
    Ok((read("include_usage")?, read("include_obfuscation")?))
}

/// The stop strings.
pub(super) fn stops(body: &Map<String, Value>) -> Result<Vec<&str>, ApiError> {
    let place = Place::of("stop");
    match given(body, "stop") {
        None => Ok(Vec::new()),
        Some(Value::String(stop)) => Ok(vec![stop]),
        Some(value @ Value::Array(_)) => {
            let stops = place.array(Some(value), 1..=4)?;
            stops.iter().enumerate().map(|(index, stop)| place.item(index).text(Some(stop))).collect()
        }
        Some(other) => Err(place.wrong_type("a string or an array of strings", other)),
    }
}

/// Checks biases: tokens with numbers from -100 to 100.
pub(super) fn logit_bias(body: &Map<String, Value>) -> Result<(), ApiError> {
    let Some(value) = given(body, "logit_bias") else { return Ok(()) };
    let place = Place::of("logit_bias");
    for (token, bias) in place.object(Some(value))? {
        let fits = bias.as_f64().map(|bias| (-100.0..=100.0).contains(&bias));
        let place = place.field(token);
        match fits {
            None => return Err(place.wrong_type("a number", bias)),
            Some(false) => {
                let message = format!("Invalid '{place}': expected a value from -100 to 100, but got {bias} instead.");
                return Err(place.error("invalid_value", message));
            }
            Some(true) if token.parse::<u64>().is_err() => {
                let message = format!("Invalid key in 'logit_bias': '{token}' is no token id.");
                return Err(place.error("invalid_value", message));
            }
            Some(true) => {}
        }
    }
    Ok(())
}

/// Checks metadata: few pairs of short texts.
pub(super) fn metadata(body: &Map<String, Value>) -> Result<(), ApiError> {
    let Some(value) = given(body, "metadata") else { return Ok(()) };
    let place = Place::of("metadata");
    let pairs = place.object(Some(value))?;
    if pairs.len() > 16 {
        let message = format!("Invalid 'metadata': too many properties. Expected at most 16, but got {}.", pairs.len());
        return Err(place.error("object_above_max_properties", message));
    }
    for (key, value) in pairs {
        if key.chars().count() > 64 {
            let message = "Invalid 'metadata': key too long. Expected at most 64 characters.";
            return Err(place.error("string_above_max_length", message));
        }
        place.field(key).short_text(Some(value), 512)?;
    }
    Ok(())
}
