//! An OTLP collector that belongs to the suite: takes spans over gRPC and over HTTP, protobuf in both, on one loopback
//! port, and shows each as a flat record. Judges nothing, forwards nothing, and takes no logs and no metrics.

mod otlp;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The largest export that is read; senders keep to 4 MiB.
const LARGEST: usize = 16 * 1024 * 1024;
/// What precedes the message of a gRPC call: whether it is compressed, and four bytes of length.
const PREFIX: usize = 5;
/// Between two tries to accept.
const PAUSE: Duration = Duration::from_millis(10);
/// gRPC's status for a message that cannot be read.
const INVALID_ARGUMENT: &str = "3";

/// A running collector; it ends with this value.
#[derive(Debug)]
pub struct Collector {
    /// Where it listens.
    pub address: SocketAddr,
    spans: Spans,
    accepting: JoinHandle<()>,
}

type Spans = Arc<Mutex<Vec<Value>>>;

impl Drop for Collector {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Collector {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> std::io::Result<Collector> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let spans = Spans::default();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&spans)));
        Ok(Collector { address, spans, accepting })
    }

    /// All spans so far, in the order in which they came: `span.name`, `span.kind` (`server`, `client`, …),
    /// `span.status` (`ok`, `error`), `trace.id`, `span.id`, `parent.id` in hexadecimal, and the attributes.
    pub fn spans(&self) -> Vec<Value> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn accept(listener: TcpListener, spans: Spans) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // out of file descriptors, or the peer is gone already
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let spans = Arc::clone(&spans);
        tokio::spawn(async move {
            let service = service_fn(move |request| take(request, Arc::clone(&spans)));
            let server = auto::Builder::new(TokioExecutor::new());
            let _ended = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Takes one export and says so in the sender's protocol.
async fn take(
    request: Request<Incoming>,
    spans: Spans,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let kind = request.headers().get(CONTENT_TYPE).cloned().unwrap_or(HeaderValue::from_static(""));
    let grpc = kind.as_bytes().starts_with(b"application/grpc");
    let read = match Limited::new(request.into_body(), LARGEST).collect().await {
        Ok(body) => message(body.to_bytes(), grpc).and_then(otlp::spans),
        Err(_) => None,
    };
    let taken = read.is_some();
    spans.lock().unwrap_or_else(PoisonError::into_inner).extend(read.unwrap_or_default());
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(if taken { "0" } else { INVALID_ARGUMENT }));
    let empty = if grpc { Bytes::from_static(&[0; PREFIX]) } else { Bytes::new() };
    let body = Full::new(empty).with_trailers(async move { grpc.then_some(Ok(trailers)) });
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    if !taken && !grpc {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(response)
}

/// The message of a body; one that is compressed is not taken.
fn message(mut body: Bytes, grpc: bool) -> Option<Bytes> {
    if !grpc {
        return Some(body);
    }
    let (compressed, length) = (body.try_get_u8().ok()?, body.try_get_u32().ok()?);
    (compressed == 0 && length as usize == body.len()).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_message_is_whole_and_plain() {
        let body = |bytes: &'static [u8]| message(Bytes::from_static(bytes), true);
        assert_eq!(body(&[0, 0, 0, 0, 2, 7, 8]), Some(Bytes::from_static(&[7, 8])));
        assert_eq!(body(&[1, 0, 0, 0, 2, 7, 8]), None);
        assert_eq!(body(&[0, 0, 0, 0, 3, 7, 8]), None);
        assert_eq!(body(&[0, 0]), None);
    }
}
