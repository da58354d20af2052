//! One request over HTTP/2, by ALPN or prior knowledge. Owns telling "not offered" from "offered and broken": only
//! who has sent a frame of its own has offered it.

use bytes::Bytes;
use h2::client::{self, ResponseFuture};

use super::{Answer, Backend, Request};
use crate::client::{End, Leave};
use crate::wire::Head;

/// Why there is no answer: not offered, or broken.
enum Failed {
    NotOffered(String),
    Broken(String),
}

/// Sends it; what is not offered is an answer without a connection, what is broken one that was cut.
pub(super) async fn send(backend: &Backend, request: &Request) -> Answer {
    let mut exchange = backend.nothing(backend.call(request, Leave::AtEnd, false), String::new());
    let answered = async {
        match carry(backend, request).await {
            Ok((head, body)) => (Some(head), body, End::Clean),
            Err(Failed::NotOffered(why)) => (None, Vec::new(), End::NotConnected(why)),
            Err(Failed::Broken(why)) => (None, Vec::new(), End::StreamReset(why)),
        }
    };
    (exchange.head, exchange.body, exchange.end) =
        tokio::time::timeout(backend.timeout, answered).await.unwrap_or((None, Vec::new(), End::TimedOut));
    exchange.ended_at = backend.origin.elapsed();
    Answer::of(request.clone(), exchange)
}

async fn carry(backend: &Backend, request: &Request) -> Result<(Head, Vec<u8>), Failed> {
    let stream = backend.connect(&[b"h2"]).await.map_err(Failed::NotOffered)?;
    backend.counts();
    let (mut sender, connection) = client::handshake(stream).await.map_err(failed)?;
    let connection = tokio::spawn(connection);
    let answer = async {
        let (response, mut sending) =
            sender.send_request(built(backend, request)?, request.body.is_none()).map_err(failed)?;
        if let Some(body) = &request.body {
            sending.send_data(Bytes::from(body.clone()), true).map_err(failed)?;
        }
        read(response).await
    };
    let answer = answer.await;
    connection.abort();
    answer
}

fn built(backend: &Backend, request: &Request) -> Result<http::Request<()>, Failed> {
    let scheme = if backend.base.tls { "https" } else { "http" };
    let uri = format!("{scheme}://{}{}{}", backend.base.authority(), backend.base.path, request.path);
    let mut built = http::Request::builder().method(request.method).uri(uri).version(http::Version::HTTP_2);
    for (name, value) in backend.fields(request) {
        built = built.header(name, value);
    }
    built.body(()).map_err(|error| Failed::NotOffered(error.to_string()))
}

async fn read(response: ResponseFuture) -> Result<(Head, Vec<u8>), Failed> {
    const MOST: usize = 1024 * 1024;
    let (head, mut body) = response.await.map_err(failed)?.into_parts();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(failed)?;
        // It fails only for a stream that is no more, which the next read tells.
        let _ = body.flow_control().release_capacity(data.len());
        bytes.extend_from_slice(&data);
        if bytes.len() > MOST {
            return Err(Failed::Broken(format!("a body of more than {MOST} bytes")));
        }
    }
    Ok((Head { start: format!("HTTP/2 {}", head.status.as_u16()), headers }, bytes))
}

/// Only a frame of theirs says that they speak it.
fn failed(error: h2::Error) -> Failed {
    let spoken = error.is_remote() && (error.is_reset() || error.is_go_away());
    if spoken { Failed::Broken(error.to_string()) } else { Failed::NotOffered(error.to_string()) }
}
