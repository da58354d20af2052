//! Routes meet listeners: parentRefs, permission, host names; then every match of every rule
//! becomes an entry, and the entries of each listener are put in order.

use std::sync::Arc;

use super::backend::Backends;
use super::listener::{GatewayDraft, ListenerDraft};
use super::model::Models;
use super::order::{self, Ages, Entry, Place, Rank, Shadowed, ages};
use super::policy::{Policies, Position, Traffic};
use super::rule::{self, Issues, Sources};
use super::{Refusal, hostname, matcher};
use crate::config::kind::{GATEWAY_API, Kind};
use crate::config::manifests::{Manifests, Resource};
use crate::config::resources::route::{RouteSpec, RuleSpec};
use crate::config::resources::{Object, ObjectReference};
use crate::config::status::{Condition, ObjectStatus};
use crate::snapshot::{Hostname, Match, RouteEntry};

/// What routes are compiled against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) manifests: &'a Manifests,
    pub(super) policies: &'a Policies<'a>,
    pub(super) backends: &'a Backends,
    pub(super) models: &'a Models,
}

type Route = Resource<Object<RouteSpec>>;

/// A route that is being attached.
struct Draft<'a> {
    route: &'a Route,
    index: usize,
    age: usize,
    rules: Vec<RuleSpec>,
    hostnames: Vec<Option<Hostname>>,
}

/// Attaches every route; the entries end up in the listeners, in order.
pub(super) fn attach(context: &Context<'_>, gateways: &mut [GatewayDraft<'_>]) -> Vec<ObjectStatus> {
    let routes = &context.manifests.routes;
    let ages: Ages = ages(routes.iter().map(|route| (route.order, &route.object.metadata, &route.id)));
    let mut status: Vec<ObjectStatus> = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        status.push(attach_route(context, gateways, route, index, ages.of(route.order)));
    }
    for listener in gateways.iter_mut().flat_map(|gateway| &mut gateway.listeners) {
        for shadowed in order::sort(&mut listener.entries) {
            let note = shadow_note(routes, &shadowed);
            let notes = &mut status[shadowed.owner].notes;
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    status
}

fn shadow_note(routes: &[Route], shadowed: &Shadowed) -> String {
    let rule = shadowed.place.rule;
    let matches = routes[shadowed.owner].object.spec.rules.get(rule).map_or(0, |rule| rule.matches.len());
    let which = if matches > 1 { format!("match {} of ", shadowed.place.position + 1) } else { String::new() };
    let by = &routes[shadowed.by_owner];
    let other = match shadowed.owner == shadowed.by_owner {
        true => "the same route".to_owned(),
        false => format!("{} {}", by.kind.name(), by.id),
    };
    format!("{which}rule {} is shadowed by rule {} of {other}", rule + 1, shadowed.by_rule + 1)
}

fn attach_route(
    context: &Context<'_>,
    gateways: &mut [GatewayDraft<'_>],
    route: &Route,
    index: usize,
    age: usize,
) -> ObjectStatus {
    let mut status = ObjectStatus::new(route.kind, &route.id);
    let spec = &route.object.spec;
    let mut issues = Issues::default();
    let hostnames = hostnames(&spec.hostnames, &mut issues);
    let rules = if spec.rules.is_empty() { vec![RuleSpec::default()] } else { spec.rules.clone() };
    let draft = Draft { route, index, age, rules, hostnames };
    check(context, &draft, &mut issues);
    if spec.parent_refs.is_empty() {
        status.conditions.push(Condition::no("Accepted", "NoMatchingParent", "the route has no parentRefs"));
    }
    for parent in &spec.parent_refs {
        let name = parent_name(route.object.metadata.namespace(), parent);
        match attach_parent(context, gateways, &draft, parent) {
            Ok(()) => status.conditions.extend(conditions(&issues, None).map(|condition| condition.about(&name))),
            Err(Detached::Elsewhere) => status.notes.push(format!("{name} is not served here")),
            Err(Detached::Refused(refusal)) => {
                let refused = Some(&refusal);
                status.conditions.extend(conditions(&issues, refused).map(|condition| condition.about(&name)));
            }
        }
    }
    status
}

/// Finds what is wrong with the route itself, whatever it attaches to.
fn check(context: &Context<'_>, draft: &Draft<'_>, issues: &mut Issues) {
    let sources = Sources { manifests: context.manifests, backends: context.backends, models: context.models };
    if draft.route.object.spec.use_default_gateways.is_some() {
        issues.accepted.push(Refusal::new("UnsupportedValue", "useDefaultGateways is not supported yet"));
    }
    issues.accepted.extend(rule::twice_named(&draft.rules));
    for spec in &draft.rules {
        for matches in &spec.matches {
            issues.accepted.extend(matcher::compile(matches).err());
        }
        rule::compile(sources, draft.route, spec, Traffic::default(), issues);
    }
}

/// Host names that are none are reported; a route of only such names serves nothing.
fn hostnames(names: &[String], issues: &mut Issues) -> Vec<Option<Hostname>> {
    if names.is_empty() {
        return vec![None];
    }
    let mut hostnames = Vec::new();
    for name in names {
        match hostname::parse(name) {
            Ok(hostname) => hostnames.push(Some(hostname)),
            Err(refusal) => issues.accepted.push(refusal),
        }
    }
    hostnames
}

/// How a parent is written in status.
pub(super) fn parent_name(own: &str, parent: &ObjectReference) -> String {
    let kind = parent.kind.as_deref().unwrap_or("Gateway");
    let namespace = parent.namespace.as_deref().unwrap_or(own);
    let section = parent.section_name.as_ref().map(|section| format!("#{section}")).unwrap_or_default();
    format!("{kind} {namespace}/{}{section}", parent.name)
}

/// Why a route or a model does not attach to a parent.
pub(super) enum Detached {
    /// The parent belongs to another controller.
    Elsewhere,
    Refused(Refusal),
}

/// A parent that says no.
pub(super) fn refuse(reason: &'static str, message: impl Into<String>) -> Detached {
    Detached::Refused(Refusal::new(reason, message))
}

fn attach_parent(
    context: &Context<'_>,
    gateways: &mut [GatewayDraft<'_>],
    draft: &Draft<'_>,
    parent: &ObjectReference,
) -> Result<(), Detached> {
    let group = parent.group.as_deref().unwrap_or(GATEWAY_API);
    let kind = parent.kind.as_deref().unwrap_or(Kind::Gateway.name());
    if (group, kind) != (GATEWAY_API, Kind::Gateway.name()) {
        return Err(refuse("InvalidKind", format!("a {kind} cannot be the parent of a route here")));
    }
    let own = draft.route.object.metadata.namespace();
    let id = format!("{}/{}", parent.namespace.as_deref().unwrap_or(own), parent.name);
    let Some(gateway) = gateways.iter_mut().find(|gateway| *gateway.id == *id) else {
        return Err(refuse("NoMatchingParent", format!("Gateway {id} not found")));
    };
    if !gateway.served {
        return Err(Detached::Elsewhere);
    }
    let (usable, namespace, gateway_id) = (gateway.usable(), gateway.namespace, gateway.id.clone());
    let mut named: Vec<_> = gateway.listeners.iter_mut().filter(|listener| selected(listener, parent)).collect();
    if named.is_empty() {
        return Err(refuse("NoMatchingParent", "No listener with the specified sectionName on the parent Gateway"));
    }
    named.retain(|listener| usable && listener.admits(context.manifests, namespace, draft.route.kind, own));
    if named.is_empty() {
        return Err(refuse("NotAllowedByListeners", "Parent listener not usable or not permitted"));
    }
    let mut attached = false;
    for listener in named {
        attached |= attach_listener(context, &gateway_id, listener, draft);
    }
    if attached {
        Ok(())
    } else {
        Err(refuse("NoMatchingListenerHostname", "No route hostnames intersect any listener hostname"))
    }
}

/// Whether the reference means this listener.
pub(super) fn selected(listener: &ListenerDraft<'_>, parent: &ObjectReference) -> bool {
    parent.section_name.as_deref().is_none_or(|section| *section == *listener.name)
        && parent.port.is_none_or(|port| port == listener.port)
}

/// Whether a host of the route is one of the listener's.
fn attach_listener(context: &Context<'_>, gateway: &str, listener: &mut ListenerDraft<'_>, draft: &Draft<'_>) -> bool {
    let mut hosts: Vec<Option<Hostname>> = Vec::new();
    for hostname in &draft.hostnames {
        let both = hostname::intersect(listener.hostname.as_ref(), hostname.as_ref());
        hosts.extend(both.filter(|both| !hosts.contains(both)));
    }
    if hosts.is_empty() {
        return false;
    }
    if listener.newest == Some(draft.index) {
        return true; // Another parentRef of the same route was here before.
    }
    listener.newest = Some(draft.index);
    listener.attached += 1;
    let sources = Sources { manifests: context.manifests, backends: context.backends, models: context.models };
    for (rule_index, spec) in draft.rules.iter().enumerate() {
        let position = Position {
            gateway,
            listener: &listener.name,
            route_kind: draft.route.kind,
            route: &draft.route.id,
            rule: spec.name.as_deref(),
        };
        let traffic = context.policies.traffic(position);
        let rule = Arc::new(rule::compile(sources, draft.route, spec, traffic, &mut Issues::default()));
        for (position, matcher) in matches(spec).into_iter().enumerate() {
            for host in &hosts {
                let place = Place { age: draft.age, rule: rule_index, position };
                let rank = Rank::new(host.as_ref(), &matcher, rule.openai_paths_only, place);
                let route = RouteEntry { hostname: host.clone(), matcher: matcher.clone(), rule: rule.clone() };
                listener.entries.push(Entry { rank, owner: draft.index, place, route });
            }
        }
    }
    true
}

/// The matches that can be compiled; the others are in the route's status.
fn matches(spec: &RuleSpec) -> Vec<Match> {
    if spec.matches.is_empty() {
        return vec![matcher::any()];
    }
    spec.matches.iter().filter_map(|spec| matcher::compile(spec).ok()).collect()
}

fn conditions(issues: &Issues, detached: Option<&Refusal>) -> impl Iterator<Item = Condition> {
    let accepted = match (detached, issues.accepted.as_slice()) {
        (Some(refusal), _) => Condition::no("Accepted", refusal.reason, refusal.message.clone()),
        (None, []) => Condition::yes("Accepted", "Accepted", "Route is accepted"),
        (None, refusals) => Condition::no("Accepted", refusals[0].reason, joined(refusals)),
    };
    let resolved = match issues.resolved.as_slice() {
        [] => Condition::yes("ResolvedRefs", "ResolvedRefs", "All references are resolved"),
        refusals => Condition::no("ResolvedRefs", refusals[0].reason, joined(refusals)),
    };
    [accepted, resolved].into_iter()
}

/// Every message once.
pub(super) fn joined(refusals: &[Refusal]) -> String {
    let mut messages: Vec<&str> = Vec::new();
    for refusal in refusals {
        if !messages.contains(&refusal.message.as_str()) {
            messages.push(&refusal.message);
        }
    }
    messages.join("; ")
}
