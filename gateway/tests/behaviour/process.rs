//! A gateway in a process of its own: this test binary once more, running one test of it that is a gateway.
//! Only so signals, the exit and open files are those of a gateway alone.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use gateway::Options;

/// Longest wait for what a gateway says or does at once.
const SOON: Duration = Duration::from_secs(20);

/// A running process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    notices: Receiver<String>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) ready: SocketAddr,
}

#[test]
#[ignore = "is a gateway, for other tests to start as a process"]
fn is_a_gateway() {
    let Ok(config) = std::env::var("GATEWAY_CONFIG") else { return };
    let seconds = |name: &str| Duration::from_secs(std::env::var(name).unwrap().parse().unwrap());
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let options = Options {
        config: config.into(),
        listen: vec![(8080, any), (8081, any)],
        metrics: None,
        admin: None,
        ready: Some(any),
        grace: seconds("GATEWAY_GRACE"),
        drain: seconds("GATEWAY_DRAIN"),
        workers: Some(2),
        ..Options::default()
    };
    gateway::run(options).unwrap();
}

impl Process {
    /// Starts one that is patient for so many seconds; ready when it returns.
    pub(crate) fn start(manifests: &str, grace: u32, drain: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("all.yaml"), manifests).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::is_a_gateway", "--ignored", "--nocapture"])
            .env("GATEWAY_CONFIG", folder.path())
            .env("GATEWAY_GRACE", grace.to_string())
            .env("GATEWAY_DRAIN", drain.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, (told, notices)) = (BufReader::new(child.stderr.take().unwrap()).lines(), sync_channel(1000));
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| told.send(line)));
        let none = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut process = Self { child, notices, folder, address: none, ready: none };
        process.address = process.notice("listening port=8080 address=").parse().unwrap();
        process.ready = process.notice("ready address=").parse().unwrap();
        process.notice("serving");
        process
    }

    /// The rest of the next notice that begins so.
    pub(crate) fn notice(&self, start: &str) -> String {
        loop {
            let line = self.notices.recv_timeout(SOON).expect("a notice");
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// How it ended, which it does soon.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let end = std::time::Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(std::time::Instant::now() < end, "it goes on");
            std::thread::yield_now();
        }
    }

    /// Open files, sockets among them.
    #[cfg(target_os = "linux")]
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // it may have ended already
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}
