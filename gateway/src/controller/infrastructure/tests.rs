use super::*;

fn deployed(ports: &[u16], plan: Plan) -> Deployed<'static> {
    Deployed {
        namespace: "team",
        name: "llm",
        uid: "1-2",
        class: "agentgateway",
        ports: ports.iter().copied().collect(),
        labels: [("team".to_owned(), "blue".to_owned())].into(),
        annotations: [("note".to_owned(), "own".to_owned())].into(),
        plan,
    }
}

fn of_kind(deployed: &Deployed<'_>, kind: &str) -> Value {
    deployed.objects().into_iter().find(|object| object["kind"] == kind).unwrap()
}

#[test]
fn all_objects_have_the_gateways_name_labels_and_owner() {
    for object in deployed(&[80], Plan::new("image:1")).objects() {
        let metadata = &object["metadata"];
        assert_eq!((&metadata["name"], &metadata["namespace"]), (&json!("llm"), &json!("team")));
        assert_eq!((&metadata["labels"][GATEWAY_NAME], &metadata["labels"]["team"]), (&json!("llm"), &json!("blue")));
        assert_eq!(metadata["annotations"]["note"], "own");
        let owner = &metadata["ownerReferences"][0];
        assert_eq!(
            (&owner["kind"], &owner["uid"], &owner["controller"]),
            (&json!("Gateway"), &json!("1-2"), &json!(true))
        );
    }
}

#[test]
fn a_listener_port_is_the_services_and_restarts_no_pod() {
    let (one, two) = (deployed(&[80], Plan::new("image:1")), deployed(&[80, 443], Plan::new("image:1")));
    let ports = |deployed| of_kind(deployed, "Service")["spec"]["ports"].clone();
    let port = |port: u16| json!({"name": format!("port-{port}"), "port": port, "targetPort": port, "protocol": "TCP"});
    assert_eq!((ports(&one), ports(&two)), (json!([port(80)]), json!([port(80), port(443)])));
    assert_eq!(of_kind(&one, "Deployment"), of_kind(&two, "Deployment"));
}

#[test]
fn the_pod_needs_no_right_that_it_does_not_have_and_outlives_its_drain() {
    let pod = of_kind(&deployed(&[80], Plan::new("image:1")), "Deployment")["spec"]["template"]["spec"].clone();
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(pod["securityContext"]["sysctls"][0]["name"], "net.ipv4.ip_unprivileged_port_start");
    let container = &pod["containers"][0];
    assert_eq!(container["args"], json!(["gateway", "--config", "kubernetes", "--gateway", "team/llm"]));
    let rights =
        json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
    assert_eq!(container["securityContext"], rights);
    let set = |name: &str| {
        container["env"].as_array().unwrap().iter().find(|each| each["name"] == name).unwrap()["value"].clone()
    };
    assert_eq!((set("WINDTUNNEL_GRACE"), set("WINDTUNNEL_DRAIN")), (json!("5s"), json!("60s")));
    assert_eq!(pod["terminationGracePeriodSeconds"], 75);
}

#[test]
fn parameters_reach_the_objects_and_overlays_come_last() {
    let parameters = json!({
        "image": {"tag": "2", "pullPolicy": "Never"},
        "replicas": 3,
        "resources": {"limits": {"memory": "1Gi"}},
        "env": [{"name": "WINDTUNNEL_BIND", "value": "::"}],
        "logging": {"format": "text"},
        "service": {"metadata": {"annotations": {"cloud": "inside"}}, "spec": {"type": "ClusterIP"}},
        "deployment": {"spec": {"template": {"spec": {"securityContext": {"runAsUser": null}}}}},
    });
    let mut plan = Plan::new("registry.example/image:1");
    plan.take(&serde_json::from_value(parameters).unwrap());
    let deployed = deployed(&[80], plan);
    let (deployment, service) = (of_kind(&deployed, "Deployment"), of_kind(&deployed, "Service"));
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!((&deployment["spec"]["replicas"], &container["image"]), (&json!(3), &json!("registry.example/image:2")));
    assert_eq!(
        (&container["imagePullPolicy"], &container["resources"]["limits"]["memory"]),
        (&json!("Never"), &json!("1Gi"))
    );
    assert_eq!(container["env"][0], json!({"name": "WINDTUNNEL_BIND", "value": "::"}));
    assert!(container["env"].as_array().unwrap().contains(&json!({"name": "LOG_FORMAT", "value": "text"})));
    assert_eq!(
        (&service["spec"]["type"], &service["metadata"]["annotations"]["cloud"]),
        (&json!("ClusterIP"), &json!("inside"))
    );
    assert_eq!(
        (&pod["securityContext"]["runAsUser"], &pod["securityContext"]["runAsNonRoot"]),
        (&Value::Null, &json!(true))
    );
}

#[test]
fn an_address_is_the_load_balancers_else_the_services_own() {
    let own = json!({"spec": {"clusterIPs": ["10.0.0.7"]}});
    assert_eq!(addresses(&own), [json!({"type": "IPAddress", "value": "10.0.0.7"})]);
    let mut outside = own.clone();
    outside["status"] =
        json!({"loadBalancer": {"ingress": [{"hostname": "lb.example"}, {"ip": "192.0.2.1", "hostname": "x"}]}});
    let expected =
        [json!({"type": "Hostname", "value": "lb.example"}), json!({"type": "IPAddress", "value": "192.0.2.1"})];
    assert_eq!(addresses(&outside), expected);
    assert_eq!(addresses(&json!({"spec": {"clusterIPs": ["None"]}})), Vec::<Value>::new());
}
