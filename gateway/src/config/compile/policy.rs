//! AgentgatewayPolicies: which object each one targets, what of it is implemented, and which one
//! wins. More specific beats more general (rule, route, listener, Gateway); among equals the
//! older. A protective part that is not implemented closes its routes instead of opening them.

use std::sync::Arc;
use std::time::Duration;

use super::order::{Ages, ages};
use super::target::{self, TargetOf};
use super::{Refusal, access_log, client_keys, limits, tracing};
use crate::access_log::Telling;
use crate::auth::ClientKeys;
use crate::config::kind::Kind;
use crate::config::manifests::{Manifests, Resource};
use crate::config::resources::Object;
use crate::config::resources::backend::BackendPolicies;
use crate::config::resources::policy::{FrontendSpec, Phase, PolicySpec, TrafficSpec};
use crate::config::status::{Condition, ObjectStatus, ParentStatus};
use crate::snapshot::Retry;
use crate::tracing::Tracing;
use crate::worker::BODY_LIMIT;

/// What `targetRefs` or `targetSelectors` take.
const MOST_TARGETS: usize = 16;

/// What policies say about the traffic of one rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Traffic {
    pub(super) retry: Option<Retry>,
    /// Outer `None`: nothing said; inner `None`: no deadline.
    pub(super) request: Option<Option<Duration>>,
    /// As `request`.
    pub(super) response_idle: Option<Option<Duration>>,
    pub(super) client_keys: Option<Arc<ClientKeys>>,
    pub(super) body_limit: Option<usize>,
    /// Why requests must not be served.
    pub(super) closed: Option<String>,
}

impl Traffic {
    /// Whether anything of it takes effect.
    fn says_something(&self) -> bool {
        let timers = self.request.is_some() || self.response_idle.is_some();
        timers || self.retry.is_some() || self.client_keys.is_some() || self.body_limit.is_some()
    }
}

/// A rule as policies see it, with the listener it is attached to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position<'a> {
    pub(super) gateway: &'a str,
    pub(super) listener: &'a str,
    pub(super) route_kind: Kind,
    pub(super) route: &'a str,
    pub(super) rule: Option<&'a str>,
}

/// All policies by target, oldest first.
#[derive(Debug, Default)]
pub(super) struct Policies<'m> {
    traffic: Vec<(TargetOf, Traffic)>,
    backend: Vec<(TargetOf, &'m BackendPolicies)>,
    tellings: Vec<(TargetOf, Arc<Telling>)>,
    tracings: Vec<(TargetOf, Arc<Tracing>)>,
    pub(super) status: Vec<ObjectStatus>,
}

impl<'m> Policies<'m> {
    /// What all policies together say about a rule.
    pub(super) fn traffic(&self, at: Position<'_>) -> Traffic {
        let levels: [(Kind, &str, Option<Option<&str>>); 4] = [
            (at.route_kind, at.route, at.rule.map(Some)),
            (at.route_kind, at.route, Some(None)),
            (Kind::Gateway, at.gateway, Some(Some(at.listener))),
            (Kind::Gateway, at.gateway, Some(None)),
        ];
        let mut sum = Traffic::default();
        for (kind, id, section) in levels {
            let Some(section) = section else { continue };
            let here = self
                .traffic
                .iter()
                .filter(|(target, _)| target.kind == kind && &*target.id == id && target.section.as_deref() == section);
            for (_, policy) in here {
                sum.retry = sum.retry.or_else(|| policy.retry.clone());
                sum.request = sum.request.or(policy.request);
                sum.response_idle = sum.response_idle.or(policy.response_idle);
                sum.client_keys = sum.client_keys.or_else(|| policy.client_keys.clone());
                sum.body_limit = sum.body_limit.or(policy.body_limit);
                sum.closed = sum.closed.or_else(|| policy.closed.clone());
            }
        }
        sum
    }

    /// The tracing of a listener: its own, else its Gateway's; of several the oldest.
    pub(super) fn tracing(&self, gateway: &str, listener: &str) -> Option<Arc<Tracing>> {
        of_listener(&self.tracings, gateway, listener).next().cloned()
    }

    /// Log and metrics of a listener, each found in the same way.
    pub(super) fn telling(&self, gateway: &str, listener: &str) -> Option<Arc<Telling>> {
        let log = of_listener(&self.tellings, gateway, listener).find_map(|telling| telling.log.clone());
        let labels = of_listener(&self.tellings, gateway, listener).find_map(|telling| telling.labels.clone());
        (log.is_some() || labels.is_some()).then(|| Arc::new(Telling { log, labels }))
    }

    /// A policy that cannot be accepted still closes what it was to protect.
    fn close(
        &mut self,
        manifests: &Manifests,
        policy: &Resource<Object<PolicySpec>>,
        traffic: &Traffic,
        why: &Refusal,
    ) {
        if traffic.client_keys.is_none() && traffic.closed.is_none() {
            return;
        }
        let closed = format!("AgentgatewayPolicy {} is not valid: {}", policy.id, why.message);
        let traffic = Traffic { closed: Some(closed), ..Traffic::default() };
        let targets = target::of(manifests, policy).into_iter().filter_map(|(_, target)| target.ok());
        self.traffic.extend(targets.map(|target| (target, traffic.clone())));
    }

    /// Backend policies attached to a backend or to one of its providers, weakest first.
    pub(super) fn for_backend(&self, id: &str, provider: Option<&str>) -> Vec<&'m BackendPolicies> {
        let fits = |target: &TargetOf| &*target.id == id && target.section.as_deref() == provider;
        self.backend.iter().rev().filter(|(target, _)| fits(target)).map(|(_, policies)| *policies).collect()
    }
}

fn of_listener<'a, T>(
    all: &'a [(TargetOf, Arc<T>)],
    gateway: &str,
    listener: &str,
) -> impl Iterator<Item = &'a Arc<T>> {
    let of = |section: Option<&str>| {
        let fits = |target: &TargetOf| &*target.id == gateway && target.section.as_deref() == section;
        all.iter().filter(|(target, _)| fits(target)).map(|(_, what)| what).collect::<Vec<_>>()
    };
    [of(Some(listener)), of(None)].concat().into_iter()
}

/// Compiles every policy.
pub(super) fn compile(manifests: &Manifests) -> Policies<'_> {
    let mut policies = Policies::default();
    let ages: Ages = ages(manifests.policies.iter().map(|policy| (policy.order, &policy.object.metadata, &policy.id)));
    let mut oldest_first: Vec<_> = manifests.policies.iter().collect();
    oldest_first.sort_by_key(|policy| ages.of(policy.order));
    for policy in oldest_first {
        let status = add(&mut policies, manifests, policy);
        policies.status.push(status);
    }
    policies
}

fn add<'m>(
    policies: &mut Policies<'m>,
    manifests: &'m Manifests,
    policy: &'m Resource<Object<PolicySpec>>,
) -> ObjectStatus {
    let mut status = ObjectStatus::of(policy);
    let spec = &policy.object.spec;
    let (traffic, mut issues) = read_traffic(manifests, policy);
    if let Err(refusal) = usable(spec) {
        policies.close(manifests, policy, &traffic, &refusal);
        let accepted = Condition::no("Accepted", "Invalid", refusal.message);
        let conditions = vec![accepted, Condition::no("Attached", "Pending", "the policy is not accepted")];
        let targets = target::of(manifests, policy).into_iter();
        status.parents = targets.map(|(parent, _)| ParentStatus { parent, conditions: conditions.clone() }).collect();
        if status.parents.is_empty() {
            status.conditions = conditions;
        }
        return status;
    }
    issues.extend(target_issues(spec));
    let to_backends = kinds_of(spec).any(|kind| kind == Kind::AgentgatewayBackend.name());
    let telling = spec.frontend.as_ref().and_then(|frontend| access_log::telling(frontend, &mut issues));
    let tracing = |service: &str, issues: &mut Vec<String>| tracing::compile(manifests, policy, service, issues);
    let traced = tracing("", &mut issues).is_some();
    let applied = traffic.says_something() || telling.is_some() || traced || (to_backends && spec.backend.is_some());
    // a policy that closes its routes is not accepted, whatever else of it works
    let accepted = match (issues.is_empty(), applied && traffic.closed.is_none()) {
        (true, _) => Condition::yes("Accepted", "Valid", "Policy accepted"),
        (false, true) => Condition::yes("Accepted", "PartiallyValid", issues.join("; ")),
        (false, false) => Condition::no("Accepted", "Invalid", issues.join("; ")),
    };
    let mut targets = Vec::new();
    for (parent, target) in target::of(manifests, policy) {
        let attached = match target {
            Ok(target) => {
                targets.push(target);
                Condition::yes("Attached", "Attached", "Attached to all targets")
            }
            Err(why) => Condition::no("Attached", "Pending", why),
        };
        status.parents.push(ParentStatus { parent, conditions: vec![accepted.clone(), attached] });
    }
    for target in targets {
        match target.kind {
            Kind::AgentgatewayBackend => {
                policies.backend.extend(spec.backend.as_ref().map(|backend| (target, backend)))
            }
            kind => {
                let telling = telling.clone().filter(|_| kind == Kind::Gateway);
                policies.tellings.extend(telling.map(|telling| (target.clone(), telling)));
                let service = target.id.rsplit('/').next().unwrap_or_default();
                let tracing = tracing(service, &mut Vec::new()).filter(|_| kind == Kind::Gateway);
                policies.tracings.extend(tracing.map(|tracing| (target.clone(), tracing)));
                policies.traffic.push((target, traffic.clone()));
            }
        }
    }
    status
}

fn usable(spec: &PolicySpec) -> Result<(), Refusal> {
    if let Some(why) = &spec.unreadable {
        return Err(Refusal::invalid(format!("it cannot be read: {why}; the routes it targets answer 500")));
    }
    if spec.target_refs.is_empty() == spec.target_selectors.is_empty() {
        return Err(Refusal::invalid("exactly one of targetRefs and targetSelectors must be set"));
    }
    let mut kinds: Vec<&str> = kinds_of(spec).collect();
    if kinds.len() > MOST_TARGETS {
        return Err(Refusal::invalid(format!("a policy takes 1 to {MOST_TARGETS} targets")));
    }
    kinds.dedup();
    if kinds.len() > 1 {
        return Err(Refusal::invalid(format!("all targets must be of one kind, not {}", kinds.join(" and "))));
    }
    if spec.target_refs.iter().any(|target| target.namespace.is_some()) {
        return Err(Refusal::invalid("targetRefs take no namespace: a policy works in its own"));
    }
    if spec.traffic.is_none() && spec.frontend.is_none() && spec.backend.is_none() {
        return Err(Refusal::invalid("at least one of traffic, frontend and backend must be set"));
    }
    Ok(())
}

/// What the policy does to traffic, and what of it does not hold. A value that is wrong never
/// takes the protective parts beside it down.
fn read_traffic(manifests: &Manifests, policy: &Resource<Object<PolicySpec>>) -> (Traffic, Vec<String>) {
    let (id, spec) = (&policy.id, &policy.object.spec);
    let mut traffic = Traffic::default();
    let mut issues = Vec::new();
    // it may have been meant to protect
    traffic.closed = spec.unreadable.as_ref().map(|why| format!("AgentgatewayPolicy {id} cannot be read: {why}"));
    if spec.strategy.is_some() {
        issues.push("strategy is not supported yet".to_owned());
    }
    if let Some(frontend) = &spec.frontend {
        issues.extend(unsupported("frontend", &frontend_parts(frontend)));
        let gateways = kinds_of(spec).all(|kind| kind == Kind::Gateway.name());
        match body_limit(frontend) {
            Ok(limit) => traffic.body_limit = limit.filter(|_| gateways),
            Err(refusal) => issues.push(refusal.message),
        }
    }
    if let Some(parts) = &spec.traffic {
        let timeouts = parts.timeouts.clone().unwrap_or_default();
        let mut deadline = |field: &str, text: Option<&str>| {
            let read = text.map(|text| limits::deadline(Some(text))).transpose();
            let issue = |refusal: Refusal| issues.push(format!("traffic.timeouts.{field}: {}", refusal.message));
            read.map_err(issue).ok().flatten()
        };
        traffic.request = deadline("request", timeouts.request.as_deref());
        traffic.response_idle = deadline("responseIdle", timeouts.response_idle.as_deref());
        traffic.retry = parts.retry.as_ref().and_then(|retry| limits::conditional_retry(retry, &mut issues));
        issues.extend(unsupported("traffic", &open_parts(parts)));
    }
    if let Some(keys) = spec.traffic.as_ref().and_then(|parts| parts.api_key_authentication.as_ref()) {
        match client_keys::compile(manifests, policy.object.metadata.namespace(), keys) {
            Ok(keys) => traffic.client_keys = Some(Arc::new(keys)),
            Err(refusal) => {
                let why = format!("traffic.apiKeyAuthentication: {}", refusal.message);
                issues.push(format!("{why}; the routes it targets answer 500"));
                traffic.closed = Some(format!("AgentgatewayPolicy {id}: {why}"));
            }
        }
    }
    let closing = protective_parts(spec).join(", ");
    if !closing.is_empty() {
        issues.push(format!("not supported yet: {closing}; the routes it targets answer 500"));
        traffic.closed = Some(format!("AgentgatewayPolicy {id} asks for {closing}, which is not supported yet"));
    }
    (traffic, issues)
}

fn unsupported(place: &str, parts: &[(&str, bool)]) -> Option<String> {
    let set: Vec<String> = parts.iter().filter(|(_, set)| *set).map(|(part, _)| format!("{place}.{part}")).collect();
    (!set.is_empty()).then(|| format!("not supported yet: {}", set.join(", ")))
}

/// `frontend.http.maxBufferSize`, never more than the gateway takes at all.
fn body_limit(frontend: &FrontendSpec) -> Result<Option<usize>, Refusal> {
    match frontend.http.as_ref().and_then(|http| http.max_buffer_size) {
        Some(0) => Err(Refusal::invalid("frontend.http.maxBufferSize must be at least 1")),
        size => Ok(size.map(|size| usize::try_from(size).map_or(BODY_LIMIT, |size| size.min(BODY_LIMIT)))),
    }
}

fn frontend_parts(frontend: &FrontendSpec) -> [(&'static str, bool); 13] {
    let http = frontend.http.clone().unwrap_or_default();
    [
        ("http.http1MaxHeaders", http.http1_max_headers.is_some()),
        ("http.http1IdleTimeout", http.http1_idle_timeout.is_some()),
        ("http.http1HeaderCase", http.http1_header_case.is_some()),
        ("http.http2WindowSize", http.http2_window_size.is_some()),
        ("http.http2ConnectionWindowSize", http.http2_connection_window_size.is_some()),
        ("http.http2FrameSize", http.http2_frame_size.is_some()),
        ("http.http2KeepaliveInterval", http.http2_keepalive_interval.is_some()),
        ("http.http2KeepaliveTimeout", http.http2_keepalive_timeout.is_some()),
        ("tcp", frontend.tcp.is_some()),
        ("tls", frontend.tls.is_some()),
        ("proxyProtocol", frontend.proxy_protocol.is_some()),
        ("connect", frontend.connect.is_some()),
        ("accessLog.otlp", frontend.access_log.as_ref().is_some_and(|log| log.otlp.is_some())),
    ]
}

/// Parts whose absence is a nuisance.
fn open_parts(traffic: &TrafficSpec) -> [(&'static str, bool); 9] {
    [
        ("phase: PreRouting", traffic.phase == Some(Phase::PreRouting)),
        ("cors", traffic.cors.is_some()),
        ("transformation", traffic.transformation.is_some()),
        ("extProc", traffic.ext_proc.is_some()),
        ("directResponse", traffic.direct_response.is_some()),
        ("headerModifiers", traffic.header_modifiers.is_some()),
        ("hostRewrite", traffic.host_rewrite.is_some()),
        ("buffer", traffic.buffer.is_some()),
        ("delay", traffic.delay.is_some()),
    ]
}

/// Parts whose absence on a route would let through what should be stopped.
fn protective_parts(spec: &PolicySpec) -> Vec<&'static str> {
    let mut parts = Vec::new();
    if let Some(frontend) = &spec.frontend {
        parts.push(("frontend.networkAuthorization", frontend.network_authorization.is_some()));
    }
    if let Some(traffic) = &spec.traffic {
        parts.extend([
            ("traffic.authorization", traffic.authorization.is_some()),
            ("traffic.jwtAuthentication", traffic.jwt_authentication.is_some()),
            ("traffic.basicAuthentication", traffic.basic_authentication.is_some()),
            ("traffic.extAuth", traffic.ext_auth.is_some()),
            ("traffic.rateLimit", traffic.rate_limit.is_some()),
            ("traffic.csrf", traffic.csrf.is_some()),
        ]);
    }
    let on_backends = kinds_of(spec).all(|kind| kind == Kind::AgentgatewayBackend.name());
    if let Some(backend) = spec.backend.as_ref().filter(|_| !on_backends) {
        let guarded = backend.ai.as_ref().is_some_and(|ai| ai.prompt_guard.is_some());
        parts.extend([
            ("backend.tls", backend.tls.is_some()),
            ("backend.tunnel", backend.tunnel.is_some()),
            ("backend.extAuth", backend.ext_auth.is_some()),
            ("backend.ai.promptGuard", guarded),
        ]);
    }
    parts.into_iter().filter(|(_, set)| *set).map(|(part, _)| part).collect()
}

/// Kinds the policy points at.
fn kinds_of(spec: &PolicySpec) -> impl Iterator<Item = &str> {
    let named = spec.target_refs.iter().map(|target| target.kind.as_deref().unwrap_or_default());
    named.chain(spec.target_selectors.iter().map(|target| target.kind.as_str()))
}

/// Sections that say nothing to a kind of target.
fn target_issues(spec: &PolicySpec) -> Vec<String> {
    let mut issues = Vec::new();
    for kind in kinds_of(spec) {
        let backend = kind == Kind::AgentgatewayBackend.name();
        if backend && (spec.traffic.is_some() || spec.frontend.is_some()) {
            issues.push(format!("a {kind} takes only the backend section"));
        }
        if !backend && spec.backend.is_some() {
            issues.push(format!("backend policies on a {kind} are not supported yet"));
        }
        if kind != Kind::Gateway.name() && spec.frontend.is_some() && !backend {
            issues.push("frontend policies target Gateways only".to_owned());
        }
    }
    issues.dedup();
    issues
}
