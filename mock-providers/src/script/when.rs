//! The `when` keys: what a request must be like.
//!
//! Owns their YAML shapes; the matchers are `matching`'s. Refuses to know requests; `rules` takes them apart.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, Deserializer, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer};

use super::{BodyMatch, Dialect, Glob, ModelMatch, TextMatch};

/// All given keys must hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Over the path without its query.
    pub path: Option<Glob>,
    /// The request method.
    pub method: Option<String>,
    /// The dialect of the provider.
    pub dialect: Option<Dialect>,
    /// Over the body's `model`.
    pub model: Option<ModelMatch>,
    /// Whether the body asks for a stream.
    pub stream: Option<bool>,
    /// Over the credential that the request brings.
    pub key: Option<TextMatch>,
    /// By header name.
    pub header: BTreeMap<String, TextMatch>,
    /// By parameter of the query.
    pub query: BTreeMap<String, TextMatch>,
    /// By JSONPath into the body.
    pub body: BodyMatch,
    /// Over the text of the last user message.
    pub last_user: Option<TextMatch>,
    /// Over the text of all system and developer messages, and of `system` or `instructions`.
    pub system: Option<TextMatch>,
    /// Over the text of each message: one must fit.
    pub any_message: Option<TextMatch>,
    /// Over each text of `input`: one must fit.
    pub input: Option<TextMatch>,
    /// How many answers of the assistant the conversation has already.
    pub turn: Option<Turns>,
    /// Whether the current turn has the result of a tool.
    pub has_tool_result: Option<bool>,
    /// Over each result of a tool in the current turn: one must fit.
    pub tool_result: Option<TextMatch>,
    /// Over the id of each call that has its result in the current turn: one must fit.
    pub tool_call_id: Option<TextMatch>,
    /// Tools that the request must offer, all of them.
    pub tools_include: OneOrMany<String>,
    /// The short hash of the tools, as the journal shows it.
    pub tools_hash: Option<String>,
    /// The short hash of the system prompt, as the journal shows it.
    pub system_hash: Option<String>,
    /// Over the type of the wanted format: `text`, `json_object` or `json_schema`.
    pub response_format: Option<TextMatch>,
    /// The request wants more choices than this.
    pub n_gt: Option<u64>,
    /// The request limits its answer to fewer tokens than this.
    pub max_tokens_lt: Option<u64>,
    /// Whether a message has an image.
    pub image_input: Option<bool>,
    /// Which matches of all other keys, from 1.
    pub nth: OneOrMany<u64>,
    /// Over what the header `X-Mock-Session` says.
    pub session: Option<TextMatch>,
    /// State machines and the states that they must be in.
    pub state: BTreeMap<String, String>,
    /// One of these must hold, when any is given.
    #[serde(deserialize_with = "any_of")]
    pub any_of: Vec<When>,
    /// This must not hold.
    #[serde(deserialize_with = "not")]
    pub not: Option<Box<When>>,
}

const INNER_NTH: &str = "`nth` counts the matches of a whole rule: it stands beside `any_of` and `not`, not inside";

fn any_of<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<When>, D::Error> {
    let all = Vec::<When>::deserialize(reader)?;
    if all.iter().any(|when| !when.nth.0.is_empty()) { Err(de::Error::custom(INNER_NTH)) } else { Ok(all) }
}

fn not<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Box<When>>, D::Error> {
    let when = Option::<Box<When>>::deserialize(reader)?;
    let counts = when.as_ref().is_some_and(|when| !when.nth.0.is_empty());
    if counts { Err(de::Error::custom(INNER_NTH)) } else { Ok(when) }
}

/// One value, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct OneOrManyVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
            type Value = OneOrMany<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value or a list of values")
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<OneOrMany<T>, E> {
                T::deserialize(value.into_deserializer()).map(|one| OneOrMany(vec![one]))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<OneOrMany<T>, E> {
                T::deserialize(value.into_deserializer()).map(|one| OneOrMany(vec![one]))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<OneOrMany<T>, E> {
                T::deserialize(value.into_deserializer()).map(|one| OneOrMany(vec![one]))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<OneOrMany<T>, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(list)).map(OneOrMany)
            }
        }
        reader.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

/// A number, or a range of them; both ends are inside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turns {
    /// The smallest.
    pub min: u64,
    /// The largest; any when left out.
    pub max: Option<u64>,
}

impl Turns {
    /// Whether the number lies in it.
    pub fn holds(&self, number: u64) -> bool {
        number >= self.min && self.max.is_none_or(|max| number <= max)
    }
}

#[derive(Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(super) struct TurnBounds {
    min: u64,
    max: Option<u64>,
}

impl<'de> Deserialize<'de> for Turns {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct TurnsVisitor;
        impl<'de> Visitor<'de> for TurnsVisitor {
            type Value = Turns;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, or a map of min and max")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Turns, E> {
                Ok(Turns { min: number, max: Some(number) })
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Turns, E> {
                self.visit_u64(u64::try_from(number).map_err(|_| E::custom("a number of turns is not negative"))?)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Turns, A::Error> {
                let TurnBounds { min, max } = TurnBounds::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Turns { min, max })
            }
        }
        reader.deserialize_any(TurnsVisitor)
    }
}
