//! A `windtunnel controller` as a process of its own, with the rights of the service account that it asks for.

use std::process::Stdio;
use std::time::Duration;

use conformance::cluster::{ApiServer, Objects};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::Failure;

const BINARY: &str = env!("CARGO_BIN_EXE_windtunnel");
/// Where the service account is.
const HOME: &str = "windtunnel-system";
const PATIENCE: Duration = Duration::from_secs(30);

/// A running controller; ended when dropped.
pub(crate) struct Controller {
    child: Child,
    /// What it said so far.
    said: watch::Receiver<String>,
}

impl Controller {
    /// Starts one that leads.
    pub(crate) async fn start(server: &ApiServer, lease: &str, flags: &[&str]) -> Result<Self, Failure> {
        let mut controller = Self::stand_by(server, lease, flags).await?;
        controller.wait_until_leading().await?;
        Ok(controller)
    }

    /// Starts one that may lead, with its Lease in a namespace.
    pub(crate) async fn stand_by(server: &ApiServer, lease: &str, flags: &[&str]) -> Result<Self, Failure> {
        grant(&Objects::of(&server.kubeconfig()?).await?).await?;
        let user = format!("system:serviceaccount:{HOME}:windtunnel-controller");
        let kubeconfig = server.kubeconfig_as(&user, &["system:serviceaccounts", "system:authenticated"])?;
        let mut child = Command::new(BINARY)
            .args(["controller", "--namespace", lease])
            .args(flags)
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stderr.take().ok_or("no stderr")?).lines();
        let (sender, said) = watch::channel(String::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|said| *said += &(line + "\n"));
            }
        });
        let mut controller = Self { child, said };
        controller.wait_for("stands for election").await?;
        Ok(controller)
    }

    /// Whether it says that it leads.
    pub(crate) fn leads(&self) -> bool {
        self.said.borrow().lines().any(|line| line == "leading")
    }

    /// Waits until it says that it leads.
    pub(crate) async fn wait_until_leading(&mut self) -> Result<(), Failure> {
        self.wait_for("\nleading\n").await
    }

    async fn wait_for(&mut self, words: &str) -> Result<(), Failure> {
        let said = timeout(PATIENCE, self.said.wait_for(|said| said.contains(words))).await;
        if matches!(said, Ok(Ok(_))) {
            return Ok(());
        }
        drop(said);
        Err(format!("the controller never said {words:?}, but: {}", *self.said.borrow()).into())
    }

    /// Ends it as a machine that fails does.
    pub(crate) async fn kill(&mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }

    /// Ends it as Kubernetes does; it has to end well.
    pub(crate) async fn stop(&mut self) -> Result<(), Failure> {
        let id =
            self.child.id().and_then(|id| rustix::process::Pid::from_raw(id.try_into().ok()?)).ok_or("no process")?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let status = timeout(PATIENCE, self.child.wait()).await??;
        if status.success() { Ok(()) } else { Err(format!("{status}: {}", *self.said.borrow()).into()) }
    }
}

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
