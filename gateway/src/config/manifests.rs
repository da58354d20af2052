//! All objects of a configuration, by kind, with where each was written. Finds objects that are
//! written twice; knows nothing of what the objects mean.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::kind::{Kind, Manifest};
use super::read::{Placed, read_sources};
use super::resources::backend::BackendSpec;
use super::resources::core::{ConfigMap, EndpointSlice, Namespace, Secret, ServiceSpec};
use super::resources::gateway::{GatewayClassSpec, GatewaySpec, ReferenceGrantSpec};
use super::resources::meta::{Metadata, Object};
use super::resources::model::ModelSpec;
use super::resources::parameters::ParametersSpec;
use super::resources::policy::PolicySpec;
use super::resources::route::RouteSpec;
use crate::yaml::{Problem, Source};

/// An object with its place; `order` is its age among files.
#[derive(Debug)]
pub struct Resource<T> {
    /// Which kind it is (HTTPRoute and AIRoute share a type).
    pub kind: Kind,
    /// `namespace/name`, only the name for cluster-wide kinds.
    pub id: Arc<str>,
    /// The object.
    pub object: Box<T>,
    /// Position among all objects, in document order.
    pub order: usize,
    /// `file:line`
    pub place: String,
}

/// All objects of a configuration.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "one list a kind")]
pub struct Manifests {
    pub classes: Vec<Resource<Object<GatewayClassSpec>>>,
    pub gateways: Vec<Resource<Object<GatewaySpec>>>,
    pub routes: Vec<Resource<Object<RouteSpec>>>,
    pub grants: Vec<Resource<Object<ReferenceGrantSpec>>>,
    pub secrets: Vec<Resource<Secret>>,
    pub config_maps: Vec<Resource<ConfigMap>>,
    pub namespaces: Vec<Resource<Namespace>>,
    pub services: Vec<Resource<Object<ServiceSpec>>>,
    pub slices: Vec<Resource<EndpointSlice>>,
    pub backends: Vec<Resource<Object<BackendSpec>>>,
    pub policies: Vec<Resource<Object<PolicySpec>>>,
    pub parameters: Vec<Resource<Object<ParametersSpec>>>,
    pub models: Vec<Resource<Object<ModelSpec>>>,
    /// The Gateway (`namespace/name`) that is served; all of our class when there is none.
    pub only: Option<Arc<str>>,
    /// What was looked for by name since it was last asked.
    looked_up: RefCell<BTreeSet<Key>>,
}

/// Names an object: its kind and its `namespace/name`.
pub type Key = (Kind, Arc<str>);

/// Reads manifests from texts; one bad document refuses them all.
pub fn from_sources(sources: &[Source]) -> Result<Manifests, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut manifests = Manifests::default();
    let mut seen: HashMap<(Kind, Arc<str>), String> = HashMap::new();
    let mut order = 0;
    for outcome in read_sources(sources) {
        let source = outcome.source;
        problems.extend(outcome.problems);
        for placed in outcome.placed {
            let id = id_of(placed.kind, placed.manifest.metadata());
            let place = format!("{}:{}", source.path.display(), placed.line);
            if let Some(first) = seen.insert((placed.kind, id.clone()), place.clone()) {
                let message = format!("{} `{id}` is given twice", placed.kind.name());
                problems.push(source.problem(placed.line, message).with_hint(format!("the first is at {first}")));
                continue;
            }
            manifests.add(placed, id, place, order);
            order += 1;
        }
    }
    if problems.is_empty() { Ok(manifests) } else { Err(problems) }
}

/// `namespace/name`, or the name alone where there is no namespace.
pub(super) fn id_of(kind: Kind, metadata: &Metadata) -> Arc<str> {
    if kind.namespaced() {
        format!("{}/{}", metadata.namespace(), metadata.name).into()
    } else {
        metadata.name.as_str().into()
    }
}

impl Manifests {
    /// A Secret that something refers to.
    pub(super) fn secret(&self, namespace: &str, name: &str) -> Option<&Resource<Secret>> {
        self.look_up(Kind::Secret, namespace, name);
        find(&self.secrets, namespace, name)
    }

    /// A ConfigMap that something refers to.
    pub(super) fn config_map(&self, namespace: &str, name: &str) -> Option<&Resource<ConfigMap>> {
        self.look_up(Kind::ConfigMap, namespace, name);
        find(&self.config_maps, namespace, name)
    }

    /// A Service that something refers to.
    pub(super) fn service(&self, namespace: &str, name: &str) -> Option<&Resource<Object<ServiceSpec>>> {
        self.look_up(Kind::Service, namespace, name);
        find(&self.services, namespace, name)
    }

    /// The Secrets, ConfigMaps and Services that were looked for since the last call, there or not.
    pub(crate) fn take_looked_up(&self) -> BTreeSet<Key> {
        self.looked_up.take()
    }

    fn look_up(&self, kind: Kind, namespace: &str, name: &str) {
        self.looked_up.borrow_mut().insert((kind, format!("{namespace}/{name}").into()));
    }

    /// Adds an object after all others of its list.
    fn add(&mut self, placed: Placed, id: Arc<str>, place: String, order: usize) {
        self.fill(placed.manifest, Slot { kind: placed.kind, id, order, place, sorted: false });
    }

    /// Adds an object, or takes the place of the one of that kind and id. Lists that are filled this way only are sorted
    /// by id, whatever order objects came in.
    pub(crate) fn put(&mut self, kind: Kind, id: Arc<str>, manifest: Manifest, order: usize) {
        let place = format!("{} {id}", kind.name());
        self.fill(manifest, Slot { kind, id, order, place, sorted: true });
    }

    /// Lets go of an object that was [`Manifests::put`] here.
    pub(crate) fn remove(&mut self, kind: Kind, id: &str) {
        match kind {
            Kind::GatewayClass => remove(&mut self.classes, kind, id),
            Kind::Gateway => remove(&mut self.gateways, kind, id),
            Kind::HTTPRoute | Kind::AIRoute => remove(&mut self.routes, kind, id),
            Kind::ReferenceGrant => remove(&mut self.grants, kind, id),
            Kind::Secret => remove(&mut self.secrets, kind, id),
            Kind::ConfigMap => remove(&mut self.config_maps, kind, id),
            Kind::Namespace => remove(&mut self.namespaces, kind, id),
            Kind::Service => remove(&mut self.services, kind, id),
            Kind::EndpointSlice => remove(&mut self.slices, kind, id),
            Kind::AgentgatewayBackend => remove(&mut self.backends, kind, id),
            Kind::AgentgatewayPolicy => remove(&mut self.policies, kind, id),
            Kind::AgentgatewayParameters => remove(&mut self.parameters, kind, id),
            Kind::AgentgatewayModel => remove(&mut self.models, kind, id),
        }
    }

    fn fill(&mut self, manifest: Manifest, slot: Slot) {
        match manifest {
            Manifest::GatewayClass(object) => slot.fill(&mut self.classes, object),
            Manifest::Gateway(object) => slot.fill(&mut self.gateways, object),
            Manifest::HTTPRoute(object) | Manifest::AIRoute(object) => slot.fill(&mut self.routes, object),
            Manifest::ReferenceGrant(object) => slot.fill(&mut self.grants, object),
            Manifest::Secret(object) => slot.fill(&mut self.secrets, object),
            Manifest::ConfigMap(object) => slot.fill(&mut self.config_maps, object),
            Manifest::Namespace(object) => slot.fill(&mut self.namespaces, object),
            Manifest::Service(object) => slot.fill(&mut self.services, object),
            Manifest::EndpointSlice(object) => slot.fill(&mut self.slices, object),
            Manifest::AgentgatewayBackend(object) => slot.fill(&mut self.backends, object),
            Manifest::AgentgatewayPolicy(object) => slot.fill(&mut self.policies, object),
            Manifest::AgentgatewayParameters(object) => slot.fill(&mut self.parameters, object),
            Manifest::AgentgatewayModel(object) => slot.fill(&mut self.models, object),
        }
    }
}

/// A [`Resource`] to be, without its object.
struct Slot {
    kind: Kind,
    id: Arc<str>,
    order: usize,
    place: String,
    sorted: bool,
}

impl Slot {
    fn fill<T>(self, list: &mut Vec<Resource<T>>, object: Box<T>) {
        let at = if self.sorted { position(list, self.kind, &self.id) } else { Err(list.len()) };
        let Self { kind, id, order, place, .. } = self;
        let resource = Resource { kind, id, object, order, place };
        match at {
            Ok(at) => list[at] = resource,
            Err(at) => list.insert(at, resource),
        }
    }
}

fn remove<T>(list: &mut Vec<Resource<T>>, kind: Kind, id: &str) {
    if let Ok(at) = position(list, kind, id) {
        list.remove(at);
    }
}

/// Where an object stands in a sorted list, or where it would.
fn position<T>(list: &[Resource<T>], kind: Kind, id: &str) -> Result<usize, usize> {
    list.binary_search_by(|resource| (&*resource.id, resource.kind).cmp(&(id, kind)))
}

/// The object of that `namespace/name`.
pub(super) fn find<'m, T>(all: &'m [Resource<T>], namespace: &str, name: &str) -> Option<&'m Resource<T>> {
    let named = |id: &str| id.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('/')) == Some(name);
    let length = namespace.len() + 1 + name.len();
    all.iter().find(|resource| resource.id.len() == length && named(&resource.id))
}
