//! A target's commands: their places, the references in them, their environment; and the short-lived ones, which judge
//! manifests or print a version.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;

use super::container::Container;
use super::instance::{Launch, LaunchError, START};
use super::{Lines, Target};
use crate::vars::Vars;

/// Where a process is told to listen.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) listeners: BTreeMap<u16, SocketAddr>,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) ready: Option<SocketAddr>,
    pub(super) admin: Option<SocketAddr>,
}

/// Port 0 where the process says which one it got, else a port that is free now.
pub(super) fn places(target: &Target, ports: &[u16]) -> std::io::Result<Places> {
    let says = &target.file.says;
    let place = |said: bool| -> std::io::Result<SocketAddr> {
        if said {
            return Ok(SocketAddr::from(([127, 0, 0, 1], 0)));
        }
        free_port().map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
    };
    let mut listeners = BTreeMap::new();
    for port in ports {
        listeners.insert(*port, place(says.listener.is_some())?);
    }
    let metrics = Some(place(says.metrics.is_some())?);
    let (ready, admin) = (Some(place(says.ready.is_some())?), Some(place(says.admin.is_some())?));
    Ok(Places { listeners, metrics, ready, admin })
}

/// A port that nobody listens on, out of the range from which systems deal ports out by themselves: otherwise a mock
/// or a client could get it before the target does. Each port is handed out once in a while only.
fn free_port() -> std::io::Result<u16> {
    const FIRST: u32 = 10_240;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(7919);
    for _ in 0..COUNT {
        let next = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + next).expect("10,240 and 20,000 are less than 65,536 together");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(std::io::Error::other("no port is free"))
}
/// `${…}` in commands, environment and paths of a target file.
pub(super) fn values(target: &Target, launch: &Launch, places: &Places) -> Vars {
    let mut vars = Vars::default();
    let pairs = |map: &mut dyn Iterator<Item = (String, SocketAddr)>| {
        map.map(|(name, address)| format!("{name}={address}")).collect::<Vec<_>>().join(",")
    };
    vars.set("windtunnel", target.exe.display().to_string());
    vars.set("folder", launch.folder.display().to_string());
    vars.set("config", launch.config.display().to_string());
    vars.set("ca", launch.upstream_ca.display().to_string());
    vars.set("listeners", pairs(&mut places.listeners.iter().map(|(port, address)| (port.to_string(), *address))));
    vars.set("providers", pairs(&mut launch.providers.iter().map(|(name, address)| (name.clone(), *address))));
    vars.set("connect_to", launch.connect_to.join(","));
    vars.set("gateway", launch.place.gateway.clone());
    vars.set("kubeconfig", launch.place.kubeconfig.clone());
    let text = |address: Option<&SocketAddr>| address.map(ToString::to_string).unwrap_or_default();
    vars.set("listener", text(places.listeners.values().next()));
    vars.set("provider", text(launch.providers.values().next()));
    vars.set("metrics", text(places.metrics.as_ref()));
    vars.set("ready", text(places.ready.as_ref()));
    vars.set("admin", text(places.admin.as_ref()));
    for (port, address) in &places.listeners {
        vars.set(format!("listener.{port}"), address.to_string());
    }
    for (name, address) in &launch.providers {
        vars.set(format!("provider.{name}"), address.to_string());
    }
    for (name, value) in std::env::vars_os() {
        vars.set(format!("env.{}", name.to_string_lossy()), value.to_string_lossy().into_owned());
    }
    vars
}

/// What each command is told by its environment, and which reference that is.
const TOLD: [(&str, &str); 8] = [
    ("WINDTUNNEL_CONFIG", "config"),
    ("WINDTUNNEL_LISTEN", "listeners"),
    ("WINDTUNNEL_METRICS", "metrics"),
    ("WINDTUNNEL_READY", "ready"),
    ("WINDTUNNEL_ADMIN", "admin"),
    ("WINDTUNNEL_UPSTREAM_CA", "ca"),
    ("WINDTUNNEL_CONNECT_TO", "connect_to"),
    ("WINDTUNNEL_PROVIDERS", "providers"),
];

/// A command with its references filled in, both outputs piped, in a process group of its own.
pub(super) fn command(words: &[String], vars: &Vars) -> Command {
    let filled = |word: &String| {
        let text = vars.text(word);
        let left_out = word.ends_with('}') && text.ends_with('=') || text.is_empty();
        (!left_out).then_some(text)
    };
    let mut words = words.iter().filter_map(filled);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
    command.kill_on_drop(true).process_group(0);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("WINDTUNNEL_") || name.starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    for (name, value) in TOLD {
        let value = vars.text(&format!("${{{value}}}"));
        if !value.is_empty() && !value.starts_with("${") {
            command.env(name, value);
        }
    }
    command
}

/// A command of the target's, in a container where it has an image; and that container.
pub(super) fn placed(target: &Target, words: &[String], vars: &Vars) -> (Command, Option<Container>) {
    let Some(image) = target.image() else { return (command(words, vars), None) };
    let container = Container::new();
    let env = target.file.start.iter().flat_map(|start| start.value.env.keys().map(String::as_str));
    let around = container.around(image, words, TOLD.iter().map(|(name, _)| *name).chain(env));
    (command(&around, vars), Some(container))
}

/// What the check command said.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Both output streams.
    pub output: String,
}

/// Runs the target's check command on a file of manifests.
pub async fn check(target: &Target, launch: &Launch) -> Result<Checked, LaunchError> {
    run(target, &target.file.check, &values(target, launch, &Places::default())).await
}

/// The last word of the first line that a version command prints.
pub(super) async fn version(target: &Target, words: &[String]) -> Option<String> {
    let vars = values(target, &Launch::default(), &Places::default());
    let said = run(target, words, &vars).await.ok()?.output;
    said.lines().next()?.split_whitespace().last().map(str::to_owned)
}

/// Runs a command to its end, and ends what it leaves behind.
async fn run(target: &Target, words: &[String], vars: &Vars) -> Result<Checked, LaunchError> {
    let failed = |source| LaunchError::Spawn { command: words.join(" "), source };
    let (mut command, container) = placed(target, words, vars);
    let mut child = command.spawn().map_err(failed)?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let output = Lines::default();
    if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
        output.read(stdout, Instant::now());
        output.read(stderr, Instant::now());
    }
    let ended = tokio::time::timeout(START, child.wait()).await;
    if let (Err(_), Some(container)) = (&ended, &container) {
        container.signal(Signal::KILL);
    }
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = ended.map_err(|_| LaunchError::Endless(words.join(" ")))?.map_err(failed)?;
    let _ = tokio::time::timeout(Duration::from_millis(500), output.find(usize::MAX, |_| false)).await;
    Ok(Checked { code: status.code(), output: output.text(0) })
}
