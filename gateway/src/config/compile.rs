//! Objects → [`Snapshot`] and status. One pass over the kinds in the order of their references:
//! policies, backends, Gateways, models, routes. Each step returns what it made and what it has to say;
//! nothing here fails as a whole.

mod access_log;
mod attach;
mod backend;
mod catalog;
mod cel;
mod certificate;
mod class;
mod client_keys;
mod conflict;
mod cors;
mod credential;
mod endpoint;
mod filter;
mod grant;
mod hostname;
mod limits;
mod listener;
mod matcher;
mod model;
mod order;
mod persistence;
mod policy;
mod provider;
mod rule;
mod service;
mod target;
mod tracing;
mod verdict;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use self::conflict::Ports;
use self::provider::HealthPool;
use super::manifests::Manifests;
use super::{Compiled, ObjectStatus};
use crate::certificate::server_config;
use crate::cost::Catalog;
use crate::snapshot::{Bind, Listener, Snapshot};

pub(crate) use class::{OUR_CLASS, is_ours as serves, parameters};
pub use endpoint::{ALLOW_PLAINTEXT, is_near};
pub(crate) use order::key as conditions_of;

/// Why an object, or a part of it, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal {
    reason: &'static str,
    message: String,
}

impl Refusal {
    fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// A field that exists upstream and not here.
    fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::new("Unsupported", format!("{what} is not supported yet"))
    }

    /// A value outside of what the field takes.
    fn invalid(message: impl Into<String>) -> Self {
        Self::new("Invalid", message)
    }
}

/// Turns objects into what the request path uses; `previous` lends its providers' health. All Gateways are served
/// by one process and so share its ports.
pub fn compile(manifests: &Manifests, previous: Option<&Snapshot>) -> Compiled {
    let Parts { listeners, catalogs, status } = parts(manifests, previous, Ports::Shared);
    Compiled { snapshot: assemble(listeners), catalogs, status, looked_up: manifests.take_looked_up() }
}

/// What there is to tell of all objects where each Gateway is served by a process of its own, as in a cluster.
pub fn tell(manifests: &Manifests) -> Vec<ObjectStatus> {
    parts(manifests, None, Ports::Own).status
}

/// What objects become, still without sockets in mind.
struct Parts {
    listeners: BTreeMap<u16, Vec<Listener>>,
    catalogs: HashMap<Arc<str>, Catalog>,
    status: Vec<ObjectStatus>,
}

fn parts(manifests: &Manifests, previous: Option<&Snapshot>, ports: Ports) -> Parts {
    let policies = policy::compile(manifests);
    let mut pool = HealthPool::of(previous);
    let backends = backend::compile(manifests, &policies, &mut pool);
    let mut gateways = listener::compile(manifests, ports);
    let models = model::compile(manifests, &mut gateways, &mut pool);
    let context = attach::Context { manifests, policies: &policies, backends: &backends, models: &models };
    let routes = attach::attach(&context, &mut gateways);
    model::add_routes(&context, &mut gateways);

    let mut status = class::status(manifests);
    let mut listeners: BTreeMap<u16, Vec<Listener>> = BTreeMap::new();
    for gateway in gateways {
        let (object, programmed) = gateway.finish();
        status.push(object);
        for (port, mut listener) in programmed {
            listener.tracing = policies.tracing(&listener.gateway, &listener.name);
            listener.telling = policies.telling(&listener.gateway, &listener.name);
            listeners.entry(port).or_default().push(listener);
        }
    }
    status.extend(routes);
    status.extend(models.status);
    status.extend(backends.status);
    status.extend(policies.status);
    let (catalogs, parameters) = catalog::compile(manifests);
    status.extend(parameters);
    Parts { listeners, catalogs, status }
}

fn assemble(listeners: BTreeMap<u16, Vec<Listener>>) -> Snapshot {
    let binds = listeners.into_iter().map(|(port, mut listeners)| {
        listeners.sort_by_key(|listener| hostname::rank(listener.hostname.as_ref()));
        let secure = listeners.iter().any(|listener| !listener.certificates.is_empty());
        let tls = secure.then(|| server_config(&listeners).expect("ring has the default versions of TLS"));
        let traced = listeners.iter().any(|listener| listener.tracing.is_some());
        Bind { port, tls, traced, listeners }
    });
    Snapshot { binds: binds.collect() }
}
