//! The constant provider: an OpenAI-shaped upstream whose every answer was written before the first request.
//!
//! It reads a request only to find its end and whether it asks for a stream; it keeps no journal and takes no
//! script, which is mock-providers' work. It runs on a thread of its own, so that its cost is no one else's.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::wire::Reader;

/// The length of the JSON answer's body.
pub const JSON_LEN: usize = 600;

/// A running constant provider; it lives as long as the process.
#[derive(Clone, Copy, Debug)]
pub struct Constant {
    address: SocketAddr,
}

/// The answers: one body, or a head and one chunk an event.
#[derive(Debug)]
struct Answers {
    json: Vec<u8>,
    stream: Vec<Vec<u8>>,
}

impl Constant {
    /// Starts a provider on a free port, whose streams have `events` content events; ready when it returns.
    pub fn start(events: usize) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let answers = Arc::new(Answers { json: json_answer(), stream: stream_answer(events) });
        std::thread::Builder::new()
            .name("constant".into())
            .spawn(move || runtime.block_on(serve(listener, answers)))?;
        Ok(Self { address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(listener: std::net::TcpListener, answers: Arc<Answers>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(converse(stream, Arc::clone(&answers)));
    }
}

/// Answers the requests of one connection until the peer closes it.
async fn converse(mut stream: TcpStream, answers: Arc<Answers>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = Reader::default();
    while let Some(request) = reader.message(&mut stream).await? {
        if asks_for_stream(request) {
            for piece in &answers.stream {
                stream.write_all(piece).await?;
                // Lets the other connections speak between two events, as the events of a real model would.
                tokio::task::yield_now().await;
            }
        } else {
            stream.write_all(&answers.json).await?;
        }
    }
    Ok(())
}

/// True for a request whose JSON has `"stream":true` near one of its ends, where clients and gateways put it.
fn asks_for_stream(request: &[u8]) -> bool {
    const KEY: &[u8] = br#""stream":true"#;
    const NEAR: usize = 1024;
    let start = &request[..request.len().min(NEAR)];
    let end = &request[request.len().saturating_sub(NEAR)..];
    [start, end].iter().any(|part| part.windows(KEY.len()).any(|bytes| bytes == KEY))
}

/// A whole answer of [`JSON_LEN`] bytes of body.
pub fn json_answer() -> Vec<u8> {
    let start = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m-1","choices":[{"index":0,"message":{"role":"assistant","content":""#;
    let end = r#""},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}}"#;
    let text = "a".repeat(JSON_LEN - start.len() - end.len());
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {JSON_LEN}\r\n\r\n");
    [head, start.into(), text, end.into()].concat().into_bytes()
}

/// A streamed answer: head, events with content, and in one piece the last event and the end.
pub fn stream_answer(events: usize) -> Vec<Vec<u8>> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let content = (0..events).map(|_| event(r#"{"content":"token "}"#, "null"));
    let last = format!("{}{}0\r\n\r\n", event("{}", r#""stop""#), chunk("data: [DONE]\n\n"));
    let pieces = std::iter::once(head.to_owned()).chain(content).chain(std::iter::once(last));
    pieces.map(String::into_bytes).collect()
}

fn event(delta: &str, finish: &str) -> String {
    chunk(&format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"m-1\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    ))
}

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Connection, chat_request};

    #[tokio::test]
    async fn one_connection_gets_whole_answers_of_both_kinds_in_turn() {
        let provider = Constant::start(3).unwrap();
        let mut connection = Connection::open(provider.address()).await.unwrap();
        for _ in 0..2 {
            let plain = connection.round_trip(&chat_request(provider.address(), false, 16)).await.unwrap();
            assert!(plain.starts_with(b"HTTP/1.1 200 OK\r\n") && plain.ends_with(b"}}"));
            let streamed = connection.round_trip(&chat_request(provider.address(), true, 16)).await.unwrap();
            let text = String::from_utf8(streamed.to_vec()).unwrap();
            assert_eq!(text.matches("data: ").count(), 5);
        }
    }

    #[tokio::test]
    async fn the_floor_passes_both_kinds_through() {
        let provider = Constant::start(3).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let floor = listener.local_addr().unwrap();
        tokio::spawn(crate::floor::serve(listener, provider.address()));
        let mut connection = Connection::open(floor).await.unwrap();
        for stream in [false, true, false] {
            let answer = connection.round_trip(&chat_request(floor, stream, 16)).await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
            assert!(answer.windows(10).any(|bytes| bytes == if stream { b"data: [DON" } else { b"\"finish_re" }));
        }
    }

    #[test]
    fn the_json_answer_has_its_stated_length() {
        let answer = json_answer();
        let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(answer.len() - head, JSON_LEN);
    }
}
