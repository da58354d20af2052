//! AgentgatewayModels: what serves each name. A concrete model becomes a backend of one provider; a virtual one
//! stands for concrete ones of its namespace, by share or by priority, and shares their health.
//! A model that cannot be served as written still holds its name and answers 500.

use std::collections::{BTreeMap, HashMap};
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
    CustomSpec, FailoverModel, FormatType, ModelPolicies, ModelProvider, ModelSpec, VirtualSpec, Visibility,
    WeightedModel,
};
use crate::model::{Model, Pattern};
use crate::snapshot::{AiBackend, Credential, Eviction, HeaderEdit, Operation, Provider, Target, WeightedBackend};

mod parent;

pub(super) use parent::{Models, add_routes, compile};

type ModelResource = Resource<Object<ModelSpec>>;

const MOST_FORMATS: usize = 6;
const MOST_TARGETS: usize = 64;
const MOST_WEIGHT: u32 = 1_000_000;

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

type Concretes<'m> = HashMap<&'m str, Result<Concrete, Refusal>>;

fn draft<'m>(resource: &'m ModelResource, manifests: &Manifests, concretes: &Concretes<'m>) -> Draft<'m> {
    let (spec, mut issues) = (&resource.object.spec, Issues::default());
    let (mut wrong, mut notes) = (Vec::new(), Vec::new());
    let pattern = pattern(resource).map_err(|refusal| issues.accepted.push(refusal)).ok();
    let served = match (&spec.virtual_model, concretes.get(&*resource.id)) {
        (Some(virtual_), _) => {
            let targets = Targets { resource, manifests, concretes, issues: &mut issues, notes: &mut notes };
            check_virtual(spec, pattern.as_ref()).and_then(|()| targets.of(virtual_))
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
    let (request_headers, response_headers) = (HeaderEdit::default(), HeaderEdit::default());
    WeightedBackend { weight, request_headers, response_headers, target }
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
    let in_force =
        InForce { auth: policies.auth.as_ref(), tls: policies.tls.as_ref().or(plain_tls.as_ref()), tcp: None };
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
    let operation = |format: &crate::config::resources::model::FormatSpec| match format.type_ {
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

fn check_virtual(spec: &ModelSpec, pattern: Option<&Pattern>) -> Result<(), Refusal> {
    if spec.provider.is_some() {
        return Err(no_provider());
    }
    if spec.base_url.is_some() || spec.policies.is_some() || spec.custom.is_some() {
        return Err(Refusal::invalid("a virtual model takes no baseURL, policies or custom: its targets have them"));
    }
    if spec.visibility == Some(Visibility::Internal) {
        return Err(Refusal::invalid("virtual models must be public"));
    }
    if pattern.is_some_and(|pattern| !matches!(pattern, Pattern::Exact(_))) {
        return Err(Refusal::invalid("match.model of a virtual model must be an exact name"));
    }
    Ok(())
}

/// Finds what a virtual model stands for.
struct Targets<'a, 'm> {
    resource: &'m ModelResource,
    manifests: &'a Manifests,
    concretes: &'a Concretes<'m>,
    issues: &'a mut Issues,
    notes: &'a mut Vec<String>,
}

type Served = (Vec<WeightedBackend>, Option<Vec<Operation>>);

impl<'a> Targets<'a, '_> {
    fn of(mut self, spec: &VirtualSpec) -> Result<Served, Refusal> {
        match (&spec.weighted, &spec.failover, spec.conditional) {
            (Some(weighted), None, None) => self.weighted(&weighted.targets),
            (None, Some(failover), None) => self.failover(&failover.targets),
            (None, None, Some(_)) => Err(Refusal::unsupported("virtualModel.conditional")),
            _ => Err(Refusal::invalid("virtualModel: exactly one of weighted, failover, conditional must be set")),
        }
    }

    /// A target that cannot be used keeps its share, which is answered with 500.
    fn weighted(&mut self, targets: &[WeightedModel]) -> Result<Served, Refusal> {
        check_count(targets.len())?;
        let (mut shares, mut operations) = (Vec::new(), None);
        for target in targets {
            let weight = target.weight.unwrap_or(1);
            if !(1..=MOST_WEIGHT).contains(&weight) {
                return Err(Refusal::invalid(format!("weight {weight} is outside of 1–{MOST_WEIGHT}")));
            }
            let name = &target.model_ref.name;
            shares.push(match self.find(name, target.model.as_deref()) {
                Ok((concrete, provider)) => {
                    narrow(&mut operations, concrete);
                    share(weight, ai(self.resource, vec![vec![provider]], concrete))
                }
                Err(why) => share(weight, broken(&self.resource.id, &why)),
            });
        }
        Ok((shares, operations))
    }

    /// A target that cannot be used is left out; without any the model answers 500.
    fn failover(&mut self, targets: &[FailoverModel]) -> Result<Served, Refusal> {
        check_count(targets.len())?;
        let (mut groups, mut operations, mut health) = (BTreeMap::<u32, Vec<_>>::new(), None, None::<(u32, &Concrete)>);
        for target in targets {
            let Ok((concrete, provider)) = self.find(&target.model_ref.name, target.model.as_deref()) else { continue };
            groups.entry(target.priority).or_default().push(provider);
            narrow(&mut operations, concrete);
            let has_health = concrete.has_health();
            match health {
                Some((_, other)) if has_health && other.has_health() => {
                    let note = "the health policy of the first target that has one counts for all".to_owned();
                    if !self.notes.contains(&note) {
                        self.notes.push(note);
                    }
                }
                Some((_, other)) if other.has_health() || !has_health => (),
                _ => health = Some((target.priority, concrete)),
            }
        }
        let target = match health {
            Some((_, health)) => ai(self.resource, groups.into_values().collect(), health),
            None => broken(&self.resource.id, "none of its targets can be used"),
        };
        Ok((vec![whole(target)], operations))
    }

    /// The concrete model of that name and the provider that is asked for it; what is wrong goes to the issues.
    fn find(&mut self, name: &str, model: Option<&str>) -> Result<(&'a Concrete, Arc<Provider>), String> {
        self.resolve(name, model).map_err(|refusal| {
            let why = format!("target {name}: {}", refusal.message);
            self.issues.resolved.push(Refusal { message: why.clone(), ..refusal });
            why
        })
    }

    fn resolve(&self, name: &str, model: Option<&str>) -> Result<(&'a Concrete, Arc<Provider>), Refusal> {
        let id = format!("{}/{name}", self.resource.object.metadata.namespace());
        let found = self.manifests.models.iter().find(|other| *other.id == *id);
        let resource =
            found.ok_or_else(|| Refusal::new("BackendNotFound", format!("AgentgatewayModel {id} not found")))?;
        let concrete = match self.concretes.get(id.as_str()) {
            Some(Ok(concrete)) => concrete,
            Some(Err(refusal)) => return Err(Refusal::new("BackendNotFound", refusal.message.clone())),
            None => return Err(Refusal::new("UnsupportedValue", format!("{id} is itself virtual"))),
        };
        let asked = match (pattern(resource)?, model) {
            (Pattern::Exact(exact), None) => exact,
            (pattern, Some(model)) if pattern.fits(model) => model.into(),
            (_, Some(model)) => {
                return Err(Refusal::new("UnsupportedValue", format!("`{model}` does not fit its match.model")));
            }
            (_, None) => {
                return Err(Refusal::new(
                    "UnsupportedValue",
                    format!("{id} has a wildcard: say which `model` is meant"),
                ));
            }
        };
        let provider = Provider { model: Some(asked.into()), ..(*concrete.provider).clone() };
        Ok((concrete, Arc::new(provider)))
    }
}

fn check_count(targets: usize) -> Result<(), Refusal> {
    match targets {
        1..=MOST_TARGETS => Ok(()),
        _ => Err(Refusal::invalid(format!("a virtual model takes 1 to {MOST_TARGETS} targets"))),
    }
}

/// A virtual model can be asked for what all of its targets can be.
fn narrow(operations: &mut Option<Vec<Operation>>, concrete: &Concrete) {
    match (operations.as_mut(), &concrete.operations) {
        (Some(so_far), Some(own)) => so_far.retain(|operation| own.contains(operation)),
        (None, Some(own)) => *operations = Some(own.clone()),
        (_, None) => (),
    }
}
