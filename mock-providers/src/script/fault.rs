//! The `fault` keys: what goes wrong with a response, and where.
//!
//! Owns their YAML shape; refuses to own their effect on bytes, which is `plan`'s and `deliver`'s.

mod connection;
mod point;
mod shape;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Certificate, CommentKeepalive, DataKeepalive, Distribution, During, Measure, MissingField, OneOrMany, OverflowAs,
    SlowReasoning, UsageMismatch, When, duration, size, trigger,
};

pub use connection::{CloseDuringUpload, EarlyResponse, ErrorCode, How};
pub use point::{Disconnect, ErrorEvent, Goaway, MalformedChunkHeader, Point, RstStream, Stall, Truncate};
pub use shape::{BadContentLength, Dribble, Hang, Redirect, Split};

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

impl<T> Key for OneOrMany<T> {
    fn is_given(&self) -> bool {
        !self.0.is_empty()
    }
}

impl<K, V> Key for BTreeMap<K, V> {
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

            /// Whether a key of this stage is given.
            pub(crate) fn reaches(&self, stage: Stage) -> bool {
                $($((Stage::$stage == stage && self.$name.is_given()) ||)*)* false
            }

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
    Trigger {
        /// How likely it is to happen, from 0 to 1.
        #[serde(deserialize_with = "trigger::probability")]
        probability: Option<f64>,
        /// It happens at most this often.
        times: Option<u64>,
        /// Only for the first so many matching requests.
        first: Option<u64>,
        /// Not for the first so many matching requests.
        after: Option<u64>,
        /// For every so manieth matching request.
        #[serde(deserialize_with = "trigger::every")]
        every: Option<u64>,
        /// For these matching requests, from 1.
        nth: OneOrMany<u64>,
        /// At this time since the start or the last reset.
        #[serde(deserialize_with = "trigger::during")]
        during: Option<During>,
        /// State machines and the states that they must be in.
        state: BTreeMap<String, String>,
        /// What a request must be like.
        #[serde(deserialize_with = "trigger::when")]
        when: Option<Box<When>>,
    }
    Connection {
        /// Close at once.
        accept_then_close: bool,
        /// Neither read nor write.
        accept_then_hang: Option<Hang>,
        /// Reset at once.
        rst_on_accept: bool,
        /// Read nothing for that time, then serve.
        #[serde(deserialize_with = "duration::option::deserialize")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<super::schema::Time>"))]
        slow_accept: Option<Duration>,
        /// Answer the TLS greeting with an alert.
        tls_handshake_fail: bool,
        /// Show a certificate of this kind.
        tls_bad_cert: Option<Certificate>,
    }
    Request {
        /// Answer once the head of the request is there.
        early_response: Option<EarlyResponse>,
        /// Read so many bytes of the body a second.
        #[serde(deserialize_with = "size::rate")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<super::schema::Size>"))]
        read_slowly: Option<usize>,
        /// End the connection while the body comes.
        close_during_upload: Option<CloseDuringUpload>,
        /// Announce the end of the connection.
        http2_goaway: Option<Goaway>,
        /// Reset the stream.
        http2_rst_stream: Option<RstStream>,
    }
    Head {
        /// Answer with this status.
        status: Option<u16>,
        /// The `retry-after` header, in whole seconds.
        #[serde(deserialize_with = "duration::option::deserialize")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<super::schema::Time>"))]
        retry_after: Option<Duration>,
        /// The `retry-after-ms` header.
        retry_after_ms: Option<u64>,
        /// The `x-should-retry` header.
        x_should_retry: Option<bool>,
        /// The `code` of the error in the body.
        error_code: Option<String>,
        /// The `type` of the error in the body.
        error_type: Option<String>,
        /// The `message` of the error in the body.
        message: Option<String>,
        /// An error in the body, and a 200 in the head.
        status_200_with_error_body: bool,
        /// The error page of a proxy, with this status.
        html_error_page: Option<u16>,
        /// Send the caller elsewhere.
        redirect: Option<Redirect>,
        /// Call the body this.
        wrong_content_type: Option<String>,
        /// Do not say what the body is.
        missing_content_type: bool,
        /// Encode the body, whatever the caller accepts.
        gzip_unasked: bool,
        /// Send these headers twice.
        duplicate_headers: Vec<String>,
        /// One more header, of so many bytes.
        #[serde(deserialize_with = "size::deserialize")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<super::schema::Size>"))]
        huge_header: Option<usize>,
        /// Declare a length that the body does not have.
        bad_content_length: Option<BadContentLength>,
        /// Wait before the head.
        delay_head: Option<Distribution<Duration>>,
        /// Take the request and say nothing.
        hang_before_head: Option<Hang>,
        /// Take the request and close.
        empty_response: bool,
        /// Take the request and reset.
        rst_before_head: bool,
        /// Take the request, answer with noise and close.
        garbage_then_close: bool,
    }
    Transport {
        /// End the connection in the middle.
        disconnect: Option<Disconnect>,
        /// End the response early, but cleanly.
        truncate: Option<Truncate>,
        /// Fall silent.
        stall: Option<Stall>,
        /// Break the framing of HTTP/1.1.
        malformed_chunk_header: Option<MalformedChunkHeader>,
        /// Write so many events at once.
        coalesce: Option<usize>,
        /// Force write boundaries.
        split: Option<Split>,
        /// Write slowly.
        dribble: Option<Dribble>,
    }
    Body {
        /// The last bracket of the JSON is of the wrong kind.
        malformed_json: bool,
        /// The second half of the body is missing; its length is right.
        truncated_json: bool,
        /// There is no body, and its length says so.
        empty_body: bool,
        /// `object` (where there is none: `type`) names another kind.
        wrong_object: bool,
        /// Members are missing.
        missing_field: Option<MissingField>,
        /// There is one member that nobody knows.
        extra_field: bool,
        /// `choices` (`data`, `output`, `content`, `results`) is null.
        null_choices: bool,
        /// Errors are `{"error": "text"}`.
        string_error: bool,
        /// Errors are an array of one.
        array_error: bool,
        /// Errors have no `error` around them.
        flat_error: bool,
        /// Errors have no `type`, and their message twice.
        untyped_error: bool,
        /// Errors have the status as their code, and the name of a Python class as their type.
        integer_error_code: bool,
        /// Errors of other dialects come in OpenAI's envelope.
        openai_error: bool,
        /// The JSON is grown to so many bytes, by spaces.
        #[serde(deserialize_with = "size::deserialize")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<super::schema::Size>"))]
        huge_body: Option<usize>,
    }
    Content {
        /// Tools are called that were never offered.
        unknown_tool: bool,
        /// The arguments of calls lack their last character.
        bad_arguments_json: bool,
        /// A call comes in one delta.
        whole_calls: bool,
        /// The arguments of calls are an object, not its text.
        arguments_as_object: bool,
        /// Deltas of calls have no index.
        index_missing: bool,
        /// Deltas of all calls have the index 0.
        index_always_zero: bool,
        /// Calls carry Gemini's `thought_signature`.
        thought_signature: bool,
        /// What reasoning is called.
        reasoning_as: Option<String>,
        /// Members that every body and chunk has besides.
        chunk_fields: Option<Map<String, Value>>,
        /// Members that every choice has besides.
        choice_fields: Option<Map<String, Value>>,
        /// No `role` anywhere.
        missing_role: bool,
        /// Each chunk has an id of its own.
        id_changes: bool,
        /// All chunks but the first name another model.
        model_changes: bool,
        /// When a limit cuts a streamed call, an error takes the place of its end.
        cut_call_errors: bool,
        /// How the finish reasons of streamed choices with calls are written.
        stream_call_finish: Option<BTreeMap<String, String>>,
        /// The finish reason of a call that was required, in JSON.
        required_call_finish: Option<String>,
        /// How finish reasons are written.
        finish_names: Option<BTreeMap<String, String>>,
        /// The finish reason, whatever it should be.
        wrong_finish: Option<String>,
        /// A choice ends before its last content.
        early_finish: bool,
        /// No choice ends.
        missing_finish: bool,
        /// Only the last choice ends.
        finish_last_choice_only: bool,
        /// Every choice ends twice.
        double_finish: bool,
        /// A choice ends in its last content chunk.
        finish_on_content_chunk: bool,
        /// Before the end, the finish reason is an empty string, not null.
        finish_empty: bool,
        /// Before the end, there is no finish reason, not even null.
        finish_key_missing: bool,
        /// The finish reason is only under `finishReason`.
        finish_camel_case: bool,
        /// No usage is reported.
        missing_usage: bool,
        /// The reported usage does not add up.
        usage_mismatch: Option<UsageMismatch>,
        /// The chunk that ends a choice reports the usage.
        usage_on_finish_chunk: bool,
        /// The last content chunk reports the usage.
        usage_on_content_chunk: bool,
        /// Chunks without usage do not say `usage: null`.
        usage_null_missing: bool,
        /// So many deltas without content come before the content; at most 10000.
        empty_deltas: Option<usize>,
        /// The content delta of this number, from 1, comes twice.
        duplicate_chunk: Option<usize>,
        /// The first two content deltas change places.
        reorder: bool,
        /// The first chunk has no choices, but Azure's `prompt_filter_results`.
        choices_empty_first: bool,
        /// Report an error inside the stream, and end; without a stream the answer is a 500 with that error.
        error_event: Option<ErrorEvent>,
        /// Leave `[DONE]` out.
        missing_done: bool,
        /// The last event comes twice.
        double_done: bool,
        /// A content event follows the last one.
        data_after_done: bool,
        /// The JSON of the first content event is cut.
        malformed_event: bool,
        /// The first content has bytes that are no UTF-8.
        invalid_utf8: bool,
        /// The first content is grown until its event has so many bytes.
        #[serde(deserialize_with = "size::deserialize")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<super::schema::Size>"))]
        oversize_event: Option<usize>,
        /// Comments between the events.
        comment_keepalive: Option<CommentKeepalive>,
        /// `data: : keepalive` between the events.
        data_keepalive: Option<DataKeepalive>,
        /// `retry: 3000` comes first.
        retry_frame: bool,
        /// `event: ping`, without data, comes before the first content.
        event_frame: bool,
        /// `data:`, without data, comes before the first content.
        empty_data_frame: bool,
        /// Every event has an `id`.
        id_lines: bool,
        /// No space behind the colons of fields.
        no_space: bool,
        /// Lines end with CRLF.
        crlf: bool,
        /// Lines end with CR.
        cr: bool,
        /// A byte order mark comes first.
        bom: bool,
        /// The last event is not followed by a blank line.
        no_final_blank_line: bool,
    }
    Semantic {
        /// The text is in characters of three and four bytes.
        wrong_language_chars: bool,
        /// The model thinks for long before it says anything.
        slow_reasoning: Option<SlowReasoning>,
        /// Members of the request that are passed over.
        ignored_fields: Vec<String>,
        /// Members of the request that are refused with a 400.
        refused_fields: Vec<String>,
        /// Members of a request that Mistral does not know are refused with a 422 and `detail`.
        unknown_fields_422: bool,
        /// More than one choice is refused with a 400.
        one_choice_only: bool,
        /// The role `developer` is refused with a 400.
        developer_role_rejected: bool,
        /// The role `developer` makes a 500.
        developer_role_500: bool,
        /// Embeddings in base64 are refused with a 400.
        base64_unsupported: bool,
        /// Calls that come back without their `thought_signature` are refused with a 400.
        thought_signature_required: bool,
        /// No credential is looked at; only among a provider's `quirks`.
        api_key_ignored: bool,
        /// Unknown paths are answered 200.
        unknown_path_200: bool,
        /// What becomes of an answer to a prompt that is too long.
        overflow_as: Option<OverflowAs>,
        /// A stream that fails before its first content is nothing but `[DONE]`.
        failure_hidden: bool,
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
