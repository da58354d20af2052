//! The status of all objects as JSON, in the shape in which the Kubernetes API shows objects: a `List` of them, each
//! with its `status` as its kind has it. Leaves out what only an API server knows, such as the time of a transition,
//! and the `spec`, which may hold what is nobody's business.

use serde_json::{Map, Value, json};

use super::kind::{CONTROLLER, GATEWAY_API, Kind};
use super::resources::ObjectReference;
use super::status::{Condition, ListenerStatus, ObjectStatus, ParentStatus};

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

/// One entry for each parent or ancestor.
fn by_parent(object: &ObjectStatus, reference: &str) -> Vec<Value> {
    let entry = |about: &ParentStatus| {
        let conditions = conditions(about.conditions.iter(), object.generation);
        json!({reference: parent_ref(&about.parent), "controllerName": CONTROLLER, "conditions": conditions})
    };
    object.parents.iter().map(entry).collect()
}

/// The reference as it is written, with the group and kind that an API server would fill in.
fn parent_ref(parent: &ObjectReference) -> Value {
    let mut reference = json!({
        "group": parent.group.as_deref().unwrap_or(GATEWAY_API),
        "kind": parent.kind.as_deref().unwrap_or(Kind::Gateway.name()),
        "name": parent.name,
    });
    for (key, value) in [
        ("namespace", parent.namespace.as_deref().map(Value::from)),
        ("sectionName", parent.section_name.as_deref().map(Value::from)),
        ("port", parent.port.map(Value::from)),
    ] {
        if let Some(value) = value {
            reference[key] = value;
        }
    }
    reference
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
    fn parents_are_told_as_they_are_written() {
        let full = json!({
            "group": "agentgateway.dev", "kind": "AIRoute", "namespace": "a", "name": "g", "sectionName": "s", "port": 80,
        });
        let parent: ObjectReference = serde_json::from_value(full.clone()).unwrap();
        assert_eq!(parent_ref(&parent), full);
        let plain = ObjectReference { name: "g".to_owned(), ..ObjectReference::default() };
        assert_eq!(parent_ref(&plain), json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}));
    }

    #[test]
    fn conditions_are_told_parent_by_parent_and_about_their_generation() {
        let about = |name: &str, conditions| ParentStatus {
            parent: ObjectReference { name: name.to_owned(), ..ObjectReference::default() },
            conditions,
        };
        let accepted = || Condition::yes("Accepted", "Accepted", "");
        let route = ObjectStatus {
            kind: Kind::HTTPRoute,
            namespace: "a".to_owned(),
            name: "r".to_owned(),
            generation: Some(3),
            conditions: Vec::new(),
            parents: vec![
                about("one", vec![accepted(), Condition::no("ResolvedRefs", "X", "")]),
                about("two", vec![accepted()]),
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
