//! The log probabilities of an answer: the YAML shape.
//!
//! Owns what can be asked for; refuses numbers that are no logarithm of a probability.

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

/// Which log probabilities an answer has, whatever the request says.
#[derive(Debug, Clone, PartialEq)]
pub enum LogprobsSpec {
    /// None.
    None,
    /// Made-up ones.
    Synth,
    /// These, for the first tokens; those of later ones are made up.
    Literal(Vec<f64>),
}

impl LogprobsSpec {
    /// The number of this token, where it is given.
    pub(crate) fn literal(&self, index: usize) -> Option<f64> {
        if let Self::Literal(numbers) = self { numbers.get(index).copied() } else { None }
    }
}

impl<'de> Deserialize<'de> for LogprobsSpec {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct SpecVisitor;
        impl<'de> Visitor<'de> for SpecVisitor {
            type Value = LogprobsSpec;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`none`, `synth` or a list of numbers up to 0")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<LogprobsSpec, E> {
                match word {
                    "none" => Ok(LogprobsSpec::None),
                    "synth" => Ok(LogprobsSpec::Synth),
                    _ => Err(E::unknown_variant(word, &["none", "synth"])),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<LogprobsSpec, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = seq.next_element::<f64>()? {
                    if !(number <= 0.0 && number.is_finite()) {
                        let why = format!("{number} is no log probability: it must be a number up to 0");
                        return Err(de::Error::custom(why));
                    }
                    numbers.push(number);
                }
                Ok(LogprobsSpec::Literal(numbers))
            }
        }
        reader.deserialize_any(SpecVisitor)
    }
}
