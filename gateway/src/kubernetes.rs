//! The objects of a cluster: how they are reached ([`client`]), followed ([`watch`]) and held as what the compile step
//! reads ([`objects`]), and together the source of a gateway ([`Scope`] says which part). Reads only, and [`rbac`] says what;
//! whoever writes to the API server does so elsewhere.

pub mod client;
pub(crate) mod cluster;
pub mod objects;
pub mod rbac;
mod relevance;
pub mod watch;

use std::time::Duration;

use crate::config::Report;
use crate::server::Notices;

pub use cluster::Scope;

/// How long a check waits for the API server.
const CHECK: Duration = Duration::from_secs(15);

/// Why a cluster's objects could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// No way to the API server.
    #[error(transparent)]
    Connect(#[from] client::ConnectError),
    /// Not everything was listed in time; the notices say what is in the way.
    #[error("the API server did not list everything within {CHECK:?}")]
    Silent,
}

/// Compiles what a cluster holds without serving it; the report says whether all objects are as they should be.
///
/// # Errors
/// When the cluster cannot be read.
pub async fn check(scope: &Scope, notices: &Notices) -> Result<Report, CheckError> {
    let opened = tokio::time::timeout(CHECK, cluster::Cluster::open(scope, notices)).await;
    let (_, compiled) = opened.map_err(|_| CheckError::Silent)??;
    Ok(Report { status: compiled.status })
}
