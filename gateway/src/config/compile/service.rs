//! Services as backends: a Service's port joined with its EndpointSlices' ready addresses. The slices know what a
//! named `targetPort` is, pod by pod, so `targetPort` itself is not read. A Service that is there and has no ready
//! endpoint is a resolved reference whose requests answer 503; everything else that is wrong is a refusal.

use std::sync::Arc;

use super::{Refusal, endpoint};
use crate::config::manifests::Manifests;
use crate::config::resources::core::{EndpointSlice, ServicePort};
use crate::snapshot::{Credential, Endpoint, Protocol, StaticBackend, Target};

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
    let Some(service) = manifests.service(namespace, name) else {
        return Err(Refusal::new("BackendNotFound", format!("Service {namespace}/{name} not found")));
    };
    let spec = &service.object.spec;
    let service_port = spec.ports.iter().find(|candidate| candidate.port == port);
    let protocol = service_port.map_or(Ok(Protocol::default()), |port| spoken(&service.id, port))?;
    let to = |host: Arc<str>, port: u16| {
        let endpoint = Endpoint { protocol, ..Endpoint::new(host, port) };
        let backend = StaticBackend { name: service.id.clone(), endpoint, credential: Credential::Passthrough };
        Target::Static(Arc::new(backend))
    };
    if spec.type_.as_deref() == Some("ExternalName") {
        let external = spec.external_name.as_deref().unwrap_or_default();
        return Ok(vec![to(endpoint::host(external)?, port)]);
    }
    let Some(service_port) = service_port else {
        return Err(Refusal::new("BackendNotFound", format!("Service {namespace}/{name} has no port {port}")));
    };
    let mut addresses = Vec::new();
    for slice in slices(manifests, namespace, name) {
        for address in ready(slice, service_port.name.as_deref().unwrap_or_default()) {
            // while an endpoint moves between slices, both may list it
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    if addresses.is_empty() {
        return Ok(vec![Target::Unready { service: service.id.clone() }]);
    }
    addresses.into_iter().map(|(address, port)| Ok(to(endpoint::host(address)?, port))).collect()
}

/// What is spoken at a port, if an HTTP route can speak it.
fn spoken(service: &str, port: &ServicePort) -> Result<Protocol, Refusal> {
    let place = |refusal: Refusal| Refusal {
        message: format!("Service {service} port {}: {}", port.port, refusal.message),
        ..refusal
    };
    match port.protocol.as_deref() {
        None | Some("TCP") => endpoint::protocol(port.app_protocol.as_deref()).map_err(place),
        Some(other) => Err(place(Refusal::new(
            "UnsupportedProtocol",
            format!("protocol {other} is not supported by an HTTP route"),
        ))),
    }
}

fn slices<'m>(manifests: &'m Manifests, namespace: &str, service: &str) -> impl Iterator<Item = &'m EndpointSlice> {
    let all = manifests.slices.iter().map(|slice| &slice.object);
    all.filter(move |slice| {
        slice.metadata.namespace() == namespace && slice.metadata.label(SERVICE_LABEL) == Some(service)
    })
    .map(|slice| &**slice)
}

/// The addresses of a slice that take requests, with the slice's number for the named port.
fn ready<'s>(slice: &'s EndpointSlice, port_name: &str) -> impl Iterator<Item = (&'s str, u16)> {
    let mut ports = slice.ports.iter().flatten();
    let named = ports.find(|port| port.name.as_deref().unwrap_or_default() == port_name);
    let port = named.and_then(|port| port.port);
    let ready = slice.endpoints.iter().flatten().filter(|endpoint| {
        let conditions = endpoint.conditions.as_ref();
        conditions.and_then(|conditions| conditions.ready).unwrap_or(true)
    });
    ready.filter_map(move |endpoint| Some((endpoint.addresses.first()?.as_str(), port?)))
}
