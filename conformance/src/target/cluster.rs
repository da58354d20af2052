//! The cluster behind a target whose manifests are objects: the one that `KUBECONFIG` names, else an API server of our
//! own with the CRDs; and the target's controller beside it. What the objects are is the scenarios' business.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::process::Child;

use super::command::{Places, command, values};
use super::{Launch, Lines, Target};
use crate::cluster::{ApiServer, Assets, Error, NoServer, Objects};

/// Names the cluster.
const KUBECONFIG: &str = "KUBECONFIG";

/// The manifests are objects on a cluster.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kubernetes {
    /// A program with arguments that writes status, started once for a run; none where the cluster has it.
    pub controller: Vec<String>,
    /// The class of the scenarios' Gateways and its controller's name; made where it is not there yet.
    pub class: Option<Class>,
}

/// A GatewayClass.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Who answers for it.
    pub controller: String,
}

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum NoCluster {
    /// No server of our own.
    #[error("{KUBECONFIG} names no cluster, and there is none of our own: {0}")]
    Server(#[from] NoServer),
    /// It cannot be used.
    #[error("the cluster cannot be used: {0}")]
    Objects(#[from] Error),
    /// Its kubeconfig, or a process.
    #[error("the cluster cannot be used: {0}")]
    Io(#[from] std::io::Error),
}

/// A cluster for scenarios.
#[derive(Debug)]
pub struct Cluster {
    /// Its objects.
    pub objects: Objects,
    /// What `KUBECONFIG` must be for processes that use it.
    pub kubeconfig: String,
    /// Ended when dropped, as the controller is.
    _server: Option<ApiServer>,
    _controller: Option<(Child, Lines)>,
}

impl Cluster {
    /// The cluster of the environment, or one of our own.
    ///
    /// # Errors
    /// When neither is there.
    pub async fn reach(target: &Target, kubernetes: &Kubernetes) -> Result<Self, NoCluster> {
        let named = std::env::var(KUBECONFIG).ok().filter(|named| !named.is_empty());
        let (objects, kubeconfig, server) = match named {
            Some(named) => (Objects::of_environment().await?, named, None),
            None => {
                let (server, kubeconfig) = own().await?;
                (Objects::of(&kubeconfig).await?, kubeconfig.display().to_string(), Some(server))
            }
        };
        if let Some(class) = &kubernetes.class {
            class_exists(&objects, class).await?;
        }
        let controller = match kubernetes.controller.as_slice() {
            [] => None,
            words => Some(controller(target, words, &kubeconfig)?),
        };
        Ok(Self { objects, kubeconfig, _server: server, _controller: controller })
    }
}

/// An API server of our own that knows the kinds of the Gateway API and ours.
async fn own() -> Result<(ApiServer, PathBuf), NoCluster> {
    let server = ApiServer::start(&Assets::find()?).await?;
    let kubeconfig = server.kubeconfig()?;
    let objects = Objects::of(&kubeconfig).await?;
    objects.apply_crds(&server.assets().gateway_api()).await?;
    Ok((server, kubeconfig))
}

async fn class_exists(objects: &Objects, class: &Class) -> Result<(), Error> {
    const VERSION: &str = "gateway.networking.k8s.io/v1";
    if objects.get(VERSION, "GatewayClass", "", &class.name).await?.is_some() {
        return Ok(());
    }
    let (metadata, spec) = (json!({"name": class.name}), json!({"controllerName": class.controller}));
    let class = json!({"apiVersion": VERSION, "kind": "GatewayClass", "metadata": metadata, "spec": spec});
    objects.apply(&class).await.map(|_| ())
}

fn controller(target: &Target, words: &[String], kubeconfig: &str) -> std::io::Result<(Child, Lines)> {
    let vars = values(target, &Launch::default(), &Places::default());
    let mut command = command(words, &vars);
    let mut child = command.env(KUBECONFIG, kubeconfig).stdin(Stdio::piped()).spawn()?;
    let output = Lines::default();
    if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
        output.read(stdout, Instant::now());
        output.read(stderr, Instant::now());
    }
    Ok((child, output))
}
