//! Namespaces of a scenario's own: every namespace that its manifests name, with a prefix before it on the cluster and
//! without it in whatever the cluster and the gateway say. Knows where objects name namespaces; labels are none.

use std::collections::BTreeSet;

use serde_json::Value;

/// Where an object is that names no namespace.
const DEFAULT: &str = "default";
/// What of a scenario's id is in the prefix.
const LONGEST_ID: usize = 20;
/// Maps whose keys are the author's, so that one called `namespace` or `name` means nothing.
const FREE: &[&str] = &["matchLabels", "labels", "annotations", "selector"];

/// The names of one run of one scenario.
#[derive(Debug, Clone)]
pub struct Names {
    prefix: String,
    /// Classes that the scenario brings along.
    classes: BTreeSet<String>,
}

impl Names {
    /// For a scenario, told apart from its other runs by a number.
    #[must_use]
    pub fn new(id: &str, run: u64) -> Self {
        let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
        let id: String = id.chars().take(LONGEST_ID).map(letter).collect();
        let id = id.trim_matches('-');
        // a name of this form does not occur by accident, and a letter may begin it
        Self { prefix: format!("wt-{id}-{:06x}-", run & 0xff_ffff), classes: BTreeSet::new() }
    }

    /// What is put before each namespace.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A namespace as it is called on the cluster.
    #[must_use]
    pub fn namespace(&self, namespace: &str) -> String {
        format!("{}{namespace}", self.prefix)
    }

    /// Text of the cluster or the gateway in the scenario's own words.
    #[must_use]
    pub fn told(&self, text: &str) -> String {
        text.replace(&self.prefix, "")
    }

    /// The classes among these objects are the scenario's own from now on.
    pub fn own_classes(&mut self, objects: &[Value]) {
        let classes = objects.iter().filter(|object| object["kind"] == "GatewayClass");
        self.classes.extend(classes.filter_map(|class| Some(class["metadata"]["name"].as_str()?.to_owned())));
    }

    /// A manifest as the object that it is on the cluster.
    #[must_use]
    pub fn object(&self, manifest: &Value) -> Value {
        let mut object = manifest.clone();
        let cluster_wide = matches!(object["kind"].as_str(), Some("Namespace" | "GatewayClass"));
        let (spec, metadata) = (object.get_mut("spec").map(Value::take), &mut object["metadata"]);
        if let (Some(name), true) = (metadata["name"].as_str(), cluster_wide) {
            metadata["name"] = self.namespace(name).into();
        } else if let Some(metadata) = metadata.as_object_mut() {
            let namespace = metadata.get("namespace").and_then(Value::as_str).unwrap_or(DEFAULT);
            metadata.insert("namespace".to_owned(), self.namespace(namespace).into());
        }
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.shift_remove("generation");
        }
        if let Some(mut spec) = spec {
            if let Some(class) = spec["gatewayClassName"].as_str().filter(|class| self.classes.contains(*class)) {
                spec["gatewayClassName"] = self.namespace(class).into();
            }
            self.references(&mut spec);
            object["spec"] = spec;
        }
        object
    }

    /// A reference is a map that names a namespace beside a name, or beside a kind as grants do.
    fn references(&self, value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| self.references(value)),
            Value::Object(map) => {
                let reference = map.contains_key("name") || map.contains_key("kind");
                if let Some(Value::String(namespace)) = map.get_mut("namespace").filter(|_| reference) {
                    *namespace = self.namespace(namespace);
                }
                let below = map.iter_mut().filter(|(key, _)| !FREE.contains(&key.as_str()));
                below.for_each(|(_, value)| self.references(value));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names() -> Names {
        Names::new("FO-01", 0x3f2a11)
    }

    #[test]
    fn an_object_is_in_the_namespace_that_it_names_or_in_the_default_one() {
        let map =
            |metadata: Value| names().object(&json!({"kind": "ConfigMap", "metadata": metadata}))["metadata"].clone();
        assert_eq!(map(json!({"name": "m"})), json!({"name": "m", "namespace": "wt-fo-01-3f2a11-default"}));
        assert_eq!(map(json!({"name": "m", "namespace": "a"}))["namespace"], "wt-fo-01-3f2a11-a");
        let namespace = json!({"kind": "Namespace", "metadata": {"name": "a", "labels": {"name": "a"}}});
        let expected = json!({"name": "wt-fo-01-3f2a11-a", "labels": {"name": "a"}});
        assert_eq!(names().object(&namespace)["metadata"], expected);
    }

    #[test]
    fn references_lead_to_the_same_objects_and_labels_stay() {
        let route = json!({"kind": "HTTPRoute", "metadata": {"name": "r"}, "spec": {
            "parentRefs": [{"name": "g", "namespace": "a"}, {"name": "g"}],
            "rules": [{"backendRefs": [{"name": "b", "namespace": "b"}]}],
            "selector": {"namespace": "a", "name": "b"},
            "defaults": {"namespace": "not a reference"},
        }});
        let expected = json!({
            "parentRefs": [{"name": "g", "namespace": "wt-fo-01-3f2a11-a"}, {"name": "g"}],
            "rules": [{"backendRefs": [{"name": "b", "namespace": "wt-fo-01-3f2a11-b"}]}],
            "selector": {"namespace": "a", "name": "b"},
            "defaults": {"namespace": "not a reference"},
        });
        assert_eq!(names().object(&route)["spec"], expected);
        let from = json!([{"group": "g", "kind": "HTTPRoute", "namespace": "a"}]);
        let grant = json!({"kind": "ReferenceGrant", "metadata": {"name": "g"}, "spec": {"from": from}});
        assert_eq!(names().object(&grant)["spec"]["from"][0]["namespace"], "wt-fo-01-3f2a11-a");
    }

    #[test]
    fn a_class_is_the_scenarios_own_when_it_brings_one() {
        let gateway = json!({"kind": "Gateway", "metadata": {"name": "g"}, "spec": {"gatewayClassName": "own"}});
        assert_eq!(names().object(&gateway)["spec"]["gatewayClassName"], "own");
        let mut names = names();
        let class = json!({"kind": "GatewayClass", "metadata": {"name": "own"}});
        names.own_classes(std::slice::from_ref(&class));
        assert_eq!(names.object(&gateway)["spec"]["gatewayClassName"], "wt-fo-01-3f2a11-own");
        assert_eq!(names.object(&class)["metadata"]["name"], "wt-fo-01-3f2a11-own");
    }

    #[test]
    fn what_is_told_is_in_the_scenarios_own_words() {
        let told = names().told("route=wt-fo-01-3f2a11-default/pool, not other-default/pool");
        assert_eq!(told, "route=default/pool, not other-default/pool");
    }
}
