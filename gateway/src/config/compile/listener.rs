//! Gateways and their listeners: which are served, who may attach, and how they end up.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::certificate::{self, Shelf};
use super::order::Entry;
use super::{Refusal, hostname};
use crate::config::kind::{AGENTGATEWAY, GATEWAY_API, Kind};
use crate::config::manifests::{Manifests, Resource, find};
use crate::config::resources::Object;
use crate::config::resources::gateway::{AllowedRoutes, FromNamespaces, GatewaySpec, LabelSelector, ListenerSpec};
use crate::config::status::{Condition, ListenerStatus, ObjectStatus};
use crate::snapshot::{Hostname, Listener};

/// The controller name of our GatewayClass.
pub(super) const CONTROLLER: &str = "agentgateway.dev/agentgateway";
const OUR_CLASS: &str = "agentgateway";

/// A Gateway on its way into the snapshot.
#[derive(Debug)]
pub(super) struct GatewayDraft<'m> {
    pub(super) id: Arc<str>,
    pub(super) namespace: &'m str,
    /// Whether the class is ours.
    pub(super) served: bool,
    pub(super) listeners: Vec<ListenerDraft<'m>>,
    refused: Option<Refusal>,
    notes: Vec<String>,
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
    secure: bool,
    shelf: Shelf,
    conflict: Option<Refusal>,
    refused: Option<Refusal>,
}

/// What listeners before have taken.
#[derive(Debug, Default)]
struct Taken {
    /// Port and hostname.
    spots: HashSet<(u16, Option<String>)>,
    /// Whether the port is HTTPS.
    secure: HashMap<u16, bool>,
}

/// Prepares every Gateway for its routes.
pub(super) fn compile(manifests: &Manifests) -> Vec<GatewayDraft<'_>> {
    let mut taken = Taken::default();
    manifests.gateways.iter().map(|gateway| draft(manifests, gateway, &mut taken)).collect()
}

fn draft<'m>(
    manifests: &'m Manifests,
    gateway: &'m Resource<Object<GatewaySpec>>,
    taken: &mut Taken,
) -> GatewayDraft<'m> {
    let spec = &gateway.object.spec;
    let served = is_ours(manifests, &spec.gateway_class_name);
    let refused = if served { check(manifests, gateway).err() } else { None };
    let mut listeners = Vec::new();
    let mut names = HashSet::new();
    for listener in spec.listeners.iter().filter(|_| served) {
        let mut draft = listener_draft(manifests, gateway.object.metadata.namespace(), listener);
        if !names.insert(&listener.name) && draft.refused.is_none() {
            draft.refused = Some(Refusal::invalid(format!("listener name `{}` is used twice", listener.name)));
        }
        if draft.refused.is_none() && refused.is_none() {
            draft.conflict = taken.take(&draft, listener.hostname.as_deref()).err();
        }
        listeners.push(draft);
    }
    let mut notes = Vec::new();
    if !served {
        notes.push(format!("skipped: class `{}` is not served here", spec.gateway_class_name));
    }
    if spec.allowed_listeners.is_some() || spec.default_scope.is_some() {
        notes.push("allowedListeners and defaultScope are not supported yet".to_owned());
    }
    GatewayDraft {
        id: gateway.id.clone(),
        namespace: gateway.object.metadata.namespace(),
        served,
        listeners,
        refused,
        notes,
    }
}

impl Taken {
    /// The first listener has it.
    fn take(&mut self, draft: &ListenerDraft<'_>, hostname: Option<&str>) -> Result<(), Refusal> {
        let port = draft.port;
        if *self.secure.entry(port).or_insert(draft.secure) != draft.secure {
            let message = format!("another listener has port {port} and the other of HTTP and HTTPS");
            return Err(Refusal::new("ProtocolConflict", message));
        }
        let hostname = hostname.map(str::to_ascii_lowercase);
        match self.spots.insert((port, hostname)) {
            true => Ok(()),
            false => {
                let message = format!("another listener has port {port} and the same hostname");
                Err(Refusal::new("HostnameConflict", message))
            }
        }
    }
}

/// The class `agentgateway`, or one whose GatewayClass names our controller.
fn is_ours(manifests: &Manifests, name: &str) -> bool {
    match manifests.classes.iter().find(|class| &*class.id == name) {
        Some(class) => class.object.spec.controller_name == CONTROLLER,
        None => name == OUR_CLASS,
    }
}

fn check(manifests: &Manifests, gateway: &Resource<Object<GatewaySpec>>) -> Result<(), Refusal> {
    let spec = &gateway.object.spec;
    if spec.addresses.as_ref().is_some_and(|addresses| !addresses.is_empty()) {
        return Err(Refusal::new("UnsupportedAddress", "spec.addresses is not supported yet"));
    }
    if spec.tls.is_some() {
        return Err(Refusal::unsupported("spec.tls"));
    }
    if spec.listeners.is_empty() {
        return Err(Refusal::new("ListenersNotValid", "a Gateway needs at least one listener"));
    }
    let Some(parameters) = spec.infrastructure.as_ref().and_then(|infra| infra.parameters_ref.as_ref()) else {
        return Ok(());
    };
    let ours = parameters.group.as_deref() == Some(AGENTGATEWAY)
        && parameters.kind.as_deref() == Some(Kind::AgentgatewayParameters.name());
    let namespace = gateway.object.metadata.namespace();
    if !ours || find(&manifests.parameters, namespace, &parameters.name).is_none() {
        let message =
            format!("infrastructure.parametersRef: AgentgatewayParameters {namespace}/{} not found", parameters.name);
        return Err(Refusal::new("InvalidParameters", message));
    }
    Ok(())
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
        refused: check_listener(spec).err().or(hostname_error),
    }
}

fn check_listener(spec: &ListenerSpec) -> Result<(), Refusal> {
    match spec.protocol.as_str() {
        "HTTP" if spec.tls.is_some() => Err(Refusal::invalid("tls does not go with protocol HTTP")),
        "HTTP" | "HTTPS" if spec.port == 0 => Err(Refusal::invalid("port 0 cannot be listened on")),
        "HTTP" => Ok(()),
        "HTTPS" => certificate::check(spec),
        other => {
            let message = format!("protocol {other} is not supported: use HTTP or HTTPS");
            Err(Refusal::new("UnsupportedProtocol", message))
        }
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
        let mut status = ObjectStatus::new(Kind::Gateway, &self.id);
        status.notes.clone_from(&self.notes);
        if !self.served {
            return (status, Vec::new());
        }
        let working = self.listeners.iter().filter(|listener| listener.usable()).count();
        status.conditions = self.conditions(working);
        let usable = self.usable();
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
            return vec![accepted, Condition::no("Programmed", "Invalid", refusal.message.clone())];
        }
        let all = self.listeners.len();
        let accepted = match working {
            working if working == all => Condition::yes("Accepted", "Accepted", "Successfully accepted Gateway"),
            0 => Condition::no("Accepted", "ListenersNotValid", "no listener is usable"),
            some => Condition::yes("Accepted", "ListenersNotValid", format!("{some} of {all} listeners are usable")),
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
        self.refused.is_none() && self.conflict.is_none() && self.secure != self.shelf.certificates.is_empty()
    }

    /// Whether a route of this kind and namespace may attach.
    pub(super) fn admits(&self, manifests: &Manifests, gateway_namespace: &str, kind: Kind, namespace: &str) -> bool {
        let namespace_fits = match self.from {
            FromNamespaces::All => true,
            FromNamespaces::Same => namespace == gateway_namespace,
            FromNamespaces::None => false,
            FromNamespaces::Selector => self.selector.is_some_and(|selector| {
                let found = manifests.namespaces.iter().find(|other| &*other.id == namespace);
                let mut labels = found.and_then(|found| found.object.metadata.labels.clone()).unwrap_or_default();
                labels.insert("kubernetes.io/metadata.name".to_owned(), namespace.to_owned());
                selector.fits(&labels)
            }),
        };
        self.usable() && namespace_fits && self.kinds.contains(&kind)
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
        ListenerStatus {
            name: self.name.to_string(),
            port: self.port,
            conditions: vec![accepted, programmed, conflicted, resolved],
            attached_routes: self.attached,
            supported_kinds: self.kinds.clone(),
        }
    }

    fn finish(self, gateway: &Arc<str>) -> Listener {
        let routes = self.entries.into_iter().map(|entry| entry.route).collect();
        let (gateway, certificates) = (gateway.clone(), self.shelf.certificates);
        Listener { gateway, name: self.name, hostname: self.hostname, certificates, access_log: None, routes }
    }
}
