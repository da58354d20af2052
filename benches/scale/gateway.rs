//! A gateway in a process of its own, with as many routes and providers as asked for: a group takes 16 providers and a
//! backend 8 groups, so that each rule shares its traffic among as many backends as that needs.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Providers of a group, and groups of a backend, at most.
const LIMITS: (usize, usize) = (16, 8);

/// What a gateway serves.
#[derive(Clone, Copy)]
pub(crate) struct Served {
    pub(crate) routes: usize,
    pub(crate) providers: usize,
    pub(crate) workers: usize,
    pub(crate) provider: SocketAddr,
}

impl Served {
    fn manifests(&self) -> String {
        let mut text = "
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP}]}
"
        .to_owned();
        let backends = self.providers.div_ceil(LIMITS.0 * LIMITS.1);
        let all =
            (0..backends).map(|n| format!("{{name: pool-{n}, group: agentgateway.dev, kind: AgentgatewayBackend}}"));
        let all = all.collect::<Vec<_>>().join(", ");
        for n in 0..self.routes {
            text += &format!(
                "---
kind: HTTPRoute
metadata: {{name: route-{n}}}
spec:
  parentRefs: [{{name: gateway}}]
  rules:
    - matches: [{{path: {{type: PathPrefix, value: /tenants/{n}}}}}]
      backendRefs: [{all}]
"
            );
        }
        let (ip, port) = (self.provider.ip(), self.provider.port());
        let providers = (0..self.providers).map(|n| format!("{{name: p{n}, host: {ip}, port: {port}, openai: {{}}}}"));
        let groups = grouped(providers.collect(), LIMITS.0, |providers| format!("{{providers: [{providers}]}}"));
        for (n, groups) in grouped(groups, LIMITS.1, str::to_owned).iter().enumerate() {
            text += &format!(
                "---
kind: AgentgatewayBackend
metadata: {{name: pool-{n}}}
spec: {{ai: {{groups: [{groups}]}}}}
"
            );
        }
        text
    }
}

/// So many at a time, between commas, each written as told.
fn grouped(each: Vec<String>, most: usize, write: impl Fn(&str) -> String) -> Vec<String> {
    each.chunks(most).map(|some| write(&some.join(", "))).collect()
}

/// It ends with this value.
pub(crate) struct Gateway {
    child: Child,
    _folder: tempfile::TempDir,
    routes: usize,
    pub(crate) address: SocketAddr,
}

impl Gateway {
    /// Starts it, with its log in a file, and waits until it listens.
    pub(crate) fn start(binary: &Path, served: &Served) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("all.yaml");
        std::fs::write(&config, served.manifests())?;
        let logs = folder.path().join("logs");
        std::fs::create_dir(&logs)?;
        let mut command = Command::new(binary);
        command.args(["gateway", "--listen", "8080=127.0.0.1:0", "--metrics", "127.0.0.1:0", "--ready", "127.0.0.1:0"]);
        command.args(["--no-admin", "--workers", &served.workers.to_string(), "--config"]).arg(&config);
        command.stdin(Stdio::null()).stdout(File::create(logs.join("log"))?).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("cannot start {}: {error}", binary.display())))?;
        let mut notices = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let address = notices.find_map(|line| line.ok()?.split_once("listening port=8080 address=")?.1.parse().ok());
        let address = address.ok_or_else(|| io::Error::other("the gateway ended before it listened"))?;
        std::thread::spawn(move || notices.for_each(drop));
        Ok(Self { child, _folder: folder, routes: served.routes, address })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A request for a route in the middle.
    pub(crate) fn request(&self, prompt: usize) -> Vec<u8> {
        crate::request(self.address, self.routes / 2, false, prompt)
    }

    /// Resident bytes.
    pub(crate) fn resident(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.map(|kib| kib << 10).ok_or_else(|| io::Error::other("the kernel tells no memory of the gateway"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // A process that has ended already is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
