//! The status of all objects as JSON, in the shape in which the Kubernetes API shows objects: a `List` of them, each
//! with its `status` as its kind has it. Leaves out what only an API server knows, such as the time of a transition,
//! and the `spec`, which may hold what is nobody's business.

use serde_json::{Map, Value, json};

use super::kind::{CONTROLLER, Kind};
use super::status::{Condition, ListenerStatus, ObjectStatus};

/// All objects with their status.
pub fn list(objects: &[ObjectStatus]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": objects.iter().map(object).collect::<Vec<_>>()})
}

fn object(object: &ObjectStatus) -> Value {
    let mut metadata = Map::new();
    if !object.namespace.is_empty() {
        metadata.insert("namespace".to_owned(), Value::from(object.namespace.as_str()));
    }
    metadata.insert("name".to_owned(), Value::from(object.name.as_str()));
    if let Some(generation) = object.generation {
        metadata.insert("generation".to_owned(), Value::from(generation));
    }
    let kind = object.kind;
    json!({"apiVersion": kind.api_version(), "kind": kind.name(), "metadata": metadata, "status": status(object)})
}

fn status(object: &ObjectStatus) -> Value {
    let generation = object.generation;
    let own = || conditions(object.conditions.iter(), generation);
    match object.kind {
        Kind::HTTPRoute | Kind::AIRoute | Kind::AgentgatewayModel => json!({"parents": by_parent(object, "parentRef")}),
        Kind::AgentgatewayPolicy => json!({"ancestors": by_parent(object, "ancestorRef")}),
        Kind::Gateway => {
            let listeners: Vec<Value> = object.listeners.iter().map(|one| listener(one, generation)).collect();
            json!({"conditions": own(), "listeners": listeners})
        }
        _ => json!({"conditions": own()}),
    }
}

fn listener(listener: &ListenerStatus, generation: Option<i64>) -> Value {
    let kinds = listener.supported_kinds.iter().map(|kind| json!({"group": kind.group(), "kind": kind.name()}));
    json!({
        "name": listener.name,
        "attachedRoutes": listener.attached_routes,
        "supportedKinds": kinds.collect::<Vec<_>>(),
        "conditions": conditions(listener.conditions.iter(), generation),
    })
}

/// One entry for each parent or ancestor, in the order in which they are told of.
fn by_parent(object: &ObjectStatus, reference: &str) -> Vec<Value> {
    let mut parents: Vec<&str> = Vec::new();
    for parent in object.conditions.iter().filter_map(|condition| condition.parent.as_deref()) {
        if !parents.contains(&parent) {
            parents.push(parent);
        }
    }
    let entry = |parent: &str| {
        let own = object.conditions.iter().filter(|condition| condition.parent.as_deref() == Some(parent));
        let conditions = conditions(own, object.generation);
        json!({reference: parent_ref(parent), "controllerName": CONTROLLER, "conditions": conditions})
    };
    parents.into_iter().map(entry).collect()
}

/// `Kind namespace/name#section:port`, taken apart.
fn parent_ref(parent: &str) -> Value {
    let (kind, place) = parent.split_once(' ').unwrap_or(("", parent));
    let (place, port) = match place.rsplit_once(':') {
        Some((place, port)) => (place, port.parse::<u16>().ok()),
        None => (place, None),
    };
    let (place, section) = place.split_once('#').map_or((place, None), |(place, section)| (place, Some(section)));
    let (namespace, name) = place.split_once('/').unwrap_or(("", place));
    let mut reference = Map::new();
    let group = Kind::named(kind).map(|kind| Value::from(kind.group()));
    let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
    for (key, value) in [
        ("group", group),
        ("kind", Some(Value::from(kind))),
        ("namespace", namespace.map(Value::from)),
        ("name", Some(Value::from(name))),
        ("sectionName", section.map(Value::from)),
        ("port", port.map(Value::from)),
    ] {
        reference.extend(value.map(|value| (key.to_owned(), value)));
    }
    Value::Object(reference)
}

fn conditions<'c>(conditions: impl Iterator<Item = &'c Condition>, generation: Option<i64>) -> Vec<Value> {
    let condition = |condition: &Condition| {
        let mut value = json!({
            "type": condition.type_,
            "status": if condition.status { "True" } else { "False" },
            "reason": condition.reason,
            "message": condition.message,
        });
        if let Some(generation) = generation {
            value["observedGeneration"] = Value::from(generation);
        }
        value
    };
    conditions.map(condition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_taken_apart() {
        let full = json!({
            "group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "a", "name": "g", "sectionName": "s", "port": 80,
        });
        assert_eq!(parent_ref("Gateway a/g#s:80"), full);
        let plain = json!({"group": "agentgateway.dev", "kind": "AgentgatewayBackend", "namespace": "a", "name": "b"});
        assert_eq!(parent_ref("AgentgatewayBackend a/b"), plain);
    }

    #[test]
    fn conditions_are_told_parent_by_parent_and_about_their_generation() {
        let said = |parent| Condition::yes("Accepted", "Accepted", "").about(parent);
        let route = ObjectStatus {
            kind: Kind::HTTPRoute,
            namespace: "a".to_owned(),
            name: "r".to_owned(),
            generation: Some(3),
            conditions: vec![
                said("Gateway a/one"),
                said("Gateway a/two"),
                Condition::no("ResolvedRefs", "X", "").about("Gateway a/one"),
            ],
            listeners: Vec::new(),
            notes: Vec::new(),
        };
        let seen = list(&[route]);
        let object = &seen["items"][0];
        assert_eq!(object["metadata"], json!({"namespace": "a", "name": "r", "generation": 3}));
        let parents = object["status"]["parents"].as_array().unwrap();
        assert_eq!(parents.len(), 2);
        assert_eq!(parents[0]["conditions"][1]["status"], "False");
        assert_eq!(parents[0]["conditions"][1]["observedGeneration"], 3);
        assert_eq!(parents[1]["parentRef"]["name"], "two");
    }
}
