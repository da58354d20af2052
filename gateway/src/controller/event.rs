//! Events for what is wrong with an object: one for each reason and message, that `kubectl describe` shows under the
//! object. One that comes again counts on. An Event that cannot be written is told by a notice and holds nothing up.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::status::cut;
use crate::config::kind::CONTROLLER;
use crate::config::{Condition, ObjectStatus};

/// The longest note of an Event, in bytes.
const LONGEST_NOTE: usize = 1000;

/// Something wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Warning {
    /// What was tried: the type of the condition that does not hold.
    action: &'static str,
    reason: &'static str,
    note: String,
}

/// What is wrong by a status and was not by the one that stands there.
pub(super) fn warnings(status: &ObjectStatus, there: &Value) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = Vec::new();
    for condition in status.every_condition().filter(|condition| !condition.good() && !stands(there, condition)) {
        let warning = Warning {
            action: condition.type_,
            reason: condition.reason,
            note: cut(&condition.message, LONGEST_NOTE).to_owned(),
        };
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    warnings
}

/// Whether a condition stands anywhere in a status already.
fn stands(there: &Value, condition: &Condition) -> bool {
    let value = if condition.status { "True" } else { "False" };
    match there {
        Value::Object(object) => {
            let same = there["type"] == condition.type_
                && there["status"] == value
                && there["reason"] == condition.reason
                && there["message"] == condition.message.as_str();
            same || object.values().any(|part| stands(part, condition))
        }
        Value::Array(parts) => parts.iter().any(|part| stands(part, condition)),
        _ => false,
    }
}

/// Writes a warning about an object.
pub(super) async fn publish(
    client: &Client,
    identity: &str,
    object: &ObjectReference,
    warning: &Warning,
) -> kube::Result<()> {
    let namespace = object.namespace.as_deref().unwrap_or("default");
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let event = event(identity, object, namespace, warning);
    let name = event.metadata.name.clone().unwrap_or_default();
    match events.create(&PostParams::default(), &event).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        written => return written.map(|_| ()),
    }
    let before = events.get_opt(&name).await?;
    let count = before.and_then(|event| event.series).map_or(1, |series| series.count) + 1;
    let series = EventSeries { count, last_observed_time: MicroTime(Timestamp::now()) };
    events.patch(&name, &PatchParams::default(), &Patch::Merge(json!({"series": series}))).await.map(|_| ())
}

fn event(identity: &str, object: &ObjectReference, namespace: &str, warning: &Warning) -> Event {
    // the same warning has the same name, whoever writes it
    let mut hasher = DefaultHasher::new();
    (&object.kind, &object.uid, warning).hash(&mut hasher);
    let name = format!("{}.{:016x}", object.name.as_deref().unwrap_or_default(), hasher.finish());
    Event {
        metadata: ObjectMeta { name: Some(name), namespace: Some(namespace.to_owned()), ..ObjectMeta::default() },
        type_: Some("Warning".to_owned()),
        action: Some(warning.action.to_owned()),
        reason: Some(warning.reason.to_owned()),
        note: Some(warning.note.clone()),
        regarding: Some(object.clone()),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(cut(identity, 128).to_owned()),
        event_time: Some(MicroTime(Timestamp::now())),
        ..Event::default()
    }
}
