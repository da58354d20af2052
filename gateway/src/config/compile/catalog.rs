//! `modelCatalog` of AgentgatewayParameters: ConfigMaps → the [`Catalog`] of each Gateway. A source that cannot be
//! read is left out, and its AgentgatewayParameters says so.

use std::collections::HashMap;
use std::sync::Arc;

use super::class;
use crate::config::manifests::{Manifests, Resource};
use crate::config::resources::Object;
use crate::config::resources::parameters::{CatalogSource, ParametersSpec};
use crate::config::status::ObjectStatus;
use crate::cost::Catalog;
use crate::yaml::Source;

/// The key of a ConfigMap where a source names none.
const KEY: &str = "catalog.json";

/// The catalogs of Gateways that have one, and the status of all parameters.
pub(super) fn compile(manifests: &Manifests) -> (HashMap<Arc<str>, Catalog>, Vec<ObjectStatus>) {
    let (mut read, mut all) = (HashMap::new(), Vec::new());
    for parameters in &manifests.parameters {
        let mut status = ObjectStatus::of(parameters);
        status.notes.push("describes a deployment; the gateway itself uses modelCatalog only".to_owned());
        let logging = parameters.object.spec.logging.as_ref();
        if logging.is_some_and(|logging| logging.level.is_some()) {
            status
                .notes
                .push("logging.level changes nothing: neither the access log nor notices have levels".to_owned());
        }
        if let Some(catalog) = of_parameters(manifests, parameters, &mut status.notes) {
            read.insert(parameters.id.clone(), catalog);
        }
        all.push(status);
    }
    let mut own = HashMap::new();
    for gateway in &manifests.gateways {
        // its own come after those of its class
        let parameters = class::parameters(manifests, &gateway.object);
        let catalogs = parameters.filter_map(|parameters| read.get(&parameters.id));
        let sum = catalogs.fold(None, |sum: Option<Catalog>, catalog| Some(sum.unwrap_or_default().overlaid(catalog)));
        own.extend(sum.map(|sum| (gateway.id.clone(), sum)));
    }
    (own, all)
}

fn of_parameters(
    manifests: &Manifests,
    parameters: &Resource<Object<ParametersSpec>>,
    notes: &mut Vec<String>,
) -> Option<Catalog> {
    let sources = &parameters.object.spec.model_catalog.as_ref()?.sources;
    let mut sum = None;
    for (at, source) in sources.iter().enumerate() {
        match of_source(manifests, parameters.object.metadata.namespace(), source) {
            Ok(catalog) => sum = Some(sum.unwrap_or_else(Catalog::default).overlaid(&catalog)),
            Err(why) => notes.push(format!("modelCatalog.sources[{at}] is left out: {why}")),
        }
    }
    sum
}

fn of_source(manifests: &Manifests, namespace: &str, source: &CatalogSource) -> Result<Catalog, String> {
    let reference = source.config_map.as_ref().ok_or("it names no configMap")?;
    let (name, key) = (&reference.name, reference.key.as_deref().unwrap_or(KEY));
    let map = manifests.config_map(namespace, name);
    let map = map.ok_or_else(|| format!("ConfigMap {namespace}/{name} not found"))?;
    let text = map.object.data.as_ref().and_then(|data| data.get(key));
    let text = text.ok_or_else(|| format!("ConfigMap {namespace}/{name} has no key `{key}`"))?;
    let place = format!("ConfigMap {namespace}/{name} {key}");
    Catalog::read(&Source::new(place, text.as_str())).map_err(|problem| {
        let hint = problem.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("{}:{}:{}: {}{hint}", problem.file, problem.line, problem.column, problem.message)
    })
}
