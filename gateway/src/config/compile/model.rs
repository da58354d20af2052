//! AgentgatewayModels: what serves each name. A concrete model becomes a backend of one provider; a virtual one
//! stands for concrete ones of its namespace, by share or by priority, and shares their health.
//! A model that cannot be served as written still holds its name and answers 500.

use std::collections::HashMap;
use std::sync::Arc;

use super::provider::{HealthPool, InForce, Surroundings};
use super::rule::Issues;
use super::{Refusal, backend, endpoint, provider};
use crate::cel::Expression;
use crate::config::kind::Kind;
use crate::config::manifests::{Manifests, Resource};
use crate::config::resources::Object;
use crate::config::resources::backend::{OpenAiSpec, ProviderSpec, TlsSpec};
use crate::config::resources::model::{
    CustomSpec, FormatSpec, FormatType, ModelPolicies, ModelProvider, ModelSpec, Visibility,
};
use crate::model::{Model, Pattern};
use crate::snapshot::{AiBackend, Credential, Eviction, Filters, Operation, Provider, Target, WeightedBackend};

mod parent;
mod virtual_model;

pub(super) use parent::{Models, add_routes, compile};

type ModelResource = Resource<Object<ModelSpec>>;

const MOST_FORMATS: usize = 6;

/// A model that is on its way to its parents.
#[derive(Debug)]
struct Draft<'m> {
    resource: &'m ModelResource,
    /// `None` when `match.model` is no pattern; the issues say so.
    pattern: Option<Pattern>,
    model: Arc<Model>,
    issues: Issues,
    /// What is wrong and so left out.
    wrong: Vec<String>,
    notes: Vec<String>,
}

/// A concrete model, as virtual ones refer to it.
#[derive(Debug)]
struct Concrete {
    provider: Arc<Provider>,
    eviction: Option<Eviction>,
    unhealthy: Option<Arc<Expression>>,
    /// What is wrong and so left out.
    wrong: Vec<String>,
    operations: Option<Vec<Operation>>,
}

impl Concrete {
    fn has_health(&self) -> bool {
        self.eviction.is_some() || self.unhealthy.is_some()
    }
}

/// Reads every model; the concrete ones first, because the virtual ones refer to them.
fn drafts<'m>(manifests: &'m Manifests, pool: &mut HealthPool) -> Vec<Draft<'m>> {
    let mut concretes = HashMap::new();
    for resource in manifests.models.iter().filter(|model| model.object.spec.virtual_model.is_none()) {
        concretes.insert(&*resource.id, concrete(manifests, resource, pool));
    }
    manifests.models.iter().map(|resource| draft(resource, manifests, &concretes)).collect()
}

/// Who serves a model, and what it can be asked for.
type Served = (Vec<WeightedBackend>, Option<Vec<Operation>>);

type Concretes<'m> = HashMap<&'m str, Result<Concrete, Refusal>>;

fn draft<'m>(resource: &'m ModelResource, manifests: &Manifests, concretes: &Concretes<'m>) -> Draft<'m> {
    let (spec, mut issues) = (&resource.object.spec, Issues::default());
    let (mut wrong, mut notes) = (Vec::new(), Vec::new());
    let pattern = pattern(resource).map_err(|refusal| issues.accepted.push(refusal)).ok();
    let served = match (&spec.virtual_model, concretes.get(&*resource.id)) {
        (Some(virtual_), _) => {
            let targets =
                virtual_model::Targets { resource, manifests, concretes, issues: &mut issues, notes: &mut notes };
            virtual_model::check(spec, pattern.as_ref()).and_then(|()| targets.of(virtual_))
        }
        (None, Some(Ok(concrete))) => {
            if let Credential::Unusable(why) = &concrete.provider.credential {
                issues.resolved.push(Refusal::new("InvalidSecretRef", why.to_string()));
            }
            wrong.clone_from(&concrete.wrong);
            let groups = vec![vec![concrete.provider.clone()]];
            Ok((vec![whole(ai(resource, groups, concrete))], concrete.operations.clone()))
        }
        (None, refused) => Err(refused.and_then(|refused| refused.as_ref().err().cloned()).unwrap_or_else(no_provider)),
    };
    let (targets, operations) = served.unwrap_or_else(|refusal| {
        let target = broken(&resource.id, &refusal.message);
        issues.accepted.push(refusal);
        (vec![whole(target)], None)
    });
    let public = spec.visibility != Some(Visibility::Internal);
    let model = Arc::new(Model { object: resource.id.clone(), public, operations, targets });
    Draft { resource, pattern, model, issues, wrong, notes }
}

fn no_provider() -> Refusal {
    Refusal::invalid("exactly one of provider and virtualModel must be set")
}

fn broken(id: &Arc<str>, why: &str) -> Target {
    Target::Broken { backend: id.clone(), reason: why.into() }
}

fn whole(target: Target) -> WeightedBackend {
    share(1, target)
}

fn share(weight: u32, target: Target) -> WeightedBackend {
    WeightedBackend { weight, filters: Filters::default(), target }
}

fn ai(resource: &ModelResource, groups: Vec<Vec<Arc<Provider>>>, health: &Concrete) -> Target {
    let (eviction, unhealthy) = (health.eviction.clone(), health.unhealthy.clone());
    let name = resource.id.clone();
    Target::Ai(Arc::new(AiBackend { name, groups, eviction, unhealthy, routes: Vec::new() }))
}

/// `match.model`, the object's name when absent.
fn pattern(resource: &ModelResource) -> Result<Pattern, Refusal> {
    let metadata = &resource.object.metadata;
    let text = resource.object.spec.match_.as_ref().and_then(|found| found.model.as_deref());
    let text = text.unwrap_or(&metadata.name);
    let wildcard = |affix: &str| !affix.contains('*');
    match (text.strip_suffix('*'), text.strip_prefix('*')) {
        (Some(""), _) => Ok(Pattern::Any),
        (Some(prefix), _) if wildcard(prefix) => Ok(Pattern::Prefix(prefix.into())),
        (_, Some(suffix)) if wildcard(suffix) => Ok(Pattern::Suffix(suffix.into())),
        (None, None) if wildcard(text) && !text.is_empty() => Ok(Pattern::Exact(text.into())),
        _ => Err(Refusal::new(
            "UnsupportedValue",
            format!("match.model `{text}`: write a name, `*`, or one `*` at either end, as `gpt-*` or `*-latest`"),
        )),
    }
}

fn concrete(manifests: &Manifests, resource: &ModelResource, pool: &mut HealthPool) -> Result<Concrete, Refusal> {
    let spec = &resource.object.spec;
    let kind = spec.provider.ok_or_else(no_provider)?;
    if !matches!(kind, ModelProvider::OpenAI | ModelProvider::Custom) {
        return Err(Refusal::unsupported(format!("provider {kind:?}")));
    }
    if spec.custom.is_some() != (kind == ModelProvider::Custom) {
        return Err(Refusal::invalid("custom must be set for provider Custom, and for no other"));
    }
    let others = [("azure", spec.azure), ("vertexai", spec.vertexai), ("bedrock", spec.bedrock)];
    if let Some((field, _)) = others.into_iter().find(|(_, set)| set.is_some()) {
        return Err(Refusal::invalid(format!("{field} does not go with provider {kind:?}")));
    }
    let operations = spec.custom.as_ref().map(operations).transpose()?;
    let policies = spec.policies.clone().unwrap_or_default();
    check_policies(&policies)?;
    let base = spec.base_url.as_deref().map(BaseUrl::read).transpose()?;
    if kind == ModelProvider::Custom && base.is_none() {
        return Err(Refusal::invalid("provider Custom needs baseURL"));
    }
    let metadata = &resource.object.metadata;
    let around = Surroundings {
        manifests,
        kind: Kind::AgentgatewayModel,
        backend: &resource.id,
        namespace: metadata.namespace(),
        allow_plaintext: metadata.annotated(endpoint::ALLOW_PLAINTEXT, "true"),
    };
    let plain_tls = base.as_ref().filter(|base| base.tls).map(|_| TlsSpec::default());
    let in_force = InForce {
        auth: policies.auth.as_ref(),
        tls: policies.tls.as_ref().or(plain_tls.as_ref()),
        tcp: None,
        http: None,
    };
    let mut provider = provider::compile(&around, &metadata.name, &provider_spec(base), in_force, pool)?;
    if kind == ModelProvider::Custom {
        provider.system = "custom";
    }
    let eviction = policies.health.as_ref().map(backend::eviction).transpose()?.flatten();
    let mut wrong = Vec::new();
    let unhealthy = policies.health.as_ref().and_then(|health| backend::unhealthy_condition(health, &mut wrong));
    Ok(Concrete { provider: Arc::new(provider), eviction, unhealthy, wrong, operations })
}

fn check_policies(policies: &ModelPolicies) -> Result<(), Refusal> {
    let unsupported = [
        ("tunnel", policies.tunnel),
        ("headers", policies.headers),
        ("promptGuard", policies.prompt_guard),
        ("authorization", policies.authorization),
        ("transformations", policies.transformations),
        ("finalTransformations", policies.final_transformations),
    ];
    match unsupported.into_iter().find(|(_, set)| set.is_some()) {
        Some((field, _)) => Err(Refusal::unsupported(format!("policies.{field}"))),
        None => Ok(()),
    }
}

fn operations(custom: &CustomSpec) -> Result<Vec<Operation>, Refusal> {
    if custom.backend_ref.is_some() {
        return Err(Refusal::unsupported("custom.backendRef"));
    }
    if custom.provider_override.is_some() {
        return Err(Refusal::unsupported("custom.providerOverride"));
    }
    if custom.formats.is_empty() || custom.formats.len() > MOST_FORMATS {
        return Err(Refusal::invalid(format!("custom.formats takes 1 to {MOST_FORMATS} formats")));
    }
    let operation = |format: &FormatSpec| match format.type_ {
        _ if format.path.is_some() => Err(Refusal::unsupported("custom.formats[].path")),
        FormatType::Completions => Ok(Operation::Chat),
        FormatType::Messages => Ok(Operation::Messages),
        FormatType::Responses => Ok(Operation::Responses),
        FormatType::Embeddings => Ok(Operation::Embeddings),
        other => Err(Refusal::unsupported(format!("custom.formats[].type {other:?}"))),
    };
    custom.formats.iter().map(operation).collect()
}

/// `baseURL`, taken apart.
#[derive(Debug)]
struct BaseUrl {
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

impl BaseUrl {
    fn read(text: &str) -> Result<Self, Refusal> {
        let refused = |why: &str| Refusal::new("UnsupportedValue", format!("baseURL `{text}`: {why}"));
        if text.contains(['?', '#', '@']) {
            // what stands before an @ may be a secret
            return Err(Refusal::new("UnsupportedValue", "baseURL takes no user, query or fragment"));
        }
        let url: http::Uri = text.parse().map_err(|_| refused("write it like `https://host/v1`"))?;
        let tls = match url.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refused("it must begin with http:// or https://")),
        };
        let host = url.host().filter(|host| !host.is_empty()).ok_or_else(|| refused("it has no host"))?;
        let port = url.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { tls, host: host.to_owned(), port, path: url.path().to_owned() })
    }
}

/// A model's provider in the terms of an AgentgatewayBackend's.
fn provider_spec(base: Option<BaseUrl>) -> ProviderSpec {
    let openai = Some(OpenAiSpec::default());
    match base {
        None => ProviderSpec { openai, ..ProviderSpec::default() },
        Some(BaseUrl { host, port, path, .. }) => ProviderSpec {
            openai,
            host: Some(host),
            port: Some(port),
            path_prefix: Some(path),
            ..ProviderSpec::default()
        },
    }
}
