//! The `fault` keys: what goes wrong with a response, and where.
//!
//! Owns their YAML shape; refuses to own their effect on bytes, which is `plan`'s and `deliver`'s.

use std::time::Duration;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde_json::Value;

use super::{Distribution, Measure, duration};

/// Where in an exchange a key of a fault takes effect, from the first bytes of a connection to the meaning of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nowhere: it says when the fault happens.
    Trigger,
    /// Before a connection carries requests.
    Connection,
    /// While the request is read.
    Request,
    /// In the head of the response, or instead of it.
    Head,
    /// In a JSON body.
    Body,
    /// In the bytes of the body and their times, whatever they say.
    Transport,
    /// In the events of a stream.
    Content,
    /// In what the answer says, all of it well-formed.
    Semantic,
    /// As if a quota were used up.
    Quota,
}

/// One key of a fault: whether the script gives it.
trait Key {
    fn is_given(&self) -> bool;
}

impl Key for bool {
    fn is_given(&self) -> bool {
        *self
    }
}

impl<T> Key for Option<T> {
    fn is_given(&self) -> bool {
        self.is_some()
    }
}

impl<T> Key for Vec<T> {
    fn is_given(&self) -> bool {
        !self.is_empty()
    }
}

/// The catalogue as one list: the struct that is read, the names that journals use and the overlay of two faults.
macro_rules! catalogue {
    ($($stage:ident { $($(#[$attribute:meta])* $name:ident: $type:ty,)* })*) => {
        /// Everything that may go wrong with one exchange; an empty one changes nothing.
        #[derive(Debug, Clone, Default, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields, default)]
        pub struct Fault {
            $($($(#[$attribute])* pub $name: $type,)*)*
        }

        impl Fault {
            /// Every key with its stage, in the order in which they take effect.
            pub const CATALOGUE: &[(&'static str, Stage)] = &[$($((stringify!($name), Stage::$stage),)*)*];

            /// The keys that are given, but for those that say when.
            pub fn names(&self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $($(
                    if Stage::$stage != Stage::Trigger && self.$name.is_given() {
                        names.push(stringify!($name));
                    }
                )*)*
                names
            }

            /// The keys of one stage that are given.
            pub(crate) fn names_of(&self, stage: Stage) -> Vec<&'static str> {
                let mut names = Vec::new();
                $($(
                    if Stage::$stage == stage && self.$name.is_given() {
                        names.push(stringify!($name));
                    }
                )*)*
                names
            }

            /// Takes over what another fault does, key by key; not when it does it.
            pub fn overlay(&mut self, other: &Fault) {
                $($(
                    if Stage::$stage != Stage::Trigger && other.$name.is_given() {
                        self.$name = other.$name.clone();
                    }
                )*)*
            }
        }
    };
}

catalogue! {
    Head {
        /// Answer with this status.
        status: Option<u16>,
        /// Take the request and say nothing.
        hang_before_head: Option<Hang>,
        /// Take the request and close.
        empty_response: bool,
        /// Take the request and reset.
        rst_before_head: bool,
    }
    Transport {
        /// End the connection in the middle.
        disconnect: Option<Disconnect>,
        /// End the response early, but cleanly.
        truncate: Option<Truncate>,
        /// Fall silent.
        stall: Option<Stall>,
        /// Force write boundaries.
        split: Option<Split>,
        /// Write slowly.
        dribble: Option<Dribble>,
    }
    Content {
        /// Report an error inside the stream, and end; without a stream the answer is a 500 with that error.
        error_event: Option<ErrorEvent>,
        /// Leave `[DONE]` out.
        missing_done: bool,
    }
    Semantic {
        /// The model refuses: the text is a refusal.
        refuse: bool,
        /// The content filter ends the answer.
        content_filter: bool,
        /// The content filter refuses the prompt: a 400.
        prompt_filter: bool,
        /// The answer is cut as if its token limit were reached.
        length_cut: bool,
        /// `max_tokens` and its kin are not honoured.
        ignore_max_tokens: bool,
        /// `stop` is not honoured.
        ignore_stop: bool,
        /// `n` is not honoured: there is one choice.
        ignore_n: bool,
    }
    Quota {
        /// As if the account had no money left.
        insufficient_quota: bool,
        /// As if requests or tokens of this minute were used up.
        rate_limited: Option<Measure>,
        /// As if the prompt were too long for the model.
        context_overflow: bool,
        /// As if too many requests were in flight, and as many as may wait were waiting.
        concurrency_full: bool,
    }
}

/// A place in the response body; the earliest of those given counts, none is right after the head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Point {
    /// After this many content or tool-call deltas.
    pub chunks: Option<usize>,
    /// After this many events of any kind.
    pub events: Option<usize>,
    /// After this many bytes of the body.
    pub bytes: Option<usize>,
}

macro_rules! point {
    ($type:ty) => {
        impl $type {
            /// Where it happens.
            pub fn point(&self) -> Point {
                Point { chunks: self.after_chunks, events: self.after_events, bytes: self.after_bytes }
            }
        }
    };
}

/// The connection ends in the middle of the response.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Disconnect {
    /// By FIN or by RST.
    pub how: How,
    /// After this many content or tool-call deltas.
    pub after_chunks: Option<usize>,
    /// After this many events of any kind.
    pub after_events: Option<usize>,
    /// After this many bytes of the body.
    pub after_bytes: Option<usize>,
}
point!(Disconnect);

/// How a connection ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// An orderly FIN, without the HTTP terminator.
    #[default]
    Fin,
    /// A reset.
    Rst,
}

/// The response ends early, in valid HTTP.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Truncate {
    /// After this many content or tool-call deltas.
    pub after_chunks: Option<usize>,
    /// After this many events of any kind.
    pub after_events: Option<usize>,
    /// After this many bytes of the body.
    pub after_bytes: Option<usize>,
}
point!(Truncate);

/// The response falls silent.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Stall {
    /// After this many content or tool-call deltas.
    pub after_chunks: Option<usize>,
    /// After this many events of any kind.
    pub after_events: Option<usize>,
    /// After this many bytes of the body.
    pub after_bytes: Option<usize>,
    /// How long; for ever when left out.
    #[serde(rename = "for")]
    pub duration: Option<Distribution<Duration>>,
}
point!(Stall);

/// The stream reports an error in band.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ErrorEvent {
    /// After this many content or tool-call deltas.
    pub after_chunks: Option<usize>,
    /// After this many events of any kind.
    pub after_events: Option<usize>,
    /// After this many bytes of the body.
    pub after_bytes: Option<usize>,
    /// What stands under `error`; default OpenAI's `server_error`.
    pub error: Option<Value>,
}
point!(ErrorEvent);

/// How long nothing is said.
#[derive(Debug, Clone, PartialEq)]
pub enum Hang {
    /// Until the caller leaves.
    Forever,
    /// Then the answer comes.
    For(Distribution<Duration>),
}

impl<'de> Deserialize<'de> for Hang {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct HangVisitor;
        impl<'de> Visitor<'de> for HangVisitor {
            type Value = Hang;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`true`, a duration or a distribution of durations")
            }
            fn visit_bool<E: de::Error>(self, yes: bool) -> Result<Hang, E> {
                if yes { Ok(Hang::Forever) } else { Err(E::custom("leave the key out instead of saying false")) }
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hang, E> {
                Distribution::deserialize(text.into_deserializer()).map(Hang::For)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Hang, A::Error> {
                Distribution::deserialize(MapAccessDeserializer::new(map)).map(Hang::For)
            }
        }
        reader.deserialize_any(HangVisitor)
    }
}

/// Where writes end; the kinds may be combined.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Split {
    /// After every n bytes of the body.
    pub every: Option<usize>,
    /// At these offsets of the body.
    pub at: Vec<usize>,
    /// After the first byte of every multi-byte character.
    pub inside_utf8: bool,
    /// Silence between the writes.
    #[serde(deserialize_with = "duration::option::deserialize")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::schema::Time>"))]
    pub gap: Option<Duration>,
}

/// A few bytes at a time.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Dribble {
    /// Bytes of each write.
    pub bytes: usize,
    /// Silence between the writes.
    #[serde(deserialize_with = "duration::deserialize")]
    #[cfg_attr(feature = "schema", schemars(with = "super::schema::Time"))]
    pub gap: Duration,
}
