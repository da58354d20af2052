//! The role of a data plane: it suffices, and it holds nothing that could be left out.

use gateway::config::kind::KINDS;
use gateway::kubernetes::rbac;
use serde_json::{Value, json};

use crate::plane::{Plane, apply_all, ask, provider};
use crate::support::{Failure, Test, World};

pub(crate) const TESTS: &[Test] = &[
    ("data_plane_rights::its_role_suffices", suffices),
    ("data_plane_rights::without_any_part_of_its_role_it_does_not_get_ready_and_says_so", is_needed),
];

/// A namespace with all objects, and a service account that is bound to a role.
async fn bound(world: &World, namespace: &str, role: &Value) -> Result<std::path::PathBuf, Failure> {
    let objects = world.namespace(namespace).await?;
    let mut role = role.clone();
    role["metadata"]["name"] = json!(namespace);
    objects.apply(&role).await?;
    let version = "rbac.authorization.k8s.io/v1";
    objects
        .apply(&json!({
            "apiVersion": version,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace},
            "subjects": [{"kind": "ServiceAccount", "name": "plane", "namespace": namespace}],
        }))
        .await?;
    let user = format!("system:serviceaccount:{namespace}:plane");
    Ok(world.server()?.kubeconfig_as(&user, &["system:serviceaccounts"])?)
}

fn suffices(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let kubeconfig = bound(world, "rights", &rbac::cluster_role()).await?;
        let mock = provider("{respond: {text: ok}}").await?;
        apply_all(&world.objects().await?, "rights", mock.addr()).await?;
        let plane = Plane::start(&kubeconfig, "rights/gateway").await?;
        assert_eq!(ask(plane.address()?, "/v1/chat/completions").await?, 200);
        Ok(())
    })
}

fn is_needed(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let objects = world.namespace("needed").await?;
        let mock = provider("{respond: {text: ok}}").await?;
        apply_all(&objects, "needed", mock.addr()).await?;
        let catalog = json!({"sources": [{"configMap": {"name": "prices"}}]});
        let parameters = json!({
            "apiVersion": "agentgateway.dev/v1alpha1",
            "kind": "AgentgatewayParameters",
            "metadata": {"name": "parameters", "namespace": "needed"},
            "spec": {"modelCatalog": catalog},
        });
        objects.apply(&parameters).await?;
        for kind in KINDS {
            let resource = kind.plural();
            let role = without(&resource);
            let kubeconfig = bound(world, &format!("needed-{resource}"), &role).await?;
            let plane = Plane::spawn(&kubeconfig, "needed/gateway")?;
            plane.says(0, &format!("cannot list resource \"{resource}\"")).await?;
            let lines = plane.0.notices.all();
            assert!(!lines.iter().any(|(_, line)| line == "serving"), "{resource}: {}", plane.0.notices.text(0));
        }
        Ok(())
    })
}

fn without(resource: &str) -> Value {
    let mut role = rbac::cluster_role();
    for rule in role["rules"].as_array_mut().into_iter().flatten() {
        if let Some(resources) = rule["resources"].as_array_mut() {
            resources.retain(|name| name != resource);
        }
    }
    // a rule without resources is none
    if let Some(rules) = role["rules"].as_array_mut() {
        rules.retain(|rule| rule["resources"] != json!([]));
    }
    role
}
