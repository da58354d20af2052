//! How the providers are at this moment, as metrics: read off the served configuration when somebody asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::family;
use super::labels::escaped;
use super::write::Text;
use crate::health::Health;
use crate::snapshot::{AiBackend, Snapshot, Target};

/// Writes health, rotation and evictions of every provider that a route leads to.
pub fn write(snapshot: &Snapshot, text: &mut Text) {
    let mut providers: BTreeMap<String, Arc<Health>> = BTreeMap::new();
    let listeners = snapshot.binds.iter().flat_map(|bind| &bind.listeners);
    let backends = listeners.flat_map(|listener| &listener.routes).flat_map(|entry| &entry.rule.backends);
    for backend in backends {
        match &backend.target {
            Target::Ai(backend) => add(&mut providers, backend),
            Target::Models(router) => router.targets().for_each(|target| {
                if let Target::Ai(backend) = target {
                    add(&mut providers, backend);
                }
            }),
            Target::Static(_) | Target::Broken { .. } | Target::Unready { .. } => (),
        }
    }
    let all = || providers.iter();
    text.values(&family::PROVIDER_HEALTH, all().map(|(labels, health)| (labels, health.score())));
    text.values(&family::IN_ROTATION, all().map(|(labels, health)| (labels, u8::from(health.serving()))));
    text.values(&family::EVICTIONS, all().map(|(labels, health)| (labels, health.evictions())));
}

fn add(providers: &mut BTreeMap<String, Arc<Health>>, backend: &AiBackend) {
    for provider in backend.groups.iter().flatten() {
        let labels = format!("backend=\"{}\",provider=\"{}\"", escaped(&backend.name), escaped(&provider.name));
        providers.insert(labels, provider.health.clone());
    }
}
