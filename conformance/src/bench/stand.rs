//! The processes of a run that brings its own: mock provider, floor and reference gateway, each this binary again.
//!
//! The gateway has everything switched on: access log to a file, metrics, one trace in a hundred to a collector that
//! takes everything. All of them end with this process, however it ends: their standard input is a pipe of ours.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use benches::constant::Constant;
use benches::process::Tree;
use tempfile::TempDir;

const MANIFESTS: &str = include_str!("stand/manifests.yaml");

/// The processes; they end with this value.
#[derive(Debug)]
pub struct Stand {
    children: Vec<Own>,
    /// Manifests, scripts and logs.
    folder: TempDir,
    /// What the mock says about itself, such as that it cannot keep up.
    said: Arc<Mutex<Vec<String>>>,
}

/// One process of ours.
#[derive(Debug)]
struct Own {
    child: Child,
}

/// Where one of them is.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Where it listens.
    pub address: SocketAddr,
    /// The process.
    pub tree: Tree,
}

impl Stand {
    /// A stand without processes yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self { children: Vec::new(), folder: tempfile::tempdir()?, said: Arc::default() })
    }

    /// What the mock has said about itself so far.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A mock provider whose streams have so many content events, so far apart; plain answers have the same text.
    pub fn mock(&mut self, events: usize, gap: Option<Duration>) -> io::Result<Place> {
        let latency = gap.map(|gap| format!(", latency: {{itl: {}us}}", gap.as_micros())).unwrap_or_default();
        let chunks = vec!["\"tok \""; events].join(", ");
        let script =
            format!("providers: {{bench: {{listen: '127.0.0.1:0', respond: {{chunks: [{chunks}]}}{latency}}}}}\n");
        let file = self.write("mock.yaml", &script)?;
        let mut command = this()?;
        command
            .args(["mock", "--until-stdin-ends", "--config"])
            .arg(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.start(command, |child| Box::new(child.stdout.take().expect("it is piped")))
    }

    /// The frozen floor in front of a provider.
    pub fn floor(&mut self, provider: SocketAddr) -> io::Result<Place> {
        let mut command = this()?;
        command
            .args(["decoy", "floor", "--until-stdin-ends", "--listen=127.0.0.1:0", "--to"])
            .arg(provider.to_string());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.start(command, |child| Box::new(child.stdout.take().expect("it is piped")))
    }

    /// The reference gateway in front of a provider.
    pub fn gateway(&mut self, provider: SocketAddr) -> io::Result<Place> {
        let (host, port) = (provider.ip().to_string(), provider.port().to_string());
        let file = self.write("gateway/all.yaml", &MANIFESTS.replace("HOST", &host).replace("PORT", &port))?;
        let log = File::create(self.folder.path().join("access.log"))?;
        let collector = Constant::start(0)?.address();
        let mut command = this()?;
        command.args(["gateway", "--until-stdin-ends", "--no-admin", "--listen=8080=127.0.0.1:0"]);
        command.args(["--metrics=127.0.0.1:0", "--ready=127.0.0.1:0", "--log-format=json", "--config"]).arg(file);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"));
        command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
        command.env("OTEL_TRACES_SAMPLER", "parentbased_traceidratio").env("OTEL_TRACES_SAMPLER_ARG", "0.01");
        command.stdout(log).stderr(Stdio::piped());
        self.start(command, |child| Box::new(child.stderr.take().expect("it is piped")))
    }

    fn write(&self, name: &str, text: &str) -> io::Result<std::path::PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// Starts a process that says on one of its outputs where it listens.
    fn start(&mut self, mut command: Command, says: impl FnOnce(&mut Child) -> Output) -> io::Result<Place> {
        let mut own = Own { child: command.stdin(Stdio::piped()).spawn()? };
        let place = says(&mut own.child);
        let errors = own.child.stderr.take().map(|errors| {
            let said = self.said.clone();
            std::thread::spawn(move || {
                let lines = BufReader::new(errors).lines().map_while(Result::ok);
                lines.for_each(|line| said.lock().unwrap_or_else(PoisonError::into_inner).push(line));
            })
        });
        let tree = Tree::of(own.child.id());
        match listening_at(place) {
            Ok(address) => {
                self.children.push(own);
                Ok(Place { address, tree })
            }
            Err(error) => {
                // It has ended, or says nothing sensible: what it said until its end tells why.
                drop(own);
                errors.map(std::thread::JoinHandle::join);
                Err(io::Error::other([vec![error.to_string()], self.said()].concat().join("\n")))
            }
        }
    }
}

/// What a process says.
type Output = Box<dyn Read + Send>;

impl Drop for Own {
    fn drop(&mut self) {
        // A process that has ended already is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program without the settings of its environment, which are meant for the benchmark.
fn this() -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    for (name, _) in std::env::vars_os() {
        if ["WINDTUNNEL_", "OTEL_"].iter().any(|start| name.to_string_lossy().starts_with(start)) {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// Waits for the address in a process's `listening` line; what it says later is read over.
fn listening_at(output: Output) -> io::Result<SocketAddr> {
    let (mut lines, mut said) = (BufReader::new(output), String::new());
    let address = loop {
        let from = said.len();
        if lines.read_line(&mut said)? == 0 {
            return Err(io::Error::other(format!("it ended before it served {}", said.trim_end())));
        }
        if let Some(address) = listening(&said[from..]) {
            break address;
        }
    };
    std::thread::spawn(move || io::copy(&mut lines, &mut io::sink()));
    Ok(address)
}

fn listening(line: &str) -> Option<SocketAddr> {
    let address = line.strip_prefix("listening ")?.trim_end().rsplit_once("address=")?.1;
    address.trim_start_matches("http://").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_all_three_are_understood() {
        let at = SocketAddr::from(([127, 0, 0, 1], 7));
        for line in ["listening provider=bench address=http://127.0.0.1:7\n", "listening port=8080 address=127.0.0.1:7"]
        {
            assert_eq!(listening(line), Some(at), "{line}");
        }
        assert_eq!(listening("metrics address=127.0.0.1:7"), None);
    }
}
