//! The way to the API server: a kubeconfig (`KUBECONFIG` or `~/.kube/config`), else what every Pod is given.

use http::HeaderValue;
use http::header::USER_AGENT;
use kube::{Client, Config};

/// How the API server's audit log names us.
const AGENT: &str = concat!("windtunnel/", env!("CARGO_PKG_VERSION"));

/// Why there is no way to the API server.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No kubeconfig, and no Pod.
    #[error(
        "no way to the API server is known: {0}; set KUBECONFIG, or run in a Pod with a service account (automountServiceAccountToken)"
    )]
    Unknown(#[source] Box<kube::config::InferConfigError>),
    /// It names something that cannot be used: a certificate, a token, a command.
    #[error("the way to the API server cannot be used: {0}")]
    Unusable(#[source] Box<kube::Error>),
}

/// A client of the cluster that the environment names; nothing is asked of the API server yet.
///
/// # Errors
/// When the environment names no cluster, or its credentials cannot be read.
pub async fn connect() -> Result<Client, ConnectError> {
    let mut config = Config::infer().await.map_err(|error| ConnectError::Unknown(Box::new(error)))?;
    config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
    Client::try_from(config).map_err(|error| ConnectError::Unusable(Box::new(error)))
}

/// An error with what is behind it, each said once.
#[must_use]
pub fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}
