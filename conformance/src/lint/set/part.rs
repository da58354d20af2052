//! Parts of objects as rules see them: references with their defaults, rules of routes, parents, providers.
//! Looks at one object only; what a reference leads to is found by [`super::link`].

use gateway::config::kind::{AGENTGATEWAY, CORE, GATEWAY_API};

use super::super::tree::{Entry, Mark, Node};
use super::Object;

/// A reference with its defaults filled in.
#[derive(Debug, Clone, Copy)]
pub(in crate::lint) struct Reference<'a> {
    pub(in crate::lint) node: &'a Node,
    pub(in crate::lint) group: &'a str,
    pub(in crate::lint) kind: &'a str,
    pub(in crate::lint) namespace: &'a str,
    pub(in crate::lint) name: &'a str,
}

impl<'a> Reference<'a> {
    /// Of an owner, with what an absent group and kind mean here.
    pub(super) fn new(node: &'a Node, owner: &'a Object, group: &'a str, kind: &'a str) -> Option<Self> {
        Some(Self {
            node,
            group: node.text_at("group").unwrap_or(group),
            kind: node.text_at("kind").unwrap_or(kind),
            namespace: node.text_at("namespace").unwrap_or(&owner.namespace),
            name: node.text_at("name")?,
        })
    }

    /// Whether it means this object.
    pub(in crate::lint) fn means(&self, object: &Object) -> bool {
        object.is(self.kind, self.namespace, self.name)
    }

    /// Whether both mean the same object.
    pub(super) fn same(&self, other: &Reference<'_>) -> bool {
        (self.kind, self.namespace, self.name) == (other.kind, other.namespace, other.name)
    }

    /// `Kind namespace/name`
    pub(in crate::lint) fn title(&self) -> String {
        format!("{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// One rule of a route.
#[derive(Debug, Clone, Copy)]
pub(in crate::lint) struct RouteRule<'a> {
    pub(in crate::lint) route: &'a Object,
    /// From 0.
    pub(in crate::lint) index: usize,
    pub(in crate::lint) node: &'a Node,
}

/// The path that a match asks for.
#[derive(Debug, Clone, Copy)]
pub(in crate::lint) struct PathMatch<'a> {
    pub(in crate::lint) mark: Mark,
    /// `Exact`, `PathPrefix` or `RegularExpression`.
    pub(in crate::lint) type_: &'a str,
    pub(in crate::lint) value: &'a str,
}

impl<'a> RouteRule<'a> {
    /// Where its traffic goes; an AIRoute means agentgateway's backends unless it says otherwise.
    pub(in crate::lint) fn backends(&self) -> impl Iterator<Item = Reference<'a>> + use<'a> {
        let route = self.route;
        let (group, kind) =
            if route.kind == "AIRoute" { (AGENTGATEWAY, "AgentgatewayBackend") } else { (CORE, "Service") };
        self.node.items_at("backendRefs").iter().filter_map(move |node| Reference::new(node, route, group, kind))
    }

    /// A filter of this type, for all its backends or for one.
    pub(in crate::lint) fn filter(&self, type_: &str) -> Option<&'a Node> {
        let own = self.node.items_at("filters").iter();
        let of_backends = self.node.items_at("backendRefs").iter().flat_map(|backend| backend.items_at("filters"));
        own.chain(of_backends).find(|filter| filter.text_at("type") == Some(type_))
    }

    /// The paths it matches; everything when it says nothing.
    pub(in crate::lint) fn paths(&self) -> Vec<PathMatch<'a>> {
        let path = |one: &'a Node| PathMatch {
            mark: one.entry("path.value").map_or_else(|| one.mark(), Entry::mark),
            type_: one.text_at("path.type").unwrap_or("PathPrefix"),
            value: one.text_at("path.value").unwrap_or("/"),
        };
        match self.node.items_at("matches") {
            [] => vec![PathMatch { mark: self.node.mark(), type_: "PathPrefix", value: "/" }],
            matches => matches.iter().map(path).collect(),
        }
    }
}

/// A parentRef.
#[derive(Debug, Clone, Copy)]
pub(in crate::lint) struct Parent<'a> {
    pub(in crate::lint) route: &'a Object,
    pub(in crate::lint) to: Reference<'a>,
}

impl Parent<'_> {
    /// The listeners of its Gateway that it names.
    pub(in crate::lint) fn listeners<'g>(&self, gateway: &'g Object) -> Vec<&'g Node> {
        let wanted = |own: &str, listener: &Node, theirs: &str| {
            self.to.node.text_at(own).is_none_or(|wanted| listener.text_at(theirs) == Some(wanted))
        };
        let listeners = gateway.root.items_at("spec.listeners").iter();
        listeners.filter(|one| wanted("sectionName", one, "name") && wanted("port", one, "port")).collect()
    }
}

/// The parentRefs of a route.
pub(in crate::lint) fn parents(route: &Object) -> impl Iterator<Item = Parent<'_>> {
    let parents = route.root.items_at("spec.parentRefs").iter();
    let to = parents.filter_map(|node| Reference::new(node, route, GATEWAY_API, "Gateway"));
    to.map(|to| Parent { route, to })
}

/// One provider of an AI backend.
#[derive(Debug, Clone, Copy)]
pub(in crate::lint) struct Provider<'a> {
    pub(in crate::lint) backend: &'a Object,
    pub(in crate::lint) node: &'a Node,
    /// `ai.provider` has no name.
    pub(in crate::lint) name: Option<&'a str>,
}

/// The kinds of providers.
const PROVIDERS: [&str; 8] = ["openai", "azureopenai", "azure", "anthropic", "gemini", "vertexai", "bedrock", "custom"];

impl<'a> Provider<'a> {
    /// Which kinds it says it is: one, if all is well.
    pub(in crate::lint) fn kinds(&self) -> impl Iterator<Item = &'a Entry> + use<'a> {
        self.node.entries().iter().filter(|entry| PROVIDERS.contains(&entry.key.as_str()))
    }

    /// The model that replaces the client's.
    pub(in crate::lint) fn model(&self) -> Option<&'a Entry> {
        self.kinds().find_map(|kind| kind.value.entry("model"))
    }

    /// What to call it.
    pub(in crate::lint) fn title(&self) -> String {
        let of = self.backend.title();
        self.name.map_or_else(|| of.clone(), |name| format!("provider {name} of {of}"))
    }
}

/// The providers of a backend, by priority.
pub(in crate::lint) fn providers(backend: &Object) -> impl Iterator<Item = Provider<'_>> {
    let single = backend.root.get("spec.ai.provider").map(|node| Provider { backend, node, name: None });
    let groups = backend.root.items_at("spec.ai.groups").iter();
    let named = groups.flat_map(|group| group.items_at("providers"));
    single.into_iter().chain(named.map(move |node| Provider { backend, node, name: node.text_at("name") }))
}
