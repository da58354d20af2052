//! Applies what Gateways are deployed as, and keeps it so: what was applied is applied again when it is to be different,
//! or when somebody else has touched it. An object of that name that is somebody else's stays untouched.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Client, Resource};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use crate::kubernetes::client::with_sources;

use super::infrastructure::{FIELD_MANAGER, GATEWAY_NAME, MANAGED_BY, MANAGER};

/// Names an object that is applied: its kind, namespace and name.
pub(super) type Place = (String, String, String);

/// News of objects that may be ours.
#[derive(Debug)]
pub(super) enum Touched {
    /// An object is there, in this version.
    There(Place, Option<String>),
    /// An object is gone.
    Gone(Place),
    /// Objects of a kind may be gone: they are being listed again.
    Listing(String),
}

/// Why an object is not as it is to be.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeployError {
    /// Somebody else's.
    #[error("there is a {kind} {namespace}/{name} that does not belong to the Gateway; rename one of them")]
    Taken {
        /// Its kind.
        kind: String,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The API server says no, or nothing.
    #[error("{kind} {name} cannot be applied: {why}")]
    Refused {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// What the API server says.
        why: String,
    },
}

/// What was applied, and how it was then.
#[derive(Debug, Default)]
pub(super) struct Deployments(HashMap<Place, Applied>);

#[derive(Debug)]
struct Applied {
    digest: u64,
    version: Option<String>,
    object: Value,
}

impl Deployments {
    /// Forgets what somebody touched; whether anything has to be applied again.
    pub(super) fn touched(&mut self, news: &Touched) -> bool {
        let before = self.0.len();
        match news {
            Touched::There(place, version) => {
                let as_applied = self.0.get(place).is_none_or(|applied| applied.version == *version);
                if !as_applied {
                    self.0.remove(place);
                }
            }
            Touched::Gone(place) => drop(self.0.remove(place)),
            Touched::Listing(kind) => self.0.retain(|place, _| place.0 != *kind),
        }
        self.0.len() != before
    }

    /// Applies an object unless it is as it is to be; what the server made of it.
    pub(super) async fn apply(&mut self, client: &Client, wanted: &Value) -> Result<&Value, DeployError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, metadata) = (text(&wanted["kind"]), &wanted["metadata"]);
        let place: Place = (kind, text(&metadata["namespace"]), text(&metadata["name"]));
        let mut hasher = DefaultHasher::new();
        wanted.to_string().hash(&mut hasher);
        let digest = hasher.finish();
        if self.0.get(&place).is_none_or(|applied| applied.digest != digest) {
            let applied = write(client, wanted, &place).await?;
            let version = applied.metadata.resource_version.clone();
            let object = serde_json::to_value(applied).unwrap_or_default();
            self.0.insert(place.clone(), Applied { digest, version, object });
        }
        Ok(&self.0[&place].object)
    }
}

async fn write(client: &Client, wanted: &Value, place: &Place) -> Result<DynamicObject, DeployError> {
    let (kind, namespace, name) = place;
    let refused =
        |error: kube::Error| DeployError::Refused { kind: kind.clone(), name: name.clone(), why: said(error) };
    let api = api(client, wanted, place);
    let found = api.get_opt(name).await.map_err(refused)?;
    if found.is_some_and(|found| !is_ours(&found, wanted)) {
        let (kind, namespace, name) = (kind.clone(), namespace.clone(), name.clone());
        return Err(DeployError::Taken { kind, namespace, name });
    }
    api.patch(name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(wanted)).await.map_err(refused)
}

fn api(client: &Client, object: &Value, (kind, namespace, _): &Place) -> Api<DynamicObject> {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    match namespace.is_empty() {
        true => Api::all_with(client.clone(), &resource),
        false => Api::namespaced_with(client.clone(), namespace, &resource),
    }
}

/// Whether an object was made for the same Gateway, by its owner or, where the Gateway is a new one, by its labels.
fn is_ours(found: &DynamicObject, wanted: &Value) -> bool {
    let (labels, wanted) = (found.metadata.labels.clone().unwrap_or_default(), &wanted["metadata"]);
    let same = |label: &str| labels.get(label).map(String::as_str) == wanted["labels"][label].as_str();
    let owner = wanted["ownerReferences"][0]["uid"].as_str();
    let owned = found.metadata.owner_references.iter().flatten().any(|found| Some(&*found.uid) == owner);
    owned || (same(MANAGED_BY) && same(GATEWAY_NAME))
}

/// What the API server says, without what the client says around it.
pub(super) fn said(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => with_sources(&other),
    }
}

/// Tells whenever an object that we apply is touched; ends when nobody listens.
pub(super) async fn follow(client: Client, touched: UnboundedSender<Touched>) {
    let all = [
        changes::<Deployment>(&client).boxed(),
        changes::<Service>(&client).boxed(),
        changes::<ServiceAccount>(&client).boxed(),
        changes::<ClusterRoleBinding>(&client).boxed(),
    ];
    let mut all = pin!(stream::select_all(all));
    while let Some(news) = all.next().await {
        if touched.send(news).is_err() {
            return;
        }
    }
}

fn changes<K>(client: &Client) -> impl stream::Stream<Item = Touched> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + serde::de::DeserializeOwned + 'static,
{
    let config = Config::default().labels(&format!("{MANAGED_BY}={MANAGER}"));
    let events = watcher(Api::<PartialObjectMeta<K>>::all(client.clone()), config).default_backoff();
    events.filter_map(|event| {
        let news = match event {
            Ok(Event::Init) => Some(Touched::Listing(K::kind(&()).into_owned())),
            Ok(Event::Apply(object)) => {
                let version = object.metadata.resource_version.clone();
                Some(Touched::There(place(object), version))
            }
            Ok(Event::Delete(object)) => Some(Touched::Gone(place(object))),
            Ok(Event::InitApply(_) | Event::InitDone) | Err(_) => None,
        };
        std::future::ready(news)
    })
}

fn place<K: Resource<DynamicType = ()>>(object: PartialObjectMeta<K>) -> Place {
    let metadata = object.metadata;
    (K::kind(&()).into_owned(), metadata.namespace.unwrap_or_default(), metadata.name.unwrap_or_default())
}
