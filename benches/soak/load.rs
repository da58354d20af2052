//! One client after the other request: what it asks for, and what it notes of the outcome.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::wire::{Connection, closes};

use crate::books::Books;

/// Between two requests of a client: the load is to be long, not high.
const PAUSE: Duration = Duration::from_millis(4);
/// No answer takes longer, however it fails.
const PATIENCE: Duration = Duration::from_secs(30);
const LARGE: usize = 1 << 20;

/// What is asked, and when the client leaves without having heard all of it.
struct Ask {
    request: Vec<u8>,
    leave_after: Option<Duration>,
}

/// Asks until it is time, one request at a time, on one connection while that lasts.
pub(crate) async fn client(number: u64, address: SocketAddr, books: Arc<Books>, end: Instant) {
    let (mut kept, mut draw) = (None::<Connection>, number);
    while Instant::now() < end {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let ask = ask(draw >> 33);
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => match Connection::open(address).await {
                Ok(connection) => connection,
                Err(error) => return books.lost(&format!("cannot connect: {error}")),
            },
        };
        books.send();
        let limit = ask.leave_after.unwrap_or(PATIENCE);
        let outcome = tokio::time::timeout(limit, connection.round_trip(&ask.request)).await;
        let outcome = outcome.map(|answer| answer.map(<[u8]>::len));
        let whole = matches!(outcome, Ok(Ok(_)));
        match status(connection.heard()) {
            Some(status) => books.heard(status, whole),
            None if ask.leave_after.is_some() && outcome.is_err() => books.left(),
            None => books.lost(&format!("no answer: {outcome:?}")),
        }
        if whole && !closes(connection.heard()) {
            kept = Some(connection);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A request by the draw.
fn ask(draw: u64) -> Ask {
    let (kind, more) = (draw % 100, draw / 100);
    let stays = |request| Ask { request, leave_after: None };
    let leaves = |request| Ask { request, leave_after: Some(Duration::from_millis(1 + more % 20)) };
    let chat = |stream: bool| {
        let body = format!(
            r#"{{"model":"m-{}","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#,
            more % 999
        );
        post("/v1/chat/completions", &body)
    };
    match kind {
        0..40 => stays(chat(false)),
        40..65 => stays(chat(true)),
        65..70 => leaves(chat(false)),
        70..78 => leaves(chat(true)),
        78..81 => {
            let prompt = "x".repeat(LARGE);
            stays(post("/v1/chat/completions", &format!(r#"{{"messages":[{{"role":"user","content":"{prompt}"}}]}}"#)))
        }
        81..84 => {
            stays(post("/static/v1/chat/completions", r#"{"model":"m-1","messages":[{"role":"user","content":"hi"}]}"#))
        }
        84..88 => stays(post("/keyed/v1/chat/completions", "{}")),
        88..92 => stays(post("/v1/nothing/here", "{}")),
        92..95 => stays(post("/v1/chat/completions", r#"{"messages":["#)),
        95..97 => stays(b"GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n".to_vec()),
        97..99 => stays(b"PUT /elsewhere HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n".to_vec()),
        _ => stays(b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 67108865\r\n\r\n".to_vec()),
    }
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ");
    format!("{head}{}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The status of an answer whose head has come.
fn status(heard: &[u8]) -> Option<u16> {
    std::str::from_utf8(heard.strip_prefix(b"HTTP/1.1 ")?.get(..3)?).ok()?.parse().ok()
}
