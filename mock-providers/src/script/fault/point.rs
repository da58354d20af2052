//! Places in a response body, and the faults that happen at one.
//!
//! Owns the one spelling of a place: `after_chunks`, `after_events`, `after_tokens`, `after_bytes` and `after`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{ErrorCode, How};
use crate::script::{Distribution, ErrorShape, duration};

/// A place in the response body; the earliest of those given counts, none is right after the head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Point {
    /// After this many content or tool-call deltas.
    pub chunks: Option<usize>,
    /// After this many events of any kind.
    pub events: Option<usize>,
    /// After the delta that brings the text to this many tokens.
    pub tokens: Option<usize>,
    /// After this many bytes of the body.
    pub bytes: Option<usize>,
    /// So long after the head.
    pub time: Option<Duration>,
}

/// A fault that happens at a place in the body.
macro_rules! placed {
    ($(#[$about:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$attribute])* pub $field: $type,)*
            /// After this many content or tool-call deltas.
            pub after_chunks: Option<usize>,
            /// After this many events of any kind.
            pub after_events: Option<usize>,
            /// After the delta that brings the text to this many tokens.
            pub after_tokens: Option<usize>,
            /// After this many bytes of the body.
            pub after_bytes: Option<usize>,
            /// So long after the head.
            #[serde(deserialize_with = "duration::option::deserialize")]
            #[cfg_attr(feature = "schema", schemars(with = "Option<crate::script::schema::Time>"))]
            pub after: Option<Duration>,
        }

        impl $name {
            /// Where it happens.
            pub fn point(&self) -> Point {
                Point {
                    chunks: self.after_chunks,
                    events: self.after_events,
                    tokens: self.after_tokens,
                    bytes: self.after_bytes,
                    time: self.after,
                }
            }
        }
    };
}

placed! {
    /// The connection ends in the middle of the response.
    Disconnect {
        /// By FIN or by RST.
        how: How,
    }
}

placed! {
    /// The response ends early, in valid HTTP.
    Truncate {}
}

placed! {
    /// The response falls silent.
    Stall {
        /// How long; for ever when left out.
        #[serde(rename = "for")]
        duration: Option<Distribution<Duration>>,
    }
}

placed! {
    /// The stream reports an error in band.
    ErrorEvent {
        /// What stands under `error`; default OpenAI's `server_error`.
        error: Option<Value>,
        /// How it is written; default as the dialect does.
        shape: Option<ErrorShape>,
    }
}

placed! {
    /// The size line of the next HTTP chunk is no number; then FIN.
    MalformedChunkHeader {}
}

placed! {
    /// GOAWAY: with `no_error` what is under way goes on to its end, with any other code the connection ends at once.
    Goaway {
        /// The error code that it carries; default `no_error`.
        code: Option<ErrorCode>,
        /// Before the head, wherever else.
        before_head: bool,
    }
}

placed! {
    /// RST_STREAM in the middle of the response.
    RstStream {
        /// The error code that it carries; default `internal_error`.
        code: Option<ErrorCode>,
        /// Instead of the head.
        before_head: bool,
    }
}
