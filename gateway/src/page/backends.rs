//! The backends as JSON, each once, with the health of their providers at this moment. Of credentials it tells only
//! in which header they go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::recent::Recent;
use crate::snapshot::{AiBackend, Credential, Endpoint, Protocol, Provider, Snapshot, StaticBackend, Target};

/// Every backend that a route or a model leads to, by kind and name.
#[must_use]
pub fn told(snapshot: &Snapshot, recent: &Recent, now: Instant) -> Value {
    let mut all = BTreeMap::new();
    let entries = snapshot.binds.iter().flat_map(|bind| &bind.listeners).flat_map(|listener| &listener.routes);
    for weighted in entries.flat_map(|entry| &entry.rule.backends) {
        match &weighted.target {
            Target::Models(router) => router.targets().for_each(|target| gather(&mut all, target, recent, now)),
            target => gather(&mut all, target, recent, now),
        }
    }
    json!({"backends": all.into_values().collect::<Vec<_>>()})
}

fn gather(all: &mut BTreeMap<(&'static str, String), Value>, target: &Target, recent: &Recent, now: Instant) {
    let (kind, name, rest) = match target {
        Target::Ai(backend) => ("ai", &backend.name, ai(backend, recent, now)),
        Target::Static(backend) => ("static", &backend.name, fixed(backend)),
        Target::Broken { backend, reason } => ("broken", backend, json!({"reason": &**reason})),
        Target::Unready { service } => ("unready", service, json!({"reason": "no endpoint is ready"})),
        Target::Models(_) => return,
    };
    all.entry((kind, name.to_string())).or_insert_with(|| {
        let mut backend = json!({"kind": kind, "name": &**name});
        backend.as_object_mut().into_iter().for_each(|told| told.extend(rest.as_object().cloned().unwrap_or_default()));
        backend
    });
}

fn ai(backend: &AiBackend, recent: &Recent, now: Instant) -> Value {
    let group =
        |group: &Vec<Arc<Provider>>| group.iter().map(|one| provider(backend, one, recent, now)).collect::<Vec<_>>();
    json!({
        "eviction": backend.eviction.as_ref().map(|rule| json!({
            "duration_ms": u64::try_from(rule.duration.as_millis()).unwrap_or(u64::MAX),
            "consecutive_failures": rule.consecutive_failures,
            "health_threshold": rule.health_threshold,
            "restore_health": rule.restore_health,
        })),
        "groups": backend.groups.iter().map(group).collect::<Vec<_>>(),
    })
}

fn provider(backend: &AiBackend, provider: &Provider, recent: &Recent, now: Instant) -> Value {
    json!({
        "name": &*provider.name,
        "system": provider.system,
        "model": provider.model.as_ref().map(|model| &*model.name),
        "endpoint": endpoint(&provider.endpoint),
        "credential": credential(&provider.credential),
        "health": provider.health.seen(now),
        "last_error": recent.trouble(&backend.name, &provider.name),
    })
}

fn fixed(backend: &StaticBackend) -> Value {
    json!({"endpoint": endpoint(&backend.endpoint), "credential": credential(&backend.credential)})
}

fn endpoint(endpoint: &Endpoint) -> Value {
    json!({
        "host": &*endpoint.host,
        "port": endpoint.port,
        "tls": endpoint.tls.is_some(),
        "protocol": if endpoint.protocol == Protocol::Http2 { "HTTP/2" } else { "HTTP/1.1" },
    })
}

fn credential(credential: &Credential) -> String {
    match credential {
        Credential::None => "none".to_owned(),
        Credential::Inject { name, .. } => format!("in {name}"),
        Credential::Passthrough => "the client's own".to_owned(),
        Credential::Unusable(why) => format!("unusable: {why}"),
    }
}
