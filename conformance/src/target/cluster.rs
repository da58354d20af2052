//! The cluster behind a target whose manifests are objects: the one that `KUBECONFIG` names, else an API server of our
//! own with the CRDs; and the target's controller beside it. What the objects are is the scenarios' business.

use std::process::Stdio;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::process::Child;
use tokio::sync::Mutex;

use super::command::{Places, command, values};
use super::{Launch, Target};
use crate::cluster::{ApiServer, Assets, Error, NoServer, Objects};
use crate::scenario::ClusterEvent;

/// Names the cluster.
const KUBECONFIG: &str = "KUBECONFIG";
/// Version and kind of CRDs.
const CRD: (&str, &str) = ("apiextensions.k8s.io/v1", "CustomResourceDefinition");

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
    #[error(
        "the cluster cannot be used: {0}; `kubectl get gatewayclass` shows whether {KUBECONFIG} leads to one that has the CRDs"
    )]
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
    server: Option<Mutex<ApiServer>>,
    controller: Mutex<Option<Child>>,
}

impl Cluster {
    /// The cluster of the environment, or one of our own.
    ///
    /// # Errors
    /// When neither is there.
    pub async fn reach(target: &Target) -> Result<Self, NoCluster> {
        let Some(kubeconfig) = std::env::var(KUBECONFIG).ok().filter(|named| !named.is_empty()) else {
            return Self::own(target).await;
        };
        let (server, controller) = (None, Mutex::default());
        let cluster = Self { objects: Objects::of_environment().await?, kubeconfig, server, controller };
        cluster.inhabited(target).await
    }

    /// One of our own, which knows the kinds of the Gateway API and ours.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn own(target: &Target) -> Result<Self, NoCluster> {
        let server = ApiServer::start(&Assets::find()?).await?;
        let path = server.kubeconfig()?;
        let (objects, kubeconfig) = (Objects::of(&path).await?, path.display().to_string());
        crds(&objects, server.assets()).await?;
        let (server, controller) = (Some(Mutex::new(server)), Mutex::default());
        Self { objects, kubeconfig, server, controller }.inhabited(target).await
    }

    /// With the class of the target's Gateways, and its controller.
    async fn inhabited(self, target: &Target) -> Result<Self, NoCluster> {
        let kubernetes = target.file.kubernetes.clone().unwrap_or_default();
        if let Some(class) = &kubernetes.class {
            class_exists(&self.objects, class).await?;
        }
        *self.controller.lock().await = self.controller(target)?;
        Ok(self)
    }

    /// Whether it was started by us.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.server.is_some()
    }

    /// Something happens to it; only to one of our own.
    ///
    /// # Errors
    /// When it does not happen.
    pub async fn undergo(&self, event: &ClusterEvent, target: &Target) -> Result<(), NoCluster> {
        let Some(server) = &self.server else { return Ok(()) };
        let mut server = server.lock().await;
        match event {
            ClusterEvent::Outage => server.outage().await?,
            ClusterEvent::Restore => {
                server.restart().await?;
                crds(&self.objects, server.assets()).await?;
            }
            ClusterEvent::LeaderKilled => {
                let next = self.controller(target)?;
                if let Some(mut leader) = std::mem::replace(&mut *self.controller.lock().await, next) {
                    leader.kill().await?;
                }
            }
            ClusterEvent::CrdDeleted(name) => self.objects.delete(CRD.0, CRD.1, "", name).await?,
        }
        Ok(())
    }

    /// Starts the target's controller, if it has one.
    fn controller(&self, target: &Target) -> std::io::Result<Option<Child>> {
        let words = target.file.kubernetes.iter().flat_map(|kubernetes| &kubernetes.controller);
        let words: Vec<String> = words.cloned().collect();
        if words.is_empty() {
            return Ok(None);
        }
        let mut command = command(&words, &values(target, &Launch::default(), &Places::default()));
        // what it finds out is in status; its input ends when we do
        command.env(KUBECONFIG, &self.kubeconfig).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(Some)
    }
}

/// The kinds of the Gateway API and ours.
async fn crds(objects: &Objects, assets: &Assets) -> Result<(), Error> {
    objects.apply_crds(&assets.gateway_api()).await?;
    objects.apply_our_crds().await
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
