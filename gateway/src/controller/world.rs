//! What is known of the cluster: its objects as the compile step reads them, and beside each what only the API server
//! knows: uid, version, and the status that stands there. Tells what is to be said of objects that cannot be read.

use std::collections::{BTreeSet, HashMap, HashSet};

use k8s_openapi::api::core::v1::ObjectReference as Regarding;
use kube::api::DynamicObject;
use serde_json::Value;

use crate::config::kind::{AGENTGATEWAY, CONTROLLER, GATEWAY_API, Kind};
use crate::config::resources::ObjectReference;
use crate::config::{Condition, Key, Manifests, ObjectStatus, ParentStatus, serves, tell};
use crate::kubernetes::objects::{Objects, Unreadable, id_of};
use crate::kubernetes::watch::{Change, News, WHOLE, Watched};

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct World {
    objects: Objects,
    facts: HashMap<Key, Fact>,
    /// Kinds that were listed, or that the server does not know.
    told: HashSet<Watched>,
    /// What there is to say of the objects, and the Secrets and ConfigMaps they refer to, until one of them changes.
    compiled: Option<(Vec<ObjectStatus>, BTreeSet<Key>)>,
}

/// What the API server knows of an object.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) uid: String,
    pub(super) version: String,
    pub(super) status: Value,
    /// A Gateway's class.
    class: Option<String>,
    /// `parentRefs` or `targetRefs`.
    parents: Vec<ObjectReference>,
}

impl Fact {
    /// What is known from the object itself.
    pub(super) fn of(object: &DynamicObject) -> Self {
        let spec = &object.data["spec"];
        let listed = [&spec["parentRefs"], &spec["targetRefs"]].into_iter().find_map(Value::as_array);
        let reference = |value: &Value| serde_json::from_value(value.clone()).ok();
        Self {
            uid: object.metadata.uid.clone().unwrap_or_default(),
            version: object.metadata.resource_version.clone().unwrap_or_default(),
            status: object.data["status"].clone(),
            class: spec["gatewayClassName"].as_str().map(str::to_owned),
            parents: listed.into_iter().flatten().filter_map(reference).collect(),
        }
    }
}

impl World {
    /// Takes a change over; whether something may have to be written now.
    pub(super) fn take(&mut self, change: &Change) -> bool {
        let kind = change.watched.kind;
        let mut changed = false;
        match &change.news {
            News::Listed(objects) => {
                changed |= self.told.insert(change.watched.clone());
                if has_status(kind) {
                    self.facts.retain(|(known, _), _| *known != kind);
                    self.facts.extend(objects.iter().map(|object| ((kind, id_of(kind, object)), Fact::of(object))));
                    changed = true;
                }
            }
            News::Applied(object) if has_status(kind) => {
                self.facts.insert((kind, id_of(kind, object)), Fact::of(object));
                changed = true;
            }
            News::Deleted(object) => drop(self.facts.remove(&(kind, id_of(kind, object)))),
            News::Unknown => changed |= self.told.insert(change.watched.clone()),
            // what may not be read is as good as not there
            News::Failed(_) if change.watched.only.is_some() => changed |= self.told.insert(change.watched.clone()),
            News::Applied(_) => drop(self.told.insert(change.watched.clone())),
            News::Failed(_) => {}
        }
        if self.objects.take(change) {
            self.compiled = None;
            changed = true;
        }
        changed
    }

    /// Whether every kind has been listed, and every object that is followed by name been looked for.
    pub(super) fn is_whole(&self, named: &BTreeSet<Key>) -> bool {
        let told = |kind, only| self.told.contains(&Watched { kind, only });
        WHOLE.iter().all(|kind| told(*kind, None)) && named.iter().all(|(kind, id)| told(*kind, Some(id.clone())))
    }

    /// The objects that can be read.
    pub(super) fn manifests(&self) -> &Manifests {
        self.objects.manifests()
    }

    /// What the API server knows of an object.
    pub(super) fn fact(&self, key: &Key) -> Option<&Fact> {
        self.facts.get(key)
    }

    /// Keeps what the API server answered to a write, before its watch tells it.
    pub(super) fn learn(&mut self, key: Key, object: &DynamicObject) {
        self.facts.insert(key, Fact::of(object));
    }

    /// What there is to say of every object.
    pub(super) fn status(&mut self) -> Vec<ObjectStatus> {
        self.compiled().0.clone()
    }

    /// The Secrets and ConfigMaps that are referred to.
    pub(super) fn named(&mut self) -> &BTreeSet<Key> {
        &self.compiled().1
    }

    /// Lets go of an object that is not referred to any more.
    pub(super) fn forget(&mut self, key: &Key) {
        self.told.remove(&Watched { kind: key.0, only: Some(key.1.clone()) });
        self.objects.remove(key);
        self.compiled = None;
    }

    fn compiled(&mut self) -> &(Vec<ObjectStatus>, BTreeSet<Key>) {
        let compiled = self.compiled.take().unwrap_or_else(|| {
            let manifests = self.objects.manifests();
            let mut status = tell(manifests);
            let unreadable = self.objects.unreadable().iter();
            status.extend(unreadable.filter_map(|(key, unreadable)| self.of_unreadable(key, unreadable)));
            let looked_up = manifests.take_looked_up().into_iter();
            (status, looked_up.filter(|(kind, _)| matches!(kind, Kind::Secret | Kind::ConfigMap)).collect())
        });
        self.compiled.insert(compiled)
    }

    fn of_unreadable(&self, key: &Key, unreadable: &Unreadable) -> Option<ObjectStatus> {
        let (kind, id) = key;
        let fact = self.facts.get(key)?;
        let (namespace, name) = id.split_once('/').unwrap_or(("", id));
        let mut status = ObjectStatus {
            kind: *kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            generation: unreadable.generation,
            conditions: Vec::new(),
            parents: Vec::new(),
            listeners: Vec::new(),
            notes: Vec::new(),
        };
        let why = format!("the {} cannot be read: {}", kind.name(), unreadable.why);
        let not = |type_, reason| Condition::no(type_, reason, why.clone());
        match kind {
            Kind::Gateway => {
                let class = fact.class.as_deref().unwrap_or_default();
                let ours = serves(self.objects.manifests(), class);
                status.conditions = [not("Accepted", "Invalid"), not("Programmed", "Invalid")].into();
                ours.then_some(status)
            }
            Kind::AgentgatewayBackend => {
                status.conditions = vec![not("Accepted", "Invalid")];
                Some(status)
            }
            _ => {
                let policy = *kind == Kind::AgentgatewayPolicy;
                let reason = if policy { "Invalid" } else { "UnsupportedValue" };
                let parents = fact.parents.iter().filter(|parent| policy || self.is_ours(namespace, parent));
                let told = |parent: &ObjectReference| {
                    let own = policy.then(|| namespace.to_owned());
                    let parent = ObjectReference { namespace: parent.namespace.clone().or(own), ..parent.clone() };
                    ParentStatus { parent, conditions: vec![not("Accepted", reason)] }
                };
                status.parents = parents.map(told).collect();
                Some(status)
            }
        }
    }

    /// Whether a parent is a Gateway of our class.
    fn is_ours(&self, own: &str, parent: &ObjectReference) -> bool {
        let id = format!("{}/{}", parent.namespace.as_deref().unwrap_or(own), parent.name);
        let fact = self.facts.get(&(Kind::Gateway, id.into()));
        let is_gateway = parent.kind.as_deref().is_none_or(|kind| kind == Kind::Gateway.name());
        let class = fact.and_then(|fact| fact.class.as_deref()).filter(|_| is_gateway);
        class.is_some_and(|class| serves(self.objects.manifests(), class))
    }
}

/// Whether we write the status of objects of a kind.
fn has_status(kind: Kind) -> bool {
    let gateway_api = kind.group() == GATEWAY_API && kind != Kind::ReferenceGrant;
    gateway_api || (kind.group() == AGENTGATEWAY && kind != Kind::AgentgatewayParameters)
}

/// An object, for an Event about it.
pub(super) fn regarding(status: &ObjectStatus, fact: &Fact) -> Regarding {
    Regarding {
        api_version: Some(status.kind.api_version()),
        kind: Some(status.kind.name().to_owned()),
        namespace: Some(status.namespace.clone()).filter(|namespace| !namespace.is_empty()),
        name: Some(status.name.clone()),
        uid: Some(fact.uid.clone()),
        resource_version: Some(fact.version.clone()),
        field_path: None,
    }
}

/// Our GatewayClass, for a cluster that has none.
pub(super) fn own_class() -> Value {
    serde_json::json!({
        "apiVersion": Kind::GatewayClass.api_version(),
        "kind": Kind::GatewayClass.name(),
        "metadata": {"name": crate::config::OUR_CLASS},
        "spec": {"controllerName": CONTROLLER, "description": "LLM traffic through the gateway of windtunnel"},
    })
}
