//! Durations and numbers that may be random: a bare value, or one named form of drawing it.
//!
//! Owns their YAML and the draws: each follows from the request and from the name of the key, so that it depends on
//! neither time nor order. Refuses forms that make no sense when they are read, so that a draw cannot fail.

mod forms;
mod sampling;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::{ScriptError, duration};
use crate::digest::Random;
use forms::Name;
use sampling::Form;

/// A file of a trace is not larger.
const MAX_FILE: u64 = 16 << 20;

/// A value, or how it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution<T>(Kind<T>);

#[derive(Debug, Clone, PartialEq)]
enum Kind<T> {
    Constant(T),
    Drawn(Arc<Form>),
}

/// What a distribution can be of.
pub trait Quantity: Copy + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// An example for error messages.
    const EXAMPLE: &'static str;
    /// Nothing is larger, in the unit of draws.
    const LARGEST: f64;
    /// Reads text; the value is in the unit of draws.
    fn read(text: &str) -> Result<f64, String>;
    /// Reads a bare number; the value is in the unit of draws.
    fn number(value: f64) -> Result<f64, String>;
    /// The quantity nearest to a number that lies between 0 and [`Self::LARGEST`].
    fn nearest(value: f64) -> Self;
}

/// In nanoseconds.
impl Quantity for Duration {
    const EXAMPLE: &'static str = "250ms";
    const LARGEST: f64 = duration::LONGEST.as_nanos() as f64;
    fn read(text: &str) -> Result<f64, String> {
        duration::parse(text).map(|duration| duration.as_nanos() as f64)
    }
    fn number(value: f64) -> Result<f64, String> {
        Err(format!("duration `{value}` needs a unit: 80us, 250ms, 1.5s, 2m"))
    }
    fn nearest(value: f64) -> Self {
        Duration::from_nanos(value.round() as u64)
    }
}

impl Quantity for usize {
    const EXAMPLE: &'static str = "90";
    const LARGEST: f64 = (1u64 << 20) as f64;
    fn read(text: &str) -> Result<f64, String> {
        let value = text.trim().parse().map_err(|_| format!("`{text}` is not a number"))?;
        Self::number(value)
    }
    fn number(value: f64) -> Result<f64, String> {
        let fitting = (0.0..=Self::LARGEST).contains(&value);
        if fitting { Ok(value) } else { Err(format!("number {value} is out of range: 0 to {}", Self::LARGEST)) }
    }
    fn nearest(value: f64) -> Self {
        value.round() as usize
    }
}

impl<T> From<T> for Distribution<T> {
    fn from(value: T) -> Self {
        Self(Kind::Constant(value))
    }
}

impl<T: Quantity> Distribution<T> {
    fn drawn(form: Form) -> Self {
        Self(Kind::Drawn(Arc::new(form)))
    }

    /// One value for the request, by the name of the key it is for.
    pub(crate) fn draw(&self, request: &Random, key: &str) -> T {
        match &self.0 {
            Kind::Constant(value) => *value,
            Kind::Drawn(form) => T::nearest(form.draw(&mut request.branch(key)).clamp(0.0, T::LARGEST)),
        }
    }

    /// One of many values in a row, of which this is the nth: a trace gives its values in order.
    pub(crate) fn draw_nth(&self, row: &mut Random, nth: usize) -> T {
        match &self.0 {
            Kind::Constant(value) => *value,
            Kind::Drawn(form) => T::nearest(form.draw_nth(row, nth).clamp(0.0, T::LARGEST)),
        }
    }

    /// Reads the file of a trace; its path is relative to the folder.
    pub(super) fn read_file(&mut self, folder: &Path) -> Result<(), ScriptError> {
        let Kind::Drawn(form) = &mut self.0 else { return Ok(()) };
        if let Form::File { path, repeat } = form.as_ref() {
            *form = Arc::new(Form::Trace { values: values::<T>(&folder.join(path))?, repeat: *repeat });
        }
        Ok(())
    }
}

/// One value a line; empty lines and those that begin with `#` are left out.
fn values<T: Quantity>(path: &Path) -> Result<Vec<f64>, ScriptError> {
    let unreadable = |source| ScriptError::Read { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::other("it is no regular file")));
    }
    if metadata.len() > MAX_FILE {
        return Err(ScriptError::TooLarge(path.to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let given = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let values: Result<Vec<f64>, _> = given
        .map(|(line, text)| T::read(text).map_err(|reason| ScriptError::Line { path: path.to_owned(), line, reason }))
        .collect();
    match values? {
        values if values.is_empty() => Err(ScriptError::Empty { path: path.to_owned(), example: T::EXAMPLE }),
        values => Ok(values),
    }
}

impl<'de, T: Quantity> Deserialize<'de> for Distribution<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(DistributionVisitor(std::marker::PhantomData))
    }
}

struct DistributionVisitor<T>(std::marker::PhantomData<T>);

impl<T: Quantity> DistributionVisitor<T> {
    fn constant<E: de::Error>(value: Result<f64, String>) -> Result<Distribution<T>, E> {
        value.and_then(forms::constant).map_err(E::custom)
    }
}

impl<'de, T: Quantity> Visitor<'de> for DistributionVisitor<T> {
    type Value = Distribution<T>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value such as {0}, or a distribution such as {{uniform: {{lower: {0}, upper: {0}}}}}", T::EXAMPLE)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Self::constant(T::read(text))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Self::constant(T::number(value as f64))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Self::constant(T::number(value as f64))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Self::constant(T::number(value))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let one = || de::Error::custom("a distribution has exactly one form, such as `uniform` or `lognormal`");
        let read = map.next_key::<Name>()?.ok_or_else(one)?.read(&mut map)?;
        if map.next_key::<de::IgnoredAny>()?.is_some() { Err(one()) } else { Ok(read) }
    }
}

#[cfg(test)]
mod tests;
