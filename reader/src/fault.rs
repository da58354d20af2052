//! What a type finds wrong: kept as it was said, until the format that was read makes its own error of it.
//!
//! Owns the list of what serde lets a type say. Refuses to know positions: those are the format's.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

/// The error that a type sees.
#[derive(Debug, PartialEq)]
pub enum Fault {
    /// In words of the type's own.
    Custom(String),
    /// Another kind of value than this one.
    Type(Found, String),
    /// The right kind, and not this value.
    Value(Found, String),
    /// Another number of elements.
    Length(usize, String),
    /// Not one of these variants.
    Variant(String, &'static [&'static str]),
    /// Not one of these fields.
    Field(String, &'static [&'static str]),
    /// A field that has to be there.
    Missing(&'static str),
    /// A field that is there twice.
    Twice(&'static str),
    /// The format's own error, in words; the format keeps the error itself.
    Format(String),
}

/// What stands where something else was expected; formats have words of their own for the first two.
#[derive(Debug, PartialEq)]
pub enum Found {
    /// Nothing, or null.
    Unit,
    /// A number with a fraction.
    Float(f64),
    /// In serde's words.
    Other(String),
}

impl Found {
    fn of(unexpected: Unexpected<'_>) -> Self {
        match unexpected {
            Unexpected::Unit => Self::Unit,
            Unexpected::Float(float) => Self::Float(float),
            other => Self::Other(other.to_string()),
        }
    }

    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Unit => Unexpected::Unit,
            Self::Float(float) => Unexpected::Float(*float),
            Self::Other(words) => Unexpected::Other(words),
        }
    }
}

impl Fault {
    /// The same as an error of a format.
    pub(crate) fn told<E: Error>(self) -> E {
        match self {
            Self::Custom(words) | Self::Format(words) => E::custom(words),
            Self::Type(found, expected) => E::invalid_type(found.unexpected(), &&*expected),
            Self::Value(found, expected) => E::invalid_value(found.unexpected(), &&*expected),
            Self::Length(length, expected) => E::invalid_length(length, &&*expected),
            Self::Variant(variant, expected) => E::unknown_variant(&variant, expected),
            Self::Field(field, expected) => E::unknown_field(&field, expected),
            Self::Missing(field) => E::missing_field(field),
            Self::Twice(field) => E::duplicate_field(field),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Custom(words) | Self::Format(words) => f.write_str(words),
            Self::Type(found, expected) => write!(f, "invalid type: {}, expected {expected}", found.unexpected()),
            Self::Value(found, expected) => write!(f, "invalid value: {}, expected {expected}", found.unexpected()),
            Self::Length(length, expected) => write!(f, "invalid length {length}, expected {expected}"),
            Self::Variant(variant, expected) => write!(f, "unknown variant `{variant}`, expected {expected:?}"),
            Self::Field(field, expected) => write!(f, "unknown field `{field}`, expected {expected:?}"),
            Self::Missing(field) => write!(f, "missing field `{field}`"),
            Self::Twice(field) => write!(f, "duplicate field `{field}`"),
        }
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    #[cold]
    #[inline(never)]
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self::Custom(words.to_string())
    }

    #[cold]
    #[inline(never)]
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Type(Found::of(unexpected), expected.to_string())
    }

    #[cold]
    #[inline(never)]
    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Value(Found::of(unexpected), expected.to_string())
    }

    #[cold]
    #[inline(never)]
    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::Length(length, expected.to_string())
    }

    #[cold]
    #[inline(never)]
    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::Variant(variant.to_owned(), expected)
    }

    #[cold]
    #[inline(never)]
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::Field(field.to_owned(), expected)
    }

    #[cold]
    #[inline(never)]
    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }

    #[cold]
    #[inline(never)]
    fn duplicate_field(field: &'static str) -> Self {
        Self::Twice(field)
    }
}
