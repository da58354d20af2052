//! What an AgentgatewayPolicy points at: objects by name or by label, and their sections (listeners, rules,
//! providers). A target that is not there is told, never passed over: a policy that protects nothing looks like
//! one that does.

use std::sync::Arc;

use crate::config::kind::Kind;
use crate::config::manifests::{Manifests, Resource};
use crate::config::resources::policy::{PolicySpec, TargetSelector};
use crate::config::resources::{Metadata, Object, ObjectReference};

/// An object, or a part of it, that a policy points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TargetOf {
    pub(super) kind: Kind,
    pub(super) id: Arc<str>,
    pub(super) section: Option<String>,
}

/// Stands for the name where a selector finds nothing.
const ALL: &str = "*";

/// The reference that status tells of, and the target or why it cannot be had.
type Found = (ObjectReference, Result<TargetOf, String>);

/// Every target of a policy; a selector that finds nothing is one that cannot be had.
pub(super) fn of(manifests: &Manifests, policy: &Resource<Object<PolicySpec>>) -> Vec<Found> {
    let namespace = policy.object.metadata.namespace();
    let spec = &policy.object.spec;
    let named = spec.target_refs.iter().map(|reference| by_name(manifests, namespace, reference));
    let selected = spec.target_selectors.iter().flat_map(|selector| by_label(manifests, namespace, selector));
    named.chain(selected).collect()
}

fn by_name(manifests: &Manifests, namespace: &str, reference: &ObjectReference) -> Found {
    let kind = reference.kind.as_deref().unwrap_or_default();
    let id: Arc<str> = format!("{namespace}/{}", reference.name).into();
    let mut told = ObjectReference { namespace: Some(namespace.to_owned()), ..reference.clone() };
    let Some(kind) = known(kind, reference.group.as_deref()) else {
        return (told, Err(format!("a {kind} cannot be the target of a policy here")));
    };
    told.group = Some(kind.group().to_owned());
    if !candidates(manifests, kind).iter().any(|(other, _)| **other == id) {
        let why = format!("{} {id} not found", kind.name());
        return (told, Err(why));
    }
    (told, with_section(manifests, TargetOf { kind, id, section: reference.section_name.clone() }))
}

fn by_label(manifests: &Manifests, namespace: &str, selector: &TargetSelector) -> Vec<Found> {
    let told = |group: Option<&str>, name: &str| ObjectReference {
        group: group.map(str::to_owned),
        kind: Some(selector.kind.clone()),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
        section_name: selector.section_name.clone(),
        port: None,
    };
    let Some(kind) = known(&selector.kind, selector.group.as_deref()) else {
        let why = format!("a {} cannot be the target of a policy here", selector.kind);
        return vec![(told(selector.group.as_deref(), ALL), Err(why))];
    };
    let fits = |metadata: &Metadata| {
        let mut wanted = selector.match_labels.iter();
        metadata.namespace() == namespace && wanted.all(|(key, value)| metadata.label(key) == Some(value.as_str()))
    };
    let found = candidates(manifests, kind).into_iter().filter(|(_, metadata)| fits(metadata)).map(|(id, metadata)| {
        let target = TargetOf { kind, id: id.clone(), section: selector.section_name.clone() };
        (told(Some(kind.group()), &metadata.name), with_section(manifests, target))
    });
    let found: Vec<Found> = found.collect();
    if found.is_empty() {
        let labels: Vec<_> = selector.match_labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let why = format!("no {} in namespace {namespace} has the labels {}", kind.name(), labels.join(", "));
        return vec![(told(Some(kind.group()), ALL), Err(why))];
    }
    found
}

/// The kinds that policies may target; an absent group is the kind's own.
fn known(kind: &str, group: Option<&str>) -> Option<Kind> {
    let targets = [Kind::Gateway, Kind::HTTPRoute, Kind::AIRoute, Kind::AgentgatewayBackend];
    let kind = Kind::named(kind).filter(|kind| targets.contains(kind))?;
    group.is_none_or(|group| group == kind.group()).then_some(kind)
}

/// The target, if the object has the section.
fn with_section(manifests: &Manifests, target: TargetOf) -> Result<TargetOf, String> {
    let Some(section) = &target.section else { return Ok(target) };
    let sections = sections(manifests, &target);
    if sections.contains(&section.as_str()) {
        return Ok(target);
    }
    let what = match target.kind {
        Kind::Gateway => "listener",
        Kind::AgentgatewayBackend => "provider",
        _ => "rule",
    };
    let others =
        if sections.is_empty() { "it has no named one".to_owned() } else { format!("it has {}", sections.join(", ")) };
    Err(format!("{} {} has no {what} `{section}` (sectionName): {others}", target.kind.name(), target.id))
}

/// The names of an object's listeners, rules or providers.
fn sections<'m>(manifests: &'m Manifests, target: &TargetOf) -> Vec<&'m str> {
    match target.kind {
        Kind::Gateway => {
            let gateway = manifests.gateways.iter().find(|gateway| gateway.id == target.id);
            gateway.iter().flat_map(|found| &found.object.spec.listeners).map(|listener| &*listener.name).collect()
        }
        Kind::AgentgatewayBackend => {
            let backend = manifests.backends.iter().find(|backend| backend.id == target.id);
            let ai = backend.and_then(|found| found.object.spec.ai.as_ref());
            let groups = ai.and_then(|ai| ai.groups.as_deref()).unwrap_or_default();
            groups.iter().flat_map(|group| &group.providers).filter_map(|provider| provider.name.as_deref()).collect()
        }
        kind => {
            let route = manifests.routes.iter().find(|route| route.kind == kind && route.id == target.id);
            route.iter().flat_map(|found| &found.object.spec.rules).filter_map(|rule| rule.name.as_deref()).collect()
        }
    }
}

/// All objects of a kind that policies may target.
fn candidates(manifests: &Manifests, kind: Kind) -> Vec<(&Arc<str>, &Metadata)> {
    match kind {
        Kind::Gateway => manifests.gateways.iter().map(|found| (&found.id, &found.object.metadata)).collect(),
        Kind::AgentgatewayBackend => {
            manifests.backends.iter().map(|found| (&found.id, &found.object.metadata)).collect()
        }
        kind => {
            let routes = manifests.routes.iter().filter(|route| route.kind == kind);
            routes.map(|found| (&found.id, &found.object.metadata)).collect()
        }
    }
}
