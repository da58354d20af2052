//! All objects of a configuration, by kind, with where each was written. Finds objects that are
//! written twice; knows nothing of what the objects mean.

use std::collections::HashMap;
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
}

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
    fn add(&mut self, placed: Placed, id: Arc<str>, place: String, order: usize) {
        let kind = placed.kind;
        match placed.manifest {
            Manifest::GatewayClass(object) => self.classes.push(Resource { kind, id, object, order, place }),
            Manifest::Gateway(object) => self.gateways.push(Resource { kind, id, object, order, place }),
            Manifest::HTTPRoute(object) | Manifest::AIRoute(object) => {
                self.routes.push(Resource { kind, id, object, order, place });
            }
            Manifest::ReferenceGrant(object) => self.grants.push(Resource { kind, id, object, order, place }),
            Manifest::Secret(object) => self.secrets.push(Resource { kind, id, object, order, place }),
            Manifest::ConfigMap(object) => self.config_maps.push(Resource { kind, id, object, order, place }),
            Manifest::Namespace(object) => self.namespaces.push(Resource { kind, id, object, order, place }),
            Manifest::Service(object) => self.services.push(Resource { kind, id, object, order, place }),
            Manifest::EndpointSlice(object) => self.slices.push(Resource { kind, id, object, order, place }),
            Manifest::AgentgatewayBackend(object) => self.backends.push(Resource { kind, id, object, order, place }),
            Manifest::AgentgatewayPolicy(object) => self.policies.push(Resource { kind, id, object, order, place }),
            Manifest::AgentgatewayParameters(object) => {
                self.parameters.push(Resource { kind, id, object, order, place });
            }
            Manifest::AgentgatewayModel(object) => self.models.push(Resource { kind, id, object, order, place }),
        }
    }
}

/// The object of that `namespace/name`.
pub(super) fn find<'m, T>(all: &'m [Resource<T>], namespace: &str, name: &str) -> Option<&'m Resource<T>> {
    all.iter().find(|resource| resource.id.split_once('/') == Some((namespace, name)))
}
