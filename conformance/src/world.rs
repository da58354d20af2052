//! The surroundings of one scenario: mocks, manifests in a folder, the gateway, and the seams of a saboteur.
//! Starts them, changes them as steps ask, and takes them down; judges nothing.

mod build;
mod change;
mod placed;
mod status;

pub(crate) use build::random;
pub use change::Reload;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mock_providers::script::Provider;
use mock_providers::{Journal, MockProvider};
use serde_json::Value;

use crate::client;
use crate::collector::Collector;
use crate::load::{Loaded, Roots};
use crate::manifest::Manifests;
use crate::mask::Secrets;
use crate::saboteur::Saboteur;
use crate::scenario::{Endpoint, Scenario};
use crate::seam::{self, Context, Seam};
use crate::target::{self, Checked, Instance, Launch, LaunchError, Started, Target};
use crate::telemetry::{self, Metrics, records};
use crate::vars::Vars;
use placed::Placed;

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
    /// The cluster.
    #[error("the cluster: {0}")]
    Cluster(#[from] crate::cluster::Error),
    /// A cluster of the scenario's own.
    #[error(transparent)]
    NoCluster(#[from] crate::target::NoCluster),
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
    /// The running target.
    pub gateway: Instance,
    /// What stands behind it.
    pub target: Arc<Target>,
    /// Metrics before the first step.
    pub before: Metrics,
    /// The defect around the gateway, if any.
    pub saboteur: Option<Saboteur>,
    /// Shared by the seams.
    pub(crate) context: Option<Arc<Context>>,
    mocks: BTreeMap<String, MockProvider>,
    traps: BTreeMap<String, MockProvider>,
    collectors: Vec<Collector>,
    manifests: Manifests,
    /// Where later secrets are made known.
    hidden: Secrets,
    root: Arc<Roots>,
    folder: tempfile::TempDir,
    launch: Launch,
    /// Its objects, where the target's manifests are objects on a cluster.
    placed: Option<Placed>,
    /// What the target printed in its lives before the present one.
    past: Vec<(Duration, String)>,
    client_seams: BTreeMap<u16, Seam>,
    _upstream_seams: Vec<Seam>,
}

/// The folder that the target watches, and the one file in it.
const FOLDER: &str = "manifests";
/// The place of readiness among the client's seams; no listener has this port.
const READY: u16 = 0;
const FILE: &str = "manifests.yaml";
/// How long a target that says nothing may take.
const SILENT: Duration = Duration::from_secs(1);

impl World {
    /// Starts everything a scenario needs.
    pub async fn start(
        loaded: &Loaded,
        target: &Arc<Target>,
        saboteur: Option<Saboteur>,
        hidden: &Secrets,
    ) -> Result<World, WorldError> {
        build::world(loaded, target, saboteur, hidden).await
    }

    /// What every provider saw so far.
    pub fn journals(&self) -> BTreeMap<String, Journal> {
        self.mocks.iter().map(|(name, mock)| (name.clone(), mock.journal())).collect()
    }

    /// What every trap saw so far.
    pub fn trapped(&self) -> impl Iterator<Item = (&String, Journal)> {
        self.traps.iter().map(|(name, trap)| (name, trap.journal()))
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

    /// The address of one of the target's own endpoints.
    pub fn endpoint(&self, endpoint: Endpoint) -> Result<(SocketAddr, &str), WorldError> {
        let telemetry = &self.target.file.telemetry;
        let (address, path, name) = match endpoint {
            Endpoint::Ready => {
                let seam = self.client_seams.get(&READY).map(|seam| seam.address);
                (seam.or(self.gateway.ready), &telemetry.ready, "readiness")
            }
            Endpoint::Metrics => (self.gateway.metrics, &telemetry.metrics, "metrics"),
        };
        let address = address.zip(path.as_deref());
        address.ok_or_else(|| WorldError::Scenario(format!("the target file does not say where {name} is")))
    }

    /// Reads the metrics, as the saboteur would write them.
    pub async fn scrape(&self) -> String {
        let (Some(address), Some(path)) = (self.gateway.metrics, &self.target.file.telemetry.metrics) else {
            return String::new();
        };
        let answer = client::get(address, path, self.origin).await;
        let mut text = String::from_utf8_lossy(&answer.body).into_owned();
        if self.placed.is_some() {
            text = text.replace(&self.launch.place.prefix, "");
        }
        match self.saboteur {
            Some(saboteur) => seam::telemetry::text(saboteur, text, &self.leak()),
            None => text,
        }
    }

    /// Reads the metrics into samples, as the saboteur would show them.
    pub async fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::parse(&self.scrape().await);
        if let Some(saboteur) = self.saboteur {
            seam::telemetry::metrics(saboteur, &self.target.file.telemetry, &mut metrics);
        }
        metrics
    }

    /// Whether the target says that it is ready.
    pub async fn is_ready(&self) -> bool {
        if self.saboteur == Some(Saboteur::ReadyForever) {
            return true;
        }
        let (Some(address), Some(path)) = (self.gateway.ready, &self.target.file.telemetry.ready) else {
            return false;
        };
        client::get(address, path, self.origin).await.status() == Some(200)
    }

    /// All that the target printed, as the saboteur would show it.
    pub fn log_lines(&self) -> Vec<(Duration, String)> {
        let mut lines = self.past.clone();
        lines.extend(self.gateway.output.all());
        let logged =
            self.saboteur.and_then(|saboteur| seam::telemetry::logged(saboteur, &self.leak(), || self.prompts()));
        if let Some(logged) = logged {
            lines.iter_mut().for_each(|(_, line)| line.push_str(&logged));
        }
        lines
    }

    /// The access-log records since the target was started, as the saboteur would show them.
    pub fn records(&self) -> Vec<Value> {
        let mut records = records(self.gateway.output.all(), &self.target.file.telemetry);
        if let Some(saboteur) = self.saboteur {
            seam::telemetry::records(saboteur, &mut records);
        }
        records
    }

    /// The spans that collectors got, their facts under our names, as the saboteur would show them.
    pub fn spans(&self) -> Vec<Value> {
        let mut spans: Vec<Value> = self.collectors.iter().flat_map(Collector::spans).collect();
        telemetry::neutral(&mut spans, &self.target.file.telemetry);
        if let Some(saboteur) = self.saboteur {
            seam::telemetry::spans(saboteur, &mut spans, &self.leak(), || self.prompts());
        }
        spans
    }

    /// The bodies that clients sent.
    fn prompts(&self) -> Vec<String> {
        self.context.as_ref().map(|context| context.prompts()).unwrap_or_default()
    }

    /// The secret that leaking saboteurs show.
    fn leak(&self) -> String {
        self.keys.iter().chain(self.secrets.values()).next().cloned().unwrap_or_default()
    }

    fn mock(&self, name: &str) -> Result<&MockProvider, WorldError> {
        self.mocks.get(name).ok_or_else(|| WorldError::Scenario(format!("no provider is called `{name}`")))
    }

    /// Takes the target down, and its objects away.
    pub async fn stop(mut self) {
        self.gateway.kill().await;
        if let Some(placed) = &mut self.placed {
            placed.remove().await;
        }
    }
}

/// A provider script with its references filled in.
fn provider(name: &str, script: &Value) -> Result<Provider, WorldError> {
    reader::from(script.clone())
        .map_err(|error| WorldError::Scenario(format!("the script of provider {name} is wrong: {error}")))
}

/// Replaces the configuration file in one step, so that no half of it is ever read.
fn write(folder: &std::path::Path, text: &str) -> Result<(), WorldError> {
    let fresh = folder.join("next.yaml");
    std::fs::write(&fresh, text)
        .and_then(|()| std::fs::rename(&fresh, folder.join(FOLDER).join(FILE)))
        .map_err(WorldError::io("the manifests cannot be written"))
}

/// A scenario that only starts the target: how that went.
pub async fn start_only(
    loaded: &Loaded,
    target: &Arc<Target>,
    within: Duration,
    hidden: &Secrets,
) -> Result<Started, WorldError> {
    build::start_only(loaded, target, within, hidden).await
}

/// Runs the target's check command on a scenario's manifests.
pub async fn check(loaded: &Loaded, target: &Target, hidden: &Secrets) -> Result<Checked, WorldError> {
    let folder = tempfile::tempdir().map_err(WorldError::io("no temporary folder"))?;
    let vars = placeholders(&loaded.scenario);
    for name in loaded.scenario.secrets.keys() {
        hidden.named(name, &vars.text(&format!("${{secrets.{name}}}")));
    }
    let (manifests, text) = build::manifests(loaded, &vars, target)?;
    manifests.secrets().iter().for_each(|key| hidden.key(key));
    let file = folder.path().join(FILE);
    std::fs::write(&file, text).map_err(WorldError::io("the manifests cannot be written"))?;
    let launch = Launch { folder: folder.path().to_owned(), config: file, ..Launch::default() };
    Ok(target::check(target, &launch).await?)
}

/// Values for manifests that are only read: no provider runs.
pub(crate) fn placeholders(scenario: &Scenario) -> Vars {
    let (mut vars, _) = build::values(scenario, &BTreeMap::new()).unwrap_or_default();
    for option in crate::capability::OPTIONS {
        vars.set(format!("options.{}", option.name), Value::Null);
    }
    let others = scenario.traps.iter().chain(&scenario.collectors).map(|name| &name.value);
    for (index, name) in scenario.providers.keys().chain(others).enumerate() {
        let port = 40_000 + index;
        vars.set(format!("{name}.host"), "127.0.0.1");
        vars.set(format!("{name}.port"), port);
        vars.set(format!("{name}.address"), format!("127.0.0.1:{port}"));
    }
    vars.set("gateway.address", "127.0.0.1:80");
    vars
}
