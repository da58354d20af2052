//! Virtual models: the concrete ones that they stand for, by share or by priority, each asked for a name of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::Refusal;
use super::super::rule::Issues;
use super::{Concrete, Concretes, ModelResource, Served, ai, broken, no_provider, pattern, share, whole};
use crate::config::manifests::Manifests;
use crate::config::resources::model::{FailoverModel, ModelSpec, VirtualSpec, Visibility, WeightedModel};
use crate::model::Pattern;
use crate::snapshot::{Operation, Provider};

const MOST_TARGETS: usize = 64;
const MOST_WEIGHT: u32 = 1_000_000;

/// What only a concrete model can have.
pub(super) fn check(spec: &ModelSpec, pattern: Option<&Pattern>) -> Result<(), Refusal> {
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
pub(super) struct Targets<'a, 'm> {
    pub(super) resource: &'m ModelResource,
    pub(super) manifests: &'a Manifests,
    pub(super) concretes: &'a Concretes<'m>,
    pub(super) issues: &'a mut Issues,
    pub(super) notes: &'a mut Vec<String>,
}

impl<'a> Targets<'a, '_> {
    pub(super) fn of(mut self, spec: &VirtualSpec) -> Result<Served, Refusal> {
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
        let (mut groups, mut operations, mut health) = (BTreeMap::<u32, Vec<_>>::new(), None, None::<&Concrete>);
        for target in targets {
            let Ok((concrete, provider)) = self.find(&target.model_ref.name, target.model.as_deref()) else { continue };
            groups.entry(target.priority).or_default().push(provider);
            narrow(&mut operations, concrete);
            let has_health = concrete.has_health();
            match health {
                Some(other) if has_health && other.has_health() => {
                    let note = "the health policy of the first target that has one counts for all".to_owned();
                    if !self.notes.contains(&note) {
                        self.notes.push(note);
                    }
                }
                Some(other) if other.has_health() || !has_health => (),
                _ => health = Some(concrete),
            }
        }
        let target = match health {
            Some(health) => ai(self.resource, groups.into_values().collect(), health),
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
        let provider = Provider { model: Some((&*asked).into()), ..(*concrete.provider).clone() };
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
