//! All that a client says on a connection, from `listen` to the moment at which something would be sent: the provider
//! has no key, so that an admitted request is answered with a 500 that says so.

use std::cell::LazyCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, spawn_local};

use crate::Options;
use crate::config::{compile, from_sources};
use crate::listen::Alone;
use crate::upstream::Pool;
use crate::worker::{Shared, Worker};
use crate::yaml::Source;

/// The port of the manifests.
const PORT: u16 = 8080;
/// How long a connection may take whose client has said all it has to say.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that wait in each direction.
const PIPE: usize = 64 * 1024;

/// One core that has no sockets.
struct Core {
    runtime: Runtime,
    tasks: LocalSet,
    alone: Alone,
}

thread_local! {
    static CORE: LazyCell<Core> = LazyCell::new(Core::new);
}

/// Says the bytes behind the first, which is the size of the writes, and returns the statuses of the answers.
pub fn connection(bytes: &[u8]) -> Vec<u16> {
    let Some((_, said)) = bytes.split_first() else { return Vec::new() };
    let heard = heard(bytes);
    if said.starts_with(b"PRI * HTTP/2.0") {
        return Vec::new();
    }
    let statuses = answers(&heard, memchr::memmem::find(said, b"HEAD").is_some());
    if told_twice(said) {
        assert!(statuses.first().is_none_or(|status| *status != 500), "admitted with two lengths");
    }
    statuses
}

/// All that is answered to the bytes behind the first, which is the size of the writes.
pub(crate) fn heard(bytes: &[u8]) -> Vec<u8> {
    let Some((size, said)) = bytes.split_first() else { return Vec::new() };
    CORE.with(|core| {
        let size = if *size == 0 { PIPE } else { usize::from(*size) };
        core.tasks.block_on(&core.runtime, core.talk(said, size))
    })
}

impl Core {
    fn new() -> Self {
        let source = Source::new("connection.yaml", include_str!("connection.yaml"));
        let manifests = from_sources(&[source]).expect("manifests of our own");
        let shared = Shared::new(compile(&manifests, None).snapshot, &Options::default());
        let traces = crate::otlp::Exporter::start(crate::otlp::Setup::default()).expect("a thread");
        let (sink, _, _) =
            crate::telemetry::start(Box::new(io::sink()), Default::default(), traces, None).expect("a thread");
        let worker = Rc::new(Worker::new(Arc::new(shared), Pool::new(Vec::new(), Vec::new()), sink));
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, tasks: LocalSet::new(), alone: Alone::new(worker, PORT) }
    }

    async fn talk(&self, said: &[u8], size: usize) -> Vec<u8> {
        let (client, server) = tokio::io::duplex(PIPE);
        let serving = spawn_local(self.alone.door.clone().serve_plain(server, IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let heard = tokio::time::timeout(PATIENCE, say(client, said, size)).await;
        let heard = heard.expect("a connection ends when its client has said all");
        let served = tokio::time::timeout(PATIENCE, serving).await.expect("its task ends with it");
        served.expect("serving does not panic");
        heard
    }
}

/// Says all of it, as far as the other side listens, and hears it out.
async fn say(client: DuplexStream, said: &[u8], size: usize) -> Vec<u8> {
    let (mut from, mut to) = tokio::io::split(client);
    let saying = async {
        for part in said.chunks(size) {
            if to.write_all(part).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        // the other side may be gone
        let _ended = to.shutdown().await;
    };
    let mut heard = Vec::new();
    let (_, read) = tokio::join!(saying, from.read_to_end(&mut heard));
    read.expect("a pipe does not break");
    heard
}

/// The statuses of whole answers, one behind the other; with `heads_alone` only that of the first.
fn answers(mut heard: &[u8], heads_alone: bool) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !heard.is_empty() {
        let end = memchr::memmem::find(heard, b"\r\n\r\n").expect("an answer has a head");
        let head = std::str::from_utf8(&heard[..end]).expect("our own heads are text").to_ascii_lowercase();
        let (version, status) = head.split_once(' ').expect("a status line");
        assert!(matches!(version, "http/1.1" | "http/1.0"), "{head}");
        let status = status.get(..3).and_then(|status| status.parse().ok()).expect("a status");
        assert!((100..600).contains(&status), "{head}");
        statuses.push(status);
        if heads_alone {
            break;
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let length = if matches!(status, 100..200 | 204 | 304) { 0 } else { length.expect("our own answers tell it") };
        let rest = &heard[end + 4..];
        let body = rest.get(..length).expect("an answer is as long as it says");
        if head.contains("content-type: application/json") {
            let json: serde_json::Value = serde_json::from_slice(body).expect("an error is JSON");
            assert!(json.is_object());
        }
        heard = &rest[length..];
    }
    statuses
}

/// Whether the first request tells its length in two ways.
fn told_twice(said: &[u8]) -> bool {
    let lines = said.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let head = lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty());
    let names = head.skip(1).filter_map(|line| line.split(|&byte| byte == b':').next());
    let names: Vec<_> = names.map(<[u8]>::to_ascii_lowercase).collect();
    let has = |name: &[u8]| names.iter().any(|own| own == name);
    has(b"content-length") && has(b"transfer-encoding")
}
