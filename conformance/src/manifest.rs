//! The manifests of one scenario: expanded, completed, changed by steps, printed as YAML.
//! Knows kinds only by name; what they mean is the target's business.

use std::collections::BTreeSet;

use base64::Engine as _;
use gateway::yaml;
use serde_json::Value;

use crate::load::Roots;
use crate::scenario::ObjectRef;

/// The apiVersion of every kind for which it may be left out.
const API_VERSIONS: &[(&str, &str)] = &[
    ("GatewayClass", "gateway.networking.k8s.io/v1"),
    ("Gateway", "gateway.networking.k8s.io/v1"),
    ("HTTPRoute", "gateway.networking.k8s.io/v1"),
    ("ReferenceGrant", "gateway.networking.k8s.io/v1beta1"),
    ("Service", "v1"),
    ("Namespace", "v1"),
    ("Secret", "v1"),
    ("ConfigMap", "v1"),
    ("EndpointSlice", "discovery.k8s.io/v1"),
    ("AgentgatewayBackend", "agentgateway.dev/v1alpha1"),
    ("AgentgatewayPolicy", "agentgateway.dev/v1alpha1"),
    ("AgentgatewayParameters", "agentgateway.dev/v1alpha1"),
    ("AgentgatewayModel", "agentgateway.dev/v1alpha1"),
    ("AIRoute", "agentgateway.dev/v1alpha1"),
];

/// The documents that one entry stands for: itself, or those of the file it uses.
pub fn documents(entry: &Value, root: &Roots) -> Result<Vec<Value>, String> {
    let Some(object) = entry.as_object() else {
        return Err("a manifest is a map".to_owned());
    };
    let Some(used) = object.get("use") else {
        return completed(entry).map(|manifest| vec![manifest]);
    };
    let alone = object.iter().all(|(key, value)| key == "use" || (key == "needs" && value.is_string()));
    let (Some(used), true) = (used.as_str(), alone) else {
        return Err("`use` names one file and stands alone, but for the capability that it `needs`".to_owned());
    };
    let source = root.read(used)?;
    let read = |document| yaml::read::<Value>(&source, document).map_err(|problem| problem.to_string());
    yaml::documents(&source).iter().map(|document| read(document).and_then(|manifest| completed(&manifest))).collect()
}

/// The capability without which a target is not given what an entry uses.
pub fn need(entry: &Value) -> Option<&str> {
    entry.get("use").and(entry.get("needs"))?.as_str()
}

/// The apiVersion of a kind for which it may be left out.
pub fn api_version(kind: &str) -> Option<&'static str> {
    API_VERSIONS.iter().find(|(known, _)| *known == kind).map(|(_, version)| *version)
}

/// The kinds for which it may be left out.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    API_VERSIONS.iter().map(|(kind, _)| *kind)
}

/// With its apiVersion.
fn completed(manifest: &Value) -> Result<Value, String> {
    let mut manifest = manifest.clone();
    let Some(object) = manifest.as_object_mut() else {
        return Err("a manifest is a map".to_owned());
    };
    let Some(kind) = object.get("kind").and_then(Value::as_str).map(str::to_owned) else {
        return Err("a manifest needs a `kind`".to_owned());
    };
    if !object.contains_key("apiVersion") {
        let Some(version) = api_version(&kind) else {
            let close = yaml::did_you_mean(&kind, API_VERSIONS.iter().map(|(known, _)| *known));
            let hint = close.map(|close| format!(", or did you mean `{close}`?")).unwrap_or_default();
            return Err(format!("the apiVersion of kind `{kind}` is not known; write it out{hint}"));
        };
        object.shift_insert(0, "apiVersion".to_owned(), Value::from(version));
    }
    Ok(manifest)
}

/// The configuration of one gateway, in order of age.
#[derive(Debug, Clone, Default)]
pub struct Manifests {
    documents: Vec<Value>,
    /// Whether objects have generations, as an API server counts them.
    generations: bool,
}

impl Manifests {
    /// From the documents of a scenario.
    pub fn new(documents: Vec<Value>) -> Manifests {
        Manifests { documents, generations: false }
    }

    /// Gives every object a generation, from 1; a changed one has the next.
    pub fn count_generations(&mut self) {
        self.generations = true;
        self.documents.iter_mut().for_each(|manifest| set_generation(manifest, 1));
    }

    /// The generation of an object, where it has one.
    pub fn generation(&self, kind: &str, namespace: &str, name: &str) -> Option<i64> {
        let meant = self.documents.iter().find(|manifest| key(manifest) == (kind, namespace, name));
        meant?["metadata"]["generation"].as_i64()
    }

    /// The documents in order of age.
    pub fn documents(&self) -> &[Value] {
        &self.documents
    }

    /// Replaces the object of the same kind, namespace and name, or adds it as the youngest.
    pub fn apply(&mut self, mut manifest: Value) {
        if self.generations {
            let old = self.documents.iter().find(|old| key(old) == key(&manifest));
            let before = old.and_then(|old| old["metadata"]["generation"].as_i64());
            let changed = old.is_some_and(|old| old["spec"] != manifest["spec"]);
            set_generation(&mut manifest, before.unwrap_or(1) + i64::from(changed));
        }
        match self.documents.iter_mut().find(|old| key(old) == key(&manifest)) {
            Some(old) => *old = manifest,
            None => self.documents.push(manifest),
        }
    }

    /// Removes an object; whether there was one.
    pub fn delete(&mut self, object: &ObjectRef) -> bool {
        let namespace = object.namespace.as_deref().unwrap_or("default");
        let before = self.documents.len();
        self.documents.retain(|manifest| key(manifest) != (object.kind.as_str(), namespace, object.name.as_str()));
        self.documents.len() < before
    }

    /// Replaces the values of every Secret of this name; whether there was one.
    pub fn rotate(&mut self, name: &str, values: serde_json::Map<String, Value>) -> bool {
        let named = |manifest: &&mut Value| manifest["kind"] == "Secret" && manifest["metadata"]["name"] == name;
        let mut found = false;
        for secret in self.documents.iter_mut().filter(named) {
            secret["stringData"] = Value::Object(values.clone());
            secret.as_object_mut().map(|secret| secret.shift_remove("data"));
            found = true;
        }
        found
    }

    /// As YAML documents.
    pub fn print(&self) -> String {
        let document = |manifest| match serde_yaml::to_string(manifest) {
            Ok(text) => format!("---\n{text}"),
            Err(error) => format!("---\n# {error}\n"),
        };
        self.documents.iter().map(document).collect()
    }

    /// The listener ports of all Gateways, in order.
    pub fn ports(&self) -> Vec<u16> {
        let mut ports = Vec::new();
        for manifest in self.documents.iter().filter(|manifest| manifest["kind"] == "Gateway") {
            let listeners = manifest["spec"]["listeners"].as_array().into_iter().flatten();
            for port in listeners.filter_map(|listener| u16::try_from(listener["port"].as_u64()?).ok()) {
                if !ports.contains(&port) {
                    ports.push(port);
                }
            }
        }
        ports
    }

    /// Every secret value, without `Bearer`; short ones are left out, they would be found by accident.
    pub fn secrets(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for manifest in &self.documents {
            if manifest["kind"] == "Secret" {
                found.extend(secret_values(manifest));
            }
        }
        found
    }
}

/// Of an object that has a `spec` and no generation yet.
fn set_generation(manifest: &mut Value, generation: i64) {
    if manifest.get("spec").is_some() && manifest["metadata"].get("generation").is_none() {
        manifest["metadata"]["generation"] = Value::from(generation);
    }
}

/// Kind, namespace and name.
pub(crate) fn key(manifest: &Value) -> (&str, &str, &str) {
    let metadata = &manifest["metadata"];
    (
        manifest["kind"].as_str().unwrap_or_default(),
        metadata["namespace"].as_str().unwrap_or("default"),
        metadata["name"].as_str().unwrap_or_default(),
    )
}

fn secret_values(secret: &Value) -> Vec<String> {
    const SHORTEST: usize = 8;
    let plain = secret["stringData"].as_object().into_iter().flatten();
    let mut values: Vec<String> = plain.filter_map(|(_, value)| value.as_str().map(str::to_owned)).collect();
    for (_, value) in secret["data"].as_object().into_iter().flatten() {
        let decoded =
            value.as_str().and_then(|text| base64::engine::general_purpose::STANDARD.decode(text.trim()).ok());
        values.extend(decoded.and_then(|bytes| String::from_utf8(bytes).ok()));
    }
    let bare = values.iter().map(|value| value.trim().trim_start_matches("Bearer ").trim().to_owned());
    bare.filter(|value| value.len() >= SHORTEST).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_replaced_in_place_and_deleted_by_name() {
        let mut manifests = Manifests::new(vec![
            json!({"kind": "Secret", "metadata": {"name": "a"}, "stringData": {"apiKey": "Bearer 0123456789"}}),
            json!({"kind": "Gateway", "metadata": {"name": "g"}, "spec": {"listeners": [{"port": 80}, {"port": 8080}]}}),
        ]);
        assert_eq!(manifests.ports(), [80, 8080]);
        assert_eq!(manifests.secrets().into_iter().collect::<Vec<_>>(), ["0123456789"]);
        manifests.apply(json!({"kind": "Secret", "metadata": {"name": "a", "namespace": "default"}}));
        assert!(manifests.print().starts_with("---\nkind: Secret"));
        let gone = ObjectRef { kind: "Gateway".into(), name: "g".into(), namespace: None };
        assert!(manifests.delete(&gone));
        assert!(!manifests.delete(&gone));
        assert!(manifests.ports().is_empty());
    }

    #[test]
    fn generations_count_changes_as_an_api_server_does() {
        let route = |rules: u8| json!({"kind": "HTTPRoute", "metadata": {"name": "r"}, "spec": {"rules": rules}});
        let mut manifests = Manifests::new(vec![route(1), json!({"kind": "Secret", "metadata": {"name": "s"}})]);
        let generation = |manifests: &Manifests| manifests.generation("HTTPRoute", "default", "r");
        manifests.apply(route(1));
        assert_eq!(generation(&manifests), None, "nobody counts");
        manifests.count_generations();
        assert_eq!(generation(&manifests), Some(1));
        manifests.apply(route(1));
        assert_eq!(generation(&manifests), Some(1), "nothing changed");
        manifests.apply(route(2));
        assert_eq!(generation(&manifests), Some(2));
        assert_eq!(manifests.generation("Secret", "default", "s"), None, "a Secret has no spec");
        manifests.apply(json!({"kind": "Gateway", "metadata": {"name": "new"}, "spec": {}}));
        assert_eq!(manifests.generation("Gateway", "default", "new"), Some(1));
    }

    #[test]
    fn a_known_kind_gets_its_version() {
        let manifest = json!({"kind": "AIRoute", "metadata": {"name": "r"}});
        let all = documents(&manifest, &Roots::default()).expect("a manifest");
        assert_eq!(all[0]["apiVersion"], "agentgateway.dev/v1alpha1");
        assert!(documents(&json!({"kind": "Foo"}), &Roots::default()).is_err());
        for wrong in [json!({"use": "x.yaml", "kind": "Gateway"}), json!({"use": "x.yaml", "needs": ["chat"]})] {
            assert!(documents(&wrong, &Roots::default()).is_err_and(|why| why.contains("stands alone")), "{wrong}");
        }
        assert_eq!(need(&json!({"use": "x.yaml", "needs": "chat"})), Some("chat"));
        assert_eq!(need(&json!({"kind": "AIRoute", "needs": "chat"})), None, "that is part of the manifest");
    }
}
