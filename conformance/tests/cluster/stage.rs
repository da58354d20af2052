//! What a tutorial takes for granted: a cluster of its own with the controller, kubectl, one data plane for each Gateway
//! and a provider behind `api.openai.com`. Everything is ended when dropped.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use conformance::cluster::{ApiServer, Objects};
use mock_providers::script::Provider;
use mock_providers::tls::RunCa;
use mock_providers::{MockProvider, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::plane::WORDS;
use crate::process::{Process, leader};
use crate::support::{Failure, World};

/// A cluster for one tutorial.
pub(crate) struct Stage {
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    folder: TempDir,
    /// What stands behind `api.openai.com:443`.
    pub(crate) openai: MockProvider,
    /// What stands behind `host.docker.internal:8090`.
    pub(crate) local: MockProvider,
    _controller: Process,
    _server: ApiServer,
}

impl Stage {
    /// Starts all but the data planes; the namespace is there.
    pub(crate) async fn start(world: &World, namespace: &str) -> Result<Self, Failure> {
        let server = ApiServer::start(world.assets()).await?;
        let kubeconfig = server.kubeconfig()?;
        let objects = Objects::of(&kubeconfig).await?;
        objects.apply_crds(&server.assets().gateway_api()).await?;
        objects.apply_our_crds().await?;
        objects.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})).await?;
        let folder = tempfile::tempdir()?;
        let ca = RunCa::new();
        std::fs::write(folder.path().join("ca.pem"), ca.ca_pem())?;
        let secure: Provider = serde_saphyr::from_str("{tls: true, respond: {text: An AI gateway.}}")?;
        let tls = Some(ca.server_config(&["api.openai.com"]));
        let openai = mock_providers::start("openai", secure, Options { tls, ..Options::default() }).await?;
        let plain: Provider = serde_saphyr::from_str("{respond: {text: agentgateway works}}")?;
        let local = mock_providers::start("local", plain, Options::default()).await?;
        let controller = leader(&server, "default", &[]).await?;
        let kubectl = server.assets().kubectl();
        Ok(Self { kubectl, kubeconfig, folder, openai, local, _controller: controller, _server: server })
    }

    /// What `kubectl` prints for words that a shell would split at blanks; what it says of a failure is the error.
    pub(crate) fn kubectl(&self, words: &str, input: &str) -> Result<String, Failure> {
        self.kubectl_with(&words.split(' ').collect::<Vec<_>>(), input)
    }

    /// The same for words that may have blanks in them.
    pub(crate) fn kubectl_with(&self, words: &[&str], input: &str) -> Result<String, Failure> {
        let mut command = Command::new(&self.kubectl);
        command.args(words).env("KUBECONFIG", &self.kubeconfig);
        let piped = || Stdio::piped();
        let mut child = command.stdin(piped()).stdout(piped()).stderr(piped()).spawn()?;
        child.stdin.take().ok_or("kubectl has a stdin")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(format!("kubectl {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr)).into()),
        }
    }

    /// Runs `windtunnel gateway` for a Gateway `namespace/name`; ready when it returns.
    pub(crate) async fn data_plane(&self, gateway: &str, port: u16) -> Result<DataPlane, Failure> {
        let words = [
            format!("--gateway={gateway}"),
            format!("--listen={port}=127.0.0.1:0"),
            format!("--connect-to=api.openai.com:443={}", self.openai.addr()),
            format!("--connect-to=host.docker.internal:8090={}", self.local.addr()),
            format!("--upstream-ca={}", self.folder.path().join("ca.pem").display()),
        ];
        let words: Vec<&str> = WORDS.iter().copied().chain(words.iter().map(String::as_str)).collect();
        let process = Process::start(&words, &self.kubeconfig)?;
        let listening = format!("listening port={port} address=");
        let said = process.says(0, &listening).await?;
        process.says(0, "serving").await?;
        Ok(DataPlane { address: said[listening.len()..].parse()?, _process: process })
    }
}

/// A running data plane.
pub(crate) struct DataPlane {
    address: SocketAddr,
    _process: Process,
}

impl DataPlane {
    /// Posts JSON as the tutorials' curl does: status and body.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<(u16, Value), Failure> {
        let (mut stream, body) = (TcpStream::connect(self.address)?, body.to_string());
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/json\r\n");
        write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.get(9..12).ok_or("no status")?.parse()?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("no body")?;
        Ok((status, serde_json::from_str(body).unwrap_or_default()))
    }

    /// The text of a chat completion; an answer that is none is the error.
    pub(crate) fn chat(&self, path: &str, model: &str) -> Result<String, Failure> {
        let (status, body) = self.post(path, &question(model))?;
        let text = body["choices"][0]["message"]["content"].as_str();
        text.map(str::to_owned).ok_or_else(|| format!("{path} answers {status}: {body}").into())
    }

    /// Asks until the status is this one, and fails when it is not within a second.
    pub(crate) fn within_a_second(&self, path: &str, status: u16) -> Result<(), Failure> {
        let start = Instant::now();
        loop {
            let (now, _) = self.post(path, &question("gpt-4o-mini"))?;
            if now == status {
                return Ok(());
            }
            if start.elapsed() > Duration::from_secs(1) {
                return Err(format!("{path} still answers {now} instead of {status} after a second").into());
            }
        }
    }
}

/// What the tutorials ask.
fn question(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "What is AgentGateway in one sentence?"}]})
}
