//! HTTP/2 with clients: many requests on one connection, none of which disturbs another, and nothing that an
//! HTTP/1.1 provider could read in another way.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::{pool, provider, start, start_with};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
const SLOW: &str = "{respond: {text: slow}, latency: {first_byte: 60s}}";

/// A connection by prior knowledge; the task ends with it.
async fn connect(address: SocketAddr) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn ask() -> Request<()> {
    Request::post("http://gateway/v1/chat/completions").header("content-type", "application/json").body(()).unwrap()
}

fn send(sender: &mut SendRequest<Bytes>) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
    let (response, mut body) = sender.send_request(ask(), false).unwrap();
    body.send_data(ASK.into(), true).unwrap();
    (response, body)
}

async fn whole(response: h2::client::ResponseFuture) -> (StatusCode, Vec<u8>) {
    let (head, mut body) = response.await.unwrap().into_parts();
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        all.extend_from_slice(&data);
    }
    (head.status, all)
}
