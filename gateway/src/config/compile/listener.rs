//! Gateways and their listeners: which are served, who may attach, and how they end up.

use std::collections::HashSet;
use std::sync::Arc;

use super::certificate::{self, Shelf};
use super::conflict::{self, Ports};
use super::order::{Entry, ages};
use super::{Refusal, class, hostname};
use crate::config::kind::{GATEWAY_API, Kind};
use crate::config::manifests::{Manifests, Resource};
use crate::config::resources::Object;
use crate::config::resources::gateway::{AllowedRoutes, FromNamespaces, GatewaySpec, LabelSelector, ListenerSpec};
use crate::config::status::{Condition, ListenerStatus, ObjectStatus};
use crate::route::index::Index;
use crate::snapshot::{Hostname, Listener};

/// A Gateway on its way into the snapshot.
#[derive(Debug)]
pub(super) struct GatewayDraft<'m> {
    pub(super) id: Arc<str>,
    pub(super) namespace: &'m str,
    /// Position among all objects.
    pub(super) order: usize,
    /// Whether the class is ours.
    pub(super) served: bool,
    pub(super) listeners: Vec<ListenerDraft<'m>>,
    refused: Option<Refusal>,
    status: ObjectStatus,
}

/// A listener that collects routes.
#[derive(Debug)]
pub(super) struct ListenerDraft<'m> {
    pub(super) name: Arc<str>,
    pub(super) port: u16,
    pub(super) hostname: Option<Hostname>,
    pub(super) entries: Vec<Entry>,
    pub(super) attached: usize,
    /// Index of the route that attached last.
    pub(super) newest: Option<usize>,
    kinds: Vec<Kind>,
    bad_kinds: Vec<String>,
    from: FromNamespaces,
    selector: Option<&'m LabelSelector>,
    /// HTTPS; every listener of a port is, or none.
    pub(super) secure: bool,
    shelf: Shelf,
    /// Why it cannot be told from another one.
    pub(super) conflict: Option<Refusal>,
    /// Whether another HTTPS listener of the port serves some of its hosts.
    pub(super) overlaps: bool,
    refused: Option<Refusal>,
}

/// Prepares every Gateway for its routes.
pub(super) fn compile(manifests: &Manifests, ports: Ports) -> Vec<GatewayDraft<'_>> {
    let gateways = &manifests.gateways;
    let mut drafts: Vec<_> = gateways.iter().map(|gateway| draft(manifests, gateway)).collect();
    let ages = ages(gateways.iter().map(|gateway| (gateway.order, &gateway.object.metadata, &gateway.id)));
    conflict::mark(&mut drafts, &ages, ports);
    drafts
}

fn draft<'m>(manifests: &'m Manifests, gateway: &'m Resource<Object<GatewaySpec>>) -> GatewayDraft<'m> {
    let spec = &gateway.object.spec;
    let meant = manifests.only.as_ref().is_none_or(|only| *only == gateway.id);
    let served = meant && class::is_ours(manifests, &spec.gateway_class_name);
    let refused = if served { check(manifests, &gateway.object).err() } else { None };
    let mut listeners = Vec::new();
    let mut names = HashSet::new();
    for listener in spec.listeners.iter().filter(|_| served) {
        let mut draft = listener_draft(manifests, gateway.object.metadata.namespace(), listener);
        if !names.insert(&listener.name) && draft.refused.is_none() {
            draft.refused = Some(Refusal::invalid(format!("listener name `{}` is used twice", listener.name)));
        }
        listeners.push(draft);
    }
    let mut status = ObjectStatus::of(gateway);
    if !served {
        let what = if meant { format!("class `{}`", spec.gateway_class_name) } else { "this Gateway".to_owned() };
        status.notes.push(format!("skipped: {what} is not served here"));
    }
    if spec.allowed_listeners.is_some() || spec.default_scope.is_some() {
        status.notes.push("allowedListeners and defaultScope are not supported yet".to_owned());
    }
    GatewayDraft {
        id: gateway.id.clone(),
        namespace: gateway.object.metadata.namespace(),
        order: gateway.order,
        served,
        listeners,
        refused,
        status,
    }
}

fn check(manifests: &Manifests, gateway: &Object<GatewaySpec>) -> Result<(), Refusal> {
    let spec = &gateway.spec;
    if spec.addresses.as_ref().is_some_and(|addresses| !addresses.is_empty()) {
        return Err(Refusal::new("UnsupportedAddress", "spec.addresses is not supported yet"));
    }
    if spec.tls.is_some() {
        return Err(Refusal::invalid("spec.tls is not supported yet"));
    }
    if spec.listeners.is_empty() {
        return Err(Refusal::new("ListenersNotValid", "a Gateway needs at least one listener"));
    }
    class::check_parameters(manifests, gateway)
}

fn listener_draft<'m>(manifests: &Manifests, namespace: &str, spec: &'m ListenerSpec) -> ListenerDraft<'m> {
    let secure = spec.protocol == "HTTPS";
    let (hostname, hostname_error) = match spec.hostname.as_deref().filter(|name| !name.is_empty()) {
        None => (None, None),
        Some(name) => match hostname::parse(name) {
            Ok(hostname) => (Some(hostname), None),
            Err(refusal) => (None, Some(refusal)),
        },
    };
    let allowed = spec.allowed_routes.as_ref();
    let (kinds, bad_kinds) = route_kinds(allowed);
    let namespaces = allowed.and_then(|allowed| allowed.namespaces.as_ref());
    ListenerDraft {
        name: spec.name.as_str().into(),
        port: spec.port,
        hostname,
        entries: Vec::new(),
        attached: 0,
        newest: None,
        kinds,
        bad_kinds,
        from: namespaces.and_then(|namespaces| namespaces.from).unwrap_or_default(),
        selector: namespaces.and_then(|namespaces| namespaces.selector.as_ref()),
        secure,
        shelf: if secure { certificate::of_listener(manifests, namespace, spec) } else { Shelf::default() },
        conflict: None,
        overlaps: false,
        refused: check_listener(spec).and_then(|()| check_selector(allowed)).err().or(hostname_error),
    }
}

fn check_listener(spec: &ListenerSpec) -> Result<(), Refusal> {
    match spec.protocol.as_str() {
        "HTTP" if spec.tls.is_some() => Err(Refusal::invalid("tls does not go with protocol HTTP")),
        "HTTP" | "HTTPS" if spec.port == 0 => Err(Refusal::new("PortUnavailable", "port 0 cannot be listened on")),
        "HTTP" => Ok(()),
        "HTTPS" => certificate::check(spec),
        other => {
            let message = format!("protocol {other} is not supported: use HTTP or HTTPS");
            Err(Refusal::new("UnsupportedProtocol", message))
        }
    }
}

fn check_selector(allowed: Option<&AllowedRoutes>) -> Result<(), Refusal> {
    let namespaces = allowed.and_then(|allowed| allowed.namespaces.as_ref());
    match namespaces {
        Some(namespaces) if namespaces.from == Some(FromNamespaces::Selector) && namespaces.selector.is_none() => {
            Err(Refusal::new("UnsupportedValue", "allowedRoutes.namespaces.from: Selector needs a selector"))
        }
        _ => Ok(()),
    }
}

/// Routes of both kinds and models, or those of them that are listed; and what is listed in vain.
fn route_kinds(allowed: Option<&AllowedRoutes>) -> (Vec<Kind>, Vec<String>) {
    let listed = allowed.and_then(|allowed| allowed.kinds.as_deref()).unwrap_or_default();
    if listed.is_empty() {
        return (vec![Kind::HTTPRoute, Kind::AIRoute, Kind::AgentgatewayModel], Vec::new());
    }
    let (mut kinds, mut bad) = (Vec::new(), Vec::new());
    for listed in listed {
        let route = Kind::named(&listed.kind)
            .filter(|kind| matches!(kind, Kind::HTTPRoute | Kind::AIRoute | Kind::AgentgatewayModel));
        match route.filter(|kind| listed.group.as_deref().unwrap_or(GATEWAY_API) == kind.group()) {
            Some(kind) => kinds.push(kind),
            None => bad.push(listed.kind.clone()),
        }
    }
    (kinds, bad)
}

impl GatewayDraft<'_> {
    /// Whether routes can be served here at all.
    pub(super) fn usable(&self) -> bool {
        self.served && self.refused.is_none()
    }

    /// The status, and what goes into the snapshot by port.
    pub(super) fn finish(self) -> (ObjectStatus, Vec<(u16, Listener)>) {
        if !self.served {
            return (self.status, Vec::new());
        }
        let working = self.listeners.iter().filter(|listener| listener.usable()).count();
        let (usable, conditions) = (self.usable(), self.conditions(working));
        let mut status = ObjectStatus { conditions, ..self.status };
        let mut programmed = Vec::new();
        for listener in self.listeners {
            status.listeners.push(listener.status(usable));
            if usable && listener.usable() {
                programmed.push((listener.port, listener.finish(&self.id)));
            }
        }
        (status, programmed)
    }

    fn conditions(&self, working: usize) -> Vec<Condition> {
        if let Some(refusal) = &self.refused {
            let accepted = Condition::no("Accepted", refusal.reason, refusal.message.clone());
            let reason = if refusal.reason == "UnsupportedAddress" { "AddressNotUsable" } else { "Invalid" };
            return vec![accepted, Condition::no("Programmed", reason, refusal.message.clone())];
        }
        let all = self.listeners.len();
        let accepted = match working {
            working if working == all => Condition::yes("Accepted", "Accepted", "Successfully accepted Gateway"),
            0 => Condition::no("Accepted", "ListenersNotValid", "no listener is usable"),
            some => {
                let others = self.listeners.iter().filter(|listener| !listener.usable());
                let names: Vec<_> = others.map(|listener| format!("`{}`", listener.name)).collect();
                let message = format!("{some} of {all} listeners are usable; not {}", names.join(", "));
                Condition::yes("Accepted", "ListenersNotValid", message)
            }
        };
        let programmed = match working {
            0 => Condition::no("Programmed", "Invalid", "no listener is usable"),
            _ => Condition::yes("Programmed", "Programmed", "Successfully programmed Gateway"),
        };
        vec![accepted, programmed]
    }
}

impl ListenerDraft<'_> {
    /// Whether it can serve.
    pub(super) fn usable(&self) -> bool {
        self.accepted() && self.secure != self.shelf.certificates.is_empty()
    }

    /// Whether routes may count on it, be it served or not.
    pub(super) fn accepted(&self) -> bool {
        self.refused.is_none() && self.conflict.is_none()
    }

    /// Whether a route of this kind and namespace may attach; else why not.
    pub(super) fn admits(
        &self,
        manifests: &Manifests,
        gateway_namespace: &str,
        kind: Kind,
        namespace: &str,
    ) -> Result<(), String> {
        let refused = |why: String| Err(format!("listener `{}` {why}", self.name));
        if !self.kinds.contains(&kind) {
            return refused(format!("takes no {}", kind.name()));
        }
        match self.from {
            FromNamespaces::Same if namespace != gateway_namespace => refused(format!(
                "takes routes of its own namespace {gateway_namespace} only (allowedRoutes.namespaces)"
            )),
            FromNamespaces::None => refused("takes no routes (allowedRoutes.namespaces.from: None)".to_owned()),
            FromNamespaces::Selector if !self.selects(manifests, namespace) => {
                refused(format!("does not select namespace {namespace} by its labels (allowedRoutes.namespaces)"))
            }
            FromNamespaces::All | FromNamespaces::Same | FromNamespaces::Selector => Ok(()),
        }
    }

    fn selects(&self, manifests: &Manifests, namespace: &str) -> bool {
        let found = manifests.namespaces.iter().find(|other| &*other.id == namespace);
        let mut labels = found.and_then(|found| found.object.metadata.labels.clone()).unwrap_or_default();
        labels.insert("kubernetes.io/metadata.name".to_owned(), namespace.to_owned());
        self.selector.is_some_and(|selector| selector.fits(&labels))
    }

    fn status(&self, gateway_usable: bool) -> ListenerStatus {
        const FINE: &str = "No errors found";
        let accepted = match (&self.refused, &self.conflict) {
            (Some(refusal), _) => Condition::no("Accepted", refusal.reason, refusal.message.clone()),
            (None, Some(conflict)) => Condition::no("Accepted", conflict.reason, conflict.message.clone()),
            (None, None) => Condition::yes("Accepted", "Accepted", FINE),
        };
        let programmed = match self.usable() && gateway_usable {
            true => Condition::yes("Programmed", "Programmed", FINE),
            false => Condition::no("Programmed", "Invalid", "the listener is not served"),
        };
        let conflicted = match &self.conflict {
            Some(conflict) => Condition::yes("Conflicted", conflict.reason, conflict.message.clone()),
            None => Condition::no("Conflicted", "NoConflicts", FINE),
        };
        let resolved = match (self.bad_kinds.as_slice(), self.shelf.bad.first()) {
            ([], None) => Condition::yes("ResolvedRefs", "ResolvedRefs", FINE),
            (_, Some(refusal)) => Condition::no("ResolvedRefs", refusal.reason, refusal.message.clone()),
            (bad, None) => {
                Condition::no("ResolvedRefs", "InvalidRouteKinds", format!("not a route kind here: {}", bad.join(", ")))
            }
        };
        let overlapping = self.overlaps.then(|| {
            let message = "another HTTPS listener of this port serves some of its hosts";
            Condition::yes("OverlappingTLSConfig", "OverlappingHostnames", message)
        });
        ListenerStatus {
            name: self.name.to_string(),
            port: self.port,
            conditions: [accepted, programmed, conflicted, resolved].into_iter().chain(overlapping).collect(),
            attached_routes: self.attached,
            supported_kinds: self.kinds.clone(),
        }
    }

    fn finish(self, gateway: &Arc<str>) -> Listener {
        let routes: Vec<_> = self.entries.into_iter().map(|entry| entry.route).collect();
        let (gateway, certificates) = (gateway.clone(), self.shelf.certificates);
        Listener {
            gateway,
            name: self.name,
            hostname: self.hostname,
            certificates,
            telling: None,
            tracing: None,
            index: Index::new(&routes),
            routes,
        }
    }
}
