//! The table of kinds: name, API group, versions, and which type reads them.

use serde::de::{Deserialize, DeserializeSeed, Deserializer};

use super::resources::backend::BackendSpec;
use super::resources::core::{ConfigMap, EndpointSlice, Namespace, Secret, ServiceSpec};
use super::resources::gateway::{GatewayClassSpec, GatewaySpec, ReferenceGrantSpec};
use super::resources::meta::{Metadata, Object};
use super::resources::model::ModelSpec;
use super::resources::parameters::ParametersSpec;
use super::resources::policy::PolicySpec;
use super::resources::route::RouteSpec;

/// The core API group.
pub const CORE: &str = "";
/// The Gateway API group.
pub const GATEWAY_API: &str = "gateway.networking.k8s.io";
/// agentgateway's group.
pub const AGENTGATEWAY: &str = "agentgateway.dev";
/// The controller name of our GatewayClass.
pub const CONTROLLER: &str = "agentgateway.dev/agentgateway";

/// A kind the gateway reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the kinds themselves")]
pub enum Kind {
    GatewayClass,
    Gateway,
    HTTPRoute,
    AIRoute,
    ReferenceGrant,
    Secret,
    ConfigMap,
    Namespace,
    Service,
    EndpointSlice,
    AgentgatewayBackend,
    AgentgatewayPolicy,
    AgentgatewayParameters,
    AgentgatewayModel,
}

use Kind::*;

/// All kinds, for lookups and suggestions.
pub const KINDS: [Kind; 14] = [
    GatewayClass,
    Gateway,
    HTTPRoute,
    AIRoute,
    ReferenceGrant,
    Secret,
    ConfigMap,
    Namespace,
    Service,
    EndpointSlice,
    AgentgatewayBackend,
    AgentgatewayPolicy,
    AgentgatewayParameters,
    AgentgatewayModel,
];

impl Kind {
    /// The kind's name as manifests spell it.
    pub fn name(self) -> &'static str {
        match self {
            GatewayClass => "GatewayClass",
            Gateway => "Gateway",
            HTTPRoute => "HTTPRoute",
            AIRoute => "AIRoute",
            ReferenceGrant => "ReferenceGrant",
            Secret => "Secret",
            ConfigMap => "ConfigMap",
            Namespace => "Namespace",
            Service => "Service",
            EndpointSlice => "EndpointSlice",
            AgentgatewayBackend => "AgentgatewayBackend",
            AgentgatewayPolicy => "AgentgatewayPolicy",
            AgentgatewayParameters => "AgentgatewayParameters",
            AgentgatewayModel => "AgentgatewayModel",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind's name in URLs and in RBAC rules.
    pub fn plural(self) -> String {
        let name = self.name().to_ascii_lowercase();
        match self {
            GatewayClass => name + "es",
            AgentgatewayPolicy => "agentgatewaypolicies".to_owned(),
            AgentgatewayParameters => name,
            _ => name + "s",
        }
    }

    /// The API group.
    pub fn group(self) -> &'static str {
        match self {
            Secret | ConfigMap | Namespace | Service => CORE,
            EndpointSlice => "discovery.k8s.io",
            GatewayClass | Gateway | HTTPRoute | ReferenceGrant => GATEWAY_API,
            _ => AGENTGATEWAY,
        }
    }

    /// The versions that are read, the usual one first.
    pub fn versions(self) -> &'static [&'static str] {
        match self {
            GatewayClass | Gateway | HTTPRoute | ReferenceGrant => &["v1", "v1beta1"],
            Secret | ConfigMap | Namespace | Service | EndpointSlice => &["v1"],
            _ => &["v1alpha1"],
        }
    }

    /// `group/version`, as manifests spell it.
    pub fn api_version(self) -> String {
        match self.group() {
            CORE => self.versions()[0].to_owned(),
            group => format!("{group}/{}", self.versions()[0]),
        }
    }

    /// Whether objects of the kind live in a namespace.
    pub fn namespaced(self) -> bool {
        !matches!(self, GatewayClass | Namespace)
    }
}

/// One object, read.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the kinds themselves")]
pub enum Manifest {
    GatewayClass(Box<Object<GatewayClassSpec>>),
    Gateway(Box<Object<GatewaySpec>>),
    HTTPRoute(Box<Object<RouteSpec>>),
    AIRoute(Box<Object<RouteSpec>>),
    ReferenceGrant(Box<Object<ReferenceGrantSpec>>),
    Secret(Box<Secret>),
    ConfigMap(Box<ConfigMap>),
    Namespace(Box<Namespace>),
    Service(Box<Object<ServiceSpec>>),
    EndpointSlice(Box<EndpointSlice>),
    AgentgatewayBackend(Box<Object<BackendSpec>>),
    AgentgatewayPolicy(Box<Object<PolicySpec>>),
    AgentgatewayParameters(Box<Object<ParametersSpec>>),
    AgentgatewayModel(Box<Object<ModelSpec>>),
}

impl Manifest {
    /// Name, namespace, labels.
    pub fn metadata(&self) -> &Metadata {
        match self {
            Self::GatewayClass(object) => &object.metadata,
            Self::Gateway(object) => &object.metadata,
            Self::HTTPRoute(object) | Self::AIRoute(object) => &object.metadata,
            Self::ReferenceGrant(object) => &object.metadata,
            Self::Secret(object) => &object.metadata,
            Self::ConfigMap(object) => &object.metadata,
            Self::Namespace(object) => &object.metadata,
            Self::Service(object) => &object.metadata,
            Self::EndpointSlice(object) => &object.metadata,
            Self::AgentgatewayBackend(object) => &object.metadata,
            Self::AgentgatewayPolicy(object) => &object.metadata,
            Self::AgentgatewayParameters(object) => &object.metadata,
            Self::AgentgatewayModel(object) => &object.metadata,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Kind {
    type Value = Manifest;

    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<Manifest, D::Error> {
        Ok(match self {
            GatewayClass => Manifest::GatewayClass(Box::deserialize(de)?),
            Gateway => Manifest::Gateway(Box::deserialize(de)?),
            HTTPRoute => Manifest::HTTPRoute(Box::deserialize(de)?),
            AIRoute => Manifest::AIRoute(Box::deserialize(de)?),
            ReferenceGrant => Manifest::ReferenceGrant(Box::deserialize(de)?),
            Secret => Manifest::Secret(Box::deserialize(de)?),
            ConfigMap => Manifest::ConfigMap(Box::deserialize(de)?),
            Namespace => Manifest::Namespace(Box::deserialize(de)?),
            Service => Manifest::Service(Box::deserialize(de)?),
            EndpointSlice => Manifest::EndpointSlice(Box::deserialize(de)?),
            AgentgatewayBackend => Manifest::AgentgatewayBackend(Box::deserialize(de)?),
            AgentgatewayPolicy => Manifest::AgentgatewayPolicy(Box::deserialize(de)?),
            AgentgatewayParameters => Manifest::AgentgatewayParameters(Box::deserialize(de)?),
            AgentgatewayModel => Manifest::AgentgatewayModel(Box::deserialize(de)?),
        })
    }
}
