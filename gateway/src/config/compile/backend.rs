//! AgentgatewayBackends: exactly one kind, policies merged by precedence
//! (AgentgatewayPolicy, then the backend's own, then the provider's), one [`Target`] each.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::cel::{self, Moment};
use super::credential::Style;
use super::policy::Policies;
use super::provider::{HealthPool, InForce, Surroundings};
use super::{Refusal, credential, endpoint, limits, provider};
use crate::cel::Expression;
use crate::config::kind::Kind;
use crate::config::manifests::{Manifests, Resource};
use crate::config::resources::Object;
use crate::config::resources::backend::{
    AiPolicies, AiSpec, BackendPolicies, BackendSpec, EvictionSpec, HealthSpec, ProviderSpec, RouteType, StaticSpec,
};
use crate::config::status::{Condition, ObjectStatus};
use crate::snapshot::{AiBackend, Credential, Eviction, Operation, StaticBackend, Target};

/// All backends, by `namespace/name`.
#[derive(Debug)]
pub(super) struct Backends {
    pub(super) targets: HashMap<Arc<str>, Target>,
    pub(super) status: Vec<ObjectStatus>,
}

/// What a backend compiled to, and what does not hold in it.
struct Made {
    target: Target,
    /// Whether anything of it can be asked.
    usable: bool,
    /// Secrets that cannot be used.
    unusable: Vec<String>,
    /// Fields that are left out.
    ignored: Vec<&'static str>,
    /// Expressions that are wrong, and so left out.
    wrong: Vec<String>,
}

impl Made {
    /// What does not hold in a backend that works all the same.
    fn faults(&self) -> Vec<String> {
        let ignored = (!self.ignored.is_empty()).then(|| format!("not supported yet: {}", self.ignored.join(", ")));
        self.unusable.iter().chain(&self.wrong).cloned().chain(ignored).collect()
    }
}

/// Compiles every backend.
pub(super) fn compile(manifests: &Manifests, policies: &Policies<'_>, pool: &mut HealthPool) -> Backends {
    let mut backends = Backends { targets: HashMap::new(), status: Vec::new() };
    for resource in &manifests.backends {
        let around = Surroundings {
            manifests,
            kind: Kind::AgentgatewayBackend,
            backend: &resource.id,
            namespace: resource.object.metadata.namespace(),
            allow_plaintext: resource.object.metadata.annotated(endpoint::ALLOW_PLAINTEXT, "true"),
        };
        let made = backend(&around, resource, policies, pool);
        let (target, condition) = outcome(&resource.id, made);
        let mut status = ObjectStatus::of(resource);
        status.conditions.push(condition);
        backends.status.push(status);
        backends.targets.insert(resource.id.clone(), target);
    }
    backends
}

fn outcome(id: &Arc<str>, made: Result<Made, Refusal>) -> (Target, Condition) {
    let made = match made {
        Ok(made) => made,
        Err(refusal) => {
            let target = Target::Broken { backend: id.clone(), reason: refusal.message.as_str().into() };
            return (target, Condition::no("Accepted", refusal.reason, refusal.message));
        }
    };
    let condition = match (made.usable, made.faults().as_slice()) {
        (true, []) => Condition::yes("Accepted", "Accepted", "Backend successfully accepted"),
        (true, faults) => Condition::yes("Accepted", "PartiallyValid", faults.join("; ")),
        (false, _) => {
            let message = format!("failed to translate backend: {}", made.unusable.join("; "));
            Condition::no("Accepted", "TranslationError", message)
        }
    };
    (made.target, condition)
}

fn backend(
    around: &Surroundings<'_>,
    resource: &Resource<Object<BackendSpec>>,
    policies: &Policies<'_>,
    pool: &mut HealthPool,
) -> Result<Made, Refusal> {
    let spec = &resource.object.spec;
    let attached = policies.for_backend(&resource.id, None);
    let layers: Vec<&BackendPolicies> = attached.into_iter().chain(&spec.policies).collect();
    let mut ignored = Vec::new();
    for layer in &layers {
        check_policies(layer, &mut ignored)?;
    }
    match (only_kind(spec)?, &spec.ai, &spec.static_) {
        (_, Some(ai), _) => ai_backend(around, ai, &layers, policies, pool, ignored),
        (_, _, Some(host)) => static_backend(around, host, &layers, ignored),
        (kind, _, _) => Err(Refusal::unsupported(format!("backend kind {kind}"))),
    }
}

fn only_kind(spec: &BackendSpec) -> Result<&'static str, Refusal> {
    let kinds = [
        ("ai", spec.ai.is_some()),
        ("static", spec.static_.is_some()),
        ("dynamicForwardProxy", spec.dynamic_forward_proxy.is_some()),
        ("mcp", spec.mcp.is_some()),
        ("aws", spec.aws.is_some()),
        ("a2a", spec.a2a.is_some()),
    ];
    let mut set = kinds.into_iter().filter(|(_, set)| *set).map(|(kind, _)| kind);
    match (set.next(), set.next()) {
        (Some(kind), None) => Ok(kind),
        _ => Err(Refusal::invalid("exactly one of ai, static, dynamicForwardProxy, mcp, aws, a2a must be set")),
    }
}

/// Refuses policies whose absence would change what reaches the provider; notes the harmless.
fn check_policies(policies: &BackendPolicies, ignored: &mut Vec<&'static str>) -> Result<(), Refusal> {
    let refused = [
        ("tunnel", policies.tunnel.is_some()),
        ("transformation", policies.transformation.is_some()),
        ("mcp", policies.mcp.is_some()),
        ("extAuth", policies.ext_auth.is_some()),
        ("extProc", policies.ext_proc.is_some()),
    ];
    refuse_set("policies", &refused)?;
    let keepalive = policies.tcp.as_ref().is_some_and(|tcp| tcp.keepalive.is_some());
    let timeout = policies.http.as_ref().is_some_and(|http| http.request_timeout.is_some());
    note_set(ignored, &[("policies.tcp.keepalive", keepalive), ("policies.http.requestTimeout", timeout)]);
    let Some(ai) = &policies.ai else { return Ok(()) };
    let refused = [
        ("prompt", ai.prompt.is_some()),
        ("promptGuard", ai.prompt_guard.is_some()),
        ("defaults", ai.defaults.is_some()),
        ("overrides", ai.overrides.is_some()),
        ("transformations", ai.transformations.is_some()),
        ("finalTransformations", ai.final_transformations.is_some()),
        ("modelAliases", ai.model_aliases.is_some()),
    ];
    note_set(ignored, &[("policies.ai.promptCaching", ai.prompt_caching.is_some())]);
    refuse_set("policies.ai", &refused)
}

fn refuse_set(place: &str, fields: &[(&str, bool)]) -> Result<(), Refusal> {
    match fields.iter().find(|(_, set)| *set) {
        Some((field, _)) => Err(Refusal::unsupported(format!("{place}.{field}"))),
        None => Ok(()),
    }
}

fn note_set(notes: &mut Vec<&'static str>, fields: &[(&'static str, bool)]) {
    for (field, set) in fields {
        if *set && !notes.contains(field) {
            notes.push(field);
        }
    }
}

fn static_backend(
    around: &Surroundings<'_>,
    spec: &StaticSpec,
    layers: &[&BackendPolicies],
    ignored: Vec<&'static str>,
) -> Result<Made, Refusal> {
    if layers.iter().any(|layer| layer.ai.is_some()) {
        return Err(Refusal::invalid("AI policies require AI backend"));
    }
    if spec.unix_path.is_some() {
        return Err(Refusal::unsupported("static.unixPath"));
    }
    let (Some(host), Some(port)) = (&spec.host, spec.port) else {
        return Err(Refusal::invalid("static needs host and port"));
    };
    let tls = strongest(layers, |layer| layer.tls.as_ref());
    let tls = tls.map(|tls| endpoint::tls(around.manifests, around.namespace, tls)).transpose()?;
    let tcp = strongest(layers, |layer| layer.tcp.as_ref());
    let endpoint =
        endpoint::endpoint(endpoint::host(host)?, port, tls, tcp, strongest(layers, |layer| layer.http.as_ref()))?;
    let credential = match strongest(layers, |layer| layer.auth.as_ref()) {
        Some(auth) => credential::compile(around, auth, Style::Bearer)?,
        None => Credential::Passthrough,
    };
    endpoint::check_plaintext(&endpoint, &credential, around.allow_plaintext)?;
    let unusable: Vec<_> = unusable(&credential, None).into_iter().collect();
    let backend = StaticBackend { name: around.backend.clone(), endpoint, credential };
    let usable = unusable.is_empty();
    Ok(Made { target: Target::Static(Arc::new(backend)), usable, unusable, ignored, wrong: Vec::new() })
}

fn unusable(credential: &Credential, provider: Option<&str>) -> Option<String> {
    let Credential::Unusable(why) = credential else { return None };
    Some(provider.map_or_else(|| why.to_string(), |name| format!("provider {name}: {why}")))
}

/// The field of the layer with the most say; the last one has it.
fn strongest<'a, T>(
    layers: &[&'a BackendPolicies],
    field: impl Fn(&'a BackendPolicies) -> Option<&'a T>,
) -> Option<&'a T> {
    layers.iter().rev().find_map(|layer| field(layer))
}

fn ai_backend(
    around: &Surroundings<'_>,
    spec: &AiSpec,
    layers: &[&BackendPolicies],
    policies: &Policies<'_>,
    pool: &mut HealthPool,
    mut ignored: Vec<&'static str>,
) -> Result<Made, Refusal> {
    let (mut groups, mut unusable_secrets) = (Vec::new(), Vec::new());
    for group in provider_plan(spec)? {
        let mut providers = Vec::new();
        for (name, spec) in group {
            let attached = policies.for_backend(around.backend, Some(name));
            let own: Vec<_> = attached.into_iter().chain(layers.iter().copied()).chain(&spec.policies).collect();
            let provider = check_provider_policies(&own, layers, &mut ignored)
                .and_then(|()| provider::compile(around, name, spec, in_force(&own), pool))
                .map_err(|refusal| of_provider(name, refusal))?;
            unusable_secrets.extend(unusable(&provider.credential, (name != SINGLE).then_some(name)));
            providers.push(Arc::new(provider));
        }
        groups.push(providers);
    }
    let eviction = strongest(layers, |layer| layer.health.as_ref()).map(eviction).transpose()?.flatten();
    let routes = strongest(layers, |layer| layer.ai.as_ref()).map(|ai| routes(ai, &mut ignored)).transpose()?;
    let mut wrong = Vec::new();
    let unhealthy = strongest(layers, |layer| layer.health.as_ref());
    let unhealthy = unhealthy.and_then(|health| unhealthy_condition(health, &mut wrong));
    let (name, routes) = (around.backend.clone(), routes.unwrap_or_default());
    let backend = AiBackend { name, groups, eviction, unhealthy, routes };
    let usable = backend.groups.iter().flatten().count() > unusable_secrets.len();
    Ok(Made { target: Target::Ai(Arc::new(backend)), usable, unusable: unusable_secrets, ignored, wrong })
}

fn in_force<'a>(layers: &[&'a BackendPolicies]) -> InForce<'a> {
    InForce {
        auth: strongest(layers, |layer| layer.auth.as_ref()),
        tls: strongest(layers, |layer| layer.tls.as_ref()),
        tcp: strongest(layers, |layer| layer.tcp.as_ref()),
        http: strongest(layers, |layer| layer.http.as_ref()),
    }
}

/// The same refusal with the provider's name, where it has one.
fn of_provider(name: &str, refusal: Refusal) -> Refusal {
    match name {
        SINGLE => refusal,
        name => Refusal { message: format!("provider {name}: {}", refusal.message), ..refusal },
    }
}

/// Health and AI policies act on a backend as a whole; on one provider they are left out.
fn check_provider_policies(
    own: &[&BackendPolicies],
    shared: &[&BackendPolicies],
    ignored: &mut Vec<&'static str>,
) -> Result<(), Refusal> {
    for layer in own.iter().filter(|layer| !shared.iter().any(|other| std::ptr::eq(**layer, *other))) {
        check_policies(layer, ignored)?;
        note_set(ignored, &[("policies.health of one provider", layer.health.is_some())]);
        if layer.ai.as_ref().is_some_and(|ai| ai.routes.is_some()) {
            return Err(Refusal::unsupported("policies.ai.routes of one provider"));
        }
    }
    Ok(())
}

/// Name of the provider of the single form.
const SINGLE: &str = "backend";
const MOST_GROUPS: usize = 8;
const MOST_PROVIDERS: usize = 16;

/// Groups of named providers; the single form is one group of one.
fn provider_plan(spec: &AiSpec) -> Result<Vec<Vec<(&str, &ProviderSpec)>>, Refusal> {
    match (&spec.provider, &spec.groups) {
        (Some(provider), None) if provider.name.is_some() || provider.policies.is_some() => {
            Err(Refusal::invalid("ai.provider takes no name and no policies; put policies into spec.policies"))
        }
        (Some(provider), None) => Ok(vec![vec![(SINGLE, provider)]]),
        (None, Some(groups)) if groups.is_empty() || groups.len() > MOST_GROUPS => {
            Err(Refusal::invalid(format!("ai.groups takes 1 to {MOST_GROUPS} groups")))
        }
        (None, Some(groups)) => groups.iter().map(|group| named_group(&group.providers)).collect(),
        _ => Err(Refusal::invalid("exactly one of ai.provider and ai.groups must be set")),
    }
}

fn named_group(providers: &[ProviderSpec]) -> Result<Vec<(&str, &ProviderSpec)>, Refusal> {
    if providers.is_empty() || providers.len() > MOST_PROVIDERS {
        return Err(Refusal::invalid(format!("a group takes 1 to {MOST_PROVIDERS} providers")));
    }
    let mut names = HashSet::new();
    let named = providers.iter().map(|provider| match provider.name.as_deref() {
        None | Some("") => Err(Refusal::invalid("every provider of a group needs a name")),
        Some(name) if !names.insert(name) => {
            Err(Refusal::invalid(format!("provider names must be unique within a group: {name}")))
        }
        Some(name) => Ok((name, provider)),
    });
    named.collect()
}

/// `policies.health.unhealthyCondition`; a wrong one is told, and the built-in rule holds.
pub(super) fn unhealthy_condition(health: &HealthSpec, wrong: &mut Vec<String>) -> Option<Arc<Expression>> {
    match cel::compile(health.unhealthy_condition.as_deref()?, Moment::Answer) {
        Ok(expression) => Some(Arc::new(expression)),
        Err(refusal) => {
            wrong.push(format!("policies.health.unhealthyCondition: {}", refusal.message));
            None
        }
    }
}

/// `policies.health.eviction`.
pub(super) fn eviction(health: &HealthSpec) -> Result<Option<Eviction>, Refusal> {
    let Some(spec) = &health.eviction else { return Ok(None) };
    let EvictionSpec { duration, restore_health, consecutive_failures, health_threshold } = spec;
    let duration = duration.as_deref().map(limits::duration).transpose()?.unwrap_or(Duration::from_secs(3));
    if duration < Duration::from_secs(1) {
        return Err(Refusal::invalid("policies.health.eviction.duration must be at least 1s"));
    }
    Ok(Some(Eviction {
        duration,
        consecutive_failures: *consecutive_failures,
        health_threshold: percent("healthThreshold", *health_threshold)?,
        restore_health: percent("restoreHealth", *restore_health)?,
    }))
}

fn percent(field: &str, value: Option<u32>) -> Result<Option<f64>, Refusal> {
    match value {
        Some(value @ 101..) => {
            Err(Refusal::invalid(format!("policies.health.eviction.{field}: {value} is outside of 0–100")))
        }
        value => Ok(value.map(|value| f64::from(value) / 100.0)),
    }
}

/// Path suffixes, longest first, `*` last.
fn routes(ai: &AiPolicies, ignored: &mut Vec<&'static str>) -> Result<Vec<(Box<str>, Operation)>, Refusal> {
    let mut routes = Vec::new();
    for (suffix, type_) in ai.routes.iter().flatten() {
        note_set(ignored, &[("policies.ai.routes: Detect (served as Passthrough)", *type_ == RouteType::Detect)]);
        routes.push((suffix.as_str().into(), operation(*type_)?));
    }
    routes.sort_by_key(|(suffix, _): &(Box<str>, _)| (&**suffix == "*", Reverse(suffix.len())));
    Ok(routes)
}

fn operation(type_: RouteType) -> Result<Operation, Refusal> {
    Ok(match type_ {
        RouteType::Completions => Operation::Chat,
        RouteType::TextCompletions => Operation::Completions,
        RouteType::Moderations => Operation::Moderations,
        RouteType::Messages => Operation::Messages,
        RouteType::Models => Operation::Models,
        RouteType::Passthrough | RouteType::Detect => Operation::Passthrough,
        RouteType::Responses => Operation::Responses,
        RouteType::Embeddings => Operation::Embeddings,
        other => return Err(Refusal::unsupported(format!("policies.ai.routes value {other:?}"))),
    })
}
