//! Listeners and configuration as JSON: what every object's status says, what is worth knowing of it, and what became
//! of the last reload. Never a `spec`.

use std::net::SocketAddr;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::routes::host;
use crate::config::{Condition, ObjectStatus};
use crate::loaded::Loaded;
use crate::record::timestamp;
use crate::snapshot::{Listener, Snapshot};

/// Every listener of every Gateway, also those that are not served.
#[must_use]
pub fn listeners(snapshot: &Snapshot, loaded: &Loaded, address: impl Fn(u16) -> Option<SocketAddr>) -> Value {
    let status = loaded.status();
    let listeners = status.iter().flat_map(|gateway| gateway.listeners.iter().map(move |one| (gateway, one)));
    let told = listeners.map(|(gateway, status)| {
        let id = gateway.id();
        let bind = snapshot.binds.iter().find(|bind| bind.port == status.port);
        let own = |listener: &&Listener| *listener.gateway == *id && *listener.name == *status.name;
        let served = bind.and_then(|bind| bind.listeners.iter().find(own));
        json!({
            "gateway": id,
            "listener": status.name,
            "port": status.port,
            "address": served.and(address(status.port)).map(|address| address.to_string()),
            "served": served.is_some(),
            "tls": served.and(bind).is_some_and(|bind| bind.tls.is_some()),
            "hostname": host(served.and_then(|listener| listener.hostname.as_ref())),
            "attached_routes": status.attached_routes,
            "conditions": status.conditions.iter().map(|one| condition(None, one)).collect::<Vec<_>>(),
        })
    });
    json!({"listeners": told.collect::<Vec<_>>()})
}

/// Every object with conditions and notes, and the last reload.
#[must_use]
pub fn configuration(loaded: &Loaded) -> Value {
    let mut told: Value = serde_json::from_str(&loaded.page()).expect("the page of what is loaded is JSON");
    let since = loaded.since().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    told["since"] = timestamp(since).into();
    told["objects"] = loaded.status().iter().map(object).collect();
    told
}

fn object(object: &ObjectStatus) -> Value {
    let of_listeners = object.listeners.iter().flat_map(|listener| {
        let parent = format!("listener {}", listener.name);
        listener.conditions.iter().map(move |one| condition(Some(parent.clone()), one))
    });
    let own = object.told().map(|(parent, one)| condition(parent, one));
    json!({
        "kind": object.kind.name(),
        "apiVersion": object.kind.api_version(),
        "namespace": object.namespace,
        "name": object.name,
        "generation": object.generation,
        "ok": object.ok(),
        "conditions": own.chain(of_listeners).collect::<Vec<_>>(),
        "notes": object.notes,
    })
}

fn condition(parent: Option<String>, condition: &Condition) -> Value {
    json!({
        "type": condition.type_,
        "status": if condition.status { "True" } else { "False" },
        "reason": condition.reason,
        "message": condition.message,
        "parent": parent,
        "good": condition.good(),
    })
}
