//! `ExportTraceServiceRequest` of opentelemetry-proto 1.x, as far as spans are judged, and each span as a flat record.

use bytes::Bytes;
use prost::Message;
use serde_json::{Map, Value};

#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "11")]
    events: Vec<Event>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "3")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Plain", tags = "1, 2, 3, 4, 5, 6, 7")]
    plain: Option<Plain>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Plain {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Array(Array),
    #[prost(message, tag = "6")]
    Map(KeyValues),
    #[prost(bytes, tag = "7")]
    Bytes(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
struct Array {
    #[prost(message, repeated, tag = "1")]
    values: Vec<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValues {
    #[prost(message, repeated, tag = "1")]
    values: Vec<KeyValue>,
}

/// All spans of an export; `None` when it is no such message.
pub(super) fn spans(message: Bytes) -> Option<Vec<Value>> {
    let export = Export::decode(message).ok()?;
    let scopes = export.resource_spans.into_iter().flat_map(|all| all.scope_spans);
    Some(scopes.flat_map(|scope| scope.spans).map(record).collect())
}

fn record(span: Span) -> Value {
    let mut record = map(span.attributes);
    let status = span.status.unwrap_or_default();
    let kinds = ["unspecified", "internal", "server", "client", "producer", "consumer"];
    let kind = usize::try_from(span.kind).ok().and_then(|kind| kinds.get(kind)).unwrap_or(&kinds[0]);
    let own = [
        ("span.name", span.name),
        ("span.kind", (*kind).to_owned()),
        (
            "span.status",
            ["unset", "ok", "error"].get(status.code.unsigned_abs() as usize).unwrap_or(&"unset").to_string(),
        ),
        ("span.status.message", status.message),
        ("trace.id", hex(&span.trace_id)),
        ("trace.state", span.trace_state),
        ("span.id", hex(&span.span_id)),
        ("parent.id", hex(&span.parent_span_id)),
    ];
    let own = own.into_iter().filter(|(_, value)| !value.is_empty());
    record.extend(own.map(|(name, value)| (name.to_owned(), Value::from(value))));
    if !span.events.is_empty() {
        let events = span.events.into_iter().map(|event| {
            let mut all = map(event.attributes);
            all.insert("event.name".to_owned(), event.name.into());
            Value::from(all)
        });
        record.insert("span.events".to_owned(), events.collect());
    }
    Value::from(record)
}

fn map(pairs: Vec<KeyValue>) -> Map<String, Value> {
    pairs.into_iter().map(|pair| (pair.key, pair.value.map_or(Value::Null, value))).collect()
}

fn value(any: AnyValue) -> Value {
    match any.plain {
        None => Value::Null,
        Some(Plain::Text(text)) => text.into(),
        Some(Plain::Bool(flag)) => flag.into(),
        Some(Plain::Int(number)) => number.into(),
        Some(Plain::Double(number)) => number.into(),
        Some(Plain::Array(array)) => array.values.into_iter().map(value).collect(),
        Some(Plain::Map(pairs)) => map(pairs.values).into(),
        Some(Plain::Bytes(bytes)) => String::from_utf8_lossy(&bytes).into(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_span_is_one_flat_record() {
        let pair = |key: &str, plain| KeyValue { key: key.to_owned(), value: Some(AnyValue { plain: Some(plain) }) };
        let words = Array { values: vec![AnyValue { plain: Some(Plain::Text("stop".to_owned())) }] };
        let span = Span {
            trace_id: vec![10; 16],
            span_id: vec![1; 8],
            trace_state: "a=1".to_owned(),
            name: "POST /v1".to_owned(),
            kind: 2,
            attributes: vec![pair("http.status", Plain::Int(503)), pair("reasons", Plain::Array(words))],
            status: Some(Status { message: String::new(), code: 2 }),
            ..Span::default()
        };
        let scope = ScopeSpans { spans: vec![span] };
        let export = Export { resource_spans: vec![ResourceSpans { scope_spans: vec![scope] }] };
        let wanted = json!([{
            "http.status": 503, "reasons": ["stop"], "span.name": "POST /v1", "span.kind": "server",
            "span.status": "error", "trace.id": "0a".repeat(16), "trace.state": "a=1", "span.id": "01".repeat(8),
        }]);
        assert_eq!(spans(export.encode_to_vec().into()).map(Value::from), Some(wanted));
        assert_eq!(spans(Bytes::from_static(b"\xff{}")), None);
    }
}
