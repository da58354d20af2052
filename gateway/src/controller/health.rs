//! What a Deployment and Prometheus ask of a controller: whether it lives, has read the cluster, and leads. One that does
//! not lead is ready as well: it takes over at any moment. Decides nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use http::{Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::spawn_local;

use super::Error;
use crate::admin::{self, text};
use crate::page::live::Body;

/// What is known of a controller.
#[derive(Debug, Clone)]
pub(super) struct Health {
    /// Whether all kinds have been read once.
    whole: Arc<AtomicBool>,
    /// What the last pass could not write.
    failures: Arc<AtomicUsize>,
    leading: watch::Receiver<bool>,
}

impl Health {
    /// Of a controller that has read nothing yet.
    pub(super) fn new(leading: watch::Receiver<bool>) -> Self {
        Self { whole: Arc::default(), failures: Arc::default(), leading }
    }

    /// The cluster has been read.
    pub(super) fn read(&self) {
        self.whole.store(true, Relaxed);
    }

    /// A pass has ended.
    pub(super) fn passed(&self, failures: usize) {
        self.failures.store(failures, Relaxed);
    }

    /// Serves on an address until the runtime ends; where it really is.
    pub(super) async fn serve(self, address: SocketAddr) -> Result<SocketAddr, Error> {
        let failed = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        spawn_local(admin::serve(listener, move |request, _| self.answer(request.uri().path())));
        Ok(bound)
    }

    fn answer(&self, path: &str) -> Response<Body> {
        match path {
            "/healthz/live" => text(StatusCode::OK, "alive\n".into()),
            "/healthz/ready" if self.whole.load(Relaxed) => text(StatusCode::OK, "ready\n".into()),
            "/healthz/ready" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready: the cluster is being read\n".into()),
            "/metrics" => text(StatusCode::OK, self.metrics()),
            _ => text(StatusCode::NOT_FOUND, "paths: /metrics /healthz/ready /healthz/live\n".into()),
        }
    }

    fn metrics(&self) -> String {
        let gauge = |name: &str, help: &str, value: usize| {
            let name = format!("windtunnel_controller_{name}");
            format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n")
        };
        [
            gauge("leading", "Whether it is the one that writes.", usize::from(*self.leading.borrow())),
            gauge("ready", "Whether it has read the cluster.", usize::from(self.whole.load(Relaxed))),
            gauge("failures", "What the last pass could not write.", self.failures.load(Relaxed)),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_known_is_told_from_then_on() {
        let (leads, leading) = watch::channel(false);
        let health = Health::new(leading);
        let numbers = |health: &Health| {
            let metrics = health.metrics();
            metrics.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
        };
        let ready = |health: &Health| health.answer("/healthz/ready").status().as_u16();
        let named = |values: [u8; 3]| {
            let names = ["leading", "ready", "failures"];
            names.iter().zip(values).map(|(name, value)| format!("windtunnel_controller_{name} {value}")).collect()
        };
        assert_eq!((ready(&health), numbers(&health)), (503, named([0, 0, 0])));
        health.read();
        health.passed(2);
        assert_eq!((ready(&health), numbers(&health)), (200, named([0, 1, 2])));
        leads.send_replace(true);
        health.passed(0);
        assert_eq!((ready(&health), numbers(&health)), (200, named([1, 1, 0])));
    }
}
