//! Models meet their parents: which router a model belongs to, and the route that leads to a listener's router.
//! An HTTPRoute's rule leads to its router by the backendRef `AgentgatewayModel *`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::attach::{self, Context, Detached};
use super::super::listener::GatewayDraft;
use super::super::order::{Ages, Entry, Place, Rank, ages};
use super::super::policy::Position;
use super::super::provider::HealthPool;
use super::super::rule::{self, Issues, Sources};
use super::super::{Refusal, matcher, verdict};
use super::{Draft, ModelResource};
use crate::config::kind::{AGENTGATEWAY, GATEWAY_API, Kind};
use crate::config::manifests::{Manifests, Resource};
use crate::config::resources::route::{BackendRef, PathMatchType, RouteSpec, RuleSpec};
use crate::config::resources::{Metadata, Object, ObjectReference};
use crate::config::status::{Condition, ObjectStatus, ParentStatus, parent_name};
use crate::model::{Model, ModelRouter, Pattern};
use crate::snapshot::{RouteEntry, Target};

/// The name by which a backendRef means all models of its rule.
const ALL: &str = "*";

/// The routers of all parents.
#[derive(Debug, Default)]
pub(in super::super) struct Models {
    routers: HashMap<Parent, Target>,
    pub(in super::super) status: Vec<ObjectStatus>,
}

/// The route and, where it has one, the name of the rule.
type Parent = (Arc<str>, Option<String>);

/// The listeners that have counted a model, each once; a model that is not accepted counts nowhere.
type Counted = Option<HashSet<Arc<str>>>;

impl Models {
    /// What the backendRef of a rule means.
    pub(in super::super) fn resolve(
        &self,
        route: &Arc<str>,
        rule: Option<&str>,
        name: &str,
    ) -> Result<Target, Refusal> {
        if name != ALL {
            let message =
                format!("AgentgatewayModel `{name}`: a backendRef names all models of its rule: write `{ALL}`");
            return Err(Refusal::new("InvalidKind", message));
        }
        let router = self.routers.get(&(route.clone(), rule.map(str::to_owned)));
        Ok(router.cloned().unwrap_or_else(|| Target::Models(Arc::new(ModelRouter::new(Vec::new())))))
    }
}

/// Compiles every model and gives it to its parents, the oldest first.
pub(in super::super) fn compile(
    manifests: &Manifests,
    gateways: &mut [GatewayDraft<'_>],
    pool: &mut HealthPool,
) -> Models {
    let mut drafts = super::drafts(manifests, pool);
    let ages: Ages = ages(manifests.models.iter().map(|model| (model.order, &model.object.metadata, &model.id)));
    drafts.sort_by_key(|draft| ages.of(draft.resource.order));
    let mut members: HashMap<Parent, Vec<(Pattern, Arc<Model>)>> = HashMap::new();
    let mut models = Models::default();
    for draft in drafts {
        models.status.push(give(manifests, gateways, draft, &mut members));
    }
    let router = |members| Target::Models(Arc::new(ModelRouter::new(members)));
    models.routers = members.into_iter().map(|(parent, members)| (parent, router(members))).collect();
    models
}

fn give(
    manifests: &Manifests,
    gateways: &mut [GatewayDraft<'_>],
    draft: Draft<'_>,
    members: &mut HashMap<Parent, Vec<(Pattern, Arc<Model>)>>,
) -> ObjectStatus {
    let Draft { resource, pattern, model, issues, wrong, notes } = draft;
    let mut status = ObjectStatus::of(resource);
    status.notes = notes;
    let parents = &resource.object.spec.parent_refs;
    if parents.is_empty() {
        status.conditions.push(Condition::no("Accepted", "NoMatchingParent", "the model has no parentRefs"));
    }
    let mut counted: Counted = issues.accepted.is_empty().then(HashSet::new);
    for reference in parents {
        let detached = match parents_of(manifests, gateways, resource, reference, &mut counted) {
            Ok(parents) => {
                for parent in parents {
                    let members = members.entry(parent).or_default();
                    if let Some(pattern) = &pattern {
                        status
                            .notes
                            .extend(shadow_note(members, pattern, &model).filter(|note| !status.notes.contains(note)));
                        members.push((pattern.clone(), model.clone()));
                    }
                }
                None
            }
            Err(Detached::Elsewhere) => {
                let name = parent_name(resource.object.metadata.namespace(), reference);
                status.notes.push(format!("{name} is not served here"));
                continue;
            }
            Err(Detached::Refused(refusal)) => Some(refusal),
        };
        let conditions = conditions(&issues, &wrong, detached).collect();
        status.parents.push(ParentStatus { parent: reference.clone(), conditions });
    }
    status
}

fn shadow_note(members: &[(Pattern, Arc<Model>)], pattern: &Pattern, model: &Arc<Model>) -> Option<String> {
    let (_, older) = members.iter().find(|(other, _)| other == pattern)?;
    (older.object != model.object)
        .then(|| format!("shadowed by AgentgatewayModel {} of the same match.model", older.object))
}

fn conditions(issues: &Issues, wrong: &[String], detached: Option<Refusal>) -> impl Iterator<Item = Condition> {
    let accepted = match (detached, issues.accepted.as_slice()) {
        (Some(refusal), _) => Condition::no("Accepted", refusal.reason, refusal.message),
        (None, []) if !wrong.is_empty() => Condition::yes("Accepted", "PartiallyValid", wrong.join("; ")),
        (None, []) => Condition::yes("Accepted", "Accepted", "Model is accepted"),
        (None, refusals) => Condition::no("Accepted", refusals[0].reason, verdict::joined(refusals)),
    };
    let resolved = match issues.resolved.as_slice() {
        [] => Condition::yes("ResolvedRefs", "ResolvedRefs", "All references are resolved"),
        refusals => Condition::no("ResolvedRefs", refusals[0].reason, verdict::joined(refusals)),
    };
    [accepted, resolved].into_iter()
}

fn parents_of(
    manifests: &Manifests,
    gateways: &mut [GatewayDraft<'_>],
    model: &ModelResource,
    parent: &ObjectReference,
    counted: &mut Counted,
) -> Result<Vec<Parent>, Detached> {
    let kind = parent.kind.as_deref().unwrap_or(Kind::Gateway.name());
    match (parent.group.as_deref().unwrap_or(GATEWAY_API), kind) {
        (GATEWAY_API, "Gateway") => listeners(manifests, gateways, model, parent, counted),
        (GATEWAY_API, "HTTPRoute") => rule(manifests, model, parent).map(|rule| vec![rule]).map_err(Detached::Refused),
        _ => Err(attach::refuse("InvalidKind", format!("a {kind} cannot be the parent of a model here"))),
    }
}

fn listeners(
    manifests: &Manifests,
    gateways: &mut [GatewayDraft<'_>],
    model: &ModelResource,
    parent: &ObjectReference,
    counted: &mut Counted,
) -> Result<Vec<Parent>, Detached> {
    let own = model.object.metadata.namespace();
    let id = format!("{}/{}", parent.namespace.as_deref().unwrap_or(own), parent.name);
    let Some(gateway) = gateways.iter_mut().find(|gateway| *gateway.id == *id) else {
        return Err(attach::refuse("NoMatchingParent", format!("Gateway {id} not found")));
    };
    if !gateway.served {
        return Err(Detached::Elsewhere);
    }
    let (usable, namespace) = (gateway.usable(), gateway.namespace);
    let mut named: Vec<_> = gateway.listeners.iter_mut().filter(|one| attach::selected(one, parent)).collect();
    if named.is_empty() {
        return Err(attach::refuse(
            "NoMatchingParent",
            "No listener with the specified sectionName on the parent Gateway",
        ));
    }
    named.retain(|listener| usable && listener.admits(manifests, namespace, Kind::AgentgatewayModel, own).is_ok());
    if !named.iter().any(|listener| listener.accepted()) {
        return Err(attach::refuse("NotAllowedByListeners", "Parent listener not usable or not permitted"));
    }
    let parents = named.into_iter().map(|listener| {
        let route = listener_route(&id, &listener.name);
        listener.attached += usize::from(counted.as_mut().is_some_and(|counted| counted.insert(route.clone())));
        (route, None)
    });
    Ok(parents.collect())
}

/// The name under which a listener's models stand in logs and metrics; no object can have it.
fn listener_route(gateway: &str, listener: &str) -> Arc<str> {
    format!("{gateway}#{listener}").into()
}

/// The rule of an HTTPRoute that leads to its models.
fn rule(manifests: &Manifests, model: &ModelResource, parent: &ObjectReference) -> Result<Parent, Refusal> {
    let own = model.object.metadata.namespace();
    let namespace = parent.namespace.as_deref().unwrap_or(own);
    let id = format!("{namespace}/{}", parent.name);
    if namespace != own {
        return Err(Refusal::new("RefNotPermitted", format!("HTTPRoute {id} is of another namespace")));
    }
    let route = manifests.routes.iter().find(|route| route.kind == Kind::HTTPRoute && *route.id == *id);
    let route = route.ok_or_else(|| Refusal::new("NoMatchingParent", format!("HTTPRoute {id} not found")))?;
    let rules = &route.object.spec.rules;
    let rule = match (&parent.section_name, rules.as_slice()) {
        (Some(name), rules) => rules.iter().find(|rule| rule.name.as_ref() == Some(name)),
        (None, [only]) => Some(only),
        (None, _) => {
            let message = format!("HTTPRoute {id} has {} rules: say which one by sectionName", rules.len());
            return Err(Refusal::new("NoMatchingParent", message));
        }
    };
    let rule =
        rule.ok_or_else(|| Refusal::new("NoMatchingParent", format!("HTTPRoute {id} has no rule of that name")))?;
    let leads_here = matches!(rule.backend_refs.as_slice(), [only] if means_models(only));
    if !leads_here {
        let message =
            format!("the rule of HTTPRoute {id} must have one backendRef: kind AgentgatewayModel, name `{ALL}`");
        return Err(Refusal::new("NoMatchingParent", message));
    }
    let type_ = |found: &crate::config::resources::route::MatchSpec| found.path.as_ref().and_then(|path| path.type_);
    if rule.matches.iter().any(|found| type_(found).unwrap_or_default() != PathMatchType::PathPrefix) {
        let message = format!("the rule of HTTPRoute {id} must match paths by PathPrefix");
        return Err(Refusal::new("UnsupportedValue", message));
    }
    Ok((route.id.clone(), rule.name.clone()))
}

fn means_models(reference: &BackendRef) -> bool {
    reference.group.as_deref() == Some(AGENTGATEWAY)
        && reference.kind.as_deref() == Some(Kind::AgentgatewayModel.name())
        && reference.name == ALL
}

/// Lets the OpenAI paths of every listener that has models lead to them, where no route of more precedence does.
pub(in super::super) fn add_routes(context: &Context<'_>, gateways: &mut [GatewayDraft<'_>]) {
    let sources = Sources { manifests: context.manifests, backends: context.backends, models: context.models };
    for gateway in gateways {
        for listener in &mut gateway.listeners {
            let id = listener_route(&gateway.id, &listener.name);
            if !context.models.routers.contains_key(&(id.clone(), None)) {
                continue;
            }
            let at = Position {
                gateway: &gateway.id,
                listener: &listener.name,
                route_kind: Kind::AgentgatewayModel,
                route: &id,
                rule: None,
            };
            let (route, spec) = implicit_route(id.clone(), gateway.namespace);
            let traffic = context.policies.traffic(at);
            let rule = Arc::new(rule::compile(sources, &route, &spec, traffic, &mut Issues::default()));
            let place = Place { age: usize::MAX, rule: 0, position: 0 };
            let rank = Rank::new(None, &matcher::any(), rule.openai_paths_only, place);
            let after = listener.entries.partition_point(|entry| entry.rank <= rank);
            let route = RouteEntry { hostname: None, matcher: matcher::any(), rule };
            listener.entries.insert(after, Entry { rank, owner: usize::MAX, place, route });
        }
    }
}

/// An AIRoute without matches: the OpenAI paths, of any host.
fn implicit_route(id: Arc<str>, namespace: &str) -> (Resource<Object<RouteSpec>>, RuleSpec) {
    let models = BackendRef {
        group: Some(AGENTGATEWAY.to_owned()),
        kind: Some(Kind::AgentgatewayModel.name().to_owned()),
        name: ALL.to_owned(),
        ..BackendRef::default()
    };
    let rule = RuleSpec { backend_refs: vec![models], ..RuleSpec::default() };
    let metadata = Metadata { namespace: Some(namespace.to_owned()), ..Metadata::default() };
    let spec = RouteSpec { rules: vec![rule.clone()], ..RouteSpec::default() };
    let object = Box::new(Object { api_version: None, kind: None, metadata, spec, status: None });
    (Resource { kind: Kind::AIRoute, id, object, order: usize::MAX, place: String::new() }, rule)
}
