//! Services as backends: a Service's port joined with its EndpointSlices' ready addresses.

use std::sync::Arc;

use super::{Refusal, endpoint};
use crate::config::manifests::{Manifests, find};
use crate::config::resources::core::EndpointSlice;
use crate::snapshot::{Credential, Endpoint, StaticBackend, Target};

const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// One target per ready endpoint of a Service's port.
pub(super) fn targets(
    manifests: &Manifests,
    namespace: &str,
    name: &str,
    port: Option<u16>,
) -> Result<Vec<Target>, Refusal> {
    let Some(port) = port else {
        return Err(Refusal::new("UnsupportedValue", "port is required in Service backendRef"));
    };
    let Some(service) = find(&manifests.services, namespace, name) else {
        return Err(Refusal::new("BackendNotFound", format!("Service {namespace}/{name} not found")));
    };
    let spec = &service.object.spec;
    let service_port = spec.ports.iter().find(|candidate| candidate.port == port);
    let protocol = endpoint::protocol(service_port.and_then(|port| port.app_protocol.as_deref()))?;
    let to = |host: Arc<str>, port: u16| {
        let backend = StaticBackend {
            name: service.id.clone(),
            endpoint: Endpoint { host, port, tls: None, connect_timeout: None, protocol },
            credential: Credential::Passthrough,
        };
        Target::Static(Arc::new(backend))
    };
    if let Some(external) = spec.external_name.as_deref().filter(|_| spec.type_.as_deref() == Some("ExternalName")) {
        return Ok(vec![to(endpoint::host(external)?, port)]);
    }
    let Some(service_port) = service_port else {
        return Err(Refusal::new("BackendNotFound", format!("Service {namespace}/{name} has no port {port}")));
    };
    let port_name = service_port.name.as_deref().unwrap_or_default();
    let slices =
        manifests.slices.iter().map(|slice| &slice.object).filter(|slice| {
            slice.metadata.namespace() == namespace && slice.metadata.label(SERVICE_LABEL) == Some(name)
        });
    let mut targets = Vec::new();
    for slice in slices {
        for (address, port) in ready(slice, port_name) {
            targets.push(to(endpoint::host(address)?, port));
        }
    }
    if targets.is_empty() {
        let message = format!("Service {namespace}/{name} has no ready endpoints (no EndpointSlice lists one)");
        return Err(Refusal::new("BackendNotFound", message));
    }
    Ok(targets)
}

fn ready<'s>(slice: &'s EndpointSlice, port_name: &str) -> Vec<(&'s str, u16)> {
    let ports = slice.ports.iter().flatten();
    let port = ports.filter(|port| port.name.as_deref().unwrap_or_default() == port_name).find_map(|port| port.port);
    let Some(port) = port else { return Vec::new() };
    let ready = slice
        .endpoints
        .iter()
        .flatten()
        .filter(|endpoint| endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true));
    ready.filter_map(|endpoint| endpoint.addresses.first()).map(|address| (address.as_str(), port)).collect()
}
