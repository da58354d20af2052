//! Types are read from YAML and JSON through one seam, so that the code that reads a type is there once and not once for each
//! format, and the code of a format once and not once for each type. A type sees a [`Node`](node::Node), a format a
//! [`Target`](target::Target), both behind `dyn`; what either finds wrong passes the seam unchanged.
//!
//! Refuses to know a format's rules, and to judge what is read.

mod fault;
mod node;
mod target;

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer};
use serde_saphyr::Options;

pub use fault::Fault;
use target::{Seed, Seeded};

/// Reads one YAML document (and so JSON) with a seed; errors are the parser's, with its positions.
pub fn yaml_seed<'de, S: DeserializeSeed<'de>>(
    text: &'de str,
    options: Options,
    seed: S,
) -> Result<S::Value, serde_saphyr::Error> {
    let mut seeded = Seeded::new(seed);
    yaml_into(text, options, &mut seeded)?;
    Ok(seeded.value())
}

/// Reads one YAML document (and so JSON) into a type.
pub fn yaml<T: DeserializeOwned>(text: &str, options: Options) -> Result<T, serde_saphyr::Error> {
    yaml_seed(text, options, PhantomData::<T>)
}

/// Reads from any other deserializer with a seed; errors are the deserializer's.
pub fn from_seed<'de, S: DeserializeSeed<'de>, D: Deserializer<'de>>(from: D, seed: S) -> Result<S::Value, D::Error> {
    let mut seeded = Seeded::new(seed);
    node::sow(from, &mut seeded)?;
    Ok(seeded.value())
}

/// Reads from any other deserializer into a type; errors are the deserializer's.
pub fn from<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    from_seed(from, PhantomData::<T>)
}

/// The one place at which the YAML parser is compiled.
fn yaml_into<'de>(text: &'de str, options: Options, seed: &mut dyn Seed<'de>) -> Result<(), serde_saphyr::Error> {
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |document| node::sow(document, seed))
}

#[cfg(test)]
mod tests;
