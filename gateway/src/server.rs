//! A running gateway: its cores, its control thread, and how it starts, reloads and stops.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls_pki_types::CertificateDer;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use crate::admin::{Admin, Told};
use crate::config::{self, Condition, ObjectStatus};
use crate::listen::{self, Command};
use crate::options::Options;
use crate::reload::Follower;
use crate::snapshot::Snapshot;
use crate::telemetry::{self, Sink};
use crate::upstream::Pool;
use crate::worker::{Shared, Worker};
use crate::yaml::Problem;

/// What cores may take beyond the drain time to let go of what is left.
const LAST_SECOND: Duration = Duration::from_secs(1);
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifests cannot be loaded; all problems at once.
    #[error("{}", listed(.0))]
    Config(Vec<Problem>),
    /// An address cannot be had.
    #[error("cannot listen on {address} for {what}: {source}")]
    Listen {
        /// What for.
        what: String,
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// `--upstream-ca` cannot be used.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    /// Threads, runtimes, signals.
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Told about what happens to the gateway, a line at a time.
pub type Notices = Arc<dyn Fn(&str) + Send + Sync>;

/// A running gateway; stop it with [`Gateway::stop`].
#[derive(Debug)]
pub struct Gateway {
    ports: Arc<Ports>,
    ready: Arc<AtomicBool>,
    options: Options,
    control: JoinHandle<()>,
    stop_control: oneshot::Sender<()>,
    cores: Vec<JoinHandle<()>>,
    telemetry: JoinHandle<()>,
}

impl Gateway {
    /// Loads the manifests, listens, and serves. Ready when it returns.
    ///
    /// # Errors
    /// When the manifests are wrong or an address cannot be had.
    pub fn start(options: Options, log: Box<dyn Write + Send>, notices: Notices) -> Result<Self, Error> {
        let follower = Follower::new(&options.config);
        let manifests = config::load(&options.config).map_err(Error::Config)?;
        let compiled = config::compile(&manifests, None);
        tell_troubles(&compiled.status, &notices);
        tell_idle(&compiled.snapshot, &options, &notices);
        let roots = options.upstream_ca.as_deref().map(crate::tls::read_roots).transpose()?.unwrap_or_default();
        let (sink, exposition, telemetry) = telemetry::start(log)?;
        let shared = Arc::new(Shared::new(compiled.snapshot, &options));
        let count = options.workers.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1);
        let (mut cores, mut commands) = (Vec::new(), Vec::new());
        for number in 0..count.max(1) {
            let (sender, receiver) = mpsc::unbounded_channel();
            commands.push(sender);
            cores.push(core(number, shared.clone(), &options, roots.clone(), sink.clone(), receiver)?);
        }
        drop(sink);
        let ports = Arc::new(Ports { open: Mutex::default(), commands, notices });
        ports.follow(&shared.snapshot.load(), &options)?;
        let ready = Arc::new(AtomicBool::new(true));
        let told = Told::default();
        told.store(Arc::new(compiled.status));
        let public = Admin { exposition, ready: ready.clone(), told: None };
        let metrics = admin_listener("metrics", options.metrics, &ports.notices)?;
        let readiness = admin_listener("ready", options.ready, &ports.notices)?;
        let admin = admin_listener("admin", options.admin, &ports.notices)?;
        let inside = Admin { told: Some(told.clone()), ..public.clone() };
        let (stop_control, stopped) = oneshot::channel();
        let control = Control { shared, ports: ports.clone(), options: options.clone(), follower, told };
        let listeners = [(metrics, public.clone()), (readiness, public), (admin, inside)];
        let control = std::thread::Builder::new().name("control".into()).spawn(move || {
            control.run(listeners, stopped);
        })?;
        (ports.notices)("serving");
        Ok(Self { ports, ready, options, control, stop_control, cores, telemetry })
    }

    /// Where a listener port of the configuration really listens.
    #[must_use]
    pub fn address(&self, port: u16) -> Option<SocketAddr> {
        self.ports.open.lock().unwrap_or_else(PoisonError::into_inner).get(&port).copied()
    }

    /// First part of a drain: not ready any more, every answer closes its connection.
    pub fn drain(&self) {
        self.ready.store(false, Relaxed);
        self.ports.tell(|| Command::Drain);
    }

    /// Stops: accepts nothing more, lets what is in flight end within the drain time, and writes what is left to log.
    pub fn stop(self) {
        self.drain();
        self.ports.tell(|| Command::Stop);
        let end = Instant::now() + self.options.drain + LAST_SECOND;
        let mut all_ended = true;
        for core in self.cores {
            while !core.is_finished() && Instant::now() < end {
                std::thread::park_timeout(Duration::from_millis(2));
            }
            all_ended &= core.is_finished();
        }
        // metrics and readiness answer until the last exchange has ended; the control thread may have ended already
        let _told = self.stop_control.send(());
        let _ended = self.control.join();
        if all_ended {
            let _ended = self.telemetry.join();
        }
    }
}

/// Runs a gateway in the foreground until SIGTERM or SIGINT; log on stdout, notices on stderr.
///
/// # Errors
/// When it cannot start.
pub fn run(options: Options) -> Result<(), Error> {
    let grace = options.grace;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let gateway = Gateway::start(options, Box::new(io::stdout()), Arc::new(|line: &str| eprintln!("{line}")))?;
        tokio::select! { _ = term.recv() => (), _ = int.recv() => () }
        gateway.drain();
        eprintln!("draining");
        tokio::select! { () = tokio::time::sleep(grace) => (), _ = term.recv() => (), _ = int.recv() => () }
        gateway.stop();
        eprintln!("stopped");
        Ok(())
    })
}

fn core(
    number: usize,
    shared: Arc<Shared>,
    options: &Options,
    roots: Vec<CertificateDer<'static>>,
    sink: Sink,
    commands: mpsc::UnboundedReceiver<Command>,
) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (connect_to, drain) = (options.connect_to.clone(), options.drain);
    std::thread::Builder::new().name(format!("core-{number}")).spawn(move || {
        let worker = Rc::new(Worker::new(shared, Pool::new(connect_to, roots), sink));
        LocalSet::new().block_on(&runtime, listen::run(worker, commands, drain));
    })
}

/// The listener ports that are open, and the cores that serve them.
struct Ports {
    open: Mutex<BTreeMap<u16, SocketAddr>>,
    commands: Vec<mpsc::UnboundedSender<Command>>,
    notices: Notices,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").field("open", &self.open).finish_non_exhaustive()
    }
}

impl Ports {
    fn tell(&self, command: impl Fn() -> Command) {
        for core in &self.commands {
            // a core that is gone needs no command
            let _told = core.send(command());
        }
    }

    /// Opens the ports that a snapshot needs and closes the others.
    fn follow(&self, snapshot: &Snapshot, options: &Options) -> Result<(), Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut opened = Vec::new();
        for port in snapshot.binds.iter().map(|bind| bind.port).filter(|port| !open.contains_key(port)) {
            let wanted = options.listen.iter().find(|(of, _)| *of == port).map(|(_, address)| *address);
            let wanted = wanted.unwrap_or(SocketAddr::new(options.bind, port));
            let failed = |source| Error::Listen { what: format!("listener port {port}"), address: wanted, source };
            refuse_taken(wanted).map_err(failed)?;
            let mut address = wanted;
            let mut sockets = Vec::new();
            for _ in &self.commands {
                let socket = listen_on(address).map_err(failed)?;
                address = socket.local_addr().map_err(failed)?;
                sockets.push(socket);
            }
            opened.push((port, address, sockets));
        }
        // all of them could be had: only now anything changes
        for (port, address, sockets) in opened {
            for (core, socket) in self.commands.iter().zip(sockets) {
                let _told = core.send(Command::Open(port, socket));
            }
            (self.notices)(&format!("listening port={port} address={address}"));
            open.insert(port, address);
        }
        open.retain(|port, _| {
            let wanted = snapshot.binds.iter().any(|bind| bind.port == *port);
            if !wanted {
                self.tell(|| Command::Close(*port));
            }
            wanted
        });
        Ok(())
    }
}

/// Sockets that share an address would also share it with another gateway's: refuse an address that is in use.
fn refuse_taken(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

/// One of several sockets on the same address: the kernel spreads connections over them.
fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A gateway that serves nothing, or not what it was told to, says so.
fn tell_idle(snapshot: &Snapshot, options: &Options, notices: &Notices) {
    if snapshot.binds.is_empty() {
        notices("warning: nothing is served: no Gateway of class agentgateway has a listener that can be programmed");
    }
    for (port, _) in &options.listen {
        if !snapshot.binds.iter().any(|bind| bind.port == *port) {
            notices(&format!("warning: --listen {port}=…: no listener has port {port}"));
        }
    }
}

/// Objects that are served in part or not at all are never silent.
fn tell_troubles(status: &[ObjectStatus], notices: &Notices) {
    for object in status {
        let listeners = object.listeners.iter().flat_map(|listener| &listener.conditions);
        let told = |condition: &&Condition| !condition.good() || condition.reason == "PartiallyValid";
        for note in &object.notes {
            notices(&format!("note: {} {}: {note}", object.kind.name(), object.id()));
        }
        for condition in object.conditions.iter().chain(listeners).filter(told) {
            let (kind, id) = (object.kind.name(), object.id());
            let value = if condition.status { "True" } else { "False" };
            let (type_, reason, message) = (condition.type_, condition.reason, &condition.message);
            notices(&format!("warning: {kind} {id}: {type_}={value} {reason}: {message}"));
        }
    }
}

fn admin_listener(what: &str, address: Option<SocketAddr>, notices: &Notices) -> Result<Option<TcpListener>, Error> {
    let Some(address) = address else { return Ok(None) };
    let failed = |source| Error::Listen { what: what.into(), address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    notices(&format!("{what} address={address}"));
    Ok(Some(listener))
}

/// The control thread: metrics, readiness, status, reloads.
struct Control {
    shared: Arc<Shared>,
    ports: Arc<Ports>,
    options: Options,
    follower: Follower,
    told: Told,
}

impl Control {
    fn run(mut self, listeners: [(Option<TcpListener>, Admin); 3], stopped: oneshot::Receiver<()>) {
        let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
        LocalSet::new().block_on(&runtime, async move {
            for (listener, admin) in listeners {
                if let Some(Ok(listener)) = listener.map(tokio::net::TcpListener::from_std) {
                    tokio::task::spawn_local(admin.serve(listener));
                }
            }
            let reloads = async {
                for generation in 2u64.. {
                    self.follower.changed().await;
                    self.reload(generation);
                }
            };
            tokio::select! { () = reloads => (), _ = stopped => () }
        });
    }

    /// Takes the new manifests over, or keeps the old ones and says why.
    fn reload(&self, generation: u64) {
        let notices = &self.ports.notices;
        if let Some(file) = self.follower.empty_file() {
            return notices(&format!("reload refused: {} is empty, as a half-written file is", file.display()));
        }
        let manifests = match config::load(&self.options.config) {
            Ok(manifests) => manifests,
            Err(problems) => return notices(&format!("reload refused: {}", listed(&problems))),
        };
        let compiled = config::compile(&manifests, Some(&self.shared.snapshot.load()));
        tell_troubles(&compiled.status, notices);
        let snapshot = Arc::new(compiled.snapshot);
        if let Err(error) = self.ports.follow(&snapshot, &self.options) {
            return notices(&format!("reload refused: {error}"));
        }
        self.shared.snapshot.store(snapshot);
        self.told.store(Arc::new(compiled.status));
        notices(&format!("reloaded generation={generation}"));
    }
}
