//! The surroundings of one scenario: mocks, manifests in a folder, the gateway, and the seams of a saboteur.
//! Starts them, changes them as steps ask, and takes them down; judges nothing.

mod build;

pub(crate) use build::random;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mock_providers::script::Provider;
use mock_providers::{Journal, MockProvider};
use serde_json::Value;

use crate::client::{self, Call, Exchange, Leave};
use crate::load::Loaded;
use crate::manifest::{self, Manifests};
use crate::saboteur::Saboteur;
use crate::scenario::{Change, Scenario};
use crate::seam::{Context, Seam};
use crate::target::{self, Checked, Gateway, LaunchError, START};
use crate::telemetry::Metrics;
use crate::vars::Vars;

/// Something of ours went wrong; never the target's fault.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// No gateway.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Files or sockets.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The scenario asks for something that cannot be.
    #[error("{0}")]
    Scenario(String),
}

impl WorldError {
    fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> WorldError {
        let what = what.into();
        move |source| WorldError::Io { what, source }
    }
}

/// All that stands around the client.
#[derive(Debug)]
pub struct World {
    /// Time zero of client, mocks and transcript.
    pub origin: Instant,
    /// Values for `${…}`.
    pub vars: Vars,
    /// The scenario's own secrets by name.
    pub secrets: BTreeMap<String, String>,
    /// Secret values from manifests, old ones included.
    pub keys: BTreeSet<String>,
    /// The gateway.
    pub gateway: Gateway,
    /// Metrics before the first step.
    pub before: Metrics,
    /// The defect around the gateway, if any.
    pub saboteur: Option<Saboteur>,
    /// Shared by the seams.
    pub(crate) context: Option<Arc<Context>>,
    mocks: BTreeMap<String, MockProvider>,
    manifests: Manifests,
    root: Arc<PathBuf>,
    folder: tempfile::TempDir,
    client_seams: BTreeMap<u16, Seam>,
    _upstream_seams: Vec<Seam>,
}

/// The folder that the gateway watches, and the one file in it.
const FOLDER: &str = "manifests";
const FILE: &str = "manifests.yaml";

impl World {
    /// Starts everything a scenario needs.
    pub async fn start(
        loaded: &Loaded,
        exe: &std::path::Path,
        saboteur: Option<Saboteur>,
    ) -> Result<World, WorldError> {
        build::world(loaded, exe, saboteur).await
    }

    /// What every provider saw so far.
    pub fn journals(&self) -> BTreeMap<String, Journal> {
        self.mocks.iter().map(|(name, mock)| (name.clone(), mock.journal())).collect()
    }

    /// The address of a listener as the client reaches it.
    pub fn listener(&self, port: Option<u16>) -> Result<SocketAddr, WorldError> {
        let listeners = &self.gateway.listeners;
        let port = match (port, listeners.len()) {
            (Some(port), _) => port,
            (None, 1) => *listeners.keys().next().unwrap_or(&0),
            (None, several) => {
                let message = format!("the gateway has {several} listener ports; name one with `port:`");
                return Err(WorldError::Scenario(message));
            }
        };
        let seam = self.client_seams.get(&port).map(|seam| seam.address);
        seam.or_else(|| listeners.get(&port).copied())
            .ok_or_else(|| WorldError::Scenario(format!("the gateway has no listener on port {port}")))
    }

    /// Reads the metrics, as they are.
    pub async fn scrape(&self) -> String {
        let answer = get(self.gateway.metrics, "/metrics", self.origin).await;
        String::from_utf8_lossy(&answer.body).into_owned()
    }

    /// Reads the metrics into samples, as the saboteur would show them.
    pub async fn metrics(&self) -> Metrics {
        Metrics::parse(&self.scrape().await).spoilt(self.saboteur)
    }

    /// The log lines, as the saboteur would show them.
    pub fn log_lines(&self) -> Vec<(Duration, String)> {
        let mut lines = self.gateway.log.all();
        if self.saboteur == Some(Saboteur::SecretInLog) {
            let key = self.keys.iter().chain(self.secrets.values()).next().cloned().unwrap_or_default();
            lines.iter_mut().for_each(|(_, line)| line.push_str(&key));
        }
        lines
    }

    /// Does what a change step says, up to the configuration.
    pub async fn change(&mut self, change: &Change) -> Result<Option<usize>, WorldError> {
        for (name, script) in &change.script {
            let script = provider(name, &self.vars.value(&script.value))?;
            self.mock(name)?.set_script(script);
        }
        for name in &change.stop {
            self.mock(&name.value)?.stop_listening().await;
        }
        for name in &change.start {
            let resumed = self.mock(&name.value)?.resume_listening().await;
            resumed.map_err(WorldError::io(format!("provider {} cannot listen again", name.value)))?;
        }
        self.configure(change)
    }

    /// Writes a changed configuration; returns the number of notices before it, to wait from there.
    fn configure(&mut self, change: &Change) -> Result<Option<usize>, WorldError> {
        if change.apply.is_empty() && change.delete.is_empty() && change.text.is_none() {
            return Ok(None);
        }
        for entry in &change.apply {
            let documents = manifest::documents(&entry.value, &self.root).map_err(WorldError::Scenario)?;
            for document in documents {
                self.manifests.apply(self.vars.value(&document));
            }
        }
        for object in &change.delete {
            if !self.manifests.delete(&object.value) {
                let message = format!("there is no {} {} to delete", object.value.kind, object.value.name);
                return Err(WorldError::Scenario(message));
            }
        }
        self.keys.extend(self.manifests.secrets());
        let text = match &change.text {
            Some(text) => self.vars.text(text),
            None => self.manifests.print(),
        };
        let notices = self.gateway.notices.len();
        if self.saboteur == Some(Saboteur::ReloadLost) {
            return Ok(None);
        }
        write(self.folder.path(), &text)?;
        Ok(Some(notices))
    }

    /// Waits until the gateway says it has taken (`Ok`) or refused (`Err`) the last change.
    pub async fn reloaded(&self, from: usize) -> Option<Result<(), String>> {
        let said = |line: &str| line.starts_with("reloaded ") || line.starts_with("reload refused");
        let found = tokio::time::timeout(START, self.gateway.notices.find(from, said)).await.ok()??;
        if found.1.starts_with("reloaded ") { Some(Ok(())) } else { Some(Err(self.gateway.notices.text(found.0))) }
    }

    fn mock(&self, name: &str) -> Result<&MockProvider, WorldError> {
        self.mocks.get(name).ok_or_else(|| WorldError::Scenario(format!("no provider is called `{name}`")))
    }

    /// Every secret with the name that stands for it wherever evidence is shown.
    pub fn masks(&self) -> Vec<(String, String)> {
        let named = self.secrets.iter().map(|(name, value)| (value.clone(), format!("[secrets.{name}]")));
        let keys = self.keys.iter().filter(|key| !self.secrets.values().any(|value| value == *key));
        named.chain(keys.map(|key| (key.clone(), "[a Secret's value]".to_owned()))).collect()
    }

    /// Takes the gateway down.
    pub async fn stop(mut self) {
        self.gateway.kill().await;
    }
}

/// A provider script with its references filled in.
fn provider(name: &str, script: &Value) -> Result<Provider, WorldError> {
    serde_json::from_value(script.clone())
        .map_err(|error| WorldError::Scenario(format!("the script of provider {name} is wrong: {error}")))
}

/// Replaces the configuration file in one step, so that no half of it is ever read.
fn write(folder: &std::path::Path, text: &str) -> Result<(), WorldError> {
    let fresh = folder.join("next.yaml");
    std::fs::write(&fresh, text)
        .and_then(|()| std::fs::rename(&fresh, folder.join(FOLDER).join(FILE)))
        .map_err(WorldError::io("the manifests cannot be written"))
}

/// A plain GET, for metrics.
async fn get(address: SocketAddr, path: &str, origin: Instant) -> Exchange {
    let wire = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let call = Call {
        address,
        method: "GET".to_owned(),
        wire: Bytes::from(wire),
        body: Bytes::new(),
        nonce: String::new(),
        leave: Leave::AtEnd,
        deadline: Duration::from_secs(5),
    };
    client::send(call, origin).await
}

/// Runs `--check` on a scenario's manifests.
pub async fn check(loaded: &Loaded, exe: &std::path::Path) -> Result<Checked, WorldError> {
    let folder = tempfile::tempdir().map_err(WorldError::io("no temporary folder"))?;
    let (_, text) = build::manifests(loaded, &placeholders(&loaded.scenario))?;
    let file = folder.path().join(FILE);
    std::fs::write(&file, text).map_err(WorldError::io("the manifests cannot be written"))?;
    Ok(target::check(exe, &file).await?)
}

/// Values for manifests that are only read: no provider runs.
pub(crate) fn placeholders(scenario: &Scenario) -> Vars {
    let (mut vars, _) = build::values(scenario);
    for (index, name) in scenario.providers.keys().enumerate() {
        let port = 40_000 + index;
        vars.set(format!("{name}.host"), "127.0.0.1");
        vars.set(format!("{name}.port"), port);
        vars.set(format!("{name}.address"), format!("127.0.0.1:{port}"));
    }
    vars.set("gateway.address", "127.0.0.1:80");
    vars
}
