//! GatewayClasses: which Gateways are ours, and whether the parameters that classes and Gateways name are there.
//! What is in the parameters is not looked at here.

use super::Refusal;
use crate::config::kind::{AGENTGATEWAY, CONTROLLER, Kind};
use crate::config::manifests::{Manifests, Resource, find};
use crate::config::resources::gateway::{GatewayClassSpec, GatewaySpec};
use crate::config::resources::parameters::ParametersSpec;
use crate::config::resources::{Object, ObjectReference};
use crate::config::status::{Condition, ObjectStatus};

/// The class that is ours also without a GatewayClass.
pub(crate) const OUR_CLASS: &str = "agentgateway";

/// The status of every GatewayClass.
pub(super) fn status(manifests: &Manifests) -> Vec<ObjectStatus> {
    let all = manifests.classes.iter().map(|class| {
        let mut status = ObjectStatus::of(class);
        let spec = &class.object.spec;
        if spec.controller_name != CONTROLLER {
            status.notes.push("skipped: another controller serves this class".to_owned());
            return status;
        }
        status.conditions.push(match of_class(manifests, spec) {
            Ok(()) => Condition::yes("Accepted", "Accepted", "GatewayClass accepted by agentgateway controller"),
            Err(refusal) => Condition::no("Accepted", refusal.reason, refusal.message),
        });
        status
    });
    all.collect()
}

/// The class `agentgateway`, or one whose GatewayClass names our controller.
pub(crate) fn is_ours(manifests: &Manifests, name: &str) -> bool {
    match manifests.classes.iter().find(|class| &*class.id == name) {
        Some(class) => class.object.spec.controller_name == CONTROLLER,
        None => name == OUR_CLASS,
    }
}

/// Whether the parameters of a Gateway and of its class are there.
pub(super) fn check_parameters(manifests: &Manifests, gateway: &Object<GatewaySpec>) -> Result<(), Refusal> {
    let spec = &gateway.spec;
    if let Some(class) = manifests.classes.iter().find(|class| *class.id == *spec.gateway_class_name) {
        let of_its_class = |refusal: Refusal| Refusal {
            message: format!("GatewayClass {}: {}", class.id, refusal.message),
            ..refusal
        };
        of_class(manifests, &class.object.spec).map_err(of_its_class)?;
    }
    match spec.infrastructure.as_ref().and_then(|infrastructure| infrastructure.parameters_ref.as_ref()) {
        Some(reference) => {
            find_parameters(manifests, "infrastructure.parametersRef", gateway.metadata.namespace(), reference)
        }
        None => Ok(()),
    }
}

/// The parameters that are there: those of the class, then those of the Gateway itself.
pub(crate) fn parameters<'m>(
    manifests: &'m Manifests,
    gateway: &Object<GatewaySpec>,
) -> impl Iterator<Item = &'m Resource<Object<ParametersSpec>>> {
    let spec = &gateway.spec;
    let class = manifests.classes.iter().find(|class| *class.id == *spec.gateway_class_name);
    let of_class = class.and_then(|class| class.object.spec.parameters_ref.as_ref());
    let of_class = of_class.and_then(|reference| Some((reference.namespace.as_deref()?, reference)));
    let own = spec.infrastructure.as_ref().and_then(|infrastructure| infrastructure.parameters_ref.as_ref());
    let own = own.map(|reference| (gateway.metadata.namespace(), reference));
    let found = [of_class, own].map(|named| {
        let (namespace, reference) = named?;
        find(&manifests.parameters, namespace, &reference.name)
    });
    found.into_iter().flatten()
}

fn of_class(manifests: &Manifests, spec: &GatewayClassSpec) -> Result<(), Refusal> {
    let Some(reference) = &spec.parameters_ref else { return Ok(()) };
    let Some(namespace) = reference.namespace.as_deref() else {
        return Err(Refusal::new("InvalidParameters", "parametersRef needs a namespace"));
    };
    find_parameters(manifests, "parametersRef", namespace, reference)
}

fn find_parameters(
    manifests: &Manifests,
    field: &str,
    namespace: &str,
    reference: &ObjectReference,
) -> Result<(), Refusal> {
    let kind = Kind::AgentgatewayParameters.name();
    let invalid = |message: String| Err(Refusal::new("InvalidParameters", message));
    if (reference.group.as_deref(), reference.kind.as_deref()) != (Some(AGENTGATEWAY), Some(kind)) {
        return invalid(format!("{field} takes group {AGENTGATEWAY} and kind {kind} only"));
    }
    match find(&manifests.parameters, namespace, &reference.name) {
        Some(_) => Ok(()),
        None => invalid(format!("{field}: {kind} {namespace}/{} not found", reference.name)),
    }
}
