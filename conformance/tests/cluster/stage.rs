//! What a tutorial takes for granted: a cluster of its own with the controller, kubectl, one data plane for each Gateway
//! and a provider behind `api.openai.com`. Everything is ended when dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use conformance::cluster::{ApiServer, Objects};
use mock_providers::script::Provider;
use mock_providers::tls::RunCa;
use mock_providers::{MockProvider, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Failure, World};

/// The longest wait for a process.
const PATIENCE: Duration = Duration::from_secs(60);

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
        let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
        command.args(["controller", "--namespace=default"]).env("KUBECONFIG", &kubeconfig);
        let controller = Process::start(&mut command)?;
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
    pub(crate) fn data_plane(&self, gateway: &str, port: u16) -> Result<DataPlane, Failure> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
        command
            .args(["gateway", "--config=kubernetes", "--until-stdin-ends", "--no-admin", "--workers=1"])
            .args(["--metrics=127.0.0.1:0", "--ready=127.0.0.1:0", "--grace=1ms", "--drain=1s"])
            .arg(format!("--gateway={gateway}"))
            .arg(format!("--listen={port}=127.0.0.1:0"))
            .arg(format!("--connect-to=api.openai.com:443={}", self.openai.addr()))
            .arg(format!("--connect-to=host.docker.internal:8090={}", self.local.addr()))
            .arg(format!("--upstream-ca={}", self.folder.path().join("ca.pem").display()))
            .env("KUBECONFIG", &self.kubeconfig);
        let process = Process::start(&mut command)?;
        let address = process.notice(&format!("listening port={port} address="))?.parse()?;
        Ok(DataPlane { address, _process: process })
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

/// A process and what it says on stderr.
struct Process {
    child: Child,
    notices: Receiver<String>,
}

impl Process {
    fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stderr.take().ok_or("it has a stderr")?).lines();
        let (told, notices) = sync_channel(10_000);
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(told.try_send(line))));
        Ok(Self { child, notices })
    }

    /// The rest of the next notice that begins so.
    fn notice(&self, start: &str) -> Result<String, Failure> {
        let mut others = String::new();
        loop {
            let line = self.notices.recv_timeout(PATIENCE).map_err(|why| format!("no `{start}` ({why}):\n{others}"))?;
            match line.strip_prefix(start) {
                Some(rest) => return Ok(rest.to_owned()),
                None => others += &format!("{line}\n"),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}
