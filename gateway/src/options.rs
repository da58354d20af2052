//! How a gateway is started: addresses, where upstreams really are, and what is written.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::kubernetes::Scope;
use crate::otel::Environment;
use crate::telemetry::Form;

/// Everything a gateway is told beside its manifests.
#[derive(Debug, Clone)]
pub struct Options {
    /// A manifest file, or a folder of them; watched.
    pub config: PathBuf,
    /// Objects of a cluster are served instead of `config`.
    pub cluster: Option<Scope>,
    /// Address for listeners that `listen` does not name.
    pub bind: IpAddr,
    /// Where a listener port really listens; port 0 lets the system choose.
    pub listen: Vec<(u16, SocketAddr)>,
    /// Upstreams that are really elsewhere.
    pub connect_to: Vec<ConnectTo>,
    /// PEM roots trusted for upstreams beside the public ones.
    pub upstream_ca: Option<PathBuf>,
    /// Address of `/metrics`; `None` for none.
    pub metrics: Option<SocketAddr>,
    /// Address of `/healthz/ready`; `None` for none.
    pub ready: Option<SocketAddr>,
    /// Address of the admin page and of `/status`; `None` for none.
    pub admin: Option<SocketAddr>,
    /// How long new requests are still accepted after SIGTERM.
    pub grace: Duration,
    /// How long requests in flight may take to end after that.
    pub drain: Duration,
    /// Longest wait for a request head, also between two requests of a connection.
    pub header_timeout: Duration,
    /// Longest wait for a request body; one that comes at a fair pace has longer.
    pub body_timeout: Duration,
    /// Longest wait for a client that takes nothing of its answer.
    pub reader_timeout: Duration,
    /// Most client connections of a listener port; more wait to be accepted.
    pub connections: usize,
    /// Whether prompts and answers go into the access log.
    pub log_bodies: bool,
    /// What the environment says about traces.
    pub otel: Environment,
    /// How a line of the access log is written.
    pub log_form: Form,
    /// Prices of models, for Gateways that say nothing else; watched.
    pub model_catalog: Option<PathBuf>,
    /// Whether records are logged, counted and traced; `false` only to measure what that costs.
    pub telemetry: bool,
    /// Cores to use; `None` for all.
    pub workers: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            config: PathBuf::new(),
            cluster: None,
            bind: local,
            listen: Vec::new(),
            connect_to: Vec::new(),
            upstream_ca: None,
            metrics: Some(SocketAddr::new(local, 15020)),
            ready: Some(SocketAddr::new(local, 15021)),
            admin: Some(SocketAddr::new(local, 15000)),
            grace: Duration::from_secs(5),
            drain: Duration::from_secs(60),
            header_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(60),
            reader_timeout: Duration::from_secs(60),
            connections: 16 * 1024,
            log_bodies: false,
            otel: Environment::default(),
            log_form: Form::Json,
            model_catalog: None,
            telemetry: true,
            workers: None,
        }
    }
}

/// `HOST:PORT=ADDR:PORT`: connections for the left go to the right; names and TLS stay those of the left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectTo {
    /// Host as the manifests name it.
    pub host: String,
    /// Port as the manifests name it.
    pub port: u16,
    /// Host or address to connect to.
    pub to_host: String,
    /// Port to connect to.
    pub to_port: u16,
}

impl FromStr for ConnectTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not HOST:PORT=ADDR:PORT, as in api.openai.com:443=127.0.0.1:9443");
        let (from, to) = text.split_once('=').ok_or_else(wrong)?;
        let ((host, port), (to_host, to_port)) =
            (from.rsplit_once(':').ok_or_else(wrong)?, to.rsplit_once(':').ok_or_else(wrong)?);
        if host.is_empty() || to_host.is_empty() {
            return Err(wrong());
        }
        let (port, to_port) = (port.parse().map_err(|_| wrong())?, to_port.parse().map_err(|_| wrong())?);
        Ok(Self { host: host.into(), port, to_host: to_host.into(), to_port })
    }
}

/// Reads `PORT=ADDR:PORT`.
///
/// # Errors
/// When the text has another form.
pub fn parse_listen(text: &str) -> Result<(u16, SocketAddr), String> {
    let wrong = || format!("{text:?} is not PORT=ADDR:PORT, as in 80=127.0.0.1:8080");
    let (port, address) = text.split_once('=').ok_or_else(wrong)?;
    Ok((port.parse().map_err(|_| wrong())?, address.parse().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_read_or_refused_with_an_example() {
        let mapped: ConnectTo = "api.openai.com:443=127.0.0.1:9443".parse().unwrap();
        assert_eq!((mapped.host.as_str(), mapped.port, mapped.to_port), ("api.openai.com", 443, 9443));
        for bad in ["", "a=b", "a:1=b", "a:x=b:1", ":1=b:2"] {
            assert!(bad.parse::<ConnectTo>().unwrap_err().contains("api.openai.com:443"), "{bad}");
        }
        assert!(parse_listen("80=127.0.0.1:0").is_ok() && parse_listen("80").is_err());
    }
}
