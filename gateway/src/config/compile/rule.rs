//! One rule of a route → [`Rule`]: filters, deadlines, retry, weighted backends. A rule that
//! cannot be served as written still matches and answers 500, so that its requests do not fall
//! through to a rule they were not meant for.

use std::sync::Arc;

use super::backend::Backends;
use super::grant::Reference;
use super::model::Models;
use super::policy::Traffic;
use super::{Refusal, filter, limits, persistence, service};
use crate::config::kind::{AGENTGATEWAY, CORE, Kind};
use crate::config::manifests::{Manifests, Resource};
use crate::config::resources::Object;
use crate::config::resources::route::{BackendObject, FilterSpec, RouteSpec, RuleSpec};
use crate::snapshot::{Filters, Retry, Rule, Target, Timeouts, WeightedBackend};
use crate::worker::BODY_LIMIT;

/// Largest weight of a backendRef in the Gateway API.
const HEAVIEST: u32 = 1_000_000;

/// What rules are compiled against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) manifests: &'a Manifests,
    pub(super) backends: &'a Backends,
    pub(super) models: &'a Models,
}

/// What does not hold in a route.
#[derive(Debug, Default)]
pub(super) struct Issues {
    /// Against `Accepted`.
    pub(super) accepted: Vec<Refusal>,
    /// Against `ResolvedRefs`.
    pub(super) resolved: Vec<Refusal>,
}

/// Compiles one rule under what policies say about it.
pub(super) fn compile(
    sources: Sources<'_>,
    route: &Resource<Object<RouteSpec>>,
    spec: &RuleSpec,
    traffic: Traffic,
    issues: &mut Issues,
) -> Rule {
    let closed = traffic.closed.clone();
    let (client_keys, body_limit) = (traffic.client_keys.clone(), traffic.body_limit.unwrap_or(BODY_LIMIT));
    let backends = weighted(sources, route, spec, issues);
    let filters = filters(sources, route, &spec.filters, spec, issues).and_then(|filters| {
        match filters.redirect.is_some() && !spec.backend_refs.is_empty() {
            true => Err(Refusal::new("IncompatibleFilters", "RequestRedirect and backendRefs exclude each other")),
            false => Ok(filters),
        }
    });
    let own = filters.and_then(|filters| {
        let (timeouts, retry) = own(spec, traffic)?;
        Ok((filters, timeouts, retry, persistence::of_rule(route, spec)?))
    });
    let (filters, timeouts, retry, persistence, broken) = match own {
        Ok((filters, timeouts, retry, persistence)) => (filters, timeouts, retry, persistence, closed),
        Err(refusal) => {
            let why = refusal.message.clone();
            issues.accepted.push(refusal);
            (Filters::default(), Timeouts::default(), None, None, Some(why))
        }
    };
    let (filters, backends) = match broken {
        Some(why) => (Filters::default(), vec![broken_backend(route.id.clone(), &why)]),
        None => (filters, backends),
    };
    Rule {
        route: route.id.clone(),
        name: spec.name.as_deref().map(Into::into),
        openai_paths_only: route.kind == Kind::AIRoute && spec.matches.is_empty(),
        client_keys,
        body_limit,
        filters,
        timeouts,
        retry,
        persistence,
        backends,
    }
}

/// Compiles filters of a rule. A mirror that cannot be resolved takes nothing from the rule: it gets no copies.
fn filters(
    sources: Sources<'_>,
    route: &Resource<Object<RouteSpec>>,
    specs: &[FilterSpec],
    rule: &RuleSpec,
    issues: &mut Issues,
) -> Result<Filters, Refusal> {
    filter::compile(specs, &rule.matches, |reference| match mirror(sources, route, rule, reference) {
        Ok(targets) => Some(targets),
        Err(refusal) => {
            issues.resolved.push(refusal);
            None
        }
    })
}

fn mirror(
    sources: Sources<'_>,
    route: &Resource<Object<RouteSpec>>,
    rule: &RuleSpec,
    reference: &BackendObject,
) -> Result<Vec<Target>, Refusal> {
    let targets = resolve(sources, route, rule, reference)?;
    if targets.iter().any(|target| matches!(target, Target::Models(_))) {
        return Err(Refusal::new("InvalidKind", "a mirror is a Service or an AgentgatewayBackend"));
    }
    Ok(targets)
}

fn own(spec: &RuleSpec, traffic: Traffic) -> Result<(Timeouts, Option<Retry>), Refusal> {
    let mut timeouts = Timeouts {
        request: traffic.request.flatten(),
        backend_request: None,
        response_idle: traffic.response_idle.flatten(),
    };
    if let Some(own) = &spec.timeouts {
        if own.request.is_some() {
            timeouts.request = limits::deadline(own.request.as_deref())?;
        }
        timeouts.backend_request = limits::deadline(own.backend_request.as_deref())?;
    }
    if let (Some(request), Some(backend)) = (timeouts.request, timeouts.backend_request)
        && backend > request
        && spec.timeouts.as_ref().is_some_and(|own| own.request.is_some())
    {
        return Err(Refusal::new(
            "UnsupportedValue",
            "timeouts.backendRequest must not be longer than timeouts.request",
        ));
    }
    let retry = match &spec.retry {
        Some(retry) if retry.condition.is_some() || retry.precondition.is_some() => {
            return Err(Refusal::new("UnsupportedValue", "retry conditions belong into an AgentgatewayPolicy"));
        }
        Some(retry) => Some(limits::retry(retry)?),
        None => traffic.retry,
    };
    Ok((timeouts, retry))
}

fn broken_backend(backend: Arc<str>, why: &str) -> WeightedBackend {
    WeightedBackend { weight: 1, filters: Filters::default(), target: Target::Broken { backend, reason: why.into() } }
}

/// A Service stands for several targets that share its weight, so all weights are scaled.
fn weighted(
    sources: Sources<'_>,
    route: &Resource<Object<RouteSpec>>,
    rule: &RuleSpec,
    issues: &mut Issues,
) -> Vec<WeightedBackend> {
    let mut resolved = Vec::new();
    for reference in &rule.backend_refs {
        let object = reference.object();
        let name: Arc<str> = backend_name(route, &object).into();
        let broken =
            |refusal: &Refusal| vec![Target::Broken { backend: name.clone(), reason: refusal.message.as_str().into() }];
        let compiled = filters(sources, route, &reference.filters, rule, issues);
        let (filters, mut targets) = match compiled.and_then(|filters| check_weight(reference.weight).map(|()| filters))
        {
            Ok(filters) => (filters, None),
            Err(refusal) => {
                let targets = broken(&refusal);
                issues.accepted.push(refusal);
                (Default::default(), Some(targets))
            }
        };
        match resolve(sources, route, rule, &object) {
            Ok(found) => targets = targets.or(Some(found)),
            Err(refusal) => {
                targets = Some(broken(&refusal));
                issues.resolved.push(refusal);
            }
        }
        resolved.push((reference.weight.unwrap_or(1), filters, targets.unwrap_or_default()));
    }
    let scale = resolved.iter().fold(1, |scale, (_, _, targets)| common_multiple(scale, targets.len() as u64));
    let mut backends = Vec::new();
    for (weight, filters, targets) in resolved {
        let share = u64::from(weight) * scale / targets.len().max(1) as u64;
        for target in targets {
            let weight = u32::try_from(share).unwrap_or(u32::MAX);
            backends.push(WeightedBackend { weight, filters: filters.clone(), target });
        }
    }
    backends
}

fn check_weight(weight: Option<u32>) -> Result<(), Refusal> {
    match weight {
        Some(weight) if weight > HEAVIEST => {
            Err(Refusal::new("UnsupportedValue", format!("weight {weight} is more than {HEAVIEST}")))
        }
        _ => Ok(()),
    }
}

/// Bounded, so that large weights stay in range; beyond it shares are rounded.
fn common_multiple(a: u64, b: u64) -> u64 {
    let (mut x, mut y) = (a.max(1), b.max(1));
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a.max(1) / x * b.max(1)).min(4096)
}

fn backend_name(route: &Resource<Object<RouteSpec>>, reference: &BackendObject) -> String {
    let namespace = reference.namespace.as_deref().unwrap_or(route.object.metadata.namespace());
    format!("{namespace}/{}", reference.name)
}

/// An AIRoute means AgentgatewayBackends, an HTTPRoute Services, unless they say otherwise.
fn resolve(
    sources: Sources<'_>,
    route: &Resource<Object<RouteSpec>>,
    rule: &RuleSpec,
    reference: &BackendObject,
) -> Result<Vec<Target>, Refusal> {
    const BACKEND: &str = "AgentgatewayBackend";
    let ai = route.kind == Kind::AIRoute;
    let kind = reference.kind.as_deref().unwrap_or(if ai && reference.group.as_deref() != Some(CORE) {
        BACKEND
    } else {
        "Service"
    });
    let group = reference.group.as_deref().unwrap_or(if ai && kind == BACKEND { AGENTGATEWAY } else { CORE });
    let own = route.object.metadata.namespace();
    let namespace = reference.namespace.as_deref().unwrap_or(own);
    if (group, kind) == (AGENTGATEWAY, Kind::AgentgatewayModel.name()) && namespace == own {
        return sources.models.resolve(&route.id, rule.name.as_deref(), &reference.name).map(|target| vec![target]);
    }
    let known = matches!((group, kind), (AGENTGATEWAY, BACKEND) | (CORE, "Service"));
    if !known {
        let hint = if kind == BACKEND { format!(" (write `group: {AGENTGATEWAY}`)") } else { String::new() };
        let message = format!("referencing unsupported backendRef: group \"{group}\" kind \"{kind}\"{hint}");
        return Err(Refusal::new("InvalidKind", message));
    }
    let permission = Reference {
        from: route.kind,
        from_namespace: own,
        to_group: group,
        to_kind: kind,
        to_namespace: namespace,
        to_name: &reference.name,
    };
    permission.check(sources.manifests)?;
    if kind != BACKEND {
        return service::targets(sources.manifests, namespace, &reference.name, reference.port);
    }
    let id = format!("{namespace}/{}", reference.name);
    match sources.backends.targets.get(id.as_str()) {
        Some(target) => Ok(vec![target.clone()]),
        None => Err(Refusal::new("BackendNotFound", format!("Backend not found: {id}"))),
    }
}
