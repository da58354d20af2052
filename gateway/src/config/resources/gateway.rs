//! GatewayClass, Gateway and ReferenceGrant.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::meta::{ObjectReference, Present};

/// GatewayClass.spec
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewayClassSpec {
    /// Which controller serves the class.
    pub controller_name: String,
    /// An AgentgatewayParameters.
    pub parameters_ref: Option<ObjectReference>,
    /// Not looked at.
    pub description: Option<String>,
}

/// Gateway.spec
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewaySpec {
    /// The class; others than ours are skipped.
    pub gateway_class_name: String,
    /// Where to listen.
    pub listeners: Vec<ListenerSpec>,
    /// Not supported.
    pub addresses: Option<Vec<Present>>,
    /// Labels and parameters of the deployment.
    pub infrastructure: Option<Infrastructure>,
    /// Not supported (ListenerSet).
    pub allowed_listeners: Option<Present>,
    /// Not supported (frontend and backend TLS).
    pub tls: Option<Present>,
    /// Not supported.
    pub default_scope: Option<Present>,
}

/// Gateway.spec.infrastructure
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Infrastructure {
    /// For the deployment.
    pub labels: Option<BTreeMap<String, String>>,
    /// For the deployment.
    pub annotations: Option<BTreeMap<String, String>>,
    /// An AgentgatewayParameters.
    pub parameters_ref: Option<ObjectReference>,
}

/// One listener of a Gateway.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerSpec {
    /// Unique in its Gateway.
    pub name: String,
    /// All hosts when absent.
    pub hostname: Option<String>,
    /// Where to listen.
    pub port: u16,
    /// `HTTP` or `HTTPS`; others are reported.
    pub protocol: String,
    /// For `protocol: HTTPS`.
    pub tls: Option<ListenerTlsSpec>,
    /// Who may attach.
    pub allowed_routes: Option<AllowedRoutes>,
}

/// TLS of a listener.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerTlsSpec {
    /// `Terminate` when absent.
    pub mode: Option<TlsMode>,
    /// Secrets with `tls.crt` and `tls.key`.
    pub certificate_refs: Option<Vec<ObjectReference>>,
    /// Not supported, whatever it holds.
    pub options: Option<BTreeMap<String, String>>,
    /// Not supported.
    pub frontend_validation: Option<Present>,
}

/// Where TLS ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TlsMode {
    /// At the listener.
    Terminate,
    /// At the backend.
    Passthrough,
}

/// Who may attach to a listener.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AllowedRoutes {
    /// `Same` when absent.
    pub namespaces: Option<RouteNamespaces>,
    /// What the protocol allows when absent.
    #[serde(default)]
    pub kinds: Option<Vec<RouteGroupKind>>,
}

/// Namespaces that may attach.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteNamespaces {
    /// How they are chosen.
    pub from: Option<FromNamespaces>,
    /// For `from: Selector`.
    pub selector: Option<LabelSelector>,
}

/// How namespaces are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum FromNamespaces {
    /// Every namespace.
    All,
    /// By labels.
    Selector,
    /// The Gateway's own.
    #[default]
    Same,
    /// No route attaches.
    None,
}

/// A kind of route.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteGroupKind {
    /// `gateway.networking.k8s.io` when absent.
    pub group: Option<String>,
    /// The kind.
    pub kind: String,
}

/// A label selector; all parts hold together.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelector {
    /// Equality.
    #[serde(default)]
    pub match_labels: Option<BTreeMap<String, String>>,
    /// Set expressions.
    #[serde(default)]
    pub match_expressions: Option<Vec<LabelExpression>>,
}

/// One set expression of a selector.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelExpression {
    /// Label.
    pub key: String,
    /// Relation.
    pub operator: LabelOperator,
    /// For `In` and `NotIn`.
    #[serde(default)]
    pub values: Option<Vec<String>>,
}

/// Relation of a set expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum LabelOperator {
    /// The label has one of the values.
    In,
    /// It has none of them, or is absent.
    NotIn,
    /// It is there.
    Exists,
    /// It is not.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether a set of labels fits; the empty selector fits everything.
    pub fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        let equal = self.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
        equal && self.match_expressions.iter().flatten().all(|expression| expression.fits(labels))
    }
}

impl LabelExpression {
    fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        let found = labels.get(&self.key);
        let listed = found.is_some_and(|value| self.values.iter().flatten().any(|wanted| wanted == value));
        match self.operator {
            LabelOperator::In => listed,
            LabelOperator::NotIn => !listed,
            LabelOperator::Exists => found.is_some(),
            LabelOperator::DoesNotExist => found.is_none(),
        }
    }
}

/// ReferenceGrant.spec
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReferenceGrantSpec {
    /// Who may refer.
    pub from: Vec<GrantFrom>,
    /// To what, in the grant's own namespace.
    pub to: Vec<GrantTo>,
}

/// Who may refer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GrantFrom {
    /// Group of the referrer.
    pub group: String,
    /// Kind of the referrer.
    pub kind: String,
    /// Namespace of the referrer.
    pub namespace: String,
}

/// What may be referred to.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GrantTo {
    /// Group, empty for core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Every object of the kind when absent.
    pub name: Option<String>,
}
