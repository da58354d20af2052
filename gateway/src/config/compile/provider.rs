//! One LLM provider: kind, endpoint, path, model, credentials.

use std::collections::HashMap;
use std::sync::Arc;

use super::credential::Style;
use super::{Refusal, credential, endpoint};
use crate::config::kind::Kind as ObjectKind;
use crate::config::manifests::Manifests;
use crate::config::resources::backend::{AuthSpec, HttpSpec, ProviderSpec, TcpSpec, TlsSpec};
use crate::health::Health;
use crate::snapshot::{AiBackend, Credential, Endpoint, Model, PathPlan, Provider, Snapshot, Target};

/// What all providers of a backend share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) manifests: &'a Manifests,
    /// Of the object that has the providers.
    pub(super) kind: ObjectKind,
    pub(super) backend: &'a Arc<str>,
    pub(super) namespace: &'a str,
    pub(super) allow_plaintext: bool,
}

/// The policies in force for one provider.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct InForce<'a> {
    pub(super) auth: Option<&'a AuthSpec>,
    pub(super) tls: Option<&'a TlsSpec>,
    pub(super) tcp: Option<&'a TcpSpec>,
    pub(super) http: Option<&'a HttpSpec>,
}

/// Health of the providers of the snapshot before, to be kept.
#[derive(Debug, Default)]
pub(super) struct HealthPool(HashMap<HealthKey, Arc<Health>>);

type HealthKey = (Arc<str>, Arc<str>, Endpoint, Option<Arc<str>>);

impl HealthPool {
    pub(super) fn of(previous: Option<&Snapshot>) -> Self {
        let binds = previous.map(|snapshot| snapshot.binds.as_slice()).unwrap_or_default();
        let routes = binds.iter().flat_map(|bind| &bind.listeners).flat_map(|listener| &listener.routes);
        let mut pool = Self::default();
        for backend in routes.flat_map(|route| &route.rule.backends) {
            match &backend.target {
                Target::Ai(ai) => pool.keep(ai, false),
                Target::Models(router) => {
                    let backends = router.targets().filter_map(|target| match target {
                        Target::Ai(ai) => Some(ai),
                        _ => None,
                    });
                    backends.for_each(|ai| pool.keep(ai, true));
                }
                Target::Static(_) | Target::Broken { .. } | Target::Unready { .. } => (),
            }
        }
        pool
    }

    /// Providers of models are known by the concrete model, whichever virtual ones refer to it.
    fn keep(&mut self, backend: &AiBackend, of_models: bool) {
        for provider in backend.groups.iter().flatten() {
            let (owner, model) = match (of_models, backend.name.split_once('/')) {
                (true, Some((namespace, _))) => (format!("{namespace}/{}", provider.name).into(), None),
                _ => (backend.name.clone(), provider.model_name()),
            };
            let key = (owner, provider.name.clone(), provider.endpoint.clone(), model);
            self.0.insert(key, provider.health.clone());
        }
    }

    fn take(&mut self, backend: &Arc<str>, name: &Arc<str>, endpoint: &Endpoint, model: Option<&Model>) -> Arc<Health> {
        let model = model.map(|model| model.name.clone());
        self.0.remove(&(backend.clone(), name.clone(), endpoint.clone(), model)).unwrap_or_default()
    }
}

/// What the kind of provider brings along.
struct Kind<'a> {
    system: &'static str,
    host: &'a str,
    prefix: Option<&'static str>,
    model: Option<&'a str>,
    style: Style,
}

/// Compiles one provider.
pub(super) fn compile(
    around: &Surroundings<'_>,
    name: &str,
    spec: &ProviderSpec,
    policies: InForce<'_>,
    pool: &mut HealthPool,
) -> Result<Provider, Refusal> {
    let kind = kind(spec)?;
    let targets = path(spec, kind.prefix)?.into();
    let tls = policies.tls.map(|tls| endpoint::tls(around.manifests, around.namespace, tls)).transpose()?;
    let (host, port) = match (&spec.host, spec.port) {
        (Some(host), Some(port)) => (host.as_str(), port),
        (None, None) => (kind.host, 443),
        _ => return Err(Refusal::invalid("both host and port must be set together")),
    };
    let endpoint = endpoint::endpoint(endpoint::host(host)?, port, tls, policies.tcp, policies.http)?;
    let credential = match policies.auth {
        Some(auth) => credential::compile(around, auth, kind.style)?,
        None => Credential::None,
    };
    endpoint::check_plaintext(&endpoint, &credential, around.allow_plaintext)?;
    let name: Arc<str> = name.into();
    let model: Option<Model> = match kind.model {
        Some("") => return Err(Refusal::invalid("model is empty; leave it out to pass the client's")),
        model => model.map(Into::into),
    };
    let health = pool.take(around.backend, &name, &endpoint, model.as_ref());
    Ok(Provider { name, system: kind.system, endpoint, model, targets, credential, health })
}

fn kind(spec: &ProviderSpec) -> Result<Kind<'_>, Refusal> {
    let unsupported = [
        ("azure", spec.azure),
        ("gemini", spec.gemini),
        ("vertexai", spec.vertexai),
        ("bedrock", spec.bedrock),
        ("custom", spec.custom),
    ];
    let others: Vec<_> = unsupported.into_iter().filter(|(_, present)| present.is_some()).collect();
    let known = [spec.openai.is_some(), spec.azureopenai.is_some(), spec.anthropic.is_some()];
    if known.into_iter().filter(|known| *known).count() + others.len() != 1 {
        return Err(Refusal::invalid("exactly one provider kind must be set (openai, anthropic, azureopenai…)"));
    }
    if let Some((name, _)) = others.first() {
        return Err(Refusal::unsupported(format!("provider kind {name}")));
    }
    if let Some(openai) = &spec.openai {
        if openai.moderation.is_some() {
            return Err(Refusal::unsupported("openai.moderation"));
        }
        let model = openai.model.as_deref();
        return Ok(Kind { system: "openai", host: "api.openai.com", prefix: None, model, style: Style::Bearer });
    }
    if let Some(anthropic) = &spec.anthropic {
        let (host, model) = ("api.anthropic.com", anthropic.model.as_deref());
        return Ok(Kind { system: "anthropic", host, prefix: None, model, style: Style::Anthropic });
    }
    let azure = spec.azureopenai.as_ref().ok_or_else(|| Refusal::invalid("no provider kind is set"))?;
    match azure.api_version.as_deref() {
        None | Some("v1") => {}
        Some(_) => return Err(Refusal::unsupported("azureopenai.apiVersion other than v1")),
    }
    let host = azure.endpoint.trim_start_matches("https://").trim_end_matches('/');
    let model = azure.deployment_name.as_deref();
    Ok(Kind { system: "azure", host, prefix: Some("/openai/v1"), model, style: Style::Azure })
}

fn path(spec: &ProviderSpec, kind_prefix: Option<&'static str>) -> Result<PathPlan, Refusal> {
    match (&spec.path, &spec.path_prefix) {
        (Some(_), Some(_)) => Err(Refusal::invalid("path and pathPrefix are mutually exclusive")),
        (Some(path), None) => Ok(PathPlan::Fixed(checked_path("path", path)?.into())),
        (None, Some(_)) if spec.host.is_none() => Err(Refusal::invalid("pathPrefix requires host to be set")),
        (None, Some(prefix)) => Ok(PathPlan::Prefix(checked_path("pathPrefix", prefix)?.trim_end_matches('/').into())),
        (None, None) => Ok(kind_prefix.map_or(PathPlan::Default, |prefix| PathPlan::Prefix(prefix.into()))),
    }
}

fn checked_path<'p>(field: &str, path: &'p str) -> Result<&'p str, Refusal> {
    let valid = path.starts_with('/') && !path.contains('#') && http::uri::PathAndQuery::try_from(path).is_ok();
    valid
        .then_some(path)
        .ok_or_else(|| Refusal::invalid(format!("{field}: `{path}` is not a path that starts with `/`")))
}
