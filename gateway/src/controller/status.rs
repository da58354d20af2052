//! What is to stand in the status of an object: what an [`ObjectStatus`] tells, in the shape of the object's kind, put
//! into what stands there. What other controllers wrote stays, and a time moves only with the status of its condition.
//! Asks nobody and writes nothing.

use serde_json::{Map, Value, json};

use crate::config::kind::{CONTROLLER, GATEWAY_API, Kind};
use crate::config::resources::ObjectReference;
use crate::config::{Condition, ListenerStatus, ObjectStatus, ParentStatus};

/// What the Gateway API's `parents` take.
const MOST_PARENTS: usize = 32;
/// What the Gateway API's `ancestors` take.
const MOST_ANCESTORS: usize = 16;
/// The longest message of a condition, in bytes.
const LONGEST_MESSAGE: usize = 32 * 1024;
/// Types of an object's own conditions that are ours: they go when there is nothing to say any more.
const OURS: [&str; 5] = ["Accepted", "Programmed", "ResolvedRefs", "Attached", "PartiallyInvalid"];

/// What is told of one object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    /// What the compile step says.
    pub(super) status: &'a ObjectStatus,
    /// A Gateway's addresses, as its status has them.
    pub(super) addresses: &'a [Value],
    /// What new conditions are stamped with.
    pub(super) now: &'a str,
}

impl Told<'_> {
    /// What of the status has to be written, given what stands there; `None` when it is as it should be.
    pub(super) fn missing(&self, there: &Value) -> Option<Value> {
        let (status, nothing) = (self.status, json!([]));
        let wanted = match status.kind {
            Kind::GatewayClass | Kind::Gateway | Kind::AgentgatewayBackend if status.conditions.is_empty() => None,
            Kind::GatewayClass | Kind::AgentgatewayBackend => Some(json!({"conditions": self.own(there)})),
            Kind::Gateway => {
                let listeners = self.listeners(&there["listeners"]);
                let conditions = self.own(there);
                Some(json!({"addresses": self.addresses, "conditions": conditions, "listeners": listeners}))
            }
            Kind::HTTPRoute | Kind::AIRoute | Kind::AgentgatewayModel => {
                Some(json!({"parents": self.entries(&there["parents"], "parentRef", MOST_PARENTS)}))
            }
            Kind::AgentgatewayPolicy => {
                Some(json!({"ancestors": self.entries(&there["ancestors"], "ancestorRef", MOST_ANCESTORS)}))
            }
            _ => None,
        }?;
        let as_is = |(key, value): (&String, &Value)| there.get(key).unwrap_or(&nothing) == value;
        let wanted = wanted.as_object()?;
        (!wanted.iter().all(as_is)).then(|| Value::Object(wanted.clone()))
    }

    /// The object's own conditions, beside those of types that others write.
    fn own(&self, there: &Value) -> Vec<Value> {
        let there = &there["conditions"];
        let mut all = self.conditions(&self.status.conditions, there);
        let told = |condition: &Value, all: &[Value]| all.iter().any(|ours| ours["type"] == condition["type"]);
        for condition in there.as_array().into_iter().flatten() {
            let ours = condition["type"].as_str().is_some_and(|type_| OURS.contains(&type_));
            if !ours && !told(condition, &all) {
                all.push(condition.clone());
            }
        }
        all
    }

    fn listeners(&self, there: &Value) -> Vec<Value> {
        let all = self.status.listeners.iter().map(|listener| self.listener(listener, there));
        let mut listeners: Vec<Value> = Vec::new();
        for listener in all {
            // the list has each name once
            if !listeners.iter().any(|other| other["name"] == listener["name"]) {
                listeners.push(listener);
            }
        }
        listeners
    }

    fn listener(&self, listener: &ListenerStatus, there: &Value) -> Value {
        let before = there.as_array().into_iter().flatten().find(|other| other["name"] == listener.name.as_str());
        let kinds = listener.supported_kinds.iter().map(|kind| json!({"group": kind.group(), "kind": kind.name()}));
        json!({
            "name": listener.name,
            "attachedRoutes": listener.attached_routes,
            "supportedKinds": kinds.collect::<Vec<_>>(),
            "conditions": self.conditions(&listener.conditions, before.map_or(&Value::Null, |own| &own["conditions"])),
        })
    }

    /// One entry for each of our parents, beside those of other controllers.
    fn entries(&self, there: &Value, key: &str, most: usize) -> Vec<Value> {
        let is_ours = |entry: &&Value| entry["controllerName"] == CONTROLLER;
        let there = || there.as_array().into_iter().flatten();
        let mut all: Vec<Value> = there().filter(|entry| !is_ours(entry)).cloned().collect();
        for ParentStatus { parent, conditions } in &self.status.parents {
            let reference = reference(parent);
            let same = |entry: &Value| entry[key] == reference && entry["controllerName"] == CONTROLLER;
            if all.len() < most && !all.iter().any(same) {
                let before = there().find(|entry| same(entry)).map_or(&Value::Null, |entry| &entry["conditions"]);
                let conditions = self.conditions(conditions, before);
                all.push(json!({"controllerName": CONTROLLER, key: reference, "conditions": conditions}));
            }
        }
        all
    }

    /// Each type once, with the time that its status has had.
    fn conditions(&self, conditions: &[Condition], there: &Value) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        for condition in conditions {
            if !all.iter().any(|other| other["type"] == condition.type_) {
                all.push(self.condition(condition, there));
            }
        }
        all
    }

    fn condition(&self, condition: &Condition, there: &Value) -> Value {
        let value = if condition.status { "True" } else { "False" };
        let before = there.as_array().into_iter().flatten().find(|other| other["type"] == condition.type_);
        let since = before.filter(|before| before["status"] == value).map(|before| &before["lastTransitionTime"]);
        json!({
            "type": condition.type_,
            "status": value,
            "observedGeneration": self.status.generation.unwrap_or_default(),
            "lastTransitionTime": since.cloned().unwrap_or_else(|| json!(self.now)),
            "reason": condition.reason,
            "message": cut(&condition.message, LONGEST_MESSAGE),
        })
    }
}

/// A reference to a parent, with what the API server would fill in.
fn reference(parent: &ObjectReference) -> Value {
    let text = |value: &Option<String>| value.as_ref().map(|value| json!(value));
    let all = [
        ("group", Some(json!(parent.group.as_deref().unwrap_or(GATEWAY_API)))),
        ("kind", Some(json!(parent.kind.as_deref().unwrap_or(Kind::Gateway.name())))),
        ("namespace", text(&parent.namespace)),
        ("name", Some(json!(parent.name))),
        ("sectionName", text(&parent.section_name)),
        ("port", parent.port.map(|port| json!(port))),
    ];
    let given = all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>())
}

/// The beginning of a text that is too long.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests;
