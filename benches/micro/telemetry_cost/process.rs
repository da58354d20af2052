//! A gateway in a process of its own: this binary again, so that both kinds are the same code.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use gateway::otel::Environment;
use gateway::{Gateway, Options};

/// The listener port of the manifests; the system chooses the real one.
const PORT: u16 = 8080;
const MANIFESTS: &str = "
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP}]}
---
kind: HTTPRoute
metadata: {name: chat}
spec:
  parentRefs: [{name: gateway}]
  rules: [{backendRefs: [{name: chat, group: agentgateway.dev, kind: AgentgatewayBackend}]}]
---
kind: AgentgatewayBackend
metadata: {name: chat}
";

/// What becomes of the records.
#[derive(Clone, Copy)]
pub(crate) enum Telemetry {
    Off,
    On,
}

/// It ends with this value.
pub(crate) struct Process {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts it and waits for the line that names its address.
    pub(crate) fn start(provider: SocketAddr, telemetry: Telemetry, collector: SocketAddr) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (ip, port) = (provider.ip(), provider.port());
        let backend = format!("spec: {{ai: {{provider: {{host: {ip}, port: {port}, openai: {{}}}}}}}}\n");
        std::fs::write(folder.path().join("all.yaml"), format!("{MANIFESTS}{backend}"))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--gateway").arg(folder.path());
        match telemetry {
            Telemetry::Off => command.arg("off"),
            Telemetry::On => command
                .arg("on")
                .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"))
                .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
                .env("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
                .env("OTEL_TRACES_SAMPLER_ARG", "0.01"),
        };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("the output is piped")).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| io::Error::other("a gateway did not start"))?;
        Ok(Self { child, folder, address })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of its access log.
    pub(crate) fn log_length(&self) -> io::Result<u64> {
        Ok(self.folder.path().join("logs/log").metadata()?.len())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has ended already is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is that process, until the one that started it closes the input.
pub(crate) fn serve(folder: &Path, telemetry: &str) -> io::Result<()> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options = Options {
        config: folder.join("all.yaml"),
        listen: vec![(PORT, any)],
        metrics: Some(any),
        ready: None,
        admin: None,
        otel: Environment::read(|name| std::env::var(name).ok()).map_err(io::Error::other)?,
        telemetry: telemetry == "on",
        ..Options::default()
    };
    // A folder of its own: events of the manifests' folder are the gateway's business.
    std::fs::create_dir_all(folder.join("logs"))?;
    let log = Box::new(File::create(folder.join("logs/log"))?);
    let gateway = Gateway::start(options, log, Arc::new(|_: &str| ())).map_err(io::Error::other)?;
    println!("{}", gateway.address(PORT).expect("the manifests have this port"));
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
