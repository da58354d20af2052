//! What refers to what: routes to backends and Gateways, backends to Secrets, policies to their targets.
//! Follows agentgateway's defaults; a reference that leads nowhere is simply not followed.

use gateway::config::kind::{CORE, GATEWAY_API, Kind};

use super::super::tree::{Entry, Node};
use super::part::{Parent, Provider, Reference, RouteRule, parents, providers};
use super::{Object, Set};

/// An `auth` block and what it belongs to.
#[derive(Debug, Clone, Copy)]
pub(in crate::lint) struct Auth<'a> {
    pub(in crate::lint) owner: &'a Object,
    pub(in crate::lint) node: &'a Node,
    /// Whether it stands at one provider of a group.
    pub(in crate::lint) of_provider: bool,
}

impl<'a> Auth<'a> {
    /// The Secret it names.
    pub(in crate::lint) fn secret(&self) -> Option<Reference<'a>> {
        Reference::new(self.node.get("secretRef")?, self.owner, CORE, "Secret")
    }
}

impl Set<'_> {
    /// All objects of a kind that the gateway reads; kinds of the same name in other groups are others.
    pub(in crate::lint) fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects.iter().filter(move |object| object.kind == kind && object.known().is_some())
    }

    /// The object that a reference means.
    pub(in crate::lint) fn find(&self, to: &Reference<'_>) -> Option<&Object> {
        self.objects.iter().find(|object| object.known().is_some() && to.means(object))
    }

    /// HTTPRoutes and AIRoutes.
    pub(in crate::lint) fn routes(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(|object| matches!(object.known(), Some(Kind::HTTPRoute | Kind::AIRoute)))
    }

    /// Every rule of every route.
    pub(in crate::lint) fn route_rules(&self) -> impl Iterator<Item = RouteRule<'_>> {
        self.routes().flat_map(|route| {
            let rules = route.root.items_at("spec.rules").iter().enumerate();
            rules.map(move |(index, node)| RouteRule { route, index, node })
        })
    }

    /// Every parentRef of every route.
    pub(in crate::lint) fn parents(&self) -> impl Iterator<Item = Parent<'_>> {
        self.routes().flat_map(parents)
    }

    /// Backends for LLMs.
    pub(in crate::lint) fn ai_backends(&self) -> impl Iterator<Item = &Object> {
        self.of("AgentgatewayBackend").filter(|backend| backend.root.get("spec.ai").is_some())
    }

    /// Every provider of every AI backend.
    pub(in crate::lint) fn providers(&self) -> impl Iterator<Item = Provider<'_>> {
        self.ai_backends().flat_map(providers)
    }

    /// The rules that send traffic to a backend.
    pub(in crate::lint) fn rules_to<'a>(&'a self, backend: &'a Object) -> impl Iterator<Item = RouteRule<'a>> {
        self.route_rules().filter(move |rule| rule.backends().any(|to| to.means(backend)))
    }

    /// The rules that send traffic to an AI backend.
    pub(in crate::lint) fn ai_rules(&self) -> impl Iterator<Item = RouteRule<'_>> {
        self.route_rules().filter(|rule| self.ai_backends().any(|backend| rule.backends().any(|to| to.means(backend))))
    }

    /// Policies that act on one object.
    pub(in crate::lint) fn policies_on<'a>(&'a self, object: &'a Object) -> impl Iterator<Item = &'a Object> {
        self.of("AgentgatewayPolicy").filter(move |policy| targets(policy).any(|to| to.means(object)))
    }

    /// Policies that act on a route, or on a Gateway that it belongs to.
    pub(in crate::lint) fn policies_on_route<'a>(&'a self, route: &'a Object) -> impl Iterator<Item = &'a Object> {
        let hits = move |to: Reference<'_>| to.means(route) || parents(route).any(|up| up.to.same(&to));
        self.of("AgentgatewayPolicy").filter(move |policy| targets(policy).any(hits))
    }

    /// What is in force of a backend policy: the provider's own, the backend's, or that of policies on the backend,
    /// on its routes and on their Gateways.
    pub(in crate::lint) fn in_force<'a>(
        &'a self,
        backend: &'a Object,
        provider: Option<&'a Node>,
        part: &str,
    ) -> Option<&'a Entry> {
        let own = provider.and_then(|node| node.entry(&format!("policies.{part}")));
        let of_backend = || backend.root.entry(&format!("spec.policies.{part}"));
        let attached = || {
            let routes = self.rules_to(backend).flat_map(|rule| self.policies_on_route(rule.route));
            let mut policies = self.policies_on(backend).chain(routes);
            policies.find_map(|policy| policy.root.entry(&format!("spec.backend.{part}")))
        };
        own.or_else(of_backend).or_else(attached)
    }

    /// Every `auth` block towards an upstream.
    pub(in crate::lint) fn auths(&self) -> impl Iterator<Item = Auth<'_>> {
        self.objects.iter().flat_map(|owner| {
            let paths = ["spec.policies.auth", "spec.backend.auth"].into_iter();
            let shared = paths.filter_map(|path| owner.root.get(path));
            let own = providers(owner).filter_map(|provider| provider.node.get("policies.auth"));
            let shared = shared.map(move |node| Auth { owner, node, of_provider: false });
            shared.chain(own.map(move |node| Auth { owner, node, of_provider: true }))
        })
    }
}

/// The objects that a policy acts on.
pub(in crate::lint) fn targets(policy: &Object) -> impl Iterator<Item = Reference<'_>> {
    let targets = policy.root.items_at("spec.targetRefs").iter();
    targets.filter_map(|node| Reference::new(node, policy, GATEWAY_API, "Gateway"))
}
