//! A running provider: its listener, its connections and its handle.
//!
//! Owns the port for as long as the handle lives, also while nothing listens on it. Refuses global state.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::gate::Gate;
use crate::journal::{Journal, Recorder, RequestRecord};
use crate::listener::{Command, Listener};
use crate::metrics::{Metrics, Tally};
use crate::rules::{Dice, Injected, Live};
use crate::script::{Accept, Clock, Config, Determinism, Distribution, Provider, ScriptError};
use crate::states::States;
use crate::tls::{RunCa, without_http2};
use crate::workers::Workers;

/// How a provider is run.
#[derive(Clone)]
pub struct Options {
    /// Where it listens; port 0 picks a free one.
    pub bind: SocketAddr,
    /// Zero of all times in the journal.
    pub origin: Instant,
    /// Seeds everything that is made up.
    pub seed: u64,
    /// What the draws follow from beside it.
    pub determinism: Determinism,
    /// What answers say of time.
    pub clock: Clock,
    /// The state machines that it shares with other providers; without, it has a set of its own, and no machine in it.
    pub states: Option<Arc<States>>,
    /// For scripts that say `tls: true`.
    pub tls: Option<Arc<ServerConfig>>,
    /// Signs what `tls_bad_cert` shows; without it that fault is not applicable.
    pub ca: Option<Arc<RunCa>>,
    /// How many requests and connections the journal keeps.
    pub journal: usize,
    /// How many bytes of each answer's body the journal keeps; default none. 256 KiB suit a comparison.
    pub keep_sent: usize,
    /// Threads that carry the connections; default the runtime that calls [`start`].
    pub workers: Option<Workers>,
}

impl Default for Options {
    fn default() -> Self {
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            bind,
            origin: Instant::now(),
            seed: 0,
            determinism: Determinism::default(),
            clock: Clock::default(),
            states: None,
            tls: None,
            ca: None,
            journal: 100_000,
            keep_sent: 0,
            workers: None,
        }
    }
}

impl Options {
    /// What all providers of a configuration have in common: seed, draws, clock and state machines.
    pub fn of(config: &Config) -> Self {
        Self {
            seed: config.seed.unwrap_or(0),
            determinism: config.determinism,
            clock: config.clock,
            states: Some(Arc::new(States::new(&config.states))),
            ..Self::default()
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { bind, origin, seed, determinism, clock, states, tls, ca, journal, keep_sent, workers } = self;
        f.debug_struct("Options")
            .field("bind", bind)
            .field("origin", origin)
            .field("seed", seed)
            .field("determinism", determinism)
            .field("clock", clock)
            .field("states", states)
            .field("tls", &tls.is_some())
            .field("ca", ca)
            .field("journal", journal)
            .field("keep_sent", keep_sent)
            .field("workers", workers)
            .finish()
    }
}

/// Why a provider did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is not to be had.
    #[error("provider `{provider}` cannot listen on {bind}: {source}")]
    Bind {
        /// Its name.
        provider: String,
        /// The address.
        bind: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The script is of no use as a whole.
    #[error("the script of provider `{provider}` is of no use")]
    Script {
        /// Its name.
        provider: String,
        /// What is wrong with it.
        source: ScriptError,
    },
    /// The script asks for TLS, the host brought no certificate.
    #[error("provider `{provider}` says `tls: true`, but its options carry no TLS configuration")]
    NoTls {
        /// Its name.
        provider: String,
    },
}

/// What all connections of a provider share.
pub(crate) struct Shared {
    pub(crate) name: Arc<str>,
    pub(crate) origin: Instant,
    pub(crate) dice: Dice,
    pub(crate) states: Arc<States>,
    pub(crate) recorder: Recorder,
    pub(crate) keep_sent: usize,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Shut while answers wait.
    pub(crate) gate: Gate,
    pub(crate) ca: Option<Arc<RunCa>>,
    live: RwLock<Arc<Live>>,
}

impl Shared {
    pub(crate) fn new(name: &str, provider: Provider, options: &Options, tls: Option<Arc<ServerConfig>>) -> Self {
        let states = options.states.clone().unwrap_or_default();
        Self {
            name: name.into(),
            origin: options.origin,
            dice: Dice::new(name, options.seed, options.determinism, options.clock),
            live: RwLock::new(Arc::new(Live::new(provider, &states))),
            states,
            recorder: Recorder::new(options.journal, options.origin),
            keep_sent: options.keep_sent,
            tls,
            gate: Gate::default(),
            ca: options.ca.clone(),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    pub(crate) fn live(&self) -> Arc<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another live script in the place of the one that there is.
    fn relive(&self, next: impl FnOnce(&Live) -> Live) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        *live = Arc::new(next(&live));
    }

    /// How long a connection waits before it is read: drawn by its number, for nothing else is known of it.
    pub(crate) fn connect_delay(&self, connection: u64) -> Duration {
        let draw = |times: &Distribution<Duration>| times.draw(&self.dice.of_connection(connection), "latency.connect");
        self.live().provider.latency.connect.as_ref().map_or(Duration::ZERO, draw)
    }
}

/// A running provider; dropping it ends it and all its connections.
pub struct MockProvider {
    shared: Arc<Shared>,
    addr: SocketAddr,
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for MockProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MockProvider({} on {})", self.shared.name, self.addr)
    }
}

/// Starts a provider; when this returns, it accepts connections (unless the script says `accept: refuse`). Files that
/// the script names and that were not read by [`Provider::resolve`] are looked for in the current folder.
pub async fn start(name: &str, mut provider: Provider, options: Options) -> Result<MockProvider, StartError> {
    let useless = |source| StartError::Script { provider: name.to_owned(), source };
    provider.resolve(Path::new("")).map_err(useless)?;
    let tls = match (provider.tls, &options.tls) {
        (true, Some(config)) if provider.speaks_http2() => Some(config.clone()),
        (true, Some(config)) => Some(without_http2(config)),
        (true, None) => return Err(StartError::NoTls { provider: name.to_owned() }),
        (false, _) => None,
    };
    let accept = provider.accept;
    let tokenizer = provider.tokenizer();
    if tokenizer.has_tables() {
        // A panic in there would show again at the first use.
        let _ = tokio::task::spawn_blocking(move || tokenizer.load()).await;
    }
    let shared = Arc::new(Shared::new(name, provider, &options, tls));
    let failed = |source| StartError::Bind { provider: name.to_owned(), bind: options.bind, source };
    let mut listener = Listener::reserve(options.bind, shared.clone(), options.workers).map_err(failed)?;
    if accept != Accept::Refuse {
        listener.open().map_err(failed)?;
    }
    let addr = listener.addr();
    let (commands, inbox) = mpsc::channel(16);
    let task = tokio::spawn(listener.run(inbox));
    Ok(MockProvider { shared, addr, commands, task })
}

impl MockProvider {
    /// Its name in the scenario.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Where it listens, or would.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Everything it saw so far. A response is journalled as written just after its bytes left, so one who has just
    /// read it uses [`Self::wait_until`].
    pub fn journal(&self) -> Journal {
        self.shared.recorder.snapshot()
    }

    /// Replaces the script from the next request on; its counts start anew. Whether TLS is spoken does not change;
    /// `accept` takes effect soon after. [`Provider::resolve`] has read the files it names.
    pub fn set_script(&self, provider: Provider) {
        let refused = self.shared.live().provider.accept == Accept::Refuse;
        let refuses = provider.accept == Accept::Refuse;
        let tokenizer = provider.tokenizer();
        if tokenizer.has_tables() {
            std::thread::spawn(move || tokenizer.load());
        }
        self.shared.relive(|before| Live::new(provider, &self.shared.states).under(before.injected().to_vec()));
        if refused != refuses {
            let (reply, _) = oneshot::channel();
            let command = if refuses { Command::Close(reply) } else { Command::Open(reply) };
            // A full inbox means that the port is being opened and closed right now, by someone who waits for it.
            let _ = self.commands.try_send(command);
        }
    }

    /// The state machines that its script looks at and changes.
    pub fn states(&self) -> &Arc<States> {
        &self.shared.states
    }

    /// Forgets how often rules and faults matched and requests were made; script, states and journal stay.
    pub fn reset_counts(&self) {
        self.shared.dice.reset();
        self.shared.live().reset();
    }

    /// All quotas are full again.
    pub fn reset_limits(&self) {
        if let Some(limits) = &self.shared.live().limits {
            limits.reset();
        }
    }

    /// The faults that lie over those of its script, the latest first.
    pub(crate) fn injected(&self) -> Vec<Injected> {
        self.shared.live().injected().to_vec()
    }

    /// Replaces them.
    pub(crate) fn inject(&self, edit: impl FnOnce(&mut Vec<Injected>)) {
        self.shared.relive(|live| {
            let mut injected = live.injected().to_vec();
            edit(&mut injected);
            live.under(injected)
        });
    }

    /// Closes the port and resets all open connections; both are done when this returns.
    pub async fn stop_listening(&self) {
        self.tell(Command::Close).await;
    }

    /// Resets all open connections, which is done when this returns; the port stays as it is.
    pub async fn reset_connections(&self) {
        self.tell(Command::Reset).await;
    }

    async fn tell(&self, command: impl FnOnce(oneshot::Sender<std::io::Result<()>>) -> Command) {
        let (reply, done) = oneshot::channel();
        if self.commands.send(command(reply)).await.is_ok() {
            // The listener answers every command while the handle lives.
            let _ = done.await;
        }
    }

    /// Takes requests, and answers none before [`Self::resume`]; answers that are under way go on.
    pub fn pause(&self) {
        self.shared.gate.shut();
    }

    /// Answers what has waited.
    pub fn resume(&self) {
        self.shared.gate.open();
    }

    /// Forgets the requests, also those under way; connections stay, and numbers go on.
    pub fn clear_journal(&self) {
        self.shared.recorder.clear();
    }

    /// What it counted so far, whatever the journal has forgotten.
    pub fn tally(&self) -> Tally {
        self.metrics().tally()
    }

    /// The last requests, oldest first.
    pub fn latest(&self, most: usize) -> Vec<RequestRecord> {
        self.shared.recorder.latest(most)
    }

    /// What it counts.
    pub(crate) fn metrics(&self) -> Metrics {
        self.shared.recorder.metrics()
    }

    /// How many connections are open, as far as the journal reaches back.
    pub fn connections_open(&self) -> usize {
        self.shared.recorder.open_connections()
    }

    /// Opens the same port again.
    pub async fn resume_listening(&self) -> std::io::Result<()> {
        let (reply, done) = oneshot::channel();
        let gone = || std::io::Error::other("the provider's runtime has ended");
        self.commands.send(Command::Open(reply)).await.map_err(|_| gone())?;
        done.await.map_err(|_| gone())?
    }

    /// Resolves when the journal has changed since it was last looked at, here or by [`Self::journal`].
    /// Several who wait at once use [`Self::wait_until`].
    pub async fn changed(&self) {
        self.shared.recorder.changed().await;
    }

    /// Resolves with the journal as soon as it satisfies the condition.
    pub async fn wait_until(&self, condition: impl FnMut(&Journal) -> bool) -> Journal {
        self.shared.recorder.wait_until(condition).await
    }
}

impl Drop for MockProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}
