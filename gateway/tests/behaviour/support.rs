//! Starts gateways and providers on free ports and talks raw HTTP/1.1 to them.

use std::cell::OnceCell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gateway::{Gateway, Options};
use mock_providers::MockProvider;
use mock_providers::script::Provider;

/// A gateway in this process with its log and notices.
pub(crate) struct Running {
    pub(crate) gateway: Option<Gateway>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) log: Log,
    notices: std::sync::mpsc::Receiver<String>,
    metrics: OnceCell<SocketAddr>,
}

/// Log lines, readable after the gateway has stopped.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        let bytes = self.0.lock().unwrap();
        bytes
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const HEAD: &str = "
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP}]}
---
kind: HTTPRoute
metadata: {name: pool}
spec:
  parentRefs: [{name: gateway}]
  rules:
    - backendRefs: [{name: pool, group: agentgateway.dev, kind: AgentgatewayBackend}]
---
";

/// Manifests with a route to a pool of these providers, one priority group each.
pub(crate) fn pool(providers: &[&MockProvider], policies: &str) -> String {
    let group = |mock: &&MockProvider| {
        let (name, port) = (mock.name(), mock.addr().port());
        format!("        - providers: [{{name: {name}, host: 127.0.0.1, port: {port}, openai: {{model: m-1}}}}]\n")
    };
    let groups: String = providers.iter().map(group).collect();
    format!(
        "{HEAD}kind: AgentgatewayBackend\nmetadata: {{name: pool}}\nspec:\n  ai:\n      groups:\n{groups}{policies}"
    )
}

/// Manifests with a route of these rules, and for each provider NAME two backends: NAME, static, and NAME-ai.
pub(crate) fn rules(providers: &[&MockProvider], rules: &str) -> String {
    let gateway = HEAD.split("---").next().unwrap_or_default();
    let mut text = format!(
        "{gateway}---\nkind: HTTPRoute\nmetadata: {{name: rules}}\nspec:\n  parentRefs: [{{name: gateway}}]\n  rules: {rules}\n"
    );
    for mock in providers {
        let (name, port) = (mock.name(), mock.addr().port());
        text.push_str(&format!(
            "---\nkind: AgentgatewayBackend\nmetadata: {{name: {name}}}\nspec: {{static: {{host: 127.0.0.1, port: {port}}}}}\n"
        ));
        text.push_str(&format!(
            "---\nkind: AgentgatewayBackend\nmetadata: {{name: {name}-ai}}\nspec: {{ai: {{provider: {{host: 127.0.0.1, port: {port}, openai: {{model: m-{name}}}}}}}}}\n"
        ));
    }
    text
}

/// A reference to an AgentgatewayBackend, with more fields.
pub(crate) fn backend(name: &str, more: &str) -> String {
    format!("{{name: {name}, group: agentgateway.dev, kind: AgentgatewayBackend{more}}}")
}

/// A provider with this script.
pub(crate) async fn provider(name: &str, script: &str) -> MockProvider {
    let script: Provider = serde_saphyr::from_str(script).unwrap();
    mock_providers::start(name, script, mock_providers::Options::default()).await.unwrap()
}

pub(crate) fn start(manifests: &str) -> Running {
    start_draining(manifests, Duration::from_secs(3))
}

/// A gateway that lets exchanges in flight take this long when it stops.
pub(crate) fn start_draining(manifests: &str, drain: Duration) -> Running {
    start_with(manifests, |options| options.drain = drain)
}

/// A gateway with options of its own.
pub(crate) fn start_with(manifests: &str, adjust: impl FnOnce(&mut Options)) -> Running {
    let log = Log::default();
    Running { log: log.clone(), ..start_logging(manifests, Box::new(log), adjust) }
}

/// A gateway with a log that the test does not read.
pub(crate) fn start_logging(manifests: &str, log: Box<dyn Write + Send>, adjust: impl FnOnce(&mut Options)) -> Running {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("all.yaml"), manifests).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut options = Options {
        config: folder.path().to_owned(),
        listen: vec![(8080, any), (8081, any)],
        metrics: Some(any),
        ready: Some(any),
        admin: None,
        workers: Some(2),
        drain: Duration::from_secs(3),
        ..Options::default()
    };
    adjust(&mut options);
    let (told, notices) = std::sync::mpsc::sync_channel(1000);
    let notice = Arc::new(move |line: &str| {
        let _unread = told.try_send(line.to_owned());
    });
    let gateway = Gateway::start(options, log, notice).unwrap();
    Running { gateway: Some(gateway), folder, log: Log::default(), notices, metrics: OnceCell::new() }
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.as_ref().unwrap().address(8080).unwrap()
    }

    /// Replaces the manifests by rename and waits for the gateway's word.
    pub(crate) fn apply(&self, manifests: &str) -> String {
        let path = self.folder.path();
        std::fs::write(path.join(".new"), manifests).unwrap();
        std::fs::rename(path.join(".new"), path.join("all.yaml")).unwrap();
        self.notice("reload")
    }

    /// The metrics of this moment, once the last of `requests` is among them.
    pub(crate) fn metrics(&self, requests: u64) -> String {
        self.metrics_once(|text| {
            let counted = text.lines().filter(|line| line.starts_with("agentgateway_requests_total{"));
            counted.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum::<u64>() >= requests
        })
    }

    /// The metrics as soon as they are as they should be.
    pub(crate) fn metrics_once(&self, fit: impl Fn(&str) -> bool) -> String {
        let address = *self.metrics.get_or_init(|| {
            let notice = self.notice("metrics address=");
            notice.trim_start_matches("metrics address=").parse().unwrap()
        });
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let text = raw(address, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").text();
            if fit(&text) {
                return text;
            }
            assert!(Instant::now() < end, "the metrics do not become as they should be: {text}");
            std::thread::yield_now();
        }
    }

    /// The next notice that begins so.
    pub(crate) fn notice(&self, start: &str) -> String {
        loop {
            let line = self.notices.recv_timeout(Duration::from_secs(10)).expect("a notice");
            if line.starts_with(start) {
                return line;
            }
        }
    }

    /// A notice that begins so, where none is to come for a while.
    pub(crate) fn silence(&self, start: &str, time: Duration) -> Option<String> {
        let end = std::time::Instant::now() + time;
        let left = || end.saturating_duration_since(std::time::Instant::now());
        std::iter::from_fn(|| self.notices.recv_timeout(left()).ok()).find(|line| line.starts_with(start))
    }

    /// Stops the gateway and returns its log.
    pub(crate) fn stop(mut self) -> Vec<serde_json::Value> {
        self.gateway.take().unwrap().stop();
        self.log.records()
    }
}

/// An answer as it came off the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// The transfer was complete by its own framing.
    pub(crate) complete: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header by its lower-case name; values are in lower case too.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends exact bytes on a new connection and reads one answer.
pub(crate) fn raw(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request).unwrap();
    read(&mut stream)
}

/// [`raw`], from a test that runs on a runtime.
pub(crate) async fn ask(running: &Running, request: impl Into<Vec<u8>>) -> Answer {
    let (address, request) = (running.address(), request.into());
    tokio::task::spawn_blocking(move || raw(address, &request)).await.unwrap()
}

/// A request without a body.
pub(crate) fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: gateway\r\n{headers}\r\n").into_bytes()
}

/// Posts a chat completion.
pub(crate) fn chat(address: SocketAddr, body: &str) -> Answer {
    raw(address, &post("/v1/chat/completions", body))
}

pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Reads one answer to its end, however it ends.
pub(crate) fn read(stream: &mut TcpStream) -> Answer {
    let (mut bytes, mut chunk, mut broken) = (Vec::new(), [0; 16 * 1024], false);
    loop {
        if let Some(answer) = parsed(&bytes, false) {
            return answer;
        }
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
                broken = true;
                break;
            }
        }
    }
    // a connection that closes without a whole head is no answer
    let none = || Answer { status: 0, head: String::new(), body: Vec::new(), complete: false };
    let answer = parsed(&bytes, true).unwrap_or_else(none);
    Answer { complete: answer.complete && !broken, ..answer }
}

fn parsed(bytes: &[u8], at_end: bool) -> Option<Answer> {
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..split]).to_lowercase();
    let rest = &bytes[split + 4..];
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let (body, complete) = match length {
        _ if status == 204 => (Vec::new(), true),
        Some(length) => (rest[..rest.len().min(length)].to_vec(), rest.len() >= length),
        None if head.contains("transfer-encoding: chunked") => dechunked(rest),
        None => (rest.to_vec(), at_end),
    };
    (complete || at_end).then_some(Answer { status, head, body, complete })
}

fn dechunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else { return (body, false) };
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        rest = &rest[line + 2..];
        if size == 0 {
            return (body, rest.starts_with(b"\r\n"));
        }
        body.extend_from_slice(&rest[..rest.len().min(size)]);
        if rest.len() < size + 2 {
            return (body, false);
        }
        rest = &rest[size + 2..];
    }
}
