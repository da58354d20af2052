//! What a Gateway is deployed as: ServiceAccount, Deployment and Service of the Gateway's name, as they are applied.
//! The listener ports are the Service's alone: a Pod listens on them by itself, so a new listener restarts nothing.
//! Asks nobody and writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::parameters::{Plan, put_named};
use crate::config::kind::GATEWAY_API;

/// The label of all that belongs to a Gateway.
pub(super) const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";
/// The label that says whose work an object is.
pub(super) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Its value.
pub(super) const MANAGER: &str = "windtunnel";
/// Who wrote a field, in `managedFields`.
pub(super) const FIELD_MANAGER: &str = "windtunnel-controller";
/// The user of the image.
const USER: u32 = 65532;
/// Seconds that a Pod has beyond its drain to write its log and to end.
const LAST_SECONDS: u32 = 10;

/// The Gateway that is deployed.
#[derive(Debug)]
pub(super) struct Deployed<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
    pub(super) class: &'a str,
    /// Of the listeners that can be served.
    pub(super) ports: BTreeSet<u16>,
    /// `infrastructure.labels`
    pub(super) labels: BTreeMap<String, String>,
    /// `infrastructure.annotations`
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) plan: Plan,
}

impl Deployed<'_> {
    /// All that is applied for the Gateway, in its order.
    pub(super) fn objects(&self) -> Vec<Value> {
        let mut objects = vec![self.service_account(), self.deployment(), self.service()];
        for object in &mut objects {
            self.plan.overlay(object);
        }
        objects
    }

    fn service_account(&self) -> Value {
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": self.metadata()})
    }

    fn service(&self) -> Value {
        let ports = self
            .ports
            .iter()
            .map(|port| json!({"name": format!("port-{port}"), "port": port, "targetPort": port, "protocol": "TCP"}));
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(),
            "spec": {"type": "LoadBalancer", "selector": self.selector(), "ports": ports.collect::<Vec<_>>()},
        })
    }

    fn deployment(&self) -> Value {
        let mut annotations = self.annotations.clone();
        let scrape = [("scrape", "true"), ("port", "15020"), ("path", "/metrics")];
        annotations.extend(scrape.map(|(key, value)| (format!("prometheus.io/{key}"), value.to_owned())));
        let mut spec = json!({
            "selector": {"matchLabels": self.selector()},
            "template": {"metadata": {"labels": self.labels(), "annotations": annotations}, "spec": self.pod()},
        });
        if let Some(replicas) = self.plan.replicas {
            spec["replicas"] = json!(replicas);
        }
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": self.metadata(), "spec": spec})
    }

    fn pod(&self) -> Value {
        json!({
            "serviceAccountName": self.name,
            "terminationGracePeriodSeconds": self.plan.grace + self.plan.drain + LAST_SECONDS,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
                // a listener's port is the container's, also port 80; the sysctl is one that every cluster takes for safe
                "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
            },
            "containers": [self.container()],
        })
    }

    fn container(&self) -> Value {
        let probe = |path: &str| json!({"httpGet": {"path": path, "port": "ready"}, "periodSeconds": 5});
        let gateway = format!("{}/{}", self.namespace, self.name);
        let mut container = json!({
            "name": "gateway",
            "image": self.plan.image.to_string(),
            "args": ["gateway", "--config", "kubernetes", "--gateway", gateway],
            "env": self.environment(),
            "ports": [{"name": "metrics", "containerPort": 15020}, {"name": "ready", "containerPort": 15021}],
            "readinessProbe": probe("/healthz/ready"),
            "livenessProbe": probe("/healthz/live"),
            "startupProbe": {"httpGet": {"path": "/healthz/ready", "port": "ready"}, "periodSeconds": 1, "failureThreshold": 120},
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
        });
        let given = [
            ("imagePullPolicy", self.plan.pull_policy.as_ref().map(|policy| json!(policy))),
            ("resources", self.plan.resources.clone()),
        ];
        for (key, value) in given {
            if let Some(value) = value {
                container[key] = value;
            }
        }
        container
    }

    /// Flags by their environment twins, so that parameters can set them otherwise.
    fn environment(&self) -> Vec<Value> {
        let plan = &self.plan;
        let own = [
            ("WINDTUNNEL_BIND", Some("0.0.0.0".to_owned())),
            ("WINDTUNNEL_METRICS", Some("0.0.0.0:15020".to_owned())),
            ("WINDTUNNEL_READY", Some("0.0.0.0:15021".to_owned())),
            ("WINDTUNNEL_GRACE", Some(format!("{}s", plan.grace))),
            ("WINDTUNNEL_DRAIN", Some(format!("{}s", plan.drain))),
            ("LOG_FORMAT", plan.log_format.clone()),
            ("RUST_LOG", plan.log_level.clone()),
        ];
        let own = own.into_iter().filter_map(|(name, value)| Some(json!({"name": name, "value": value?})));
        let mut all: Vec<Value> = own.collect();
        for variable in &plan.env {
            put_named(&mut all, variable.clone());
        }
        all
    }

    fn metadata(&self) -> Value {
        let owner = json!({
            "apiVersion": format!("{GATEWAY_API}/v1"),
            "kind": "Gateway",
            "name": self.name,
            "uid": self.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        });
        json!({
            "name": self.name,
            "namespace": self.namespace,
            "labels": self.labels(),
            "annotations": self.annotations,
            "ownerReferences": [owner],
        })
    }

    fn selector(&self) -> Value {
        json!({GATEWAY_NAME: self.name})
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let own = [
            ("app.kubernetes.io/name", self.name),
            ("app.kubernetes.io/instance", self.name),
            (MANAGED_BY, MANAGER),
            (GATEWAY_NAME, self.name),
            ("gateway.networking.k8s.io/gateway-class-name", self.class),
        ];
        let mut labels = self.labels.clone();
        labels.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
        labels
    }
}

/// Where a Service can be reached, as a Gateway's status has it: what its load balancer says, else its own address.
pub(super) fn addresses(service: &Value) -> Vec<Value> {
    let ingress = service["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
    let outside = ingress.filter_map(|ingress| match (ingress["ip"].as_str(), ingress["hostname"].as_str()) {
        (Some(ip), _) => Some(json!({"type": "IPAddress", "value": ip})),
        (None, Some(name)) => Some(json!({"type": "Hostname", "value": name})),
        (None, None) => None,
    });
    let outside: Vec<Value> = outside.collect();
    if !outside.is_empty() {
        return outside;
    }
    let own = service["spec"]["clusterIPs"].as_array().into_iter().flatten().filter_map(Value::as_str);
    own.filter(|ip| *ip != "None").map(|ip| json!({"type": "IPAddress", "value": ip})).collect()
}

#[cfg(test)]
mod tests;
