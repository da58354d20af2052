//! A raw client: bytes out, bytes in, and how the connection ended.

use std::future::Future;
use std::time::Duration;

use mock_providers::script::Provider;
use mock_providers::{Journal, MockProvider, Options, RequestRecord};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const HI: &str = r#"{"model":"m-1","messages":[{"role":"user","content":"hi"}]}"#;
pub(crate) const HI_STREAM: &str = r#"{"model":"m-1","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

pub(crate) fn script(yaml: &str) -> Provider {
    serde_saphyr::from_str(yaml).expect("the script is well-formed")
}

pub(crate) async fn provider(yaml: &str) -> MockProvider {
    mock_providers::start("a", script(yaml), Options::default()).await.expect("a free port")
}

/// Nothing here takes ten seconds unless it hangs.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("it happens within ten seconds")
}

/// Waits until nothing is under way, then shows the journal.
pub(crate) async fn settled(mock: &MockProvider) -> Journal {
    use mock_providers::End;
    soon(mock.wait_until(|journal| {
        !journal.requests.is_empty() && journal.requests.iter().all(|request| request.end != End::Pending)
    }))
    .await
}

pub(crate) async fn only_request(mock: &MockProvider) -> RequestRecord {
    let mut journal = settled(mock).await;
    assert_eq!(journal.requests.len(), 1);
    journal.requests.remove(0)
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The JSON of all events but `[DONE]`.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = self.text();
        let data = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
        data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).expect("JSON")).collect()
    }
}

pub(crate) struct Client<S = TcpStream> {
    stream: S,
    inbound: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(mock: &MockProvider) -> Self {
        Self::over(TcpStream::connect(mock.addr()).await.expect("the port is open"))
    }

    /// Makes the coming drop a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("a live socket");
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, inbound: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the provider reads");
        self.stream.flush().await.expect("the provider reads");
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) {
        self.post_with(path, "", body).await;
    }

    /// A request with more header lines, each with its line end.
    pub(crate) async fn post_with(&mut self, path: &str, headers: &str, body: &str) {
        let length = body.len();
        self.send(format!("POST {path} HTTP/1.1\r\nhost: a\r\n{headers}content-length: {length}\r\n\r\n{body}")).await;
    }

    pub(crate) async fn get(&mut self, path: &str) {
        self.get_with(path, "").await;
    }

    pub(crate) async fn get_with(&mut self, path: &str, headers: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n{headers}\r\n")).await;
    }

    /// Everything up to the end of the connection, and the error it ended with.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, Option<std::io::ErrorKind>) {
        let error = soon(self.stream.read_to_end(&mut self.inbound)).await.err().map(|error| error.kind());
        (std::mem::take(&mut self.inbound), error)
    }

    /// The bytes of one read.
    pub(crate) async fn read(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 64 << 10];
        let read = soon(self.stream.read(&mut bytes)).await.expect("the connection lives");
        bytes.truncate(read);
        bytes
    }

    /// Reads until what was read contains the text.
    pub(crate) async fn read_until(&mut self, text: &str) -> String {
        loop {
            let seen = String::from_utf8_lossy(&self.inbound).into_owned();
            if seen.contains(text) {
                return seen;
            }
            self.more().await;
        }
    }

    async fn more(&mut self) {
        let bytes = self.read().await;
        assert!(!bytes.is_empty(), "ended after {:?}", String::from_utf8_lossy(&self.inbound));
        self.inbound.extend(bytes);
    }

    /// One whole response; what follows it is kept for the next.
    pub(crate) async fn response(&mut self) -> Response {
        let (status, headers) = self.head().await;
        let mut response = Response { status, headers, body: Vec::new() };
        if response.header("transfer-encoding") == Some("chunked") {
            response.body = self.chunked().await;
        } else {
            let length = response.header("content-length").map_or(0, |length| length.parse().expect("a number"));
            response.body = self.take(length).await;
        }
        response
    }

    async fn head(&mut self) -> (u16, Vec<(String, String)>) {
        let text = self.line_end(b"\r\n\r\n").await;
        let mut lines = text.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        (status.parse().expect("a status"), headers)
    }

    async fn chunked(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = self.line_end(b"\r\n").await;
            let size = usize::from_str_radix(line.trim(), 16).expect("a chunk size");
            body.extend(self.take(size).await);
            assert_eq!(self.take(2).await, b"\r\n");
            if size == 0 {
                return body;
            }
        }
    }

    async fn line_end(&mut self, end: &[u8]) -> String {
        loop {
            if let Some(at) = self.inbound.windows(end.len()).position(|window| window == end) {
                return String::from_utf8(self.take(at + end.len()).await).expect("UTF-8");
            }
            self.more().await;
        }
    }

    async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.inbound.len() < length {
            self.more().await;
        }
        let rest = self.inbound.split_off(length);
        std::mem::replace(&mut self.inbound, rest)
    }
}

/// A secret in every place where a credential may stand: header lines and a query. None of them may ever be shown.
pub(crate) fn canaries() -> (String, String) {
    use mock_providers::credentials::{Place, TABLE};
    let (mut headers, mut query) = (String::new(), "visible=yes".to_owned());
    for (place, _) in TABLE {
        match place {
            Place::Header(name @ ("authorization" | "proxy-authorization")) => {
                headers += &format!("{name}: Bearer {CANARY}-{name}\r\n");
            }
            Place::Header(name) => headers += &format!("{name}: {CANARY}-{name}\r\n"),
            Place::Cookie(name) => headers += &format!("{name}: sid={CANARY}-{name}; {CANARY}\r\n"),
            Place::Query(name) => query += &format!("&{name}={CANARY}-{name}"),
        }
    }
    (headers, query)
}

/// What all canaries have in common.
pub(crate) const CANARY: &str = "canary-0123456789";

/// One chat request on a connection of its own.
pub(crate) async fn chat(mock: &MockProvider, body: &str) -> Response {
    let mut client = Client::connect(mock).await;
    client.post("/v1/chat/completions", body).await;
    client.response().await
}
