//! A data plane beside the API server: the real binary with the rights of one user, its notices, and requests to it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use conformance::cluster::{ApiServer, Assets, Objects};
use mock_providers::MockProvider;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::Process;
use crate::support::Failure;

/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// The listener's port in the manifests.
const PORT: u16 = 8080;

/// How a data plane is started in all tests.
pub(crate) const WORDS: &[&str] = &[
    "gateway",
    "--config=kubernetes",
    "--until-stdin-ends",
    "--no-admin",
    "--workers=1",
    "--metrics=127.0.0.1:0",
    "--ready=127.0.0.1:0",
    "--grace=0s",
    "--drain=1s",
];

/// A running data plane; killed when dropped.
pub(crate) struct Plane(pub(crate) Process);

impl Plane {
    /// Starts one for a Gateway; it may not serve yet, or never.
    pub(crate) fn spawn(kubeconfig: &Path, gateway: &str) -> Result<Self, Failure> {
        let (gateway, listen) = (format!("--gateway={gateway}"), format!("--listen={PORT}=127.0.0.1:0"));
        Process::start(&[WORDS, &[&gateway, &listen]].concat(), kubeconfig).map(Self)
    }

    /// Starts one and waits until it serves.
    pub(crate) async fn start(kubeconfig: &Path, gateway: &str) -> Result<Self, Failure> {
        let plane = Self::spawn(kubeconfig, gateway)?;
        plane.says(0, "serving").await?;
        Ok(plane)
    }

    /// Waits for a notice with this in it.
    pub(crate) async fn says(&self, from: usize, text: &str) -> Result<String, Failure> {
        self.0.says(from, text).await
    }

    /// Where it serves.
    pub(crate) fn address(&self) -> Result<SocketAddr, Failure> {
        let begin = format!("listening port={PORT} address=");
        let lines = self.0.notices.all();
        let address = lines.iter().find_map(|(_, line)| line.strip_prefix(&begin));
        Ok(address.ok_or_else(|| format!("it listens nowhere:\n{}", self.0.notices.text(0)))?.parse()?)
    }
}

/// A chat completion; its status, or that there was no answer.
pub(crate) async fn ask(address: SocketAddr, path: &str) -> Result<u16, Failure> {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split_ascii_whitespace().nth(1).ok_or("the connection ended without an answer")?;
    Ok(status.parse()?)
}

/// Asks until the status is this one; how long that took.
pub(crate) async fn until(address: SocketAddr, path: &str, status: u16) -> Result<Duration, Failure> {
    let since = Instant::now();
    loop {
        let now = ask(address, path).await?;
        if now == status {
            return Ok(since.elapsed());
        }
        if since.elapsed() > PATIENCE {
            return Err(format!("{path} still answers {now} and not {status}").into());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A Gateway that takes routes of its own namespace.
pub(crate) fn gateway(namespace: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "gateway", "namespace": namespace},
        "spec": {
            "gatewayClassName": "agentgateway",
            "listeners": [{"name": "http", "port": PORT, "protocol": "HTTP"}],
        },
    })
}

/// The provider's key.
pub(crate) fn secret(namespace: &str, name: &str, key: &str) -> Value {
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"Authorization": key}})
}

/// The provider at this address with the Secret `key`.
pub(crate) fn backend(namespace: &str, provider: SocketAddr, model: &str) -> Value {
    let (host, port) = (provider.ip().to_string(), provider.port());
    json!({
        "apiVersion": "agentgateway.dev/v1alpha1",
        "kind": "AgentgatewayBackend",
        "metadata": {"name": "pool", "namespace": namespace},
        "spec": {
            "ai": {"provider": {"host": host, "port": port, "openai": {"model": model}}},
            "policies": {"auth": {"secretRef": {"name": "key"}}},
        },
    })
}

/// A route to `pool`, of everything below a path.
pub(crate) fn route(namespace: &str, name: &str, path: &str) -> Value {
    json!({
        "apiVersion": "agentgateway.dev/v1alpha1",
        "kind": "AIRoute",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "parentRefs": [{"name": "gateway"}],
            "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": path}}],
                "backendRefs": [{"name": "pool"}],
            }],
        },
    })
}

/// Gateway, Secret `key`, backend `pool` and route `route` of `/`.
pub(crate) async fn apply_all(objects: &Objects, namespace: &str, provider: SocketAddr) -> Result<(), Failure> {
    let all = [
        gateway(namespace),
        secret(namespace, "key", "sk-first"),
        backend(namespace, provider, "m-1"),
        route(namespace, "route", "/"),
    ];
    for object in all {
        objects.apply(&object).await?;
    }
    Ok(())
}

/// A server for a test that stops it, or that other tests' objects would disturb.
pub(crate) async fn own_server() -> Result<(ApiServer, Objects), Failure> {
    let assets = Assets::find()?;
    let server = ApiServer::start(&assets).await?;
    let objects = Objects::of(&server.kubeconfig()?).await?;
    objects.apply_crds(&assets.gateway_api()).await?;
    objects.apply_our_crds().await?;
    Ok((server, objects))
}

/// A provider that answers as a script says.
pub(crate) async fn provider(script: &str) -> Result<MockProvider, Failure> {
    let script = serde_saphyr::from_str(script)?;
    Ok(mock_providers::start("a", script, mock_providers::Options::default()).await?)
}
