//! A server in a process of its own, and what the kernel says about it.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// It ends with this value.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// This binary as the floor.
    pub(crate) fn floor(json: &Path, stream: &Path) -> io::Result<Self> {
        Self::start(Command::new(std::env::current_exe()?).arg("--floor").args([json, stream]))
    }

    /// `windtunnel mock` with this script.
    pub(crate) fn mock(folder: &Path, script: &str) -> io::Result<Self> {
        let path = folder.join("mock.yaml");
        std::fs::write(&path, script)?;
        Self::start(Command::new(super::windtunnel()?).arg("mock").arg("--config").arg(path))
    }

    /// Starts it and waits for the line that names its address.
    fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("the output is piped")).read_line(&mut line)?;
        let address = line.rsplit("http://").next().unwrap_or_default().trim();
        let address = address.parse().map_err(|_| io::Error::other(format!("no address in `{}`", line.trim())))?;
        Ok(Self { child, address })
    }

    /// Time on a core of all its threads so far.
    pub(crate) fn cpu_time(&self) -> io::Result<Duration> {
        benches::cpu::time_of(self.child.id())
    }

    /// Resident bytes.
    pub(crate) fn resident(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().map_err(io::Error::other)?;
        Ok(kib * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has ended already is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds from the start of the process until a caller is served, several times.
pub(crate) fn ready_after(folder: &Path, script: &str, times: usize) -> io::Result<Vec<f64>> {
    let once = |_| {
        let started = Instant::now();
        let process = Process::mock(folder, script)?;
        std::net::TcpStream::connect(process.address)?;
        Ok(started.elapsed().as_secs_f64())
    };
    (0..times).map(once).collect()
}
