//! What a data plane may do on the API server: read the kinds it serves from, and nothing else.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::config::kind::KINDS;

/// What the role is called.
pub const ROLE: &str = "windtunnel-gateway";

/// The ClusterRole of a data plane, to be bound to its ServiceAccount.
#[must_use]
pub fn cluster_role() -> Value {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for kind in KINDS {
        groups.entry(kind.group()).or_default().push(kind.plural());
    }
    let rule = |(group, resources)| json!({"apiGroups": [group], "resources": resources, "verbs": VERBS});
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": ROLE},
        "rules": groups.into_iter().map(rule).collect::<Vec<_>>(),
    })
}

/// Enough to follow objects.
const VERBS: [&str; 3] = ["get", "list", "watch"];
