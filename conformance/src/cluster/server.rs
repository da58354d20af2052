//! A real `kube-apiserver` with its `etcd`, alone: no nodes, no controllers, so no Pod ever runs, no namespace ever
//! finishes deleting, no EndpointSlice appears by itself. Each starts in a folder of its own, serves on loopback, and
//! is ended when dropped.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Where the binaries are, as setup-envtest names it.
const ASSETS: &str = "KUBEBUILDER_ASSETS";
/// The longest wait for an API server.
const START: Duration = Duration::from_secs(120);
/// A port that was free may be taken a moment later.
const TRIES: usize = 3;
/// What stands before the point of a P-256 public key in DER (RFC 5480 section 2).
const P256_PUBLIC_KEY: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
/// Group of those who may do everything.
const MASTERS: &str = "system:masters";

/// The folder with `etcd`, `kube-apiserver` and `kubectl`, and the Gateway API's CRDs in its folder `gateway-api`.
#[derive(Debug, Clone)]
pub struct Assets(PathBuf);

/// Why there is no API server.
#[derive(Debug, thiserror::Error)]
pub enum NoServer {
    /// Nobody said where the binaries are.
    #[error("{ASSETS} is not set: it names the folder with etcd and kube-apiserver (`ci/kube/build.sh` makes one)")]
    NotSet,
    /// The folder is not whole.
    #[error("{ASSETS}={} has no {missing}", folder.display())]
    Incomplete {
        /// The folder.
        folder: PathBuf,
        /// What it lacks.
        missing: &'static str,
    },
    /// A file could not be written, a process not be started.
    #[error("the API server could not be started: {0}")]
    Io(#[from] std::io::Error),
    /// It ended, or never got ready.
    #[error("the API server {what}:\n{log}")]
    Failed {
        /// What became of it.
        what: String,
        /// The end of its log.
        log: String,
    },
}

impl Assets {
    /// What the environment names.
    ///
    /// # Errors
    /// When it names nothing, or the folder lacks a binary.
    pub fn find() -> Result<Self, NoServer> {
        let folder = PathBuf::from(std::env::var_os(ASSETS).ok_or(NoServer::NotSet)?);
        match ["etcd", "kube-apiserver"].into_iter().find(|name| !folder.join(name).is_file()) {
            Some(missing) => Err(NoServer::Incomplete { folder, missing }),
            None => Ok(Self(folder)),
        }
    }

    /// A `kubectl` of the server's version.
    #[must_use]
    pub fn kubectl(&self) -> PathBuf {
        self.0.join("kubectl")
    }

    /// The folder with the Gateway API's CRDs.
    #[must_use]
    pub fn gateway_api(&self) -> PathBuf {
        self.0.join("gateway-api")
    }

    fn binary(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// A running API server; ended when dropped.
pub struct ApiServer {
    assets: Assets,
    folder: TempDir,
    port: u16,
    token: String,
    api: Option<Child>,
    etcd: Option<Child>,
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiServer({})", self.url())
    }
}

impl ApiServer {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started or does not get ready.
    pub async fn start(assets: &Assets) -> Result<Self, NoServer> {
        let folder = tempfile::Builder::new().prefix("windtunnel-kube-").tempdir()?;
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(io_error)?;
        let token: [u8; 16] = ring::rand::generate(&random).map_err(io_error)?.expose();
        let token: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random);
        let public = [P256_PUBLIC_KEY, pair.map_err(io_error)?.public_key().as_ref()].concat();
        std::fs::write(folder.path().join("key.pem"), pem("PRIVATE KEY", key.as_ref()))?;
        std::fs::write(folder.path().join("key.pub"), pem("PUBLIC KEY", &public))?;
        std::fs::write(folder.path().join("tokens.csv"), format!("{token},windtunnel,windtunnel,{MASTERS}\n"))?;
        let mut server = Self { assets: assets.clone(), folder, port: 0, token, api: None, etcd: None };
        server.etcd = Some(server.start_etcd()?);
        for _ in 1..TRIES {
            if server.restart().await.is_ok() {
                return Ok(server);
            }
        }
        server.restart().await?;
        Ok(server)
    }

    /// Where it serves.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The binaries it was started from.
    #[must_use]
    pub fn assets(&self) -> &Assets {
        &self.assets
    }

    /// The kubeconfig of somebody who may do everything.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig(&self) -> std::io::Result<PathBuf> {
        self.write_kubeconfig("admin", &serde_json::json!({"token": self.token}))
    }

    /// The kubeconfig of a user (`system:serviceaccount:NAMESPACE:NAME`, with its groups, for a service account) who
    /// may do what roles say.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig_as(&self, user: &str, groups: &[&str]) -> std::io::Result<PathBuf> {
        let name = user.replace(':', "-");
        self.write_kubeconfig(&name, &serde_json::json!({"token": self.token, "as": user, "as-groups": groups}))
    }

    fn write_kubeconfig(&self, name: &str, user: &serde_json::Value) -> std::io::Result<PathBuf> {
        let path = self.folder.path().join(format!("{name}.kubeconfig"));
        let authority = self.folder.path().join("certs/apiserver.crt");
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "own", "cluster": {"server": self.url(), "certificate-authority": authority}}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": "own", "user": name}}],
            "current-context": name,
        });
        // whoever reads the one of the same user meanwhile finds it whole
        let new = tempfile::NamedTempFile::new_in(self.folder.path())?;
        std::fs::write(&new, config.to_string())?;
        new.persist(&path)?;
        Ok(path)
    }

    /// Ends the API server, as an outage; what it knows stays.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn outage(&mut self) -> std::io::Result<()> {
        match self.api.take() {
            Some(mut api) => api.kill().await,
            None => Ok(()),
        }
    }

    /// Starts the API server again, at the same address if it had one, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn restart(&mut self) -> Result<(), NoServer> {
        self.outage().await?;
        let again = self.port != 0;
        if !again {
            self.port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        }
        let ready = self.start_api().await;
        if ready.is_err() && !again {
            self.port = 0;
        }
        ready
    }

    fn start_etcd(&self) -> std::io::Result<Child> {
        let socket = self.socket();
        // one that is alone needs no peers, and nobody asks where it can be reached
        let nowhere = "http://localhost:1";
        self.process("etcd")?
            .args(["--name=alone", "--unsafe-no-fsync", "--log-level=warn"])
            .arg(format!("--data-dir={}", self.path("etcd")))
            .arg(format!("--listen-client-urls={socket}"))
            .arg(format!("--listen-peer-urls=unix://{}", self.path("peer.sock")))
            .args([format!("--advertise-client-urls={nowhere}"), format!("--initial-advertise-peer-urls={nowhere}")])
            .arg(format!("--initial-cluster=alone={nowhere}"))
            .spawn()
    }

    async fn start_api(&mut self) -> Result<(), NoServer> {
        let api = self
            .process("kube-apiserver")?
            .arg(format!("--etcd-servers={}", self.socket()))
            .arg(format!("--cert-dir={}", self.path("certs")))
            .arg(format!("--secure-port={}", self.port))
            .arg(format!("--token-auth-file={}", self.path("tokens.csv")))
            .arg(format!("--service-account-key-file={}", self.path("key.pub")))
            .arg(format!("--service-account-signing-key-file={}", self.path("key.pem")))
            .args(["--service-account-issuer=https://kubernetes.default.svc", "--bind-address=127.0.0.1"])
            .args(["--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/16"])
            // what makes service accounts is a controller, and there is none; loopback is no endpoint
            .args(["--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none"])
            .args(["--enable-priority-and-fairness=false", "--shutdown-delay-duration=0s"])
            .spawn()?;
        self.api = Some(api);
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some(status) = self.api.as_mut().and_then(|api| api.try_wait().ok().flatten()) {
                return Err(self.failed(format!("ended ({status})")));
            }
            if self.ready().await {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(self.failed(format!("did not get ready within {START:?}")))
    }

    /// Whether all of its start is over.
    async fn ready(&self) -> bool {
        // its certificate is written while it starts
        let Ok(kubeconfig) = self.kubeconfig() else { return false };
        let Ok(client) = super::objects::client(&kubeconfig).await else { return false };
        let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else { return false };
        client.request_text(request).await.is_ok()
    }

    fn failed(&self, what: String) -> NoServer {
        let log = std::fs::read_to_string(self.path("kube-apiserver.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        NoServer::Failed { what, log: lines[lines.len().saturating_sub(12)..].join("\n") }
    }

    fn process(&self, name: &str) -> std::io::Result<Command> {
        let log = std::fs::File::create(self.path(&format!("{name}.log")))?;
        let mut command = Command::new(self.assets.binary(name));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.current_dir(self.folder.path()).kill_on_drop(true);
        Ok(command)
    }

    fn socket(&self) -> String {
        format!("unix://{}", self.path("etcd.sock"))
    }

    fn path(&self, name: &str) -> String {
        join(self.folder.path(), name.as_ref())
    }
}

fn join(folder: &Path, name: &OsStr) -> String {
    folder.join(name).display().to_string()
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn io_error(error: impl fmt::Display) -> NoServer {
    NoServer::Io(std::io::Error::other(error.to_string()))
}
