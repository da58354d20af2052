//! ReferenceGrants: whether an object may refer into another namespace.

use super::Refusal;
use crate::config::kind::Kind;
use crate::config::manifests::{Manifests, Resource};
use crate::config::resources::Object;
use crate::config::resources::gateway::ReferenceGrantSpec;

type Grant = Resource<Object<ReferenceGrantSpec>>;

/// Who refers to what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference<'a> {
    pub(super) from: Kind,
    pub(super) from_namespace: &'a str,
    pub(super) to_group: &'a str,
    pub(super) to_kind: &'a str,
    pub(super) to_namespace: &'a str,
    pub(super) to_name: &'a str,
}

impl Reference<'_> {
    /// The same namespace needs no grant.
    pub(super) fn check(&self, manifests: &Manifests) -> Result<(), Refusal> {
        if self.from_namespace == self.to_namespace || manifests.grants.iter().any(|grant| self.granted(grant)) {
            return Ok(());
        }
        let Self { from, from_namespace, to_kind, to_namespace, to_name, .. } = self;
        let message = format!(
            "{to_kind} {to_namespace}/{to_name} not accessible to a {} in namespace \"{from_namespace}\" (missing a ReferenceGrant?)",
            from.name()
        );
        Err(Refusal::new("RefNotPermitted", message))
    }

    fn granted(&self, grant: &Grant) -> bool {
        let spec = &grant.object.spec;
        let from = spec.from.iter().any(|from| {
            from.group == self.from.group() && from.kind == self.from.name() && from.namespace == self.from_namespace
        });
        let to = spec.to.iter().any(|to| {
            to.group == self.to_group
                && to.kind == self.to_kind
                && to.name.as_deref().is_none_or(|name| name.is_empty() || name == self.to_name)
        });
        grant.object.metadata.namespace() == self.to_namespace && from && to
    }
}
