//! The CustomResourceDefinitions of agentgateway's kinds, made from the types that read the objects, so that the API
//! server and the gateway cannot disagree about a field. Owns names and columns; what a schema looks like is in
//! [`structural`], what no type can say in [`rules`] and [`bounds`], what the controller writes in [`status`]. Knows no
//! cluster.

mod bounds;
mod rules;
mod status;
mod structural;

use serde_json::{Value, json};

use crate::config::kind::Kind;
use crate::config::resources::backend::BackendSpec;
use crate::config::resources::model::ModelSpec;
use crate::config::resources::parameters::ParametersSpec;
use crate::config::resources::policy::PolicySpec;
use crate::config::resources::route::RouteSpec;

pub use rules::{RULES, Rule};

/// A column of `kubectl get`: its title and where its text is found.
type Column = (&'static str, &'static str);

/// What only a person can decide about a kind.
struct Definition {
    kind: Kind,
    short: &'static str,
    /// What an object of the kind is, for `kubectl explain`.
    about: &'static str,
    spec: fn() -> Value,
    status: fn() -> Value,
    columns: &'static [Column],
}

const DEFINITIONS: [Definition; 5] = [
    Definition {
        kind: Kind::AgentgatewayBackend,
        short: "agbe",
        about: "Where requests go: LLM providers with their priorities, or a plain host. Routes name it in `backendRefs`. \
                What is not supported is taken, and told in the status.",
        spec: structural::of::<BackendSpec>,
        status: status::conditions,
        columns: &[("Accepted", r#".status.conditions[?(@.type=="Accepted")].status"#)],
    },
    Definition {
        kind: Kind::AgentgatewayPolicy,
        short: "agpol",
        about: "Timeouts, retries, client keys, telemetry and the like for Gateways, routes or backends of its namespace. \
                What is not supported is taken, and told in the status.",
        spec: structural::of::<PolicySpec>,
        status: status::ancestors,
        columns: &[
            ("Accepted", r#".status.ancestors[*].conditions[?(@.type=="Accepted")].status"#),
            ("Attached", r#".status.ancestors[*].conditions[?(@.type=="Attached")].status"#),
        ],
    },
    Definition {
        kind: Kind::AgentgatewayParameters,
        short: "agpar",
        about: "How a Gateway is deployed, and what its models cost. A Gateway names it in `infrastructure.parametersRef`.",
        spec: structural::of::<ParametersSpec>,
        status: status::nothing,
        columns: &[],
    },
    Definition {
        kind: Kind::AgentgatewayModel,
        short: "agmodel",
        about: "A model that clients ask for by name: a provider's, or a virtual one that stands for others.",
        spec: structural::of::<ModelSpec>,
        status: status::parents,
        columns: &[
            ("Model Match", ".spec.match.model"),
            ("Accepted", r#".status.parents[*].conditions[?(@.type=="Accepted")].status"#),
        ],
    },
    Definition {
        kind: Kind::AIRoute,
        short: "air",
        about: "An HTTPRoute whose `backendRefs` are AgentgatewayBackends unless they say otherwise.",
        spec: structural::of::<RouteSpec>,
        status: status::parents,
        columns: &[
            ("Hostnames", ".spec.hostnames"),
            ("Accepted", r#".status.parents[*].conditions[?(@.type=="Accepted")].status"#),
        ],
    },
];

/// The CustomResourceDefinitions of all kinds of agentgateway.
#[must_use]
pub fn crds() -> Vec<Value> {
    DEFINITIONS.iter().map(Definition::crd).collect()
}

impl Definition {
    fn crd(&self) -> Value {
        let (group, plural, singular) = (self.kind.group(), self.kind.plural(), self.kind.name().to_ascii_lowercase());
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group,
                "names": {
                    "kind": self.kind.name(),
                    "listKind": format!("{}List", self.kind.name()),
                    "plural": plural,
                    "singular": singular,
                    "shortNames": [self.short],
                    "categories": ["agentgateway"],
                },
                "scope": if self.kind.namespaced() { "Namespaced" } else { "Cluster" },
                "versions": [{
                    "name": self.kind.versions()[0],
                    "served": true,
                    "storage": true,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": self.columns(),
                    "schema": {"openAPIV3Schema": self.schema()},
                }],
            },
        })
    }

    fn columns(&self) -> Vec<Value> {
        let column = |(name, path): &Column| json!({"name": name, "type": "string", "jsonPath": path});
        let age = json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"});
        self.columns.iter().map(column).chain([age]).collect()
    }

    fn schema(&self) -> Value {
        json!({
            "description": self.about,
            "type": "object",
            "required": ["spec"],
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"type": "object"},
                "spec": (self.spec)(),
                "status": (self.status)(),
            },
        })
    }
}
