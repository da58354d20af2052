//! One pass of the leader: what is known of the cluster → objects applied, status patched, Events written. Writes only
//! what differs from what stands there. What could not be written is told, and tried again by whoever calls.

use std::collections::{BTreeMap, HashMap};

use futures_util::{StreamExt, stream};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::deploy::{Deployments, said};
use super::event::{self, Warning};
use super::infrastructure::{self, Deployed, FIELD_MANAGER};
use super::parameters::Plan;
use super::rbac;
use super::status::Told;
use super::world::{World, own_class, regarding};
use crate::config::kind::Kind;
use crate::config::resources::Object;
use crate::config::resources::gateway::GatewaySpec;
use crate::config::{Condition, Key, Manifests, OUR_CLASS, ObjectStatus, parameters, serves};

/// Status writes under way at a time.
const AT_ONCE: usize = 16;

/// Who writes, with what.
pub(super) struct Writer {
    pub(super) client: Client,
    pub(super) identity: String,
    /// The data plane's image where parameters name no other.
    pub(super) image: String,
    pub(super) deployments: Deployments,
}

/// A status that is to be written.
struct Write {
    key: Key,
    version: String,
    status: Value,
    warnings: Vec<(k8s_openapi::api::core::v1::ObjectReference, Warning)>,
}

impl Writer {
    /// Makes everything as it is to be; what could not be done.
    pub(super) async fn pass(&mut self, world: &mut World) -> Vec<String> {
        let mut failures = Vec::new();
        if !world.manifests().classes.iter().any(|class| &*class.id == OUR_CLASS) {
            failures.extend(self.make_class().await.err());
        }
        let mut status = world.status();
        let mut addresses = HashMap::new();
        for status in status.iter_mut().filter(|status| status.kind == Kind::Gateway) {
            match self.deploy(world, status).await {
                Ok(found) => drop(addresses.insert(status.id(), found)),
                Err(why) => {
                    failures.push(format!("Gateway {}: {why}", status.id()));
                    condemn(status, &why);
                }
            }
        }
        failures.extend(self.bind(world.manifests()).await.err());
        let now = k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let none = Vec::new();
        let writes = status.iter().filter_map(|status| {
            let addresses = addresses.get(&status.id()).filter(|_| status.kind == Kind::Gateway).unwrap_or(&none);
            write_of(world, Told { status, addresses, now: &now })
        });
        let writes: Vec<Write> = writes.collect();
        failures.extend(self.write_all(world, writes).await);
        failures
    }

    async fn make_class(&self) -> Result<(), String> {
        let api = api(&self.client, Kind::GatewayClass, "");
        let class: DynamicObject = serde_json::from_value(own_class()).expect("a GatewayClass is an object");
        match api.create(&PostParams::default(), &class).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(format!("GatewayClass {OUR_CLASS} cannot be created: {}", said(error))),
            Ok(_) => Ok(()),
        }
    }

    /// Applies what a Gateway is deployed as, if it is accepted; the addresses it has.
    async fn deploy(&mut self, world: &World, status: &mut ObjectStatus) -> Result<Vec<Value>, String> {
        let accepted = status.condition("Accepted").is_some_and(|condition| condition.status);
        let key: Key = (Kind::Gateway, status.id().into());
        let uid = world.fact(&key).map(|fact| fact.uid.clone());
        let manifests = world.manifests();
        let gateway = manifests.gateways.iter().find(|gateway| gateway.id == key.1);
        let (Some(gateway), Some(uid), true) = (gateway, uid, accepted) else { return Ok(Vec::new()) };
        let deployed = self.deployed(manifests, &gateway.object, status, &uid);
        if deployed.ports.is_empty() {
            return Ok(Vec::new());
        }
        let mut addresses = Vec::new();
        for object in deployed.objects() {
            let applied = self.deployments.apply(&self.client, &object).await.map_err(|error| error.to_string())?;
            if applied["kind"] == "Service" {
                addresses = infrastructure::addresses(applied);
            }
        }
        let id = status.id();
        for condition in status.conditions.iter_mut().filter(|condition| condition.type_ == "Programmed") {
            if condition.status {
                condition.message = format!("Deployment and Service {id} are applied; Pods are not waited for");
            }
        }
        Ok(addresses)
    }

    fn deployed<'a>(
        &self,
        manifests: &Manifests,
        gateway: &'a Object<GatewaySpec>,
        status: &ObjectStatus,
        uid: &'a str,
    ) -> Deployed<'a> {
        let mut plan = Plan::new(&self.image);
        parameters(manifests, gateway).for_each(|parameters| plan.take(&parameters.object.spec));
        let accepted = |condition: &Condition| condition.type_ == "Accepted" && condition.status;
        let usable = status.listeners.iter().filter(|listener| listener.conditions.iter().any(accepted));
        let infrastructure = gateway.spec.infrastructure.as_ref();
        Deployed {
            namespace: gateway.metadata.namespace(),
            name: &gateway.metadata.name,
            uid,
            class: &gateway.spec.gateway_class_name,
            ports: usable.map(|listener| listener.port).collect(),
            labels: infrastructure.and_then(|given| given.labels.clone()).unwrap_or_default(),
            annotations: infrastructure.and_then(|given| given.annotations.clone()).unwrap_or_default(),
            plan,
        }
    }

    /// Lets the service accounts of our Gateways read what a data plane reads.
    async fn bind(&mut self, manifests: &Manifests) -> Result<(), String> {
        let ours =
            manifests.gateways.iter().filter(|gateway| serves(manifests, &gateway.object.spec.gateway_class_name));
        // in an order of its own, lest it is written again for nothing
        let accounts: BTreeMap<&str, _> =
            ours.filter_map(|gateway| Some((&*gateway.id, gateway.id.split_once('/')?))).collect();
        let binding = rbac::data_plane_binding(accounts.into_values());
        self.deployments.apply(&self.client, &binding).await.map(|_| ()).map_err(|error| error.to_string())
    }

    async fn write_all(&self, world: &mut World, writes: Vec<Write>) -> Vec<String> {
        let mut failures = Vec::new();
        let mut written = stream::iter(writes.into_iter().map(|write| self.write(write))).buffer_unordered(AT_ONCE);
        while let Some((key, outcome)) = written.next().await {
            match outcome {
                Ok(Some(object)) => world.learn(key, &object),
                // it is another one by now, or gone: its watch tells
                Ok(None) => {}
                Err(why) => failures.push(format!("{} {}: {why}", key.0.name(), key.1)),
            }
        }
        failures
    }

    async fn write(&self, write: Write) -> (Key, Result<Option<DynamicObject>, String>) {
        let (kind, id) = write.key.clone();
        let (namespace, name) = id.split_once('/').unwrap_or(("", &id));
        let patch = json!({"metadata": {"resourceVersion": write.version}, "status": write.status});
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let written = api(&self.client, kind, namespace).patch_status(name, &params, &Patch::Merge(&patch)).await;
        let written = match written {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return (write.key, Ok(None)),
            Err(error) => return (write.key, Err(format!("its status cannot be written: {}", said(error)))),
            Ok(object) => object,
        };
        for (object, warning) in &write.warnings {
            if let Err(error) = event::publish(&self.client, &self.identity, object, warning).await {
                return (write.key, Err(format!("an Event about it cannot be written: {}", said(error))));
            }
        }
        (write.key, Ok(Some(written)))
    }
}

/// What is to be written about an object, and what of it is a warning that was not there before.
fn write_of(world: &World, told: Told<'_>) -> Option<Write> {
    let key: Key = (told.status.kind, told.status.id().into());
    let fact = world.fact(&key)?;
    let status = told.missing(&fact.status)?;
    let warnings = event::warnings(told.status, &fact.status);
    let warnings = warnings.into_iter().map(|warning| (regarding(told.status, fact), warning)).collect();
    Some(Write { version: fact.version.clone(), key, status, warnings })
}

/// A Gateway that cannot be deployed is not programmed.
fn condemn(status: &mut ObjectStatus, why: &str) {
    status.conditions.retain(|condition| condition.type_ != "Programmed");
    status.conditions.push(Condition::no("Programmed", "DeploymentFailed", why));
}

/// The objects of a kind.
fn api(client: &Client, kind: Kind, namespace: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk(kind.group(), kind.versions()[0], kind.name());
    let resource = ApiResource::from_gvk_with_plural(&gvk, &kind.plural());
    match kind.namespaced() {
        true => Api::namespaced_with(client.clone(), namespace, &resource),
        false => Api::all_with(client.clone(), &resource),
    }
}
