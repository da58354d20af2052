//! Objects → [`Snapshot`] and status. One pass over the kinds in the order of their references:
//! policies, backends, Gateways, routes. Each step returns what it made and what it has to say;
//! nothing here fails as a whole.

mod attach;
mod backend;
mod certificate;
mod client_keys;
mod credential;
mod endpoint;
mod filter;
mod grant;
mod hostname;
mod limits;
mod listener;
mod matcher;
mod order;
mod policy;
mod provider;
mod rule;
mod service;

use std::collections::BTreeMap;

use super::kind::Kind;
use super::manifests::Manifests;
use super::status::{Condition, ObjectStatus};
use super::{Compiled, kind};
use crate::certificate::server_config;
use crate::snapshot::{Bind, Listener, Snapshot};

pub use endpoint::{ALLOW_PLAINTEXT, is_near};

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

/// Turns objects into what the request path uses; `previous` lends its providers' health.
pub fn compile(manifests: &Manifests, previous: Option<&Snapshot>) -> Compiled {
    let policies = policy::compile(manifests);
    let backends = backend::compile(manifests, &policies, previous);
    let mut gateways = listener::compile(manifests);
    let context = attach::Context { manifests, policies: &policies, backends: &backends };
    let routes = attach::attach(&context, &mut gateways);

    let mut status = class_status(manifests);
    let mut listeners: BTreeMap<u16, Vec<Listener>> = BTreeMap::new();
    for gateway in gateways {
        let (object, programmed) = gateway.finish();
        status.push(object);
        for (port, listener) in programmed {
            listeners.entry(port).or_default().push(listener);
        }
    }
    status.extend(routes);
    status.extend(backends.status);
    status.extend(policies.status);
    status.extend(other_status(manifests));
    Compiled { snapshot: assemble(listeners), status }
}

fn assemble(listeners: BTreeMap<u16, Vec<Listener>>) -> Snapshot {
    let binds = listeners.into_iter().map(|(port, mut listeners)| {
        listeners.sort_by_key(|listener| hostname::rank(listener.hostname.as_ref()));
        let secure = listeners.iter().any(|listener| !listener.certificates.is_empty());
        let tls = secure.then(|| server_config(&listeners).expect("ring has the default versions of TLS"));
        Bind { port, tls, listeners }
    });
    Snapshot { binds: binds.collect() }
}

fn class_status(manifests: &Manifests) -> Vec<ObjectStatus> {
    let ours = manifests.classes.iter().map(|class| {
        let mut status = ObjectStatus::new(Kind::GatewayClass, &class.id);
        if class.object.spec.controller_name == listener::CONTROLLER {
            let message = "GatewayClass accepted by agentgateway controller";
            status.conditions.push(Condition::yes("Accepted", "Accepted", message));
        } else {
            status.notes.push("skipped: another controller serves this class".to_owned());
        }
        status
    });
    ours.collect()
}

/// Kinds that are read and not implemented.
fn other_status(manifests: &Manifests) -> Vec<ObjectStatus> {
    let models = manifests.models.iter().map(|model| {
        let mut status = ObjectStatus::new(model.kind, &model.id);
        let refusal = Refusal::unsupported(kind::Kind::AgentgatewayModel.name());
        status.conditions.push(Condition::no("Accepted", refusal.reason, refusal.message));
        status
    });
    let parameters = manifests.parameters.iter().map(|parameters| {
        let mut status = ObjectStatus::new(parameters.kind, &parameters.id);
        status.notes.push("describes a deployment; the gateway itself does not use it".to_owned());
        status
    });
    models.chain(parameters).collect()
}
