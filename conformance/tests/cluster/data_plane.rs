//! The data plane on a real API server: it serves what the cluster holds, follows it, and outlives the server's absence.

use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use mock_providers::MockProvider;
use serde_json::{Value, json};

use crate::plane::{Plane, apply_all, ask, backend, gateway, own_server, provider, route, secret, until};
use crate::support::{Failure, Test, World};

pub(crate) const TESTS: &[Test] = &[
    ("data_plane::a_rotated_secret_and_a_deleted_route_act_within_a_second", follows),
    ("data_plane::what_changes_nothing_compiles_nothing", compiles_nothing),
    ("data_plane::it_serves_while_the_api_server_is_away_and_follows_it_again", outlives_an_outage),
    ("data_plane::an_object_that_cannot_be_read_leaves_the_others_alone", an_unreadable_object),
    ("data_plane::a_backend_that_names_a_new_secret_never_fails", new_secret),
    ("data_plane::killing_one_of_two_fails_only_what_was_in_flight_on_it", one_of_two),
    ("data_plane::a_kind_without_a_crd_is_told_and_looked_for_again", without_a_crd),
    ("data_plane::an_api_server_that_is_away_at_the_start_is_told_and_waited_for", away_at_the_start),
];

/// What is promised for changes.
const SOON: Duration = Duration::from_secs(1);

fn last_key(mock: &MockProvider) -> Option<String> {
    let last = mock.latest(1).pop()?;
    let mut headers = last.head.headers();
    headers.find(|(name, _)| name.eq_ignore_ascii_case("authorization")).map(|(_, value)| value.to_owned())
}

fn follows(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let namespace = "follows";
        let objects = world.namespace(namespace).await?;
        let mock = provider("{respond: {text: ok}}").await?;
        apply_all(&objects, namespace, mock.addr()).await?;
        let plane = Plane::start(world.kubeconfig()?, "follows/gateway").await?;
        let address = plane.address()?;
        assert_eq!(ask(address, "/v1/chat/completions").await?, 200);
        assert_eq!(last_key(&mock).as_deref(), Some("Bearer sk-first"));

        objects.apply(&secret(namespace, "key", "sk-second")).await?;
        let rotated = Instant::now();
        while last_key(&mock).as_deref() != Some("Bearer sk-second") {
            assert!(rotated.elapsed() < SOON, "the old key is still used");
            assert_eq!(ask(address, "/v1/chat/completions").await?, 200);
        }
        let group = "agentgateway.dev/v1alpha1";
        let exported = objects.get(group, "AIRoute", namespace, "route").await?.ok_or("no route")?;
        objects.delete(group, "AIRoute", namespace, "route").await?;
        let gone = until(address, "/v1/chat/completions", 404).await?;
        objects.apply(&exported).await?;
        let back = until(address, "/v1/chat/completions", 200).await?;
        assert!(gone < SOON && back < SOON, "gone after {gone:?}, back after {back:?}");
        Ok(())
    })
}

fn compiles_nothing(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        // objects of other tests would matter
        let (server, objects) = own_server().await?;
        let namespace = "default";
        let mock = provider("{respond: {text: ok}}").await?;
        apply_all(&objects, namespace, mock.addr()).await?;
        let plane = Plane::start(&server.kubeconfig()?, "default/gateway").await?;
        let address = plane.address()?;

        objects.apply(&secret(namespace, "other", "sk-other")).await?;
        objects.apply(&secret(namespace, "other", "sk-changed")).await?;
        let metadata = json!({"name": "other", "namespace": namespace});
        let spec = json!({"ports": [{"port": 80}]});
        objects.apply(&json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})).await?;
        let gateways = objects.api("gateway.networking.k8s.io/v1", "Gateway", Some(namespace)).await?;
        let status = json!({"status": {"addresses": [{"type": "IPAddress", "value": "10.0.0.1"}]}});
        gateways.patch_status("gateway", &PatchParams::default(), &Patch::Merge(&status)).await?;
        let bookkeeping = json!({"metadata": {"managedFields": [{}]}});
        gateways.patch("gateway", &PatchParams::default(), &Patch::Merge(&bookkeeping)).await?;
        // each kind has a watcher of its own: changes that matter come after those that do not
        for kind in [gateway(namespace), backend(namespace, mock.addr(), "m-1")] {
            let mut kind = kind;
            kind["metadata"]["labels"] = json!({"changed": "true"});
            objects.apply(&kind).await?;
        }
        let unused = json!({"ports": [{"port": 81}]});
        let metadata = json!({"name": "other", "namespace": namespace});
        objects.apply(&json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": unused})).await?;
        objects.delete("agentgateway.dev/v1alpha1", "AIRoute", namespace, "route").await?;
        until(address, "/v1/chat/completions", 404).await?;
        let lines = plane.0.notices.all();
        let reloads = lines.iter().filter(|(_, line)| line.contains("reloaded")).count();
        assert!((1..=3).contains(&reloads), "{}", plane.0.notices.text(0));
        Ok(())
    })
}

fn outlives_an_outage(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let (mut server, objects) = own_server().await?;
        let mock = provider("{respond: {text: ok}}").await?;
        apply_all(&objects, "default", mock.addr()).await?;
        let plane = Plane::start(&server.kubeconfig()?, "default/gateway").await?;
        let address = plane.address()?;
        server.outage().await?;
        plane.says(0, "the API server cannot be reached").await?;
        assert_eq!(ask(address, "/v1/chat/completions").await?, 200);
        server.restart().await?;
        objects.delete("agentgateway.dev/v1alpha1", "AIRoute", "default", "route").await?;
        until(address, "/v1/chat/completions", 404).await?;
        Ok(())
    })
}

fn an_unreadable_object(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let (server, objects) = own_server().await?;
        let namespace = "default";
        let mock = provider("{respond: {text: ok}}").await?;
        apply_all(&objects, namespace, mock.addr()).await?;
        // the CRD of a later version, with fields that nobody here knows
        let (version, kind) = ("apiextensions.k8s.io/v1", "CustomResourceDefinition");
        let crd = objects.get(version, kind, "", "airoutes.agentgateway.dev").await?.ok_or("no CRD")?;
        let mut crd = without_status(crd);
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        objects.apply(&crd).await?;
        let plane = Plane::start(&server.kubeconfig()?, "default/gateway").await?;
        let mut newer = route(namespace, "newer", "/newer");
        newer["spec"]["surprise"] = json!(1);
        let since = Instant::now();
        while objects.apply(&newer).await?["spec"]["surprise"].is_null() {
            assert!(since.elapsed() < Duration::from_secs(30), "the CRD takes no unknown fields");
        }
        let said = plane.says(0, "AIRoute default/newer: not served").await?;
        assert!(said.contains("surprise"), "{said}");
        assert_eq!(ask(plane.address()?, "/v1/chat/completions").await?, 200);
        objects.apply(&route(namespace, "probe", "/probe")).await?;
        until(plane.address()?, "/probe/v1/chat/completions", 200).await?;
        Ok(())
    })
}

fn new_secret(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let namespace = "new-secret";
        let objects = world.namespace(namespace).await?;
        let mock = provider("{respond: {text: ok}}").await?;
        apply_all(&objects, namespace, mock.addr()).await?;
        let plane = Plane::start(world.kubeconfig()?, "new-secret/gateway").await?;
        let address = plane.address()?;
        objects.apply(&secret(namespace, "another", "sk-another")).await?;
        let mut changed = backend(namespace, mock.addr(), "m-1");
        changed["spec"]["policies"]["auth"]["secretRef"]["name"] = json!("another");
        objects.apply(&changed).await?;
        let since = Instant::now();
        while last_key(&mock).as_deref() != Some("Bearer sk-another") {
            assert_eq!(ask(address, "/v1/chat/completions").await?, 200);
            assert!(since.elapsed() < SOON, "the old key is still used");
        }
        Ok(())
    })
}

fn one_of_two(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let namespace = "two";
        let objects = world.namespace(namespace).await?;
        let mock = provider("{latency: {head: 1s}, respond: {text: ok}}").await?;
        apply_all(&objects, namespace, mock.addr()).await?;
        let mut first = Plane::start(world.kubeconfig()?, "two/gateway").await?;
        let second = Plane::start(world.kubeconfig()?, "two/gateway").await?;
        let addresses = [first.address()?, second.address()?];
        let asked = addresses.map(|address| {
            [(); 4].map(|()| tokio::spawn(async move { ask(address, "/v1/chat/completions").await.ok() }))
        });
        mock.wait_until(|journal| journal.requests.len() == 8).await;
        first.0.kill().await?;
        let [of_first, of_second] = asked;
        for answer in of_first {
            assert_eq!(answer.await?, None);
        }
        for answer in of_second {
            assert_eq!(answer.await?, Some(200));
        }
        assert_eq!(ask(addresses[1], "/v1/chat/completions").await?, 200);
        Ok(())
    })
}

fn without_a_crd(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let (server, objects) = own_server().await?;
        let mock = provider("{respond: {text: ok}}").await?;
        let crds = "apiextensions.k8s.io/v1";
        let kind = "CustomResourceDefinition";
        let name = "airoutes.agentgateway.dev";
        let crd = objects.get(crds, kind, "", name).await?.ok_or("no CRD")?;
        let mut http = route("default", "route", "/");
        http["apiVersion"] = json!("gateway.networking.k8s.io/v1");
        http["kind"] = json!("HTTPRoute");
        http["spec"]["rules"][0]["backendRefs"][0] =
            json!({"name": "pool", "group": "agentgateway.dev", "kind": "AgentgatewayBackend"});
        let all =
            [gateway("default"), secret("default", "key", "sk-first"), backend("default", mock.addr(), "m-1"), http];
        for object in &all {
            objects.apply(object).await?;
        }
        objects.delete(crds, kind, "", name).await?;
        let plane = Plane::start(&server.kubeconfig()?, "default/gateway").await?;
        plane.says(0, "the API server has no AIRoute").await?;
        let address = plane.address()?;
        assert_eq!(ask(address, "/v1/chat/completions").await?, 200);
        objects.apply(&without_status(crd)).await?;
        objects.established().await?;
        objects.apply(&route("default", "late", "/late")).await?;
        plane.says(0, "reloaded").await?;
        Ok(())
    })
}

fn without_status(mut object: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
    object
}

fn away_at_the_start(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let folder = tempfile::tempdir()?;
        let kubeconfig = folder.path().join("kubeconfig");
        let config = json!({
            "clusters": [{"name": "none", "cluster": {"server": "https://127.0.0.1:1"}}],
            "users": [{"name": "nobody", "user": {"token": "hidden"}}],
            "contexts": [{"name": "none", "context": {"cluster": "none", "user": "nobody"}}],
            "current-context": "none",
        });
        std::fs::write(&kubeconfig, config.to_string())?;
        let plane = Plane::spawn(&kubeconfig, "default/gateway")?;
        plane.says(0, "Connection refused").await?;
        plane.says(0, "waiting for the API server to list GatewayClass, Gateway, HTTPRoute").await?;
        let said = plane.0.notices.text(0);
        assert!(!said.contains("hidden") && !said.contains("serving"), "{said}");
        Ok(())
    })
}
