//! The target of a run: the reference gateway as a child process of the same binary.
//! Reached only through sockets, files, signals and its two output streams, so that any gateway could stand here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// How to start a gateway.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// The `windtunnel` binary.
    pub exe: PathBuf,
    /// The folder with its manifests.
    pub config: PathBuf,
    /// Listener ports.
    pub ports: Vec<u16>,
    /// `HOST:PORT=ADDR:PORT`.
    pub connect_to: Vec<String>,
    /// Roots for upstream TLS.
    pub upstream_ca: Option<PathBuf>,
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The process could not be made.
    #[error("the gateway process could not be started: {0}")]
    Spawn(#[from] std::io::Error),
    /// It ended before it served.
    #[error("the gateway ended before it served ({status}):\n{output}")]
    Ended {
        /// How it ended.
        status: String,
        /// What it said.
        output: String,
    },
    /// It said nothing for too long.
    #[error("the gateway did not serve within {0:?}")]
    Silent(Duration),
    /// It serves, but not what was asked.
    #[error("the gateway does not say where it listens for {0}")]
    Missing(String),
}

/// A running gateway; killed when dropped.
#[derive(Debug)]
pub struct Gateway {
    /// Listener port to real address.
    pub listeners: BTreeMap<u16, SocketAddr>,
    /// Where metrics are read.
    pub metrics: SocketAddr,
    /// Standard output: the access log.
    pub log: Lines,
    /// Standard error: notices.
    pub notices: Lines,
    child: Child,
}

/// The lines of an output stream, with the time at which each came.
#[derive(Debug, Clone)]
pub struct Lines {
    lines: Arc<Mutex<Vec<(Duration, String)>>>,
    count: watch::Receiver<usize>,
}

impl Lines {
    fn read(stream: impl AsyncRead + Unpin + Send + 'static, origin: Instant) -> Lines {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (sender, count) = watch::channel(0);
        let into = Arc::clone(&lines);
        tokio::spawn(async move {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).await.is_ok_and(|size| size > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                let mut lines = into.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push((origin.elapsed(), text));
                sender.send_replace(lines.len());
            }
        });
        Lines { lines, count }
    }

    /// All lines so far.
    pub fn all(&self) -> Vec<(Duration, String)> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        *self.count.borrow()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for a line from `start` on that `wanted` accepts; `None` when the stream has ended before.
    pub async fn find(&self, start: usize, wanted: impl Fn(&str) -> bool) -> Option<(usize, String)> {
        let mut count = self.count.clone();
        let mut next = start;
        loop {
            count.borrow_and_update();
            let seen = self.all();
            if let Some(index) = (next..seen.len()).find(|index| wanted(&seen[*index].1)) {
                return Some((index, seen[index].1.clone()));
            }
            next = seen.len().max(start);
            count.changed().await.ok()?;
        }
    }

    /// As one text, from a line on.
    pub fn text(&self, start: usize) -> String {
        let lines: Vec<String> = self.all().into_iter().skip(start).map(|(_, line)| line).collect();
        lines.join("\n")
    }
}

/// The longest wait for a gateway to serve, and to take a change.
pub const START: Duration = Duration::from_secs(10);

impl Gateway {
    /// Starts a gateway and waits until it serves.
    pub async fn start(launch: &Launch, origin: Instant) -> Result<Gateway, LaunchError> {
        let mut child = command(launch).spawn()?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(LaunchError::Missing("its output".to_owned()));
        };
        let (log, notices) = (Lines::read(stdout, origin), Lines::read(stderr, origin));
        let serving = tokio::time::timeout(START, notices.find(0, |line| line == "serving")).await;
        match serving {
            Ok(Some(_)) => {}
            Ok(None) => {
                let status = child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
                return Err(LaunchError::Ended { status, output: notices.text(0) });
            }
            Err(_) => return Err(LaunchError::Silent(START)),
        }
        let said = notices.all();
        let listeners = said.iter().filter_map(|(_, line)| listening(line)).collect();
        let metrics = said
            .iter()
            .find_map(|(_, line)| line.strip_prefix("metrics address=")?.parse().ok())
            .ok_or_else(|| LaunchError::Missing("metrics".to_owned()))?;
        let gateway = Gateway { listeners, metrics, log, notices, child };
        match launch.ports.iter().find(|port| !gateway.listeners.contains_key(port)) {
            Some(port) => Err(LaunchError::Missing(format!("port {port}"))),
            None => Ok(gateway),
        }
    }

    /// Ends it without asking.
    pub async fn kill(&mut self) {
        let _ = self.child.kill().await;
    }
}

/// `listening port=8080 address=127.0.0.1:43121`
fn listening(line: &str) -> Option<(u16, SocketAddr)> {
    let (port, address) = line.strip_prefix("listening port=")?.split_once(" address=")?;
    Some((port.parse().ok()?, address.parse().ok()?))
}

fn command(launch: &Launch) -> Command {
    let mut command = base(&launch.exe);
    command.arg("--config").arg(&launch.config).arg("--until-stdin-ends").stdin(Stdio::piped());
    for port in &launch.ports {
        command.arg("--listen").arg(format!("{port}=127.0.0.1:0"));
    }
    for mapping in &launch.connect_to {
        command.arg("--connect-to").arg(mapping);
    }
    if let Some(ca) = &launch.upstream_ca {
        command.arg("--upstream-ca").arg(ca);
    }
    command.args(["--metrics", "127.0.0.1:0", "--ready", "127.0.0.1:0", "--workers", "1"]);
    command
}

fn base(exe: &Path) -> Command {
    let mut command = Command::new(exe);
    command.arg("gateway").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("WINDTUNNEL_") || name.starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command
}

/// What `--check` said.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Both output streams.
    pub output: String,
}

/// Runs `--check` on a folder.
pub async fn check(exe: &Path, config: &Path) -> Result<Checked, LaunchError> {
    let output = base(exe).arg("--config").arg(config).arg("--check").output();
    let output = tokio::time::timeout(START, output).await.map_err(|_| LaunchError::Silent(START))??;
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok(Checked { code: output.status.code(), output: text })
}
