//! `windtunnel controller` with the rights that it asks for, on a real API server. Tests that share the server share the
//! leader.

use std::io::{Read, Write};
use std::net::TcpStream;

use conformance::cluster::{ApiServer, Assets, Objects};
use serde_json::{Value, json};

use crate::process::{LEADING, Process, candidate, leader, leads};
use crate::support::{Failure, LEASE, READY, Test, World};

pub(crate) const TESTS: &[Test] = &[
    ("controller::a_gateway_is_deployed_and_programmed_and_follows_its_listeners", deployed),
    ("controller::routes_are_counted_and_what_is_broken_says_why", routes),
    ("controller::parameters_shape_the_deployment", parameters),
    ("controller::edits_of_others_are_put_right_and_nothing_is_written_twice", put_right),
    ("controller::what_belongs_to_somebody_else_is_left_alone", left_alone),
    ("controller::it_tells_a_deployment_and_prometheus_how_it_is", healthy),
    ("controller::one_leads_another_takes_over_and_an_abandoned_one_ends", takes_over),
];

const GATEWAY_API: &str = "gateway.networking.k8s.io/v1";

fn gateway(namespace: &str, ports: &[u16]) -> Value {
    let listener = |port: &u16| json!({"name": format!("l{port}"), "port": port, "protocol": "HTTP"});
    json!({
        "apiVersion": GATEWAY_API,
        "kind": "Gateway",
        "metadata": {"name": "llm", "namespace": namespace},
        "spec": {"gatewayClassName": "agentgateway", "listeners": ports.iter().map(listener).collect::<Vec<_>>()},
    })
}

fn route(namespace: &str, name: &str, section: &str, service: &str) -> Value {
    json!({
        "apiVersion": GATEWAY_API,
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "parentRefs": [{"name": "llm", "sectionName": section}],
            "rules": [{"backendRefs": [{"name": service, "port": 80}]}],
        },
    })
}

/// A condition with a status, about the object's current generation.
fn holds(object: &Value, conditions: &Value, type_: &str, status: &str) -> bool {
    let found = conditions.as_array().into_iter().flatten().find(|condition| condition["type"] == type_);
    let current = |found: &Value| found["observedGeneration"] == object["metadata"]["generation"];
    found.is_some_and(|found| found["status"] == status && current(found))
}

/// Waits until a Gateway of that name is programmed as it is now.
async fn programmed(objects: &Objects, namespace: &str) -> Result<Value, Failure> {
    let programmed = |gateway: &Value| holds(gateway, &gateway["status"]["conditions"], "Programmed", "True");
    Ok(objects.wait(GATEWAY_API, "Gateway", namespace, "llm", "Programmed=True", programmed).await?)
}

async fn read(objects: &Objects, version: &str, kind: &str, namespace: &str) -> Result<Value, Failure> {
    Ok(objects.get(version, kind, namespace, "llm").await?.ok_or("it is not there")?)
}

fn deployed(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let objects = world.namespace("deployed").await?;
        world.leader().await?;
        objects.apply(&gateway("deployed", &[80])).await?;
        let gateway_ = programmed(&objects, "deployed").await?;
        let deployment = read(&objects, "apps/v1", "Deployment", "deployed").await?;
        let service = read(&objects, "v1", "Service", "deployed").await?;
        let owner = &deployment["metadata"]["ownerReferences"][0];
        assert_eq!((&owner["uid"], &owner["controller"]), (&gateway_["metadata"]["uid"], &json!(true)));
        assert_eq!(service["spec"]["ports"][0]["port"], 80);
        assert_eq!(gateway_["status"]["addresses"][0]["value"], service["spec"]["clusterIP"]);
        let accepted = |class: &Value| holds(class, &class["status"]["conditions"], "Accepted", "True");
        objects.wait(GATEWAY_API, "GatewayClass", "", "agentgateway", "Accepted=True", accepted).await?;

        objects.apply(&gateway("deployed", &[80, 8443])).await?;
        let gateway_ = programmed(&objects, "deployed").await?;
        assert_eq!(
            (&gateway_["metadata"]["generation"], &gateway_["status"]["listeners"][1]["name"]),
            (&json!(2), &json!("l8443"))
        );
        assert_eq!(read(&objects, "v1", "Service", "deployed").await?["spec"]["ports"][1]["port"], 8443);
        let after = read(&objects, "apps/v1", "Deployment", "deployed").await?;
        assert_eq!(after["metadata"]["generation"], deployment["metadata"]["generation"], "a listener restarts no Pod");
        let role = objects.get("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "windtunnel-gateway").await?;
        let account = json!({"kind": "ServiceAccount", "namespace": "deployed", "name": "llm"});
        assert!(role.is_some_and(|role| role["subjects"].as_array().is_some_and(|all| all.contains(&account))));
        Ok(())
    })
}

fn routes(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let objects = world.namespace("routes").await?;
        world.leader().await?;
        objects.apply(&gateway("routes", &[80])).await?;
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "there", "namespace": "routes"}, "spec": {"ports": [{"port": 80}]}});
        objects.apply(&service).await?;
        objects.apply(&route("routes", "good", "l80", "there")).await?;
        let counted = |gateway: &Value| gateway["status"]["listeners"][0]["attachedRoutes"] == 1;
        objects.wait(GATEWAY_API, "Gateway", "routes", "llm", "attachedRoutes is 1", counted).await?;
        let accepted = |route: &Value| holds(route, &route["status"]["parents"][0]["conditions"], "Accepted", "True");
        let good = objects.wait(GATEWAY_API, "HTTPRoute", "routes", "good", "Accepted=True", accepted).await?;
        let parent = &good["status"]["parents"][0];
        assert_eq!(parent["parentRef"], good["spec"]["parentRefs"][0]);
        assert_eq!(parent["controllerName"], "agentgateway.dev/agentgateway");

        objects.apply(&route("routes", "broken", "l81", "absent")).await?;
        let refused = |route: &Value| {
            let conditions = &route["status"]["parents"][0]["conditions"];
            holds(route, conditions, "Accepted", "False") && holds(route, conditions, "ResolvedRefs", "False")
        };
        let broken = objects.wait(GATEWAY_API, "HTTPRoute", "routes", "broken", "Accepted=False", refused).await?;
        let conditions = broken["status"]["parents"][0]["conditions"].as_array().ok_or("no conditions")?;
        for condition in conditions {
            let found = event(&objects, &broken, condition).await?;
            assert_eq!((&found["type"], &found["reason"]), (&json!("Warning"), &condition["reason"]));
        }
        let message = conditions[0]["message"].as_str().unwrap_or_default();
        assert!(message.contains("`l81`"), "{message}");
        Ok(())
    })
}

/// Waits for the Event that tells a condition of an object.
async fn event(objects: &Objects, object: &Value, condition: &Value) -> Result<Value, Failure> {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let api = objects.api("events.k8s.io/v1", "Event", Some(namespace)).await?;
    for _ in 0..500 {
        for found in api.list(&kube::api::ListParams::default()).await? {
            let found = serde_json::to_value(found)?;
            if found["regarding"]["uid"] == object["metadata"]["uid"] && found["note"] == condition["message"] {
                return Ok(found);
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Err(format!("no Event tells {condition}").into())
}

fn parameters(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let objects = world.namespace("parameters").await?;
        world.leader().await?;
        let parameters = |tag: &str, replicas: u32| {
            json!({
                "apiVersion": "agentgateway.dev/v1alpha1",
                "kind": "AgentgatewayParameters",
                "metadata": {"name": "small", "namespace": "parameters"},
                "spec": {
                    "image": {"registry": "registry.example", "repository": "own", "tag": tag},
                    "replicas": replicas,
                    "service": {"spec": {"type": "ClusterIP"}},
                },
            })
        };
        let mut gateway = gateway("parameters", &[80]);
        let reference = json!({"group": "agentgateway.dev", "kind": "AgentgatewayParameters", "name": "small"});
        gateway["spec"]["infrastructure"] = json!({"labels": {"team": "blue"}, "parametersRef": reference});
        objects.apply(&gateway).await?;
        let missing = |gateway: &Value| holds(gateway, &gateway["status"]["conditions"], "Programmed", "False");
        objects.wait(GATEWAY_API, "Gateway", "parameters", "llm", "Programmed=False", missing).await?;
        for (tag, replicas) in [("2", 2), ("3", 3)] {
            objects.apply(&parameters(tag, replicas)).await?;
            let image = json!(format!("registry.example/own:{tag}"));
            let as_wanted = |deployment: &Value| {
                let spec = &deployment["spec"];
                spec["template"]["spec"]["containers"][0]["image"] == image && spec["replicas"] == replicas
            };
            objects.wait("apps/v1", "Deployment", "parameters", "llm", "the parameters' image", as_wanted).await?;
        }
        let service = objects.wait("v1", "Service", "parameters", "llm", "there", |_| true).await?;
        assert_eq!(
            (&service["spec"]["type"], &service["metadata"]["labels"]["team"]),
            (&json!("ClusterIP"), &json!("blue"))
        );
        Ok(())
    })
}

fn put_right(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let objects = world.namespace("put-right").await?;
        world.leader().await?;
        objects.apply(&gateway("put-right", &[80])).await?;
        let before = programmed(&objects, "put-right").await?;
        let edit = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "llm", "namespace": "put-right"},
            "spec": {"ports": [{"name": "port-80", "port": 80, "targetPort": 9999}]}});
        objects.apply(&edit).await?;
        let right = |service: &Value| service["spec"]["ports"][0]["targetPort"] == 80;
        objects.wait("v1", "Service", "put-right", "llm", "targetPort is 80 again", right).await?;
        objects.delete("apps/v1", "Deployment", "put-right", "llm").await?;
        let made = objects.wait("apps/v1", "Deployment", "put-right", "llm", "there again", |_| true).await?;
        // another object's status shows that the passes went on
        objects.apply(&route("put-right", "late", "l80", "absent")).await?;
        let told = |route: &Value| route["status"]["parents"][0]["conditions"].is_array();
        objects.wait(GATEWAY_API, "HTTPRoute", "put-right", "late", "a status", told).await?;
        let counted = |gateway: &Value| gateway["status"]["listeners"][0]["attachedRoutes"] == 1;
        let after = objects.wait(GATEWAY_API, "Gateway", "put-right", "llm", "attachedRoutes is 1", counted).await?;
        assert_eq!(after["status"]["conditions"], before["status"]["conditions"]);
        objects.delete(GATEWAY_API, "HTTPRoute", "put-right", "late").await?;
        let empty = |gateway: &Value| gateway["status"]["listeners"][0]["attachedRoutes"] == 0;
        objects.wait(GATEWAY_API, "Gateway", "put-right", "llm", "attachedRoutes is 0", empty).await?;
        let deployment = read(&objects, "apps/v1", "Deployment", "put-right").await?;
        assert_eq!(deployment["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
        Ok(())
    })
}

fn left_alone(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let objects = world.namespace("left-alone").await?;
        let foreign = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "llm", "namespace": "left-alone"},
            "spec": {"ports": [{"port": 1234}]}});
        objects.apply(&foreign).await?;
        world.leader().await?;
        objects.apply(&gateway("left-alone", &[80])).await?;
        let refused = |gateway: &Value| holds(gateway, &gateway["status"]["conditions"], "Programmed", "False");
        let gateway = objects.wait(GATEWAY_API, "Gateway", "left-alone", "llm", "Programmed=False", refused).await?;
        let conditions = gateway["status"]["conditions"].as_array().ok_or("no conditions")?;
        let programmed = conditions.iter().find(|condition| condition["type"] == "Programmed").ok_or("not told")?;
        assert_eq!(programmed["reason"], "DeploymentFailed");
        event(&objects, &gateway, programmed).await?;
        assert_eq!(read(&objects, "v1", "Service", "left-alone").await?["spec"]["ports"][0]["port"], 1234);
        Ok(())
    })
}

fn healthy(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let (server, first) = (world.server()?, world.leader().await?);
        let second = candidate(server, LEASE, &READY).await?;
        for (controller, leading) in [(first, "leading 1\n"), (&second, "leading 0\n")] {
            let start = std::time::Instant::now();
            while asked(controller, "/healthz/ready").await?.0 != 200 {
                assert!(start.elapsed() < std::time::Duration::from_secs(30), "it never is ready");
            }
            assert_eq!(asked(controller, "/healthz/live").await?, (200, "alive\n".to_owned()));
            let (_, metrics) = asked(controller, "/metrics").await?;
            assert!(metrics.contains(leading) && metrics.contains("ready 1\n"), "{metrics}");
        }
        let words = [&["controller", "--namespace", LEASE][..], &READY].concat();
        let blind = Process::start(&words, &server.kubeconfig_as("nobody", &[])?)?;
        blind.says(0, "cannot be followed").await?;
        assert_eq!(asked(&blind, "/healthz/ready").await?.0, 503, "it may read nothing");
        assert_eq!(asked(&blind, "/healthz/live").await?.0, 200);
        Ok(())
    })
}

/// What a controller answers at the address that it names: status and body.
async fn asked(controller: &Process, path: &str) -> Result<(u16, String), Failure> {
    let said = controller.says(0, "ready address=").await?;
    let mut stream = TcpStream::connect(said.trim_start_matches("ready address="))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    Ok((head.get(9..12).ok_or("no status")?.parse()?, body.to_owned()))
}

fn takes_over(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        // a server of its own: nobody else may do the work
        let server = ApiServer::start(&Assets::find()?).await?;
        let objects = Objects::of(&server.kubeconfig()?).await?;
        objects.apply_crds(&server.assets().gateway_api()).await?;
        objects.apply_our_crds().await?;
        let lease = ["--lease", "3s"];
        let mut first = leader(&server, "default", &lease).await?;
        let mut second = candidate(&server, "default", &lease).await?;
        objects.apply(&gateway("default", &[80])).await?;
        programmed(&objects, "default").await?;
        assert!(second.notices.all().iter().all(|(_, line)| line != LEADING));
        first.kill().await?;
        leads(&second).await?;
        objects.apply(&gateway("default", &[80, 81])).await?;
        programmed(&objects, "default").await?;

        let mut third = candidate(&server, "default", &["--lease", "30s", "--until-stdin-ends"]).await?;
        let asked = std::time::Instant::now();
        second.stop().await?;
        leads(&third).await?;
        assert!(
            asked.elapsed() < std::time::Duration::from_secs(15),
            "the Lease was not given back: {:?}",
            asked.elapsed()
        );
        let lease = objects.get("coordination.k8s.io/v1", "Lease", "default", "windtunnel-controller").await?;
        assert_eq!(lease.ok_or("no Lease")?["spec"]["leaseTransitions"], 2);
        objects.apply(&gateway("default", &[80, 81, 82])).await?;
        programmed(&objects, "default").await?;
        third.abandon().await
    })
}
