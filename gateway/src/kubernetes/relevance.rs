//! Which changes of Services and EndpointSlices matter: those of Services that a route or a backend refers to. A busy
//! cluster has many others, and none of them is worth a compilation.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::api::DynamicObject;

use super::watch::{Change, News};
use crate::config::kind::Kind;
use crate::config::{Compiled, Manifests};

/// Says which Service a slice belongs to.
const SERVICE_OF: &str = "kubernetes.io/service-name";

/// What the last compilation looked for.
#[derive(Debug, Default)]
pub(super) struct Relevance {
    /// `namespace/name`; nothing is known before the first compilation.
    services: Option<BTreeSet<Arc<str>>>,
}

impl Relevance {
    /// Of what was just compiled.
    pub(super) fn of(compiled: &Compiled) -> Self {
        let services = compiled.looked_up.iter().filter(|(kind, _)| *kind == Kind::Service);
        Self { services: Some(services.map(|(_, id)| id.clone()).collect()) }
    }

    /// Whether a change can make a difference; `before` holds what was known until now.
    pub(super) fn matters(&self, change: &Change, before: &Manifests) -> bool {
        let (Some(services), News::Applied(object) | News::Deleted(object)) = (&self.services, &change.news) else {
            return true;
        };
        let (namespace, name) = (object.metadata.namespace.as_deref(), object.metadata.name.as_deref());
        let id = |name: &str| format!("{}/{name}", namespace.unwrap_or_default());
        match change.watched.kind {
            Kind::Service => services.contains(&*id(name.unwrap_or_default())),
            Kind::EndpointSlice => {
                let own = id(name.unwrap_or_default());
                let known = before.slices.iter().find(|slice| *slice.id == own);
                let left = known.and_then(|slice| slice.object.metadata.label(SERVICE_OF));
                left.into_iter().chain(service_of(object)).any(|service| services.contains(&*id(service)))
            }
            _ => true,
        }
    }
}

fn service_of(slice: &DynamicObject) -> Option<&str> {
    slice.metadata.labels.as_ref()?.get(SERVICE_OF).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config;
    use crate::kubernetes::objects::Objects;
    use crate::kubernetes::watch::Watched;

    fn slice(service: &str) -> Change {
        let metadata = json!({"name": "s", "namespace": "ns", "labels": {SERVICE_OF: service}});
        let object = serde_json::from_value(json!({"metadata": metadata, "endpoints": []})).expect("an object");
        let watched = Watched { kind: Kind::EndpointSlice, only: None };
        Change { watched, news: News::Applied(Box::new(object)) }
    }

    #[test]
    fn endpoints_matter_when_their_service_is_referred_to_or_was() {
        let mut objects = Objects::default();
        let mut compiled = config::compile(objects.manifests(), None);
        assert!(Relevance::default().matters(&slice("other"), objects.manifests()));
        compiled.looked_up.insert((Kind::Service, "ns/used".into()));
        let relevance = Relevance::of(&compiled);
        assert!(relevance.matters(&slice("used"), objects.manifests()));
        assert!(!relevance.matters(&slice("other"), objects.manifests()));
        objects.take(&slice("used"));
        assert!(relevance.matters(&slice("other"), objects.manifests()), "it leaves a Service that is used");
    }
}
