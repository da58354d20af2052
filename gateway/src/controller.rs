//! The controller: what `windtunnel gateway` reads, this keeps in order. It compiles all Gateways of the cluster as a
//! data plane compiles one, writes what there is to say into the status of every object, and deploys each Gateway.
//! Several may run; one [`lease`] decides which of them writes. It serves no traffic.

mod deploy;
mod event;
mod health;
mod infrastructure;
mod lease;
mod parameters;
pub mod rbac;
mod reconcile;
mod status;
mod world;

use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use kube::Client;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until};

use self::deploy::Touched;
use self::health::Health;
use self::lease::Election;
use self::reconcile::Writer;
use self::world::World;
use crate::config::Key;
use crate::kubernetes::client::{ConnectError, connect};
use crate::kubernetes::watch::{Change, News, WHOLE, Watched, Watches};
use crate::server::{Notices, Signals, told};

/// How long news is collected before it is acted on.
const SETTLE: Duration = Duration::from_millis(20);
/// The longest pause before what failed is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How a controller is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who it is among the controllers of the cluster.
    pub identity: String,
    /// Where the Lease is; `None` for the namespace of the kubeconfig or Pod.
    pub namespace: Option<String>,
    /// How long a leader stays one that cannot renew the Lease.
    pub lease: Duration,
    /// The data plane's image where parameters name no other.
    pub image: String,
    /// Where health and metrics are; `None` for nowhere.
    pub ready: Option<SocketAddr>,
}

/// Why a controller did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no way to the API server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The address of health and metrics cannot be had.
    #[error("cannot listen on {address} for health: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Runtime, signals.
    #[error("cannot start: {0}")]
    Io(#[from] std::io::Error),
}

/// Runs a controller in the foreground until SIGTERM or SIGINT; notices go to stderr.
///
/// # Errors
/// When it cannot start.
pub fn run(options: &Options) -> Result<(), Error> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut signals = Signals::new()?;
        let client = connect().await?;
        let namespace = options.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
        let (election, leading) = Election::new(client.clone(), &namespace, options.identity.clone(), options.lease);
        let health = Health::new(leading.clone());
        if let Some(address) = options.ready {
            let bound = health.clone().serve(address).await?;
            told(&format!("ready address={bound}"));
        }
        let (stop, stopped) = oneshot::channel();
        let election = tokio::spawn(election.run(stopped, told));
        let controller = Controller::start(client, options, leading, health, std::sync::Arc::new(told));
        told(&format!("controller {} stands for election by Lease {namespace}/{}", options.identity, lease::NAME));
        tokio::select! { () = controller.run() => (), () = signals.next() => () }
        let _asked = stop.send(());
        let _given_back = election.await;
        told("stopped");
        Ok(())
    })
}

/// A running controller.
struct Controller {
    world: World,
    writer: Writer,
    watches: Watches,
    /// Secrets and ConfigMaps that are referred to.
    named: BTreeSet<Key>,
    changes: UnboundedReceiver<Change>,
    touched: UnboundedReceiver<Touched>,
    leading: watch::Receiver<bool>,
    health: Health,
    notices: Notices,
    /// What cannot be followed, told once.
    failing: HashSet<Watched>,
    /// When there is something to be done.
    due: Option<Instant>,
    pause: Duration,
    failures: Vec<String>,
}

impl Controller {
    fn start(
        client: Client,
        options: &Options,
        leading: watch::Receiver<bool>,
        health: Health,
        notices: Notices,
    ) -> Self {
        let (watches, changes) = Watches::start(client.clone(), &WHOLE);
        let (sender, touched) = unbounded_channel();
        tokio::spawn(deploy::follow(client.clone(), sender));
        let (identity, image) = (options.identity.clone(), options.image.clone());
        Self {
            world: World::default(),
            writer: Writer { client, identity, image, deployments: deploy::Deployments::default() },
            watches,
            named: BTreeSet::new(),
            changes,
            touched,
            leading,
            health,
            notices,
            failing: HashSet::new(),
            due: None,
            pause: SETTLE,
            failures: Vec::new(),
        }
    }

    async fn run(mut self) {
        let mut leading = self.leading.clone();
        loop {
            let due = self.due.filter(|_| *self.leading.borrow() && self.world.is_whole(&self.named));
            let pass = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(change) = self.changes.recv() => self.take(&change),
                Some(touched) = self.touched.recv() => {
                    let changed = self.writer.deployments.touched(&touched);
                    self.due_if(changed);
                }
                Ok(()) = leading.changed() => self.due_if(true),
                () = pass => self.pass().await,
                else => return,
            }
        }
    }

    fn take(&mut self, change: &Change) {
        match &change.news {
            News::Failed(why) if self.failing.insert(change.watched.clone()) => {
                (self.notices)(&format!("warning: {} cannot be followed: {why}; tried again", change.watched));
            }
            News::Failed(_) => {}
            _ => drop(self.failing.remove(&change.watched)),
        }
        let changed = self.world.take(change);
        if self.world.is_whole(&BTreeSet::new()) {
            self.health.read();
        }
        self.due_if(changed);
    }

    fn due_if(&mut self, changed: bool) {
        if changed {
            let soon = Instant::now() + SETTLE;
            self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
        }
    }

    /// Follows the Secrets and ConfigMaps that objects refer to now; whether others than before.
    fn follow_named(&mut self) -> bool {
        let named = self.world.named().clone();
        if named == self.named {
            return false;
        }
        self.watches.want(&named);
        for gone in self.named.difference(&named) {
            self.world.forget(gone);
        }
        self.named = named;
        true
    }

    /// Writes what has to be written, for as long as we lead.
    async fn pass(&mut self) {
        while let Ok(change) = self.changes.try_recv() {
            self.take(&change);
        }
        if self.follow_named() {
            return self.due_if(true);
        }
        self.due = None;
        let mut leading = self.leading.clone();
        let failures = tokio::select! {
            biased;
            _ = leading.wait_for(|leading| !leading) => return,
            failures = self.writer.pass(&mut self.world) => failures,
        };
        self.health.passed(failures.len());
        for why in failures.iter().filter(|why| !self.failures.contains(why)) {
            (self.notices)(&format!("warning: {why}; tried again"));
        }
        if failures.is_empty() {
            self.pause = SETTLE;
        } else {
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            self.due = Some(Instant::now() + self.pause);
        }
        self.failures = failures;
    }
}
