//! All providers of a configuration together, and the change from one configuration to the next.
//!
//! Owns which providers run, their addresses and certificates, and that a configuration is taken whole or not at
//! all. Refuses to know who asks for the change: a file, a signal or the admin API.

mod document;
mod injection;
mod member;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::Mutex;

use crate::metrics;
use crate::provider::StartError;
use crate::script::ScriptError;
use crate::states::States;
use crate::tls::RunCa;
use crate::workers::Workers;

pub(crate) use document::read;
pub use document::{Document, TextError};
pub use member::Member;

/// How the providers of a configuration are run.
#[derive(Clone)]
pub struct FleetOptions {
    /// Wins over the configuration's seed.
    pub seed: Option<u64>,
    /// Signs for providers that say `tls: true`.
    pub ca: Arc<RunCa>,
    /// Where providers listen, on a free port, that do not say `listen`.
    pub bind: IpAddr,
    /// Zero of all times in the journals.
    pub origin: Instant,
    /// How many requests and connections each journal keeps.
    pub journal: usize,
    /// Files that a configuration names are relative to this folder.
    pub folder: PathBuf,
    /// Threads that carry the connections; default the runtime that starts the fleet.
    pub workers: Option<Workers>,
}

impl Default for FleetOptions {
    fn default() -> Self {
        let (ca, bind) = (Arc::new(RunCa::new()), IpAddr::V4(Ipv4Addr::LOCALHOST));
        Self { seed: None, ca, bind, origin: Instant::now(), journal: 10_000, folder: PathBuf::new(), workers: None }
    }
}

impl std::fmt::Debug for FleetOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seed, bind, journal, .. } = self;
        write!(f, "FleetOptions {{ seed: {seed:?}, bind: {bind}, journal: {journal} }}")
    }
}

/// Why a configuration was not taken; the one before it still holds.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The text is no configuration.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A file that it names, or what only the whole of it can get wrong.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// A provider cannot be run.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Two providers want the same address.
    #[error("providers `{0}` and `{1}` both say `listen: {2}`; give each a port of its own")]
    SameAddress(String, String, SocketAddr),
    /// Somebody else was faster.
    #[error("the configuration is no longer {wanted} but {current}; read it again and repeat the change")]
    Changed {
        /// The tag that was expected.
        wanted: String,
        /// The tag that it has.
        current: String,
    },
    /// What is to be removed is not there.
    #[error("provider `{0}` has no rule of its own named `{1}`")]
    NoRule(String, String),
    /// The change itself cannot be made.
    #[error("{0}")]
    Edit(String),
}

/// A configuration and the providers that run from it.
#[derive(Debug)]
pub struct Running {
    /// Counts the configurations, from 1.
    pub version: u64,
    document: Document,
    members: BTreeMap<String, Arc<Member>>,
    states: Arc<States>,
}

impl Running {
    /// The state machines that all providers share.
    pub fn states(&self) -> &Arc<States> {
        &self.states
    }

    /// What was read.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The providers, by name.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values()
    }

    /// The provider of that name.
    pub fn member(&self, name: &str) -> Option<&Arc<Member>> {
        self.members.get(name)
    }

    /// The entity tag of this version.
    pub fn tag(&self) -> String {
        format!("\"{}\"", self.version)
    }
}

/// Running providers; dropping it ends them.
#[derive(Debug)]
pub struct Fleet {
    options: FleetOptions,
    running: RwLock<Arc<Running>>,
    /// Held by whoever changes the configuration.
    changing: Mutex<()>,
    paused: AtomicBool,
}

impl Fleet {
    /// Starts all providers of a configuration, or none.
    pub async fn start(document: Document, options: FleetOptions) -> Result<Self, FleetError> {
        let none =
            Running { version: 0, document: Document::default(), members: BTreeMap::new(), states: Arc::default() };
        let running = succeed(&none, document, &options).await?;
        Ok(Self {
            options,
            running: RwLock::new(Arc::new(running)),
            changing: Mutex::default(),
            paused: AtomicBool::new(false),
        })
    }

    /// What runs at this moment.
    pub fn running(&self) -> Arc<Running> {
        self.running.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes another configuration, or nothing of it. Providers whose part is the same keep their connections and
    /// counts; those with another script take it from the next request on; new ones start, those left out end. One
    /// whose address, certificate or seed is another starts anew, with an empty journal.
    pub async fn set_config(&self, document: Document) -> Result<Arc<Running>, FleetError> {
        self.change(None, |_| Ok(document)).await
    }

    /// The same with a configuration made from the current one, when that still has the tag.
    pub async fn change(
        &self,
        tag: Option<&str>,
        edit: impl FnOnce(&Value) -> Result<Document, FleetError>,
    ) -> Result<Arc<Running>, FleetError> {
        let _mine = self.changing.lock().await;
        let before = self.running();
        if let Some(wanted) = tag.filter(|wanted| *wanted != before.tag()) {
            return Err(FleetError::Changed { wanted: wanted.to_owned(), current: before.tag() });
        }
        let document = edit(&before.document.value)?;
        let after = Arc::new(succeed(&before, document, &self.options).await?);
        *self.running.write().unwrap_or_else(PoisonError::into_inner) = after.clone();
        if self.is_paused() {
            after.members().for_each(|member| member.provider().pause());
            // Whoever resumed meanwhile may have passed some of them by.
            if !self.is_paused() {
                after.members().for_each(|member| member.provider().resume());
            }
        }
        for member in before.members() {
            if !after.members.values().any(|kept| Arc::ptr_eq(kept, member)) {
                // Whoever still reads its journal holds the provider, but not its port.
                member.provider().stop_listening().await;
            }
        }
        Ok(after)
    }

    /// Providers take requests, and answer none.
    pub fn pause(&self) {
        self.paused.store(true, SeqCst);
        self.running().members().for_each(|member| member.provider().pause());
    }

    /// What has waited is answered.
    pub fn resume(&self) {
        self.paused.store(false, SeqCst);
        self.running().members().for_each(|member| member.provider().resume());
    }

    /// Whether answers wait.
    pub fn is_paused(&self) -> bool {
        self.paused.load(SeqCst)
    }

    /// Zero of all times in the journals.
    pub fn origin(&self) -> Instant {
        self.options.origin
    }

    /// The numbers of all providers in Prometheus' text format.
    pub fn metrics(&self) -> String {
        let running = self.running();
        let numbers: Vec<_> =
            running.members.iter().map(|(name, member)| (name.as_str(), member.provider().metrics())).collect();
        metrics::expose(&numbers)
    }

    /// Whether events come later than the script says, because there is too much to do.
    pub fn saturated(&self) -> bool {
        let running = self.running();
        let recent = running.members().map(|member| member.provider().metrics().recent());
        let (due, late) = recent.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        metrics::saturated(due, late)
    }
}

/// What runs after a change: all new providers are up before the first old one hears of it.
async fn succeed(before: &Running, mut document: Document, options: &FleetOptions) -> Result<Running, FleetError> {
    document.config.resolve(&options.folder)?;
    let same = before.version > 0 && before.document.value.get("states") == document.value.get("states");
    let states = if same { before.states.clone() } else { Arc::new(States::new(&document.config.states)) };
    let mut members = BTreeMap::new();
    let mut scripts = Vec::new();
    for name in document.config.providers.keys() {
        let plan = member::Plan::of(&document, name, &states, options);
        let old = before.members.get(name);
        let member = match old {
            Some(old) if old.can_take(&plan) => {
                scripts.push((old.clone(), plan));
                old.clone()
            }
            old => {
                let member = Member::start(plan, old.map(|old| old.addr()), options).await?;
                if let Some(old) = old {
                    member.provider().inject(|injected| *injected = old.provider().injected());
                }
                Arc::new(member)
            }
        };
        members.insert(name.clone(), member);
    }
    apart(&members)?;
    for (member, plan) in scripts {
        member.take(plan);
    }
    Ok(Running { version: before.version + 1, document, members, states })
}

/// Sockets share a port when asked, so that the system would not refuse this.
fn apart(members: &BTreeMap<String, Arc<Member>>) -> Result<(), FleetError> {
    let mut taken: BTreeMap<SocketAddr, &str> = BTreeMap::new();
    for (name, member) in members {
        if let Some(other) = taken.insert(member.addr(), name) {
            return Err(FleetError::SameAddress(other.to_owned(), name.clone(), member.addr()));
        }
    }
    Ok(())
}
