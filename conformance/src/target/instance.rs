//! A running target: started from its file's command or attached to, asked for nothing but bytes.
//! Each wait has an end; what it printed is kept.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::net::TcpStream;
use tokio::process::Child;

use super::command::{Places, placed, places, values};
use super::container::Container;
use super::file::{Attach, Pattern};
use super::{Lines, Target, lines};

/// What one target is started with.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// The scenario's own folder.
    pub folder: PathBuf,
    /// The folder with its manifests.
    pub config: PathBuf,
    /// Listener ports.
    pub ports: Vec<u16>,
    /// `HOST:PORT=ADDR:PORT`.
    pub connect_to: Vec<String>,
    /// Roots for upstream TLS.
    pub upstream_ca: PathBuf,
    /// Providers as the target reaches them.
    pub providers: BTreeMap<String, SocketAddr>,
    /// Where its manifests are objects: which, and on which cluster.
    pub place: Place,
}

/// The place of a scenario's objects on a cluster; all empty where there is none.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// `NAMESPACE/NAME` of the Gateway.
    pub gateway: String,
    /// The way to the cluster.
    pub kubeconfig: String,
    /// What is before the scenario's namespaces, and is left out of whatever is told.
    pub prefix: String,
}

/// Why a target did not start.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The process could not be made, or a port not be had.
    #[error("the target's command `{command}` could not be started: {source}")]
    Spawn {
        /// The program.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ended before it served.
    #[error("the target ended before it served ({status}):\n{output}")]
    Ended {
        /// How it ended.
        status: String,
        /// What it said.
        output: String,
    },
    /// It did not serve for too long.
    #[error("the target did not serve within {within:?}:\n{output}")]
    Silent {
        /// How long was waited.
        within: Duration,
        /// What it said.
        output: String,
    },
    /// A command that judges manifests or prints a version goes on and on.
    #[error("the command `{0}` did not end within {START:?}")]
    Endless(String),
    /// It serves, but not what was asked.
    #[error("the target does not say where it listens for {0}")]
    Missing(String),
}

/// How a start went.
#[derive(Debug)]
pub enum Started {
    /// It serves.
    Serving(Box<Instance>),
    /// It ended before that: exit code and output.
    Ended(Option<i32>, String),
    /// It did not serve in time.
    Silent(String),
}

/// A running target; ended when dropped.
#[derive(Debug)]
pub struct Instance {
    /// Listener port to real address.
    pub listeners: BTreeMap<u16, SocketAddr>,
    /// Where metrics are read.
    pub metrics: Option<SocketAddr>,
    /// Where readiness is read.
    pub ready: Option<SocketAddr>,
    /// Where status is read.
    pub admin: Option<SocketAddr>,
    /// Both output streams, line by line.
    pub output: Lines,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    child: Mutex<Child>,
    pid: Pid,
    /// Where it runs, when that is not here: the child is then only the way to it.
    container: Option<Container>,
}

impl Process {
    fn signal(&self, signal: Signal) -> bool {
        match &self.container {
            Some(container) => container.signal(signal),
            None => kill_process(self.pid, signal).is_ok(),
        }
    }

    /// Ends it, and whatever it has started.
    fn end(&self) {
        if let Some(container) = &self.container {
            container.signal(Signal::KILL);
        }
        let _ = kill_process_group(self.pid, Signal::KILL);
    }
}

/// The longest wait for a target to serve, and for a command that judges manifests or prints a version.
pub(super) const START: Duration = Duration::from_secs(10);

impl Instance {
    /// Starts the target, or attaches to it, and waits until it serves.
    pub async fn start(target: &Target, launch: &Launch, origin: Instant) -> Result<Instance, LaunchError> {
        let within = target.file.start.as_ref().and_then(|start| start.value.within).unwrap_or(START);
        match Instance::try_start(target, launch, origin, within).await? {
            Started::Serving(instance) => Ok(*instance),
            Started::Ended(code, output) => {
                let status = code.map_or_else(|| "by a signal".to_owned(), |code| format!("exit code {code}"));
                Err(LaunchError::Ended { status, output })
            }
            Started::Silent(output) => Err(LaunchError::Silent { within, output }),
        }
    }

    /// Starts the target and says how that went.
    pub async fn try_start(
        target: &Target,
        launch: &Launch,
        origin: Instant,
        within: Duration,
    ) -> Result<Started, LaunchError> {
        if let Some(attach) = &target.file.attach {
            return Ok(Started::Serving(Box::new(attached(target, &attach.value, launch, origin))));
        }
        let (mut instance, places) = spawn(target, launch, origin)?;
        tokio::select! {
            serving = instance.serving(target, &places) => {
                if let Err(missing) = serving {
                    return Err(LaunchError::Missing(missing));
                }
            }
            code = instance.ended() => return Ok(Started::Ended(code, instance.all_output().await)),
            () = tokio::time::sleep(within) => return Ok(Started::Silent(instance.output.text(0))),
        }
        instance.places(target, &places);
        match launch.ports.iter().find(|port| !instance.listeners.contains_key(port)) {
            Some(port) => Err(LaunchError::Missing(format!("port {port}"))),
            None => Ok(Started::Serving(Box::new(instance))),
        }
    }

    /// Waits until it serves.
    async fn serving(&self, target: &Target, places: &Places) -> Result<(), String> {
        let says = &target.file.says;
        if let Some(Pattern(serving)) = &says.serving {
            return match self.output.find(0, |line| serving.is_match(line)).await {
                Some(_) => Ok(()),
                // The streams have ended: the process is about to.
                None => std::future::pending().await,
            };
        }
        for address in places.listeners.values() {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        if let (Some(path), Some(address)) = (&target.file.telemetry.ready, places.ready) {
            while crate::client::get(address, path, Instant::now()).await.status() != Some(200) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(())
    }

    /// The real addresses: as it says, else as it was told.
    fn places(&mut self, target: &Target, places: &Places) {
        let says = &target.file.says;
        let lines = self.output.all();
        let address = |pattern: &Option<Pattern>| {
            let pattern = &pattern.as_ref()?.0;
            lines.iter().find_map(|(_, line)| pattern.captures(line)?.name("address")?.as_str().parse().ok())
        };
        self.metrics = if says.metrics.is_some() { address(&says.metrics) } else { places.metrics };
        self.ready = if says.ready.is_some() { address(&says.ready) } else { places.ready };
        self.admin = if says.admin.is_some() { address(&says.admin) } else { places.admin };
        self.listeners = match &says.listener {
            None => places.listeners.clone(),
            Some(Pattern(pattern)) => {
                let said = |line: &str| {
                    let found = pattern.captures(line)?;
                    Some((found.name("port")?.as_str().parse().ok()?, found.name("address")?.as_str().parse().ok()?))
                };
                lines.iter().filter_map(|(_, line)| said(line)).collect()
            }
        };
    }

    fn child(&self) -> Option<MutexGuard<'_, Child>> {
        self.process.as_ref().map(|process| process.child.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How it ended, if it has.
    pub fn exited(&self) -> Option<ExitStatus> {
        self.child()?.try_wait().ok().flatten()
    }

    async fn ended(&self) -> Option<i32> {
        loop {
            if let Some(status) = self.exited() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What it printed, once both streams have ended or a moment has passed.
    async fn all_output(&self) -> String {
        let _ = tokio::time::timeout(Duration::from_millis(500), self.output.find(usize::MAX, |_| false)).await;
        self.output.text(0)
    }

    /// Sends a signal; false when there is no process of ours.
    pub fn signal(&self, signal: Signal) -> bool {
        self.exited().is_none() && self.process.as_ref().is_some_and(|process| process.signal(signal))
    }

    /// Its process id, when it is ours.
    pub fn pid(&self) -> Option<u32> {
        let process = self.process.as_ref()?;
        match &process.container {
            Some(container) => container.pid(),
            None => u32::try_from(process.pid.as_raw_nonzero().get()).ok(),
        }
    }

    /// Ends it without asking, and waits for that.
    pub async fn kill(&mut self) {
        // Taken out: once it is reaped, its number may be another process's.
        if let Some(process) = self.process.take() {
            process.end();
            let mut child = process.child.into_inner().unwrap_or_else(PoisonError::into_inner);
            let _ = child.kill().await;
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(process) = &self.process {
            process.end();
        }
    }
}

/// Resident memory of a process in bytes, where the system tells (Linux: `/proc/PID/statm`, in pages of 4 KiB).
pub fn resident(pid: u32) -> Option<u64> {
    const PAGE: u64 = 4096;
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    Some(text.split_whitespace().nth(1)?.parse::<u64>().ok()? * PAGE)
}

fn attached(target: &Target, attach: &Attach, launch: &Launch, origin: Instant) -> Instance {
    let other = attach.listeners.get(&0).copied();
    let real = |port: &u16| Some((*port, attach.listeners.get(port).copied().or(other)?));
    let output = match &target.file.telemetry.log {
        Some(file) => Lines::follow(file.clone(), origin),
        None => Lines::none(),
    };
    Instance {
        listeners: launch.ports.iter().filter_map(real).collect(),
        metrics: attach.metrics,
        ready: attach.ready,
        admin: attach.admin,
        output,
        process: None,
    }
}

fn spawn(target: &Target, launch: &Launch, origin: Instant) -> Result<(Instance, Places), LaunchError> {
    let start = target.file.start.as_ref().map(|start| &start.value);
    let words = start.map(|start| start.command.as_slice()).unwrap_or_default();
    let failed = |source| LaunchError::Spawn { command: words.first().cloned().unwrap_or_default(), source };
    let places = places(target, &launch.ports).map_err(failed)?;
    let vars = values(target, launch, &places);
    let (mut command, container) = placed(target, words, &vars);
    for (name, value) in start.iter().flat_map(|start| &start.env) {
        command.env(name, vars.text(value));
    }
    let log = target.file.telemetry.log.as_ref().map(|file| PathBuf::from(vars.text(&file.display().to_string())));
    let log = log.map(|file| (lines::length(&file), file));
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(failed)?;
    let output = Lines::without(&launch.place.prefix);
    if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
        output.read(stdout, origin);
        output.read(stderr, origin);
    }
    if let Some((from, file)) = log {
        output.tail(file, from, origin);
    }
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let pid = pid.ok_or_else(|| LaunchError::Missing("its process".to_owned()))?;
    let process = Some(Process { child: Mutex::new(child), pid, container });
    Ok((Instance { listeners: BTreeMap::new(), metrics: None, ready: None, admin: None, output, process }, places))
}
