//! The client: one request on a connection of its own, read to its end and judged by its bytes. Decides nothing.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// What nothing here may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What came of a request.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// `None` when the connection ended before a head.
    pub(crate) status: Option<u16>,
    /// The decoded body, as far as it came.
    pub(crate) body: String,
    /// Whether it ended by its own framing.
    pub(crate) framed: bool,
    /// Until the end.
    pub(crate) took: Duration,
}

impl Answer {
    /// What a client takes for a whole stream.
    pub(crate) fn looks_complete(&self) -> bool {
        self.status == Some(200) && self.framed && self.body.contains("data: [DONE]")
    }

    /// The text of all events.
    pub(crate) fn text(&self) -> String {
        let events =
            self.body.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
        events.filter_map(|event| Some(event["choices"][0]["delta"]["content"].as_str()?.to_owned())).collect()
    }
}

/// Streams a chat; `begun` is told each time that more of the body is there.
pub(crate) async fn stream(address: &str, begun: Option<&watch::Sender<String>>) -> Answer {
    let start = Instant::now();
    let mut answer = Answer::default();
    // an error is an answer that ended there
    let _ended = tokio::time::timeout(LIMIT, read(address, begun, &mut answer)).await;
    answer.took = start.elapsed();
    answer
}

async fn read(address: &str, begun: Option<&watch::Sender<String>>, answer: &mut Answer) -> std::io::Result<()> {
    const BODY: &str = r#"{"model":"any","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let mut connection = TcpStream::connect(address).await?;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        BODY.len()
    );
    connection.write_all(format!("{head}{BODY}").as_bytes()).await?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    while let size @ 1.. = connection.read(&mut buffer).await? {
        bytes.extend_from_slice(&buffer[..size]);
        judge(&String::from_utf8_lossy(&bytes), answer);
        if let Some(begun) = begun {
            begun.send_replace(answer.text());
        }
    }
    Ok(())
}

/// Status, body and framing of what has come so far.
fn judge(text: &str, answer: &mut Answer) {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return };
    answer.status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let head = head.to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        (answer.body, answer.framed) = dechunked(body);
    } else {
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        (answer.body, answer.framed) = (body.to_owned(), length == Some(body.len()));
    }
}

fn dechunked(mut body: &str) -> (String, bool) {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        match usize::from_str_radix(size, 16) {
            Ok(0) => return (whole, rest == "\r\n"),
            Ok(size) if rest.len() >= size + 2 => {
                whole.push_str(&rest[..size]);
                body = &rest[size + 2..];
            }
            _ => break,
        }
    }
    (whole, false)
}

/// The text of a page.
pub(crate) async fn page(address: &str, path: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    connection
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut text = String::new();
    connection.read_to_string(&mut text).await?;
    let mut answer = Answer::default();
    judge(&text, &mut answer);
    Ok(answer.body)
}
