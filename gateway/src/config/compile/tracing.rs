//! `frontend.tracing` of a policy → [`Tracing`]. A part that is wrong is told; without a collector, or with a sampling
//! that cannot be read, there is no tracing at all.

use std::sync::Arc;

use super::cel::{self, Moment};
use super::grant::Reference;
use super::{Refusal, endpoint, service};
use crate::cel::Expression;
use crate::config::kind::{AGENTGATEWAY, CORE, Kind};
use crate::config::manifests::{Manifests, Resource, find};
use crate::config::resources::backend::StaticSpec;
use crate::config::resources::policy::{PolicySpec, TracingProtocol, TracingSpec};
use crate::config::resources::{Object, ObjectReference};
use crate::otel::{Said, TIMEOUT, locate};
use crate::snapshot::{self, Endpoint, Target};
use crate::tracing::{Chance, Collector, GRPC_PATH, HTTP_PATH, Protocol, Sampling, Tracing};

type Policy = Resource<Object<PolicySpec>>;

/// `frontend.tracing` for a Gateway of this name.
pub(super) fn compile(
    manifests: &Manifests,
    policy: &Policy,
    gateway: &str,
    issues: &mut Vec<String>,
) -> Option<Arc<Tracing>> {
    let spec = policy.object.spec.frontend.as_ref()?.tracing.as_ref()?;
    let tell = |place: &str, refusal: Refusal| format!("frontend.tracing.{place}: {}", refusal.message);
    let before = issues.len();
    let root = spec.random_sampling.as_deref().map(chance).transpose();
    let root = root.map_err(|refusal| issues.push(tell("randomSampling", refusal)));
    let client = spec.client_sampling.as_deref().map(chance).transpose();
    let client = client.map_err(|refusal| issues.push(tell("clientSampling", refusal)));
    let place = collector_endpoint(manifests, policy, spec).map_err(|refusal| issues.push(tell("url", refusal)));
    let path = path(spec).map_err(|refusal| issues.push(tell("path", refusal)));
    let (Ok(root), Ok(client), Ok(endpoint), Ok(path)) = (root, client, place, path) else { return None };
    debug_assert_eq!(before, issues.len(), "each refusal is told and ends here");

    let mut expression = |place: String, text: &str| {
        cel::compile(text, Moment::End).map_err(|refusal| issues.push(tell(&place, refusal))).ok()
    };
    let filter = spec.filter.as_deref().and_then(|text| expression("filter".to_owned(), text));
    let attributes = spec.attributes.clone().unwrap_or_default();
    let add = attributes.add.iter().filter_map(|attribute| {
        let read = expression(format!("attributes.add `{}`", attribute.name), &attribute.expression)?;
        Some((attribute.name.as_str().into(), read))
    });
    let add = add.collect();
    let mut resource = resources(spec, issues);
    if resource.iter().all(|(name, _)| &**name != "service.name") {
        resource.push(("service.name".into(), gateway.into()));
    }
    let collector =
        Collector { endpoint, protocol: protocol(spec), path, headers: Vec::new(), timeout: TIMEOUT, resource };
    let client = client.unwrap_or_else(|| Chance::share(1.0));
    Some(Arc::new(Tracing {
        collector: Arc::new(collector),
        sampling: Sampling { root, client, heed_flag: true },
        filter,
        add,
        remove: attributes.remove.iter().map(|name| name.as_str().into()).collect(),
        content: false,
    }))
}

fn protocol(spec: &TracingSpec) -> Protocol {
    match spec.protocol {
        None | Some(TracingProtocol::Grpc) => Protocol::Grpc,
        Some(TracingProtocol::Http) => Protocol::Http,
    }
}

/// A share written out, or an expression over the request's head.
fn chance(text: &str) -> Result<Chance, Refusal> {
    match text.trim().parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(Chance::share(share)),
        Ok(_) => Err(Refusal::invalid(format!("{text} is not a share from 0 to 1"))),
        Err(_) => match text.trim() {
            "true" => Ok(Chance::share(1.0)),
            "false" => Ok(Chance::share(0.0)),
            text => cel::compile(text, Moment::Head).map(Chance::Expression),
        },
    }
}

fn path(spec: &TracingSpec) -> Result<Box<str>, Refusal> {
    match (protocol(spec), spec.path.as_deref()) {
        (Protocol::Grpc, None) => Ok(GRPC_PATH.into()),
        (Protocol::Grpc, Some(_)) => Err(Refusal::invalid("only protocol HTTP has a path")),
        (Protocol::Http, path) => {
            let path = path.unwrap_or(HTTP_PATH);
            let valid = path.starts_with('/') && path.parse::<http::uri::PathAndQuery>().is_ok();
            if valid {
                Ok(path.into())
            } else {
                Err(Refusal::invalid(format!("`{path}` is not a path: write {HTTP_PATH}")))
            }
        }
    }
}

/// Attributes whose expressions look at nothing.
fn resources(spec: &TracingSpec, issues: &mut Vec<String>) -> Said {
    let mut all = Vec::new();
    for resource in &spec.resources {
        let name = &resource.name;
        let constant = |expression: Expression| {
            let value = expression.constant().filter(|value| !value.is_null());
            value.ok_or_else(|| {
                Refusal::invalid("a resource is the same for all requests: write a constant, as in '\"edge\"'")
            })
        };
        match cel::compile(&resource.expression, Moment::Head).and_then(constant) {
            Ok(value) => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                all.push((name.as_str().into(), text.into()));
            }
            Err(refusal) => issues.push(format!("frontend.tracing.resources `{name}`: {}", refusal.message)),
        }
    }
    all
}

fn collector_endpoint(manifests: &Manifests, policy: &Policy, spec: &TracingSpec) -> Result<Endpoint, Refusal> {
    let found = match (&spec.url, &spec.backend_ref) {
        (Some(url), None) => {
            let (endpoint, path) = locate(url, protocol(spec)).map_err(Refusal::invalid)?;
            if path != "/" {
                return Err(Refusal::invalid("the URL has a path: write it in `path`"));
            }
            endpoint
        }
        (None, Some(reference)) => referred(manifests, policy, reference)?,
        _ => return Err(Refusal::invalid("exactly one of url and backendRef must be set")),
    };
    let protocol = match protocol(spec) {
        Protocol::Grpc => snapshot::Protocol::Http2,
        Protocol::Http => snapshot::Protocol::Http1,
    };
    Ok(Endpoint { protocol, ..found })
}

/// A Service, of which the first ready endpoint is used, or a static AgentgatewayBackend.
fn referred(manifests: &Manifests, policy: &Policy, reference: &ObjectReference) -> Result<Endpoint, Refusal> {
    let own = policy.object.metadata.namespace();
    let namespace = reference.namespace.as_deref().unwrap_or(own);
    let (group, kind) = (reference.group.as_deref().unwrap_or(CORE), reference.kind.as_deref().unwrap_or("Service"));
    Reference {
        from: Kind::AgentgatewayPolicy,
        from_namespace: own,
        to_group: group,
        to_kind: kind,
        to_namespace: namespace,
        to_name: &reference.name,
    }
    .check(manifests)?;
    let name = &reference.name;
    match (group, kind) {
        (CORE, "Service") => match service::targets(manifests, namespace, name, reference.port)?.first() {
            Some(Target::Static(backend)) => Ok(backend.endpoint.clone()),
            _ => Err(Refusal::new("BackendNotFound", format!("Service {namespace}/{name} has no ready endpoint"))),
        },
        (AGENTGATEWAY, "AgentgatewayBackend") => {
            let backend = find(&manifests.backends, namespace, name);
            let missing =
                || Refusal::new("BackendNotFound", format!("AgentgatewayBackend {namespace}/{name} not found"));
            let spec = &backend.ok_or_else(missing)?.object.spec;
            let Some(StaticSpec { host: Some(host), port: Some(port), .. }) = &spec.static_ else {
                return Err(Refusal::invalid(format!("AgentgatewayBackend {namespace}/{name} is not static")));
            };
            let policies = spec.policies.as_ref();
            if policies.is_some_and(|policies| policies.auth.is_some()) {
                return Err(Refusal::unsupported("a collector with policies.auth"));
            }
            let tls = policies.and_then(|policies| policies.tls.as_ref());
            let tls = tls.map(|tls| endpoint::tls(manifests, namespace, tls)).transpose()?;
            let tcp = policies.and_then(|policies| policies.tcp.as_ref());
            endpoint::endpoint(endpoint::host(host)?, *port, tls, tcp, None)
        }
        _ => Err(Refusal::unsupported(format!("a backendRef to {kind}"))),
    }
}
