//! The written forms of what goes wrong with connections and with requests on their way in.
//!
//! Owns their YAML shape; refuses the keys that have a place in the answer, which are `point`'s.

use serde::Deserialize;

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

/// What becomes of the body of a request that is answered before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EarlyResponse {
    /// It is read after the answer.
    Drain,
    /// It stays unread, and the connection (of HTTP/2: the stream) ends.
    Close,
}

/// The connection ends while the request is read.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CloseDuringUpload {
    /// Once so many bytes of the body have come, or all of a smaller one; default none.
    #[serde(deserialize_with = "crate::script::size::deserialize")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::script::schema::Size>"))]
    pub after_bytes: Option<usize>,
    /// By FIN or by RST.
    pub how: How,
}

/// An error code of HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[repr(u32)]
pub enum ErrorCode {
    /// Nothing went wrong.
    NoError,
    /// The peer broke the protocol.
    ProtocolError,
    /// This side broke.
    InternalError,
    /// The peer sent more than its window.
    FlowControlError,
    /// Settings were not acknowledged in time.
    SettingsTimeout,
    /// A frame for a stream that has ended.
    StreamClosed,
    /// A frame of a wrong size.
    FrameSizeError,
    /// The stream was not processed: it may be asked again.
    RefusedStream,
    /// The stream is no longer wanted.
    Cancel,
    /// The compression of headers is out of step.
    CompressionError,
    /// A tunnel broke.
    ConnectError,
    /// The peer asks for too much.
    EnhanceYourCalm,
    /// The TLS is too weak.
    InadequateSecurity,
    /// It must be asked over HTTP/1.1.
    #[serde(rename = "http_1_1_required")]
    Http11Required,
}
