//! A running gateway: its cores, its control thread, and how it starts, reloads and stops.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{LocalSet, spawn_local};

use crate::admin::Admin;
use crate::balance::{Balance, Cores, Placement};
use crate::config::Compiled;
use crate::control::{Control, tell_troubles};
use crate::kubernetes::client::ConnectError;
use crate::kubernetes::cluster::Cluster;
use crate::listen::{self, Command, Crew};
use crate::loaded::Loaded;
use crate::options::Options;
use crate::otlp::{Exporter, Setup};
use crate::page::{Page, recent::Recent};
use crate::ports::Ports;
use crate::prices::Prices;
use crate::snapshot::Snapshot;
use crate::source::Source;
use crate::telemetry;
use crate::upstream::Pool;
use crate::worker::{Shared, Worker};
use crate::yaml::Problem;

/// What cores may take beyond the drain time to let go of what is left.
const LAST_SECOND: Duration = Duration::from_secs(1);

/// What the log may take for what is left to write.
const LOG_TIME: Duration = Duration::from_secs(5);

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifests cannot be loaded; all problems at once.
    #[error("{}", listed(.0))]
    Config(Vec<Problem>),
    /// The cluster cannot be asked.
    #[error(transparent)]
    Cluster(#[from] ConnectError),
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
    /// The address of a page cannot be had.
    #[error(
        "cannot listen on {address} for {what}: {source}; another address is said with `--{what} ADDR:PORT` (port 0: any)"
    )]
    Page {
        /// `metrics`, `ready` or `admin`, as its flag.
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

pub(crate) fn listed(problems: &[Problem]) -> String {
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
    /// Loads the manifests from files, listens, and serves. Ready when it returns.
    ///
    /// # Errors
    /// When the manifests are wrong or an address cannot be had.
    pub fn start(options: Options, log: Box<dyn Write + Send>, notices: Notices) -> Result<Self, Error> {
        let (source, compiled) = Source::files(&options.config).map_err(Error::Config)?;
        tell_troubles(&compiled.status, &notices);
        Self::serve(source, compiled, options, log, notices)
    }

    fn serve(
        source: Source,
        compiled: Compiled,
        options: Options,
        log: Box<dyn Write + Send>,
        notices: Notices,
    ) -> Result<Self, Error> {
        tell_idle(&compiled.snapshot, &options, &notices);
        let roots = options.upstream_ca.as_deref().map(crate::tls::read_roots).transpose()?.unwrap_or_default();
        let traces = Exporter::start(Setup {
            otel: options.otel.clone(),
            connect_to: options.connect_to.clone(),
            roots: roots.clone(),
            notices: notices.clone(),
        })?;
        let recent = options.admin.map(|_| Recent::new(Instant::now()));
        let (sink, exposition, telemetry) = telemetry::start(log, options.log_form, traces, recent.clone())?;
        let prices = Prices::new(options.model_catalog.as_deref(), compiled.catalogs, exposition.clone());
        let prices = prices.map_err(Error::Config)?;
        let sink = sink.muted(!options.telemetry);
        let shared = Arc::new(Shared::new(compiled.snapshot, &options));
        let count = options.workers.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1);
        let runtime = |_| Builder::new_current_thread().enable_all().on_thread_unpark(crate::turn::heard).build();
        let runtimes =
            (0..count.max(1)).map(|core| runtime(core).map(|own| Own(Some(own)))).collect::<Result<Vec<_>, _>>()?;
        let all: Cores = runtimes.iter().flat_map(|own| &own.0).map(|runtime| runtime.metrics()).collect();
        let (commands, orders): (Vec<_>, Vec<_>) = runtimes.iter().map(|_| mpsc::unbounded_channel()).unzip();
        let mut cores = Vec::new();
        for (number, (runtime, orders)) in runtimes.into_iter().zip(orders).enumerate() {
            let (shared, sink, all) = (shared.clone(), sink.of_a_core(), all.clone());
            let (connect_to, roots) = (options.connect_to.clone(), roots.clone());
            let crew = match number {
                0 => Crew::new(Placement::new(all.clone()), commands[1..].to_vec()),
                _ => Crew::default(),
            };
            let run = move || {
                let worker = Worker::new(shared, Pool::new(connect_to, roots), sink);
                listen::run(Rc::new(worker.beside(Balance::new(all, number))), orders, options.drain, crew)
            };
            cores.push(std::thread::Builder::new().name(format!("core-{number}")).spawn(move || core(&runtime, run))?);
        }
        drop(sink);
        let ports = Arc::new(Ports::new(commands, notices));
        ports.follow(&shared.snapshot.load(), &options, || ())?;
        let (ready, loaded) = (Arc::new(AtomicBool::new(true)), Loaded::new(compiled.status));
        let page = recent.map(|recent| Page::new(shared.clone(), loaded.clone(), recent, ports.clone()));
        let public =
            Admin { exposition, shared: shared.clone(), ready: ready.clone(), loaded: loaded.clone(), page: None };
        let inside = Admin { page, ..public.clone() };
        let pages = [
            ("metrics", options.metrics, public.clone()),
            ("ready", options.ready, public),
            ("admin", options.admin, inside),
        ];
        let pages = pages.into_iter().filter_map(|(what, address, page)| Some((what, address?, page)));
        let pages = pages.map(|(what, address, page)| Ok((admin_listener(what, address, &ports.notices)?, page)));
        let pages = pages.collect::<Result<Vec<_>, Error>>()?;
        let (stop_control, stopped) = oneshot::channel();
        let control = Control { shared, ports: ports.clone(), options: options.clone(), source, loaded, prices };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let control = std::thread::Builder::new().name("control".into()).spawn(move || {
            control.run(&runtime, pages, stopped);
        })?;
        (ports.notices)("serving");
        Ok(Self { ports, ready, options, control, stop_control, cores, telemetry })
    }

    /// Where a listener port of the configuration really listens.
    #[must_use]
    pub fn address(&self, port: u16) -> Option<SocketAddr> {
        self.ports.address(port)
    }

    /// First part of a drain: not ready any more, every answer closes its connection.
    pub fn drain(&self) {
        self.ready.store(false, Relaxed);
        self.ports.tell(|| Command::Drain);
    }

    /// Stops: accepts nothing more, lets what is in flight end within the drain time, and writes what is left to log.
    pub fn stop(self) {
        self.drain();
        self.ports.stop();
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
        // a log that takes nothing is not waited for
        let end = Instant::now() + LOG_TIME;
        while all_ended && !self.telemetry.is_finished() && Instant::now() < end {
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

/// Writes a notice, all of its lines at once; nobody to read it is no reason to end.
pub(crate) fn told(line: &str) {
    let _unread = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Runs a gateway in the foreground until SIGTERM or SIGINT, which drain it; a second one ends it at once.
/// The log goes to stdout, notices to stderr.
///
/// # Errors
/// When it cannot start.
pub fn run(options: Options) -> Result<(), Error> {
    let grace = options.grace;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let (log, notices): (_, Notices) = (Box::new(io::stdout()), Arc::new(told));
        let gateway = match options.cluster.clone() {
            None => Gateway::start(options, log, notices)?,
            Some(scope) => {
                let opened = tokio::select! {
                    opened = Cluster::open(&scope, &notices) => opened?,
                    () = signals.next() => {
                        told("stopped");
                        return Ok(());
                    }
                };
                let (cluster, compiled) = opened;
                Gateway::serve(Source::Cluster(Box::new(cluster)), compiled, options, log, notices)?
            }
        };
        signals.next().await;
        gateway.drain();
        told("draining");
        let ports = gateway.ports.clone();
        let patient = tokio::select! { () = tokio::time::sleep(grace) => true, () = signals.next() => false };
        let mut stopping = tokio::task::spawn_blocking(move || gateway.stop());
        let patient = patient && tokio::select! { _ = &mut stopping => true, () = signals.next() => false };
        if !patient {
            told("ending at once");
            ports.tell(|| Command::End);
            let _ended = stopping.await;
        }
        told("stopped");
        Ok(())
    })
}

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! { _ = self.term.recv() => (), _ = self.int.recv() => () }
    }
}

/// A core's runtime. It may be let go of where nothing may be waited for: when another one cannot be had.
#[derive(Debug)]
struct Own(Option<Runtime>);

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The life of a core, on its thread.
fn core<F: Future<Output = ()> + 'static>(runtime: &Own, run: impl FnOnce() -> F) {
    let Some(runtime) = &runtime.0 else { return };
    // a task of its own: what is waited for here is polled with all that happens on the core
    let run = async { spawn_local(run()).await };
    if let Err(ended) = LocalSet::new().block_on(runtime, run)
        && ended.is_panic()
    {
        std::panic::resume_unwind(ended.into_panic());
    }
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

fn admin_listener(what: &str, address: SocketAddr, notices: &Notices) -> Result<TcpListener, Error> {
    let failed = |source| Error::Page { what: what.into(), address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    notices(&format!("{what} address={address}"));
    Ok(listener)
}
