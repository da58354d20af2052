//! Processes of `windtunnel` beside the API server: what they say, and how they end. And a controller, with the rights of
//! the service account that it asks for.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use conformance::cluster::{ApiServer, Objects};
use conformance::target::Lines;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::support::Failure;

const BINARY: &str = env!("CARGO_BIN_EXE_windtunnel");
/// Where the service account is.
const HOME: &str = "windtunnel-system";
/// The longest wait for a notice or an end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) notices: Lines,
}

impl Process {
    /// Starts `windtunnel` with these words and the rights of a kubeconfig.
    pub(crate) fn start(words: &[&str], kubeconfig: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(BINARY)
            .args(words)
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let notices = Lines::default();
        notices.read(child.stderr.take().ok_or("no stderr")?, Instant::now());
        Ok(Self { child, notices })
    }

    /// Waits for a notice with this in it.
    pub(crate) async fn says(&self, from: usize, text: &str) -> Result<String, Failure> {
        match timeout(PATIENCE, self.notices.find(from, |line| line.contains(text))).await {
            Ok(Some((_, line))) => Ok(line),
            _ => Err(format!("it never says {text:?}:\n{}", self.notices.text(0)).into()),
        }
    }

    /// Ends it as a machine that goes away does.
    pub(crate) async fn kill(&mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }

    /// Ends its input, as the end of whoever started it does, and waits for its own end.
    pub(crate) async fn abandon(&mut self) -> Result<(), Failure> {
        drop(self.child.stdin.take());
        timeout(PATIENCE, self.child.wait()).await??;
        Ok(())
    }

    /// Ends it as Kubernetes does; it has to end well.
    pub(crate) async fn stop(&mut self) -> Result<(), Failure> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).ok_or("no process")?;
        kill_process(pid, Signal::TERM)?;
        let status = timeout(PATIENCE, self.child.wait()).await??;
        if status.success() { Ok(()) } else { Err(format!("{status}:\n{}", self.notices.text(0)).into()) }
    }
}

/// Starts a controller that leads.
pub(crate) async fn leader(server: &ApiServer, lease: &str, flags: &[&str]) -> Result<Process, Failure> {
    let controller = candidate(server, lease, flags).await?;
    leads(&controller).await?;
    Ok(controller)
}

/// Starts a controller that may lead, with its Lease in a namespace.
pub(crate) async fn candidate(server: &ApiServer, lease: &str, flags: &[&str]) -> Result<Process, Failure> {
    grant(&Objects::of(&server.kubeconfig()?).await?).await?;
    let user = format!("system:serviceaccount:{HOME}:windtunnel-controller");
    let kubeconfig = server.kubeconfig_as(&user, &["system:serviceaccounts", "system:authenticated"])?;
    let controller = Process::start(&[&["controller", "--namespace", lease], flags].concat(), &kubeconfig)?;
    controller.says(0, "stands for election").await?;
    Ok(controller)
}

/// Waits until it leads.
pub(crate) async fn leads(controller: &Process) -> Result<(), Failure> {
    let leading = timeout(PATIENCE, controller.notices.find(0, |line| line == LEADING)).await;
    leading.ok().flatten().map(drop).ok_or_else(|| format!("it never leads:\n{}", controller.notices.text(0)).into())
}

/// What a leader says.
pub(crate) const LEADING: &str = "leading";

/// Applies what the controller says that it needs.
async fn grant(objects: &Objects) -> Result<(), Failure> {
    objects.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}})).await?;
    let printed = Command::new(BINARY).args(["controller", "--rbac", "--namespace", HOME]).output().await?;
    let list: Value = serde_json::from_slice(&printed.stdout)?;
    for object in list["items"].as_array().ok_or("no list")? {
        objects.apply(object).await?;
    }
    Ok(())
}
