//! `windtunnel mock`: mock providers until Ctrl-C or SIGTERM, from a configuration that is followed.

mod frame;
mod lint;
mod place;
mod record;
mod source;
mod watch;

use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use gateway::reload::Follower;
use mock_providers::Workers;
use mock_providers::admin::Admin;
use mock_providers::fleet::{Fleet, FleetOptions};
use mock_providers::tls::RunCa;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Error, print, stop};
use crate::cli::{MockArgs, MockCommand};
use source::Configuration;
use watch::Watch;

/// Where the provider listens when there is no configuration.
pub(super) const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8090);

/// How often it is looked whether the machine keeps up.
const LOOK: Duration = Duration::from_secs(1);

pub(super) fn mock(args: &MockArgs) -> Result<ExitCode, Error> {
    if let Some(MockCommand::Record(args)) = &args.command {
        return record::record(args);
    }
    if args.until_stdin_ends {
        std::thread::spawn(super::stop::end_with_stdin);
    }
    let configuration = Configuration::of(args);
    if args.lint {
        return lint::lint(&configuration);
    }
    if args.watch && !std::io::stdout().is_terminal() {
        let hint = "start it in one, or read `/__mock/journal` of the admin API (--admin)";
        return Err(Error::Input(format!("--watch draws on a terminal, and standard output is none; {hint}")));
    }
    if args.until_stdin_ends {
        std::thread::spawn(stop::end_with_stdin);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::io("no runtime"))?.block_on(serve(&configuration, args))
}

async fn serve(configuration: &Configuration, args: &MockArgs) -> Result<ExitCode, Error> {
    let (document, ca) = (configuration.read()?, Arc::new(RunCa::new()));
    if let Some(path) = &args.write_ca {
        std::fs::write(path, ca.ca_pem()).map_err(Error::io(path.display().to_string()))?;
    }
    // Listening first: whoever reads the addresses may send a signal at once.
    let signals = Signals::listen()?;
    let admin = args.admin.or(document.config().admin);
    let (folder, workers) = (configuration.folder(), Some(workers(args)?));
    let options = FleetOptions { seed: args.seed, ca, folder, workers, ..FleetOptions::default() };
    let fleet = Fleet::start(document, options).await.map_err(|error| Error::Input(error.to_string()))?;
    let fleet = Arc::new(fleet);
    let admin = match admin {
        Some(bind) => Some(Admin::start(fleet.clone(), bind).await.map_err(Error::io(format!("admin at {bind}")))?),
        None => None,
    };
    if !args.watch {
        announce(&fleet, admin.as_ref())?;
    }
    follow(configuration, &fleet, admin.as_ref(), signals, args.watch).await
}

fn workers(args: &MockArgs) -> Result<Workers, Error> {
    // Half of the cores: whoever calls needs some, too.
    let half = || std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    let threads = args.threads.and_then(|threads| usize::try_from(threads).ok()).unwrap_or_else(half);
    Workers::start(threads).map_err(Error::io(format!("no {threads} threads")))
}

fn announce(fleet: &Fleet, admin: Option<&Admin>) -> Result<(), Error> {
    for member in fleet.running().members() {
        print(&format!("listening provider={} address={}\n", member.provider().name(), member.url()))?;
    }
    match admin {
        Some(admin) => print(&format!("listening admin=http://{}/__mock/ready\n", admin.addr())),
        None => Ok(()),
    }
}

/// The signals that mean something.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Error> {
        let on = |kind| signal(kind).map_err(Error::io("no signals"));
        let [term, int, hup] = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(on);
        Ok(Self { term: term?, int: int?, hup: hup? })
    }
}

/// Takes changes of the configuration, and draws, until a signal ends it.
async fn follow(
    configuration: &Configuration,
    fleet: &Arc<Fleet>,
    admin: Option<&Admin>,
    mut signals: Signals,
    watched: bool,
) -> Result<ExitCode, Error> {
    let mut watch = if watched { Some(Watch::begin(fleet.clone(), admin.map(Admin::addr))?) } else { None };
    let mut follower = configuration.path().map(|path| Follower::new(path).0);
    let mut look = tokio::time::interval(if watched { watch::PERIOD } else { LOOK });
    let mut saturated = false;
    loop {
        tokio::select! {
            _ = signals.term.recv() => return Ok(ExitCode::SUCCESS),
            _ = signals.int.recv() => return Ok(ExitCode::SUCCESS),
            _ = signals.hup.recv() => tell(&mut watch, &reload(configuration, fleet).await),
            () = changed(&mut follower) => tell(&mut watch, &reload(configuration, fleet).await),
            _ = look.tick() => {
                let now = fleet.saturated();
                if now && !saturated {
                    tell(&mut watch, "saturated: timers are more than 3 ms late; delays are no longer the script's");
                }
                saturated = now;
                if let Some(watch) = &mut watch {
                    watch.draw()?;
                }
            }
        }
    }
}

async fn changed(follower: &mut Option<Follower>) {
    loop {
        match follower {
            Some(follower) => {
                // An empty file is one that is being written.
                if follower.changed().await.half_written().is_none() {
                    return;
                }
            }
            None => std::future::pending().await,
        }
    }
}

/// What came of it, in words.
async fn reload(configuration: &Configuration, fleet: &Fleet) -> String {
    let document = match configuration.read() {
        Ok(document) => document,
        Err(error) => return format!("{error}\nkeeping configuration {}", fleet.running().version),
    };
    match fleet.set_config(document).await {
        Ok(running) => format!("configuration {} taken", running.version),
        Err(error) => format!("error: {error}\nkeeping configuration {}", fleet.running().version),
    }
}

/// To the terminal that is drawn on, or to standard error.
fn tell(watch: &mut Option<Watch>, text: &str) {
    match watch {
        Some(watch) => watch.notice(text),
        None => eprintln!("{text}"),
    }
}
