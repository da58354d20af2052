//! What the harness itself does with objects, on a real server.

use conformance::cluster::{ApiServer, Assets, Objects};
use serde_json::json;

use crate::support::{Failure, Test, World};

pub(crate) const TESTS: &[Test] = &[
    ("objects::an_object_is_applied_read_changed_and_deleted", applied_read_changed_deleted),
    ("objects::a_user_without_a_role_may_do_nothing", without_a_role),
    ("objects::what_the_server_knows_outlives_an_outage", outlives_an_outage),
    ("objects::the_server_knows_the_gateway_api_with_its_experimental_fields", gateway_api_is_experimental),
];

fn applied_read_changed_deleted(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let objects = world.namespace("objects").await?;
        let map = |value| {
            let metadata = json!({"name": "map", "namespace": "objects"});
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": value}})
        };
        for value in ["one", "two"] {
            objects.apply(&map(value)).await?;
            let found = objects.get("v1", "ConfigMap", "objects", "map").await?.ok_or("it is not there")?;
            assert_eq!(found["data"]["key"], value);
        }
        objects.delete("v1", "ConfigMap", "objects", "map").await?;
        assert_eq!(objects.get("v1", "ConfigMap", "objects", "map").await?, None);
        objects.delete("v1", "ConfigMap", "objects", "map").await?;
        let refused = objects.apply(&json!({"kind": "ConfigMap"})).await.expect_err("it has no name");
        assert!(refused.message().contains("metadata.name"), "{refused}");
        Ok(())
    })
}

fn without_a_role(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let user = "system:serviceaccount:objects:nobody";
        let objects = Objects::of(&world.server()?.kubeconfig_as(user, &["system:serviceaccounts"])?).await?;
        let refused = objects.get("v1", "Secret", "objects", "any").await.expect_err("it may not");
        assert!(refused.message().contains(user) && refused.message().contains("forbidden"), "{refused}");
        Ok(())
    })
}

fn outlives_an_outage(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let mut server = ApiServer::start(&Assets::find()?).await?;
        let objects = Objects::of(&server.kubeconfig()?).await?;
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "before"}});
        objects.apply(&namespace).await?;
        server.outage().await?;
        assert!(objects.get("v1", "Namespace", "", "before").await.is_err());
        server.restart().await?;
        assert!(objects.get("v1", "Namespace", "", "before").await?.is_some());
        Ok(())
    })
}

fn gateway_api_is_experimental(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let objects = world.namespace("retry").await?;
        let rule = json!({"retry": {"codes": [503], "attempts": 2}});
        let applied = objects
            .apply(&json!({
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "HTTPRoute",
                "metadata": {"name": "route", "namespace": "retry"},
                "spec": {"rules": [rule]},
            }))
            .await?;
        assert_eq!(applied["spec"]["rules"][0]["retry"]["attempts"], 2);
        Ok(())
    })
}
