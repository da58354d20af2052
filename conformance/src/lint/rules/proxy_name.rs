//! D14: the proxy looked for under the controller's name.

use super::{Hit, Mark, Node, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D14",
    severity: Severity::Warning,
    title: "`agentgateway` is the controller, not the proxy",
    why: "Deployment and Service of a proxy have the name of its Gateway, and port 15020 with the metrics is the \
          proxy's. The Deployment `agentgateway` is the controller's, which the chart puts into \
          `agentgateway-system`.",
    mend: "name: agentgateway-proxy    # for a Gateway of that name",
    bad: "
kind: Gateway
metadata: {name: agentgateway-proxy, namespace: agentgateway-system}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
kind: HorizontalPodAutoscaler
apiVersion: autoscaling/v2
metadata: {name: proxy, namespace: agentgateway-system}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: agentgateway}, maxReplicas: 5}
",
    good: "
kind: Gateway
metadata: {name: agentgateway-proxy, namespace: agentgateway-system}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
kind: HorizontalPodAutoscaler
apiVersion: autoscaling/v2
metadata: {name: proxy, namespace: agentgateway-system}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: agentgateway-proxy}, maxReplicas: 5}
",
    check,
};

/// Name and namespace of the controller's Deployment and Service in the chart.
const CONTROLLER: (&str, &str) = ("agentgateway", "agentgateway-system");

fn check(set: &Set<'_>) -> Vec<Hit> {
    let (name, namespace) = CONTROLLER;
    let twins = set.of("Gateway").filter(|gateway| gateway.is("Gateway", namespace, name));
    let twins = twins.map(|gateway| {
        Hit::new(
            gateway.mark(),
            format!("the proxy of {} gets the name of the controller's own Deployment and Service", gateway.title()),
        )
    });
    let proxy = set.of("Gateway").find(|gateway| gateway.name == name);
    let others = set.objects.iter().filter(|object| proxy.is_none() && !object.ours());
    let named = others.flat_map(|object| controllers(&object.root)).map(|mark| {
        Hit::new(
            mark,
            format!("`{name}` is the controller: a proxy's Deployment and Service are called like its Gateway"),
        )
    });
    twins.chain(named).collect()
}

/// Every reference to a Deployment or Service of the controller's name.
fn controllers(node: &Node) -> Vec<Mark> {
    let workload = matches!(node.text_at("kind"), Some("Deployment" | "Service"));
    let here = node.entry("name").filter(|entry| workload && entry.value.text() == Some(CONTROLLER.0));
    let below = node.entries().iter().map(|entry| &entry.value).chain(node.items());
    here.map(|entry| entry.mark()).into_iter().chain(below.flat_map(controllers)).collect()
}
