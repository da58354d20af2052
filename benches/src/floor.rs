//! The floor: the least that a reverse proxy on hyper can do, to subtract from what the gateway does.
//!
//! **Frozen.** Every added latency and every CPU figure under `runs/` is a difference to this file; a change
//! here moves all of them without a word, and they cannot be compared across it. Faster ideas go beside it.
//!
//! It accepts HTTP/1.1, forwards each request with its body streamed to one upstream over pooled connections,
//! and streams the answer back. It parses no body, matches no route, keeps no record and has no timeouts.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderMap, HeaderName, PROXY_AUTHENTICATE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// The body of an answer: the upstream's as it comes, or nothing when there was none to ask.
type Body = Either<Incoming, Empty<Bytes>>;

/// Headers that belong to one connection and must not reach the next one.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Serves `listener` on a multi-thread runtime of its own; returns only when it can no longer accept.
pub fn run(listener: std::net::TcpListener, upstream: SocketAddr) -> io::Result<Infallible> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { serve(TcpListener::from_std(listener)?, upstream).await })
}

/// Forwards every request that arrives at `listener` to `upstream`; returns only when it can no longer accept.
pub async fn serve(listener: TcpListener, upstream: SocketAddr) -> io::Result<Infallible> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let authority = Authority::try_from(upstream.to_string()).expect("a socket address is an authority");
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, authority) = (client.clone(), authority.clone());
        let service = service_fn(move |request| forward(client.clone(), authority.clone(), request));
        // A connection that fails concerns its client alone, who has noticed.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// One request there, one answer back; 502 when the upstream gives none.
async fn forward(
    client: Client<HttpConnector, Incoming>,
    authority: Authority,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path).build();
    *request.uri_mut() = uri.expect("three valid parts make a valid address");
    remove_hop_by_hop(request.headers_mut());
    Ok(match client.request(request).await {
        Ok(mut response) => {
            remove_hop_by_hop(response.headers_mut());
            response.map(Either::Left)
        }
        Err(_) => {
            let mut response = Response::new(Either::Right(Empty::new()));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    })
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}
