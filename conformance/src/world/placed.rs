//! The manifests of one scenario as objects on a cluster: in namespaces of their own, applied and deleted as the text
//! that stands for them changes, read back in the scenario's own words, and taken away at the end.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{FILE, WorldError};
use crate::cluster::{self, Names};
use crate::expect::status::Reading;
use crate::manifest;
use crate::target::{Cluster, ObjectName};

/// Tells the namespaces of scenarios from all others.
const LABEL: &str = "windtunnel/scenario";

/// The objects of one scenario.
#[derive(Debug)]
pub(super) struct Placed {
    cluster: Arc<Cluster>,
    scenario: String,
    names: Names,
    namespaces: BTreeSet<String>,
    /// As they were applied last, in order of age.
    objects: Vec<Value>,
}

/// What became of changed manifests on the cluster.
#[derive(Debug)]
pub(super) enum Placing {
    /// These objects, in the scenario's words (`HTTPRoute default/pool`), are different now or gone.
    Changed(Vec<String>),
    /// The server refused one, saying this; those before it are in place.
    Refused(String),
}

impl Placed {
    /// Nothing is there yet.
    pub(super) fn new(cluster: &Arc<Cluster>, scenario: &str) -> Placed {
        Placed {
            cluster: Arc::clone(cluster),
            scenario: scenario.to_owned(),
            names: Names::new(scenario, super::random()),
            namespaces: BTreeSet::new(),
            objects: Vec::new(),
        }
    }

    /// What is before the scenario's namespaces.
    pub(super) fn prefix(&self) -> &str {
        self.names.prefix()
    }

    /// The cluster.
    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// `NAMESPACE/NAME` of the one Gateway, as the cluster knows it.
    pub(super) fn gateway(&self) -> Result<String, WorldError> {
        let mut gateways = self.objects.iter().filter(|object| object["kind"] == "Gateway").map(manifest::key);
        match (gateways.next(), gateways.next()) {
            (Some((_, namespace, name)), None) => Ok(format!("{namespace}/{name}")),
            _ => {
                Err(WorldError::Scenario("on a cluster a scenario has exactly one Gateway: its data plane".to_owned()))
            }
        }
    }

    /// Makes the cluster hold what a text of manifests says.
    pub(super) async fn hold(&mut self, text: &str) -> Result<Placing, WorldError> {
        let manifests = read(text)?;
        self.names.own_classes(&manifests);
        let wanted: Vec<Value> = manifests.iter().map(|manifest| self.names.object(&encoded(manifest))).collect();
        let mut changed = Vec::new();
        for gone in self.objects.clone() {
            if !wanted.iter().any(|object| manifest::key(object) == manifest::key(&gone)) {
                self.delete(&gone).await?;
                changed.push(self.told(&gone));
                self.objects.retain(|object| manifest::key(object) != manifest::key(&gone));
            }
        }
        for object in wanted {
            let place = self.objects.iter().position(|known| manifest::key(known) == manifest::key(&object));
            if place.is_some_and(|place| self.objects[place] == object) {
                continue;
            }
            match self.apply(&object, place.is_none()).await {
                Ok(different) if different => changed.push(self.told(&object)),
                Ok(_) => {}
                Err(error) if error.is_refusal() => return Ok(Placing::Refused(self.refusal(&object, &error))),
                Err(error) => return Err(error.into()),
            }
            match place {
                Some(place) => self.objects[place] = object,
                None => self.objects.push(object),
            }
        }
        Ok(Placing::Changed(changed))
    }

    /// One object as the server shows it.
    pub(super) async fn read(&self, object: ObjectName<'_>) -> Result<Reading, WorldError> {
        let Some(version) = manifest::api_version(object.kind) else {
            return Ok(Err(format!("the apiVersion of kind {} is not known", object.kind)));
        };
        let (namespace, name) = match object.kind {
            "Namespace" => (String::new(), self.names.namespace(object.name)),
            _ => (self.names.namespace(object.namespace), object.name.to_owned()),
        };
        let found = self.cluster.objects.get(version, object.kind, &namespace, &name).await?;
        let told = found.map(|found| serde_json::from_str(&self.names.told(&found.to_string())));
        Ok(match told {
            Some(Ok(told)) => Ok(told),
            Some(Err(error)) => Err(format!("what the API server shows is not JSON: {error}")),
            None => Err("there is no such object".to_owned()),
        })
    }

    /// Takes everything away. What cannot be is left to whoever owns the cluster.
    pub(super) async fn remove(&mut self) {
        for object in std::mem::take(&mut self.objects).iter().rev() {
            let _ = self.delete(object).await;
        }
        for namespace in std::mem::take(&mut self.namespaces) {
            let _ = self.cluster.objects.delete("v1", "Namespace", "", &namespace).await;
        }
    }

    /// Applies one; whether it is different now, status and bookkeeping aside.
    async fn apply(&mut self, object: &Value, new: bool) -> Result<bool, cluster::Error> {
        let (kind, namespace, name) = manifest::key(object);
        if kind == "Namespace" {
            self.namespaces.insert(name.to_owned());
        } else if object["metadata"].get("namespace").is_some() && !self.namespaces.contains(namespace) {
            let metadata = json!({"name": namespace, "labels": {LABEL: self.scenario}});
            self.cluster.objects.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).await?;
            self.namespaces.insert(namespace.to_owned());
        }
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let before = if new { None } else { self.cluster.objects.get(version, kind, namespace, name).await? };
        let after = self.cluster.objects.apply(object).await?;
        Ok(before.is_none_or(|before| essence(before) != essence(after)))
    }

    async fn delete(&self, object: &Value) -> Result<(), cluster::Error> {
        let (kind, namespace, name) = manifest::key(object);
        let version = object["apiVersion"].as_str().unwrap_or_default();
        self.cluster.objects.delete(version, kind, namespace, name).await
    }

    fn told(&self, object: &Value) -> String {
        let (kind, namespace, name) = manifest::key(object);
        let id =
            if object["metadata"].get("namespace").is_some() { format!("{namespace}/{name}") } else { name.to_owned() };
        self.names.told(&format!("{kind} {id}"))
    }

    fn refusal(&self, object: &Value, error: &cluster::Error) -> String {
        format!("the API server refuses {}: {}", self.told(object), self.names.told(&error.message()))
    }
}

/// An object without what the server and controllers write beside it.
fn essence(mut object: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.shift_remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.shift_remove("managedFields");
        metadata.shift_remove("resourceVersion");
    }
    object
}

/// The documents of a text.
fn read(text: &str) -> Result<Vec<Value>, WorldError> {
    let source = gateway::yaml::Source::new(FILE, text.to_owned());
    let read = |document| gateway::yaml::read::<Value>(&source, document);
    let documents: Result<Vec<Value>, _> = gateway::yaml::documents(&source).iter().map(read).collect();
    documents.map_err(|problem| WorldError::Scenario(format!("a cluster holds objects, not text: {problem}")))
}

/// A Secret's text as the data that it becomes: applied as text it would stay beside what replaces it.
fn encoded(manifest: &Value) -> Value {
    use base64::Engine as _;
    let mut manifest = manifest.clone();
    if manifest["kind"] != "Secret" {
        return manifest;
    }
    let Some(text) = manifest.as_object_mut().and_then(|secret| secret.shift_remove("stringData")) else {
        return manifest;
    };
    for (key, value) in text.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        manifest["data"][key] = base64::engine::general_purpose::STANDARD.encode(value).into();
    }
    manifest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_secret_becomes_data_beside_its_other_data() {
        let secret = json!({"kind": "Secret", "data": {"a": "YQ=="}, "stringData": {"b": "b"}});
        assert_eq!(encoded(&secret), json!({"kind": "Secret", "data": {"a": "YQ==", "b": "Yg=="}}));
        let map = json!({"kind": "ConfigMap", "stringData": {"b": "b"}});
        assert_eq!(encoded(&map), map);
    }

    #[test]
    fn text_that_is_no_yaml_is_no_manifest() {
        assert!(matches!(read("kind: [\n"), Err(WorldError::Scenario(_))));
    }
}
