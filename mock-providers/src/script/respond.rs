//! The `respond` keys: what a provider answers.
//!
//! Owns their YAML shape; refuses to own rendering, which is the dialect's.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde_json::Value;

use super::{Chunking, Distribution, Embedding, Headers, Latency, LogprobsSpec, Reasoning, duration, latency, size};

/// One scripted answer; what is left out is as OpenAI would answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Respond {
    /// The status code; default 200.
    pub status: Option<u16>,
    /// Replace or add headers.
    pub headers: Headers,
    /// The assistant's text.
    pub text: Option<String>,
    /// The file that has it.
    pub text_file: Option<PathBuf>,
    /// Answer with the last user message.
    pub echo: bool,
    /// Answer with this many synthetic words.
    pub tokens: Option<Distribution<usize>>,
    /// Text and tool calls in order.
    pub blocks: Vec<Block>,
    /// Exact content deltas.
    pub chunks: Option<Vec<String>>,
    /// Replaces the provider's chunking.
    pub chunking: Option<Chunking>,
    /// Thoughts before the answer.
    pub reasoning: Option<Reasoning>,
    /// The vectors of embeddings.
    pub embedding: Option<Embedding>,
    /// A literal JSON body.
    pub json: Option<Value>,
    /// A literal body.
    pub body: Option<String>,
    /// A literal body that is not text.
    #[serde(deserialize_with = "base64_bytes")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub body_base64: Option<Bytes>,
    /// Literal events.
    pub sse: Option<Vec<SseEvent>>,
    /// Why the answer ends.
    pub finish_reason: Option<String>,
    /// What is reported as used.
    pub usage: UsageSpec,
    /// The model the answer names.
    pub model: Option<String>,
    /// The id of the answer, as it is.
    pub id: Option<String>,
    /// The tier that the answer names.
    pub service_tier: Option<String>,
    /// The `system_fingerprint`.
    pub system_fingerprint: Option<String>,
    /// Which log probabilities are shown; default as the request asks.
    pub logprobs: Option<LogprobsSpec>,
    /// Grow the body to this many bytes.
    #[serde(deserialize_with = "size::deserialize")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::schema::Size>"))]
    pub size: Option<usize>,
    /// The `retry-after` header.
    #[serde(deserialize_with = "duration::option::deserialize")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::schema::Time>"))]
    pub retry_after: Option<Duration>,
    /// How that header says it.
    pub retry_after_form: RetryAfterForm,
    /// Wait before the head, beside `latency.head`.
    pub delay_head: Option<Distribution<Duration>>,
    /// Replaces the provider's latency, key by key.
    #[serde(deserialize_with = "latency::of_answer")]
    pub latency: Latency,
    /// The `content-type`.
    pub content_type: Option<String>,
    /// How the end of the body is told.
    pub framing: Option<Framing>,
    /// The content coding of the body.
    pub encoding: Option<Encoding>,
    /// Encode only for a caller whose `Accept-Encoding` allows it.
    pub if_accepted: bool,
}

/// The two forms of `retry-after`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RetryAfterForm {
    /// Whole seconds, rounded up.
    #[default]
    Seconds,
    /// The time when to come again, rounded up to a whole second.
    HttpDate,
}

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// `gzip`.
    Gzip,
    /// `deflate`: zlib's format, as HTTP means it.
    Deflate,
    /// `br`, stored rather than compressed.
    Br,
    /// `zstd`, stored rather than compressed.
    Zstd,
}

impl Encoding {
    /// Its name in HTTP.
    pub fn token(self) -> &'static str {
        match self {
            Encoding::Gzip => "gzip",
            Encoding::Deflate => "deflate",
            Encoding::Br => "br",
            Encoding::Zstd => "zstd",
        }
    }
}

fn base64_bytes<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Bytes>, D::Error> {
    let Some(text) = Option::<String>::deserialize(reader)? else { return Ok(None) };
    let compact: String = text.split_ascii_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(compact).map_err(de::Error::custom)?;
    Ok(Some(bytes.into()))
}

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// By a `content-length`.
    ContentLength,
    /// By chunked transfer coding.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// One part of an assistant's answer.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Block {
    /// Text.
    Text(String),
    /// Text in a file.
    TextFile(PathBuf),
    /// A call of a function tool.
    ToolCall(ToolCall),
    /// The model says no.
    Refusal(String),
    /// What the model thinks.
    Reasoning(String),
}

/// A call of a function tool.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ToolCall {
    /// The function.
    pub name: String,
    /// A value to be written as JSON text, or a string that is sent as it is; `auto` is made up from the tool's schema.
    pub arguments: Value,
    /// Default: derived, `call_…`.
    pub id: Option<String>,
}

/// What is reported as used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum UsageSpec {
    /// An estimate: one token per word piece.
    #[default]
    Auto,
    /// Nothing is reported.
    None,
    /// These numbers.
    Literal(UsageNumbers),
}

/// Literal usage; prompt and completion are estimated when left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UsageNumbers {
    /// Tokens of the prompt.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    pub completion_tokens: Option<u64>,
    /// Of the prompt, how many came from a cache.
    pub cached_tokens: u64,
    /// Of the answer, how many were reasoning.
    pub reasoning_tokens: u64,
}

impl<'de> Deserialize<'de> for UsageSpec {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct UsageVisitor;
        impl<'de> Visitor<'de> for UsageVisitor {
            type Value = UsageSpec;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`auto`, `none` or a map of token counts")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<UsageSpec, E> {
                match word {
                    "auto" => Ok(UsageSpec::Auto),
                    "none" => Ok(UsageSpec::None),
                    _ => Err(E::unknown_variant(word, &["auto", "none"])),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<UsageSpec, A::Error> {
                UsageNumbers::deserialize(MapAccessDeserializer::new(map)).map(UsageSpec::Literal)
            }
        }
        reader.deserialize_any(UsageVisitor)
    }
}

/// One literal event of a stream: its exact bytes and the silence before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// What is written.
    pub bytes: Bytes,
    /// The silence before it.
    pub after: Duration,
}

#[derive(Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(super) struct EventKeys {
    data: Option<Value>,
    raw: Option<String>,
    #[serde(deserialize_with = "base64_bytes")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    raw_base64: Option<Bytes>,
    #[serde(deserialize_with = "duration::option::deserialize")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::schema::Time>"))]
    after: Option<Duration>,
}

impl EventKeys {
    fn event(self) -> Result<SseEvent, &'static str> {
        let bytes = match (self.data, self.raw, self.raw_base64) {
            (Some(data), None, None) => data_lines(&data).into(),
            (None, Some(raw), None) => raw.into(),
            (None, None, Some(bytes)) => bytes,
            _ => return Err("an event has exactly one of `data`, `raw` and `raw_base64`"),
        };
        Ok(SseEvent { bytes, after: self.after.unwrap_or_default() })
    }
}

/// A string is sent as it is, a `data:` line for each of its lines; any other value as compact JSON.
fn data_lines(data: &Value) -> String {
    let text = match data {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut event = String::with_capacity(text.len() + 8);
    for line in text.split('\n') {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    event
}

impl<'de> Deserialize<'de> for SseEvent {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct EventVisitor;
        impl<'de> Visitor<'de> for EventVisitor {
            type Value = SseEvent;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`done` or a map with `data`, `raw` or `raw_base64`")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<SseEvent, E> {
                match word {
                    "done" => Ok(SseEvent { bytes: Bytes::from_static(b"data: [DONE]\n\n"), after: Duration::ZERO }),
                    _ => Err(E::unknown_variant(word, &["done"])),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SseEvent, A::Error> {
                let keys = EventKeys::deserialize(MapAccessDeserializer::new(map))?;
                keys.event().map_err(de::Error::custom)
            }
        }
        reader.deserialize_any(EventVisitor)
    }
}
