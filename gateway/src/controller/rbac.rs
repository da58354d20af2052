//! What the controller may do on the API server, with what its data planes may do, which it hands on.

use serde_json::{Value, json};

use super::infrastructure::{MANAGED_BY, MANAGER};
use crate::kubernetes::rbac::{ROLE as DATA_PLANE, cluster_role as data_plane};

/// What the controller's ServiceAccount, role and binding are called.
pub const NAME: &str = "windtunnel-controller";

const RBAC: &str = "rbac.authorization.k8s.io";
const GATEWAY_API: &str = "gateway.networking.k8s.io";
const AGENTGATEWAY: &str = "agentgateway.dev";

/// Everything that a controller in a namespace needs, as one List.
#[must_use]
pub fn manifest(namespace: &str) -> Value {
    let account = json!({"kind": "ServiceAccount", "namespace": namespace, "name": NAME});
    let role = json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": "ClusterRole",
        "metadata": {"name": NAME},
        "rules": rules(),
    });
    let binding = json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": "ClusterRoleBinding",
        "metadata": {"name": NAME},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": NAME},
        "subjects": [account],
    });
    let metadata = json!({"name": NAME, "namespace": namespace});
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
    json!({"apiVersion": "v1", "kind": "List", "items": [account, data_plane(), role, binding]})
}

/// What data planes read it reads as well, and nobody may bind a role to others beyond what it may do itself.
fn rules() -> Vec<Value> {
    let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    let mut rules = data_plane()["rules"].as_array().cloned().unwrap_or_default();
    let applied = ["get", "list", "watch", "create", "patch"];
    rules.extend([
        rule(GATEWAY_API, &["gatewayclasses"], &["create"]),
        rule(GATEWAY_API, &["gatewayclasses/status", "gateways/status", "httproutes/status"], &["patch"]),
        // what is applied for a Gateway keeps it from being deleted first
        rule(GATEWAY_API, &["gateways/finalizers"], &["update"]),
        rule(
            AGENTGATEWAY,
            &[
                "airoutes/status",
                "agentgatewaybackends/status",
                "agentgatewaymodels/status",
                "agentgatewaypolicies/status",
            ],
            &["patch"],
        ),
        rule("apps", &["deployments"], &applied),
        rule("", &["services", "serviceaccounts"], &applied),
        rule(RBAC, &["clusterrolebindings"], &["get", "list", "watch"]),
        rule("events.k8s.io", &["events"], &["get", "create", "patch"]),
        rule("coordination.k8s.io", &["leases"], &["get", "list", "watch", "create", "update"]),
    ]);
    // a name that is created is not known to the rule yet
    rules.push(rule(RBAC, &["clusterrolebindings"], &["create"]));
    let named = json!({
        "apiGroups": [RBAC], "resources": ["clusterrolebindings"], "resourceNames": [DATA_PLANE], "verbs": ["patch"],
    });
    rules.push(named);
    rules
}

/// What binds the service accounts of all Gateways to what data planes may read: one object, so none is left behind.
pub(super) fn data_plane_binding<'a>(accounts: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let accounts =
        accounts.map(|(namespace, name)| json!({"kind": "ServiceAccount", "namespace": namespace, "name": name}));
    json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": "ClusterRoleBinding",
        "metadata": {"name": DATA_PLANE, "labels": {MANAGED_BY: MANAGER}},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": DATA_PLANE},
        "subjects": accounts.collect::<Vec<_>>(),
    })
}
