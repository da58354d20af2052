//! Spans and attributes as OTLP's messages. Decides nothing about what is in them; long texts are cut.

use std::time::{Duration, SystemTime};

use super::dialect::Side;
use super::{MAX_TEXT, Span, Value};
use crate::otlp::wire::Message;
use crate::record::{Record, cut};

/// Longest name of a span, in bytes.
const MAX_NAME: usize = 256;

/// A span as `opentelemetry.proto.trace.v1.Span`.
pub fn span(span: &Span, record: &Record, to: &mut Message) {
    let begin = record.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let nanos = |since: Duration| u64::try_from((begin + since).as_nanos()).unwrap_or(u64::MAX);
    let (kind, remote) = match span.side {
        Side::Server => (2, true),
        Side::Client => (3, false),
    };
    to.bytes(1, &record.trace.trace_id.to_be_bytes());
    to.bytes(2, &span.id.to_be_bytes());
    if let Some(state) = &record.trace_state {
        to.bytes(3, state.as_bytes());
    }
    if span.parent != 0 {
        to.bytes(4, &span.parent.to_be_bytes());
    }
    to.bytes(5, cut(&span.name, MAX_NAME).as_bytes());
    to.varint(6, kind);
    to.fixed64(7, nanos(span.started));
    to.fixed64(8, nanos(span.ended));
    for (name, value) in &span.attributes {
        to.nested(9, |pair| self::pair(pair, name, value));
    }
    if let Some(why) = &span.failed {
        to.nested(15, |status| {
            status.bytes(2, capped(why).as_bytes());
            status.varint(3, 2);
        });
    }
    // whether the parent is remote is told, and of a server's span it is
    let remote = u32::from(remote && span.parent != 0) << 9 | 1 << 8;
    to.fixed32(16, u32::from(record.trace.flags) | remote);
}

/// `opentelemetry.proto.common.v1.KeyValue`
pub fn pair(pair: &mut Message, name: &str, value: &Value) {
    pair.bytes(1, name.as_bytes());
    pair.nested(2, |any| match value {
        Value::Text(text) => any.bytes(1, capped(text).as_bytes()),
        Value::Bool(value) => any.varint(2, u64::from(*value)),
        Value::Int(value) => any.varint(3, value.cast_unsigned()),
        Value::Float(value) => any.fixed64(4, value.to_bits()),
        Value::Texts(all) => any.nested(5, |array| {
            all.iter().for_each(|text| array.nested(1, |any| any.bytes(1, capped(text).as_bytes())));
        }),
    });
}

fn capped(text: &str) -> &str {
    cut(text, MAX_TEXT)
}
