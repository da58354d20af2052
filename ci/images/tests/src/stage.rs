//! The stage of a test: a private network with a gateway and the providers `a` and `b` behind it, the book of what its client
//! asked, and the gateway's own books beside it.

use std::collections::BTreeMap;
use std::error::Error;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testcontainers::core::{IntoContainerPort, Mount, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio::process::Command;
use tokio::sync::watch;

use crate::client::{self, Answer};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;
pub(crate) type Outcome = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;
pub(crate) type Test = (&'static str, fn() -> Outcome);

/// How long the gateway waits for an answer to begin, and for more of it; and what a busy machine adds.
pub(crate) const REQUEST: Duration = Duration::from_secs(3);
pub(crate) const IDLE: Duration = Duration::from_secs(1);
pub(crate) const SLACK: Duration = Duration::from_secs(3);
/// The longest wait for what must become true.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pieces of an answer, and the time between two.
const PIECES: usize = 20;
const PACE: &str = "40ms";

/// Runs a test.
pub(crate) fn run(test: fn() -> Outcome) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async { test().await.map_err(|error| error.to_string()) })
}

/// The whole answer of a provider.
pub(crate) fn whole(provider: char) -> String {
    (0..PIECES).map(|piece| format!("{provider}{piece:02} ")).collect()
}

/// The containers, and the client's book.
pub(crate) struct Stage {
    pub(crate) gateway: ContainerAsync<GenericImage>,
    pub(crate) a: ContainerAsync<GenericImage>,
    pub(crate) b: ContainerAsync<GenericImage>,
    network: String,
    _folder: TempDir,
    book: Mutex<BTreeMap<u16, u64>>,
}

impl Stage {
    /// Starts everything, and waits until it serves.
    pub(crate) async fn set() -> Result<Self, Failure> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let network = format!("windtunnel-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = props(&network)?;
        let mount = || Mount::bind_mount(folder.path().display().to_string(), "/stage");
        let started = |what: &str, ready: &str, words: Vec<String>| {
            let image = image().with_wait_for(WaitFor::message_on_either_std(ready));
            let image = if what == "gateway" {
                image.with_exposed_port(8080.tcp()).with_exposed_port(15020.tcp())
            } else {
                image
            };
            let image = image.with_cmd(words).with_network(&network).with_container_name(format!("{network}-{what}"));
            image.with_mount(mount()).with_readonly_rootfs(true).with_cap_drop("ALL").start()
        };
        let mock =
            |provider: &str| ["mock", "--config", &format!("/stage/{provider}.yaml")].map(str::to_owned).to_vec();
        let a = started("a", "listening provider", mock("a")).await?;
        let b = started("b", "listening provider", mock("b")).await?;
        let words = ["gateway", "--config=/stage/manifests", "--grace=300ms", "--drain=10s"].map(str::to_owned);
        let gateway = started("gateway", "serving", words.to_vec()).await?;
        Ok(Self { gateway, a, b, network, _folder: folder, book: Mutex::default() })
    }

    /// Where the gateway's port is now: a container that was started again has another one.
    pub(crate) async fn address(&self, port: u16) -> Result<String, Failure> {
        Ok(format!("127.0.0.1:{}", self.gateway.get_host_port_ipv4(port.tcp()).await?))
    }

    /// Streams a chat, and writes it into the book.
    pub(crate) async fn stream(&self, address: &str, begun: Option<&watch::Sender<String>>) -> Answer {
        let answer = client::stream(address, begun).await;
        if let Some(status) = answer.status {
            *self.book.lock().expect("nobody panics with it").entry(status).or_default() += 1;
        }
        answer
    }

    /// Streams until the answer is a provider's whole one.
    pub(crate) async fn served_by(&self, provider: char) -> Result<(), Failure> {
        let address = self.address(8080).await?;
        let start = Instant::now();
        loop {
            let answer = self.stream(&address, None).await;
            if answer.looks_complete() && answer.text() == whole(provider) {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("{provider} never serves; the last answer is {answer:?}").into());
            }
        }
    }

    /// The gateway's counter and its log have what the client's book has.
    pub(crate) async fn balanced(&self) -> Result<(), Failure> {
        let book = self.book.lock().expect("nobody panics with it").clone();
        let address = self.address(15020).await?;
        let start = Instant::now();
        loop {
            let counted = counted(&client::page(&address, "/metrics").await?);
            let log = String::from_utf8(self.gateway.stdout_to_vec().await?)?;
            let logged = log.lines().filter(|line| line.starts_with('{')).count() as u64;
            if counted == book && logged == book.values().sum::<u64>() {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("asked {book:?}, counted {counted:?}, logged {logged}").into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Takes a container off the network, or puts it there again.
    pub(crate) async fn network(&self, what: &str, container: &ContainerAsync<GenericImage>) -> Result<(), Failure> {
        docker(&["network", what, &self.network, container.id()]).await
    }
}

/// What the containers read: the providers' scripts and the manifests.
fn props(network: &str) -> std::io::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    open(folder.path())?;
    for provider in ['a', 'b'] {
        let pieces: Vec<String> = (0..PIECES).map(|piece| format!("'{provider}{piece:02} '")).collect();
        let answer = format!("latency: {{itl: {PACE}}}, respond: {{chunks: [{}]}}", pieces.join(", "));
        let text = format!("providers: {{{provider}: {{listen: '0.0.0.0:8090', {answer}}}}}\n");
        std::fs::write(folder.path().join(format!("{provider}.yaml")), text)?;
    }
    std::fs::create_dir(folder.path().join("manifests"))?;
    open(&folder.path().join("manifests"))?;
    std::fs::write(folder.path().join("manifests/all.yaml"), MANIFESTS.replace("NETWORK", network))?;
    Ok(folder)
}

/// Requests by their status.
fn counted(metrics: &str) -> BTreeMap<u16, u64> {
    let mut counted = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.starts_with("agentgateway_requests_total{")) {
        let status = line.split_once("status=\"").and_then(|(_, rest)| rest.split('"').next()?.parse().ok());
        let value = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        if let (Some(status), Some(value)) = (status, value) {
            *counted.entry(status).or_default() += value as u64;
        }
    }
    counted
}

/// Does what testcontainers has no word for.
pub(crate) async fn docker(words: &[&str]) -> Result<(), Failure> {
    let output = Command::new("docker").args(words).output().await?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("docker {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr)).into())
}

fn image() -> GenericImage {
    let named = std::env::var("WINDTUNNEL_IMAGE").expect("WINDTUNNEL_IMAGE names the image, as ci/images.sh does");
    let (name, tag) = named.rsplit_once(':').unwrap_or((&named, "latest"));
    GenericImage::new(name, tag)
}

/// Lets the image's user in.
fn open(folder: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
}

const MANIFESTS: &str = "
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
kind: AgentgatewayBackend
metadata: {name: pool}
spec:
  ai:
    groups:
      - providers: [{name: a, host: NETWORK-a, port: 8090, openai: {}}]
      - providers: [{name: b, host: NETWORK-b, port: 8090, openai: {}}]
  policies: {health: {eviction: {duration: 1s}}, tcp: {connectTimeout: 500ms}}
---
kind: AgentgatewayPolicy
metadata: {name: limits}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: pool}]
  traffic: {timeouts: {request: 3s, responseIdle: 1s}, retry: {attempts: 1, codes: [503]}}
";
