//! The `embedding` key of `respond`: which vector every input gets.
//!
//! Owns its YAML shape. Refuses to know of texts: what is left out is made of them by the dialect.

use serde::Deserialize;
use serde::de::{
    Deserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer, value::SeqAccessDeserializer,
};

/// The vectors of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Embedding {
    /// This one, whatever is asked.
    Literal(Vec<f32>),
    /// Made-up ones of this size, unless the request asks for another.
    Made(EmbeddingSize),
}

/// How long made-up vectors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EmbeddingSize {
    /// Their number of dimensions.
    pub dims: std::num::NonZeroU16,
}

impl<'de> Deserialize<'de> for Embedding {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct EmbeddingVisitor;
        impl<'de> Visitor<'de> for EmbeddingVisitor {
            type Value = Embedding;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of numbers, or a map with `dims`")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Embedding, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Embedding::Literal)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Embedding, A::Error> {
                EmbeddingSize::deserialize(MapAccessDeserializer::new(map)).map(Embedding::Made)
            }
        }
        reader.deserialize_any(EmbeddingVisitor)
    }
}
