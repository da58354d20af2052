//! The gateway in a process of its own: its manifests, what it says, and what the kernel says of it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, Command};

use crate::books::Log;

/// A running gateway; it ends with this value.
pub(crate) struct Gateway {
    folder: tempfile::TempDir,
    _child: Child,
    pid: u32,
    pub(crate) address: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) log: Arc<Log>,
    told: Arc<Mutex<Told>>,
}

/// What it said about its manifests.
#[derive(Debug, Default)]
struct Told {
    reloaded: u64,
    refused: u64,
    panics: Vec<String>,
}

impl Gateway {
    /// Starts it with these manifests and waits until it serves.
    pub(crate) async fn start(binary: &Path, manifests: &str) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("all.yaml"), manifests)?;
        let mut command = Command::new(binary);
        command.args(["gateway", "--listen", "8080=127.0.0.1:0", "--listen", "8081=127.0.0.1:0"]);
        command
            .args(["--metrics", "127.0.0.1:0", "--ready", "127.0.0.1:0", "--no-admin", "--config"])
            .arg(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let start = |error| io::Error::other(format!("cannot start {}: {error}", binary.display()));
        let mut child = command.spawn().map_err(start)?;
        let pid = child.id().ok_or_else(|| io::Error::other("the gateway ended at once"))?;
        let log = Arc::new(Log::default());
        tokio::spawn(log.clone().read(BufReader::new(child.stdout.take().expect("it is piped"))));
        let mut notices = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let address = found(&mut notices, "listening port=8080 address=").await?;
        let metrics = found(&mut notices, "metrics address=").await?;
        let told = Arc::<Mutex<Told>>::default();
        tokio::spawn(listen(notices, told.clone()));
        Ok(Self { folder, _child: child, pid, address, metrics, log, told })
    }

    /// Replaces the manifests by rename.
    pub(crate) fn apply(&self, manifests: &str) -> io::Result<()> {
        let path = self.folder.path();
        std::fs::write(path.join(".new"), manifests)?;
        std::fs::rename(path.join(".new"), path.join("all.yaml"))
    }

    /// Resident bytes.
    pub(crate) fn resident(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().map_err(io::Error::other)?;
        Ok(kib * 1024)
    }

    /// Open file descriptors.
    pub(crate) fn descriptors(&self) -> io::Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.pid))?.count())
    }

    /// Tells what became of the edits; false when none was taken over, none was refused, or something panicked.
    pub(crate) fn tell(&self) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        println!("\nreloads taken over {}, refused {}", told.reloaded, told.refused);
        told.panics.iter().for_each(|line| println!("BROKEN: {line}"));
        let edited = told.reloaded > 0 && told.refused > 0;
        if !edited {
            println!("BROKEN: edits must be both taken over and refused");
        }
        edited && told.panics.is_empty()
    }
}

/// The address behind the next notice that begins so.
async fn found<R: AsyncBufRead + Unpin>(notices: &mut Lines<R>, start: &str) -> io::Result<SocketAddr> {
    let mut heard = Vec::new();
    while let Some(line) = notices.next_line().await? {
        if let Some(address) = line.strip_prefix(start) {
            return address.parse().map_err(io::Error::other);
        }
        heard.push(line);
    }
    Err(io::Error::other(format!("the gateway did not start: {}", heard.join("; "))))
}

async fn listen<R: AsyncBufRead + Unpin>(mut notices: Lines<R>, told: Arc<Mutex<Told>>) {
    while let Ok(Some(line)) = notices.next_line().await {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.reloaded += u64::from(line.starts_with("reloaded "));
        told.refused += u64::from(line.starts_with("reload refused"));
        if line.contains("panicked") {
            told.panics.push(line);
        }
    }
}
