//! Objects of any kind on an API server: applied as kubectl applies them, read, deleted and waited for. Which resource a
//! kind is, the server says.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gateway::kubernetes::client::with_sources;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::discovery::{ApiCapabilities, Scope, pinned_kind};
use kube::{Client, Config};
use serde::Deserialize;
use serde_json::Value;

/// Who wrote what, in `managedFields`.
const MANAGER: &str = "windtunnel";
/// The longest wait for an object to become something.
const PATIENCE: Duration = Duration::from_secs(30);

/// What went wrong between an object and the server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// The server refused, or could not be reached.
    #[error("{}", with_sources(.0))]
    Api(#[from] Box<kube::Error>),
    /// No object.
    #[error("{0}")]
    NoObject(String),
    /// It did not become what was waited for.
    #[error("{what} within {PATIENCE:?}; it is now: {now}")]
    Never {
        /// What was waited for.
        what: String,
        /// What is.
        now: String,
    },
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Api(Box::new(error))
    }
}

impl Error {
    /// The server's message, without what the client says around it.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Api(error) => match &**error {
                kube::Error::Api(status) => status.message.clone(),
                other => other.to_string(),
            },
            other => other.to_string(),
        }
    }

    /// Whether the server refused what it was given, for what it is: not for want of rights, time or luck.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        const OTHER_REASONS: [u16; 6] = [401, 403, 404, 409, 429, 503];
        match self {
            Self::Api(error) => match &**error {
                kube::Error::Api(status) => !OTHER_REASONS.contains(&status.code),
                _ => false,
            },
            Self::NoObject(_) => true,
            Self::Kubeconfig(_) | Self::Never { .. } => false,
        }
    }
}

/// A client of that kubeconfig.
pub(super) async fn client(kubeconfig: &Path) -> Result<Client, Error> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// The objects of one API server, with the rights of one user.
#[derive(Clone)]
pub struct Objects {
    client: Client,
    kinds: std::sync::Arc<Mutex<HashMap<GroupVersionKind, (ApiResource, ApiCapabilities)>>>,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Objects")
    }
}

impl Objects {
    /// With the rights that a kubeconfig gives.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn of(kubeconfig: &Path) -> Result<Self, Error> {
        Ok(Self { client: client(kubeconfig).await?, kinds: std::sync::Arc::default() })
    }

    /// With the rights of the kubeconfig that `KUBECONFIG` names.
    ///
    /// # Errors
    /// When it cannot be used.
    pub async fn of_environment() -> Result<Self, Error> {
        let config = Config::from_kubeconfig(&KubeConfigOptions::default()).await?;
        Ok(Self { client: Client::try_from(config)?, kinds: std::sync::Arc::default() })
    }

    /// The client below.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Makes an object, or makes it what is given (server-side apply); what the server made of it.
    ///
    /// # Errors
    /// When it is no object or the server refuses it.
    pub async fn apply(&self, object: &Value) -> Result<Value, Error> {
        let (api, name) = self.api_of(object).await?;
        let mut object = object.clone();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
            metadata.remove("resourceVersion");
            metadata.remove("uid");
        }
        let params = PatchParams::apply(MANAGER).force();
        let applied = api.patch(&name, &params, &Patch::Apply(&object)).await?;
        Ok(serde_json::to_value(applied).unwrap_or_default())
    }

    /// Applies the documents of a YAML text in their order.
    ///
    /// # Errors
    /// At the first that is no object or that the server refuses.
    pub async fn apply_yaml(&self, text: &str) -> Result<(), Error> {
        for object in documents(text)?.iter().filter(|object| !object.is_null()) {
            self.apply(object).await?;
        }
        Ok(())
    }

    /// Applies the `*.yaml` of a folder by name, and waits until CRDs among them can be used.
    ///
    /// # Errors
    /// When a file cannot be read or the server refuses an object.
    pub async fn apply_crds(&self, folder: &Path) -> Result<(), Error> {
        let unreadable = |error: std::io::Error| Error::NoObject(format!("{}: {error}", folder.display()));
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .map_err(unreadable)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .collect();
        files.sort();
        for file in files {
            self.apply_yaml(&std::fs::read_to_string(&file).map_err(unreadable)?).await?;
        }
        self.established().await
    }

    /// Applies the CRDs of agentgateway's kinds, and waits until they can be used.
    ///
    /// # Errors
    /// When the server refuses one.
    pub async fn apply_our_crds(&self) -> Result<(), Error> {
        for crd in gateway::crds::crds() {
            self.apply(&crd).await?;
        }
        self.established().await
    }

    /// Waits until every CRD can be used.
    ///
    /// # Errors
    /// When one cannot after a while.
    pub async fn established(&self) -> Result<(), Error> {
        let definitions = self.api("apiextensions.k8s.io/v1", "CustomResourceDefinition", None).await?;
        let named = definitions.list(&ListParams::default()).await?;
        for name in named.items.into_iter().filter_map(|definition| definition.metadata.name) {
            let what = format!("CRD {name} is Established");
            self.wait("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", &name, &what, |object| {
                condition(object, "Established") == Some("True")
            })
            .await?;
        }
        Ok(())
    }

    /// Reads an object; `None` when there is none. The namespace of a cluster-wide kind is empty.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn get(&self, version: &str, kind: &str, namespace: &str, name: &str) -> Result<Option<Value>, Error> {
        let api = self.api(version, kind, Some(namespace)).await?;
        let found = api.get_opt(name).await?;
        Ok(found.map(|object| serde_json::to_value(object).unwrap_or_default()))
    }

    /// Deletes an object; one that is not there is no error.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn delete(&self, version: &str, kind: &str, namespace: &str, name: &str) -> Result<(), Error> {
        let api = self.api(version, kind, Some(namespace)).await?;
        match api.delete(name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }

    /// Waits until an object is as it should be; what it then is.
    ///
    /// # Errors
    /// When it is not after a while, with what it is instead.
    pub async fn wait(
        &self,
        version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value, Error> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let now = self.get(version, kind, namespace, name).await?.unwrap_or_default();
            if !now.is_null() && holds(&now) {
                return Ok(now);
            }
            if tokio::time::Instant::now() > deadline {
                let now = now.get("status").map_or_else(|| "not there".to_owned(), Value::to_string);
                return Err(Error::Never { what: format!("not so: {what}"), now });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The API of a kind, in a namespace where the kind has one.
    ///
    /// # Errors
    /// When the server does not know the kind.
    pub async fn api(&self, version: &str, kind: &str, namespace: Option<&str>) -> Result<Api<DynamicObject>, Error> {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let known = self.kinds.lock().unwrap_or_else(PoisonError::into_inner).get(&gvk).cloned();
        let (resource, capabilities) = match known {
            Some(known) => known,
            None => {
                let found = pinned_kind(&self.client, &gvk).await?;
                self.kinds.lock().unwrap_or_else(PoisonError::into_inner).insert(gvk, found.clone());
                found
            }
        };
        let namespace = namespace.filter(|namespace| !namespace.is_empty()).unwrap_or("default");
        Ok(match capabilities.scope {
            Scope::Cluster => Api::all_with(self.client.clone(), &resource),
            Scope::Namespaced => Api::namespaced_with(self.client.clone(), namespace, &resource),
        })
    }

    async fn api_of(&self, object: &Value) -> Result<(Api<DynamicObject>, String), Error> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (Some(version), Some(kind), Some(name)) =
            (text(&object["apiVersion"]), text(&object["kind"]), text(&object["metadata"]["name"]))
        else {
            return Err(Error::NoObject(format!("no object with apiVersion, kind and metadata.name: {object}")));
        };
        Ok((self.api(&version, &kind, object["metadata"]["namespace"].as_str()).await?, name))
    }
}

/// The documents of a YAML text.
fn documents(text: &str) -> Result<Vec<Value>, Error> {
    let read = |document: serde_yaml::Deserializer<'_>| {
        Value::deserialize(document).map_err(|error| Error::NoObject(error.to_string()))
    };
    serde_yaml::Deserializer::from_str(text).map(read).collect()
}

/// The status of a condition in `status.conditions`.
fn condition<'o>(object: &'o Value, type_: &str) -> Option<&'o str> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == type_)?["status"].as_str()
}
