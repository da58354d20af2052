//! An OTLP collector in this process, over gRPC or HTTP: keeps what it is sent and answers as scripted.
//! It reads the messages with prost, from declarations of its own.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;

#[derive(Clone, PartialEq, Message)]
struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(crate) trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(crate) name: String,
    /// 2 is a server's, 3 a client's.
    #[prost(int32, tag = "6")]
    pub(crate) kind: i32,
    #[prost(fixed64, tag = "7")]
    pub(crate) start: u64,
    #[prost(fixed64, tag = "8")]
    pub(crate) end: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    pub(crate) flags: u32,
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
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(bool, optional, tag = "2")]
    boolean: Option<bool>,
    #[prost(int64, optional, tag = "3")]
    int: Option<i64>,
    #[prost(double, optional, tag = "4")]
    double: Option<f64>,
    #[prost(message, optional, tag = "5")]
    array: Option<ArrayValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ArrayValue {
    #[prost(message, repeated, tag = "1")]
    values: Vec<AnyValue>,
}

fn value(value: &AnyValue) -> serde_json::Value {
    match value {
        AnyValue { text: Some(text), .. } => text.as_str().into(),
        AnyValue { boolean: Some(value), .. } => (*value).into(),
        AnyValue { int: Some(value), .. } => (*value).into(),
        AnyValue { double: Some(value), .. } => (*value).into(),
        AnyValue { array: Some(array), .. } => array.values.iter().map(self::value).collect(),
        _ => serde_json::Value::Null,
    }
}

fn json(all: &[KeyValue]) -> HashMap<String, serde_json::Value> {
    all.iter().map(|pair| (pair.key.clone(), pair.value.as_ref().map_or(serde_json::Value::Null, value))).collect()
}

impl Span {
    pub(crate) fn attributes(&self) -> HashMap<String, serde_json::Value> {
        json(&self.attributes)
    }

    pub(crate) fn get(&self, name: &str) -> serde_json::Value {
        self.attributes().remove(name).unwrap_or_default()
    }

    pub(crate) fn failed(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.code == 2)
    }

    pub(crate) fn id(&self) -> String {
        hex(&self.span_id)
    }

    pub(crate) fn parent(&self) -> String {
        hex(&self.parent_span_id)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the collector answers.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// An HTTP status with headers.
    Http(u16, &'static [(&'static str, &'static str)]),
    /// A gRPC status.
    Grpc(u8),
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) resource: HashMap<String, serde_json::Value>,
    pub(crate) spans: Vec<Span>,
}

/// A running collector.
pub(crate) struct Collector {
    pub(crate) port: u16,
    received: watch::Receiver<Vec<Received>>,
}

/// Starts a collector that answers so, and then takes everything.
pub(crate) async fn collector(grpc: bool, script: &[Say]) -> Collector {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = Arc::new(Mutex::new(script.iter().cloned().collect::<VecDeque<_>>()));
    let (told, received) = watch::channel(Vec::new());
    let told = Arc::new(told);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (script, told) = (script.clone(), told.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(grpc, request, script.clone(), told.clone()));
                let io = TokioIo::new(stream);
                let _ended = if grpc {
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
                } else {
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service).await
                };
            });
        }
    });
    Collector { port, received }
}

async fn answer(
    grpc: bool,
    request: Request<Incoming>,
    script: Arc<Mutex<VecDeque<Say>>>,
    told: Arc<watch::Sender<Vec<Received>>>,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let message = if grpc {
        assert_eq!((body[0], u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize), (0, body.len() - 5));
        body.slice(5..)
    } else {
        body
    };
    let message = ExportRequest::decode(message).unwrap();
    let of_resource = |all: &ResourceSpans| all.resource.as_ref().map(|resource| json(&resource.attributes));
    let resource = message.resource_spans.iter().find_map(of_resource).unwrap_or_default();
    let scopes = message.resource_spans.into_iter().flat_map(|all| all.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans).collect();
    let path = head.uri.path().to_owned();
    told.send_modify(|all| all.push(Received { path, headers: head.headers, resource, spans }));
    let usual = if grpc { Say::Grpc(0) } else { Say::Http(200, &[]) };
    let say = script.lock().unwrap().pop_front().unwrap_or(usual);
    let (mut response, mut trailers) = (Response::builder(), HeaderMap::new());
    match say {
        Say::Http(status, headers) => {
            response = response.status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
        }
        Say::Grpc(code) => {
            response = response.header("content-type", "application/grpc");
            trailers.insert("grpc-status", code.to_string().parse().unwrap());
        }
    }
    let body = Full::new(if grpc { Bytes::from_static(&[0; 5]) } else { Bytes::new() });
    Ok(response.body(body.with_trailers(async move { grpc.then_some(Ok(trailers)) })).unwrap())
}

impl Collector {
    /// All requests, once there are so many.
    pub(crate) async fn requests(&self, number: usize) -> Vec<Received> {
        let mut received = self.received.clone();
        let enough = received.wait_for(|all| all.len() >= number);
        let all = tokio::time::timeout(Duration::from_secs(20), enough).await.expect("requests in time").unwrap();
        all.clone()
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.received.borrow().iter().flat_map(|received| received.spans.clone()).collect()
    }
}
