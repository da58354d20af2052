//! One API server for all tests, with the CRDs of the Gateway API and our own, one controller that leads there, and a
//! runtime to talk to them.

use std::future::Future;
use std::path::PathBuf;
use std::sync::OnceLock;

use conformance::cluster::{ApiServer, Assets, Objects};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::process::{self, Process};

/// Why a test fails.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
/// A test: its name, a sentence, and what it does.
pub(crate) type Test = (&'static str, fn(&World) -> Result<(), Failure>);

/// Where the Lease of the shared server's controllers is.
pub(crate) const LEASE: &str = "default";
/// The flags of the shared server's controllers.
pub(crate) const READY: [&str; 2] = ["--ready", "127.0.0.1:0"];

/// What tests share.
pub(crate) struct World {
    leader: OnceCell<Process>,
    runtime: Runtime,
    assets: Assets,
    started: OnceLock<Result<(ApiServer, PathBuf), String>>,
}

impl World {
    /// Starts nothing yet.
    pub(crate) fn new(assets: Assets) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        Self { leader: OnceCell::new(), runtime, assets, started: OnceLock::new() }
    }

    /// Runs a test to its end.
    pub(crate) fn block_on<T>(&self, test: impl Future<Output = T>) -> T {
        self.runtime.block_on(test)
    }

    /// What servers are started from.
    pub(crate) fn assets(&self) -> &Assets {
        &self.assets
    }

    /// The shared server, started by the first who asks.
    pub(crate) fn server(&self) -> Result<&ApiServer, Failure> {
        self.started().map(|(server, _)| server)
    }

    /// The controller that leads on the shared server, started by the first who asks. There is one, as in a cluster: a
    /// second that leads too would for a moment put back what it has not seen change.
    pub(crate) async fn leader(&self) -> Result<&Process, Failure> {
        self.leader.get_or_try_init(|| async { process::leader(self.server()?, LEASE, &READY).await }).await
    }

    /// The kubeconfig of somebody who may do everything.
    pub(crate) fn kubeconfig(&self) -> Result<&PathBuf, Failure> {
        self.started().map(|(_, kubeconfig)| kubeconfig)
    }

    /// The shared server's objects.
    pub(crate) async fn objects(&self) -> Result<Objects, Failure> {
        Ok(Objects::of(self.kubeconfig()?).await?)
    }

    /// Makes a namespace.
    pub(crate) async fn namespace(&self, name: &str) -> Result<Objects, Failure> {
        let objects = self.objects().await?;
        objects.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
        Ok(objects)
    }

    fn started(&self) -> Result<&(ApiServer, PathBuf), Failure> {
        let start = || {
            // a thread of its own: the one that asks may be inside the runtime
            std::thread::scope(|scope| {
                let started = scope.spawn(|| self.runtime.block_on(self.start()).map_err(|error| error.to_string()));
                started.join().unwrap_or_else(|_| Err("the start panicked".to_owned()))
            })
        };
        self.started.get_or_init(start).as_ref().map_err(|why| why.clone().into())
    }

    async fn start(&self) -> Result<(ApiServer, PathBuf), Failure> {
        let server = ApiServer::start(&self.assets).await?;
        let kubeconfig = server.kubeconfig()?;
        let objects = Objects::of(&kubeconfig).await?;
        objects.apply_crds(&self.assets.gateway_api()).await?;
        objects.apply_our_crds().await?;
        Ok((server, kubeconfig))
    }
}
