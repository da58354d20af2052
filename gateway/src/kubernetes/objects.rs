//! The objects that watchers have told of, as the compile step reads them. Changes what changed and nothing else, says
//! whether anything did, and keeps aside what cannot be read. Status and bookkeeping of the API server are no change.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use kube::api::DynamicObject;
use serde_json::{Map, Value, json};

use super::watch::{Change, News, Watched};
use crate::config::kind::{CORE, Kind, Manifest};
use crate::config::{Key, Manifests};

/// An object that cannot be read as its kind is defined here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its `metadata.generation`.
    pub generation: Option<i64>,
    /// What is in the way.
    pub why: String,
}

/// All objects of a cluster that matter here.
#[derive(Debug, Default)]
pub struct Objects {
    manifests: Manifests,
    /// What each was read from, as a digest: Secrets are not kept twice.
    known: HashMap<Key, u64>,
    digests: RandomState,
    unreadable: BTreeMap<Key, Unreadable>,
    order: usize,
}

impl Objects {
    /// Of one Gateway (`namespace/name`), or of all.
    #[must_use]
    pub fn of(gateway: Option<Arc<str>>) -> Self {
        let mut objects = Self::default();
        objects.manifests.only = gateway;
        objects
    }

    /// What the compile step reads.
    #[must_use]
    pub fn manifests(&self) -> &Manifests {
        &self.manifests
    }

    /// What is not served as it cannot be read.
    #[must_use]
    pub fn unreadable(&self) -> &BTreeMap<Key, Unreadable> {
        &self.unreadable
    }

    /// Takes a change over; whether it makes a difference.
    pub fn take(&mut self, change: &Change) -> bool {
        let kind = change.watched.kind;
        match &change.news {
            News::Listed(objects) => self.list(&change.watched, objects),
            News::Applied(object) => self.put(kind, object),
            News::Deleted(object) => self.remove(&(kind, id_of(kind, object))),
            News::Unknown | News::Failed(_) => false,
        }
    }

    /// Lets go of an object that is not followed any more; whether there was one.
    pub fn remove(&mut self, key: &Key) -> bool {
        let was_known = self.known.remove(key).is_some();
        self.manifests.remove(key.0, &key.1);
        self.unreadable.remove(key);
        was_known
    }

    fn list(&mut self, watched: &Watched, objects: &[DynamicObject]) -> bool {
        let kind = watched.kind;
        let listed: HashSet<_> = objects.iter().map(|object| id_of(kind, object)).collect();
        let of_watcher = |id: &Arc<str>| watched.only.as_ref().is_none_or(|only| only == id);
        let gone: Vec<Key> = self
            .known
            .keys()
            .filter(|(known, id)| *known == kind && of_watcher(id) && !listed.contains(id))
            .cloned()
            .collect();
        let mut changed = !gone.is_empty();
        for key in gone {
            self.remove(&key);
        }
        for object in objects {
            changed |= self.put(kind, object);
        }
        changed
    }

    fn put(&mut self, kind: Kind, object: &DynamicObject) -> bool {
        let key = (kind, id_of(kind, object));
        let essence = essence(kind, object);
        let digest = self.digests.hash_one(essence.to_string());
        if self.known.insert(key.clone(), digest) == Some(digest) {
            return false;
        }
        let read = reader::from_seed(&essence, kind).map_err(|error| match kind {
            // what a reader says of a value may repeat it
            Kind::Secret => "it is not formed as a Secret is".to_owned(),
            _ => error.to_string(),
        });
        let read = match read {
            Err(why) if kind == Kind::AgentgatewayPolicy => closed(&essence, &why).ok_or(why),
            read => read,
        };
        match read {
            Ok(manifest) => {
                self.unreadable.remove(&key);
                self.order += 1;
                self.manifests.put(kind, key.1, manifest, self.order);
            }
            Err(why) => {
                self.manifests.remove(kind, &key.1);
                self.unreadable.insert(key, Unreadable { generation: object.metadata.generation, why });
            }
        }
        true
    }
}

/// What stands in for a policy that cannot be read: it closes its targets, as it may have been meant to protect them.
fn closed(essence: &Value, why: &str) -> Option<Manifest> {
    let spec: Map<_, _> = ["targetRefs", "targetSelectors"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), essence["spec"].get(key)?.clone())))
        .collect();
    let object = json!({"metadata": essence["metadata"], "spec": spec});
    let Ok(Manifest::AgentgatewayPolicy(mut policy)) = reader::from_seed(object, Kind::AgentgatewayPolicy) else {
        return None;
    };
    policy.spec.unreadable = Some(why.to_owned());
    Some(Manifest::AgentgatewayPolicy(policy))
}

pub(crate) fn id_of(kind: Kind, object: &DynamicObject) -> Arc<str> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    if kind.namespaced() {
        format!("{}/{name}", object.metadata.namespace.as_deref().unwrap_or("default")).into()
    } else {
        name.into()
    }
}

/// What of an object its meaning depends on: the parts of its metadata that are looked at, and its contents without
/// status. The API server decides what else a core object may hold.
fn essence(kind: Kind, object: &DynamicObject) -> Value {
    let metadata = &object.metadata;
    let metadata = json!({
        "name": metadata.name,
        "namespace": metadata.namespace,
        "labels": metadata.labels,
        "annotations": metadata.annotations,
        "creationTimestamp": metadata.creation_timestamp,
        "generation": metadata.generation,
    });
    let of_core = ["data", "type", "spec", "addressType", "endpoints", "ports"];
    let core = kind.group() == CORE || kind == Kind::EndpointSlice;
    let read = |key: &str| key != "status" && (!core || of_core.contains(&key));
    let contents = object.data.as_object().into_iter().flatten();
    let contents = contents.filter(|(key, _)| read(key)).map(|(key, value)| (key.clone(), value.clone()));
    Value::Object([("metadata".to_owned(), metadata)].into_iter().chain(contents).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(name: &str, model: &str, status: &str) -> DynamicObject {
        let object = json!({
            "apiVersion": "agentgateway.dev/v1alpha1",
            "kind": "AgentgatewayBackend",
            "metadata": {"name": name, "namespace": "ns", "generation": 3, "uid": "u", "resourceVersion": status},
            "spec": {"ai": {"provider": {"openai": {"model": model}}}},
            "status": {"conditions": [{"type": status}]},
        });
        serde_json::from_value(object).expect("an object")
    }

    fn change(kind: Kind, news: News) -> Change {
        Change { watched: Watched { kind, only: None }, news }
    }

    fn applied(object: DynamicObject) -> Change {
        change(Kind::AgentgatewayBackend, News::Applied(Box::new(object)))
    }

    fn ids(objects: &Objects) -> Vec<String> {
        objects.manifests().backends.iter().map(|backend| backend.id.to_string()).collect()
    }

    #[test]
    fn status_and_bookkeeping_are_no_change() {
        let mut objects = Objects::default();
        assert!(objects.take(&applied(backend("a", "m-1", "1"))));
        assert!(!objects.take(&applied(backend("a", "m-1", "2"))));
        assert!(objects.take(&applied(backend("a", "m-2", "2"))));
        assert_eq!(ids(&objects), ["ns/a"]);
    }

    #[test]
    fn a_list_takes_the_place_of_what_was_known_and_is_sorted() {
        let mut objects = Objects::default();
        let list = |names: &[&str]| {
            let all = names.iter().map(|name| backend(name, "m-1", "1")).collect();
            change(Kind::AgentgatewayBackend, News::Listed(all))
        };
        assert!(objects.take(&list(&["c", "a", "b"])));
        assert_eq!(ids(&objects), ["ns/a", "ns/b", "ns/c"]);
        assert!(!objects.take(&list(&["b", "a", "c"])));
        assert!(objects.take(&list(&["b"])));
        assert_eq!(ids(&objects), ["ns/b"]);
    }

    #[test]
    fn what_cannot_be_read_is_kept_aside_until_it_can() {
        let mut objects = Objects::default();
        let mut broken = backend("a", "m-1", "1");
        broken.data["spec"] = json!({"surprise": 1});
        objects.take(&applied(backend("a", "m-1", "1")));
        assert!(objects.take(&applied(broken)));
        let (_, why) = objects.unreadable().first_key_value().expect("one is kept aside");
        assert!(why.generation == Some(3) && why.why.contains("surprise"), "{why:?}");
        assert!(ids(&objects).is_empty());
        assert!(objects.take(&applied(backend("a", "m-1", "1"))));
        assert!(objects.unreadable().is_empty() && ids(&objects) == ["ns/a"]);
    }

    #[test]
    fn a_policy_that_cannot_be_read_closes_what_it_targets() {
        let policy = |traffic: Value| {
            let target = json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "route"});
            let object = json!({
                "metadata": {"name": "p", "namespace": "ns"},
                "spec": {"targetRefs": [target], "traffic": traffic},
            });
            let object: DynamicObject = serde_json::from_value(object).expect("an object");
            change(Kind::AgentgatewayPolicy, News::Applied(Box::new(object)))
        };
        let mut objects = Objects::default();
        assert!(objects.take(&policy(json!({"authenticationOfTomorrow": {}}))));
        let status = crate::config::tell(objects.manifests());
        let accepted = status[0].every_condition().find(|condition| condition.type_ == "Accepted").expect("it is told");
        assert!(!accepted.status && accepted.message.contains("authenticationOfTomorrow"), "{accepted:?}");
        assert!(objects.manifests().policies[0].object.spec.unreadable.is_some() && objects.unreadable().is_empty());
        assert!(objects.take(&policy(json!({"timeouts": {"request": "5s"}}))));
        assert!(objects.manifests().policies[0].object.spec.unreadable.is_none());
    }

    #[test]
    fn the_list_of_one_object_leaves_the_others_of_its_kind_alone() {
        let mut objects = Objects::default();
        let secret = |name: &str| {
            let object =
                json!({"metadata": {"name": name, "namespace": "ns"}, "data": {"apiKey": "c2stMQ=="}, "new": 1});
            serde_json::from_value::<DynamicObject>(object).expect("an object")
        };
        let of = |name: &str, objects: Vec<DynamicObject>| {
            let only = Some(format!("ns/{name}").into());
            Change { watched: Watched { kind: Kind::Secret, only }, news: News::Listed(objects) }
        };
        assert!(objects.take(&of("a", vec![secret("a")])) && objects.take(&of("b", vec![secret("b")])));
        assert!(objects.take(&of("a", Vec::new())) && !objects.take(&of("c", Vec::new())));
        assert_eq!(objects.manifests().secrets.len(), 1);
        assert_eq!(&*objects.manifests().secrets[0].id, "ns/b");
        assert!(!format!("{:?}", of("b", vec![secret("b")])).contains("c2st"), "a value is shown");
    }
}
