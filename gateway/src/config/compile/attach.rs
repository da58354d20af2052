//! Routes meet listeners: parentRefs, permission, host names; then every match of every rule
//! becomes an entry, and the entries of each listener are put in order.

use std::sync::Arc;

use super::backend::Backends;
use super::listener::{GatewayDraft, ListenerDraft};
use super::model::Models;
use super::order::{self, Ages, Entry, Place, Rank, Shadowed, ages};
use super::policy::{Policies, Position};
use super::rule::{self, Issues, Sources};
use super::verdict::{self, Verdict};
use super::{Refusal, hostname, matcher};
use crate::config::kind::{GATEWAY_API, Kind};
use crate::config::manifests::{Manifests, Resource};
use crate::config::resources::route::{RouteSpec, RuleSpec};
use crate::config::resources::{Object, ObjectReference};
use crate::config::status::{Condition, ObjectStatus, ParentStatus, parent_name};
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
    verdict: Verdict,
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
    let mut status = ObjectStatus::of(route);
    let spec = &route.object.spec;
    let rules = if spec.rules.is_empty() { vec![RuleSpec::default()] } else { spec.rules.clone() };
    let (hostnames, verdict) = verdict::of(context, route, &rules);
    let draft = Draft { route, index, age, rules, hostnames, verdict };
    if spec.parent_refs.is_empty() {
        status.conditions.push(Condition::no("Accepted", "NoMatchingParent", "the route has no parentRefs"));
    }
    for parent in &spec.parent_refs {
        let refused = match attach_parent(context, gateways, &draft, parent) {
            Ok(()) => None,
            Err(Detached::Refused(refusal)) => Some(refusal),
            Err(Detached::Elsewhere) => {
                let name = parent_name(route.object.metadata.namespace(), parent);
                status.notes.push(format!("{name} is not served here"));
                continue;
            }
        };
        let conditions = draft.verdict.conditions(refused.as_ref()).collect();
        status.parents.push(ParentStatus { parent: parent.clone(), conditions });
    }
    status
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
    let gateway = parent_gateway(gateways, draft, parent)?;
    let id = gateway.id.clone();
    for listener in open_listeners(context, gateway, draft, parent)? {
        attach_listener(context, &id, listener, draft);
    }
    Ok(())
}

fn parent_gateway<'a, 'm>(
    gateways: &'a mut [GatewayDraft<'m>],
    draft: &Draft<'_>,
    parent: &ObjectReference,
) -> Result<&'a mut GatewayDraft<'m>, Detached> {
    let group = parent.group.as_deref().unwrap_or(GATEWAY_API);
    let kind = parent.kind.as_deref().unwrap_or(Kind::Gateway.name());
    if (group, kind) != (GATEWAY_API, Kind::Gateway.name()) {
        return Err(refuse("InvalidKind", format!("a {kind} cannot be the parent of a route here")));
    }
    let own = draft.route.object.metadata.namespace();
    let id = format!("{}/{}", parent.namespace.as_deref().unwrap_or(own), parent.name);
    match gateways.iter_mut().find(|gateway| *gateway.id == *id) {
        Some(gateway) if gateway.served => Ok(gateway),
        Some(_) => Err(Detached::Elsewhere),
        None => Err(refuse("NoMatchingParent", format!("Gateway {id} not found"))),
    }
}

/// The listeners a parentRef means that let the route in and have a host in common with it.
fn open_listeners<'a, 'm>(
    context: &Context<'_>,
    gateway: &'a mut GatewayDraft<'m>,
    draft: &Draft<'_>,
    parent: &ObjectReference,
) -> Result<Vec<&'a mut ListenerDraft<'m>>, Detached> {
    let (usable, namespace, id) = (gateway.usable(), gateway.namespace, gateway.id.clone());
    let mut listeners: Vec<_> = gateway.listeners.iter_mut().filter(|listener| selected(listener, parent)).collect();
    if listeners.is_empty() {
        return Err(refuse("NoMatchingParent", format!("no listener of Gateway {id} has {}", wanted(parent))));
    }
    if !usable {
        return Err(refuse("NotAllowedByListeners", format!("Gateway {id} is not accepted")));
    }
    let (kind, own) = (draft.route.kind, draft.route.object.metadata.namespace());
    let mut closed = Vec::new();
    listeners.retain(|listener| {
        let admitted = listener.admits(context.manifests, namespace, kind, own);
        closed.extend(admitted.as_ref().err().cloned());
        admitted.is_ok()
    });
    if listeners.is_empty() {
        return Err(refuse("NotAllowedByListeners", closed.join("; ")));
    }
    listeners.retain(|listener| !shared_hosts(listener, draft).is_empty());
    if listeners.is_empty() && !draft.hostnames.is_empty() {
        let message = "no host name of the route is one of a listener's that admits it";
        return Err(refuse("NoMatchingListenerHostname", message));
    }
    // a route none of whose host names is one has no listener left; its own verdict says why
    if !listeners.is_empty() && !listeners.iter().any(|listener| listener.accepted()) {
        let names: Vec<_> = listeners.iter().map(|listener| format!("`{}`", listener.name)).collect();
        return Err(refuse("NotAllowedByListeners", format!("not accepted itself: listener {}", names.join(", "))));
    }
    Ok(listeners)
}

/// What a parentRef asks of a listener.
fn wanted(parent: &ObjectReference) -> String {
    match (&parent.section_name, parent.port) {
        (Some(section), Some(port)) => format!("the name `{section}` and port {port}"),
        (Some(section), None) => format!("the name `{section}` (sectionName)"),
        (None, Some(port)) => format!("port {port}"),
        (None, None) => "any name".to_owned(),
    }
}

/// The hosts that a listener and a route have in common.
fn shared_hosts(listener: &ListenerDraft<'_>, draft: &Draft<'_>) -> Vec<Option<Hostname>> {
    let mut hosts: Vec<Option<Hostname>> = Vec::new();
    for hostname in &draft.hostnames {
        let both = hostname::intersect(listener.hostname.as_ref(), hostname.as_ref());
        hosts.extend(both.filter(|both| !hosts.contains(both)));
    }
    hosts
}

/// Whether the reference means this listener.
pub(super) fn selected(listener: &ListenerDraft<'_>, parent: &ObjectReference) -> bool {
    parent.section_name.as_deref().is_none_or(|section| *section == *listener.name)
        && parent.port.is_none_or(|port| port == listener.port)
}

/// Puts every match of the route into the listener, and counts the route if it is accepted.
fn attach_listener(context: &Context<'_>, gateway: &str, listener: &mut ListenerDraft<'_>, draft: &Draft<'_>) {
    if listener.newest == Some(draft.index) {
        return; // Another parentRef of the same route was here before.
    }
    listener.newest = Some(draft.index);
    listener.attached += usize::from(draft.verdict.accepted());
    let hosts = shared_hosts(listener, draft);
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
}

/// The matches that can be compiled; the others are in the route's status.
fn matches(spec: &RuleSpec) -> Vec<Match> {
    if spec.matches.is_empty() {
        return vec![matcher::any()];
    }
    spec.matches.iter().filter_map(|spec| matcher::compile(spec).ok()).collect()
}
