//! How many, how long, how much, and what a field holds that nothing reads: tables by the names of the Rust type and of
//! the field in manifests. Owns single fields only; what two of them say together is in `rules`.

use serde_json::{Map, Value};

/// What a field holds that the gateway does not read; rules see only fields whose type is known.
#[derive(Debug, Clone, Copy)]
pub(super) enum Held {
    Object,
    List,
    Text,
}

/// Fields that nothing reads and rules ask for, with what they hold.
const HELD: &[(&str, Held, &[&str])] = &[
    ("BackendSpec", Held::Object, &["dynamicForwardProxy", "mcp", "aws", "a2a"]),
    ("BackendPolicies", Held::Object, &["mcp"]),
    ("StaticSpec", Held::Text, &["unixPath"]),
    ("ProviderSpec", Held::Object, &["azure", "gemini", "vertexai", "bedrock", "custom"]),
    (
        "AuthSpec",
        Held::Object,
        &["passthrough", "aws", "azure", "gcp", "oauthTokenExchange", "crossAppAccess", "jwtSign"],
    ),
    ("AuthSpec", Held::List, &["credentials"]),
    ("LocationSpec", Held::Object, &["queryParameter", "cookie"]),
    ("ApiKeySpec", Held::Object, &["secretSelector", "configMapSelector"]),
    ("ModelSpec", Held::Object, &["azure", "vertexai", "bedrock"]),
    ("CustomSpec", Held::Object, &["backendRef"]),
    ("VirtualSpec", Held::Object, &["conditional"]),
    ("FilterSpec", Held::Object, &["externalAuth", "extensionRef"]),
];

/// What a field holds, where that must be known.
pub(super) fn held(type_: &str, field: &str) -> Option<Held> {
    HELD.iter().find(|(of, _, fields)| *of == type_ && fields.contains(&field)).map(|(_, held, _)| *held)
}

/// A duration of GEP-2257.
const DURATION: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

/// Fields that hold durations.
const DURATIONS: &[(&str, &[&str])] = &[
    ("TcpSpec", &["connectTimeout"]),
    ("EvictionSpec", &["duration"]),
    ("TrafficTimeouts", &["request", "responseIdle"]),
    ("TimeoutsSpec", &["request", "backendRequest"]),
    ("RetrySpec", &["backoff"]),
    ("SessionPersistenceSpec", &["absoluteTimeout"]),
];

/// Keywords of a schema with their numbers.
type Bounds = &'static [(&'static str, u32)];

/// How many, how long, how much: the field's bounds.
const BOUNDS: &[(&str, &str, Bounds)] = &[
    ("StaticSpec", "host", TEXT),
    ("StaticSpec", "port", PORT),
    ("AiSpec", "groups", &[("minItems", 1), ("maxItems", 8)]),
    ("GroupSpec", "providers", &[("minItems", 1), ("maxItems", 16)]),
    ("ProviderSpec", "name", NAME),
    ("ProviderSpec", "host", TEXT),
    ("ProviderSpec", "port", PORT),
    ("ProviderSpec", "path", PATH),
    ("ProviderSpec", "pathPrefix", PATH),
    ("OpenAiSpec", "model", TEXT),
    ("AnthropicSpec", "model", TEXT),
    ("AzureOpenAiSpec", "endpoint", TEXT),
    ("AzureOpenAiSpec", "deploymentName", TEXT),
    ("AzureOpenAiSpec", "apiVersion", TEXT),
    ("AuthSpec", "key", &[("minLength", 1), ("maxLength", 2048)]),
    ("AuthSpec", "credentials", &[("maxItems", 8)]),
    ("SecretRef", "name", NAME),
    ("HeaderLocation", "name", TEXT),
    ("EvictionSpec", "restoreHealth", &[("maximum", 100)]),
    ("EvictionSpec", "healthThreshold", &[("maximum", 100)]),
    ("PolicySpec", "targetRefs", &[("minItems", 1), ("maxItems", 16)]),
    ("PolicySpec", "targetSelectors", &[("minItems", 1), ("maxItems", 16)]),
    ("TargetSelector", "kind", KIND),
    ("LocalReference", "name", NAME),
    ("FrontendHttp", "maxBufferSize", &[("minimum", 1)]),
    ("ObjectReference", "kind", KIND),
    ("ObjectReference", "name", NAME),
    ("ObjectReference", "port", PORT),
    ("ModelSpec", "parentRefs", &[("maxItems", 32)]),
    ("CustomSpec", "formats", &[("minItems", 1), ("maxItems", 6)]),
    ("WeightedModels", "targets", &[("minItems", 1), ("maxItems", 64)]),
    ("FailoverModels", "targets", &[("minItems", 1), ("maxItems", 64)]),
    ("RouteSpec", "parentRefs", &[("maxItems", 32)]),
    ("RouteSpec", "hostnames", &[("maxItems", 16)]),
    ("RouteSpec", "rules", &[("minItems", 1), ("maxItems", 16)]),
    ("RuleSpec", "name", NAME),
    ("RuleSpec", "matches", &[("maxItems", 64)]),
    ("RuleSpec", "filters", &[("maxItems", 16)]),
    ("RuleSpec", "backendRefs", &[("maxItems", 16)]),
    ("MatchSpec", "headers", &[("maxItems", 16)]),
    ("MatchSpec", "queryParams", &[("maxItems", 16)]),
    ("BackendRef", "name", NAME),
    ("BackendRef", "port", PORT),
    ("BackendRef", "weight", &[("maximum", 1_000_000)]),
    ("BackendRef", "filters", &[("maxItems", 16)]),
    ("BackendObject", "name", NAME),
    ("BackendObject", "port", PORT),
    ("MirrorSpec", "percent", &[("minimum", 0), ("maximum", 100)]),
];

const TEXT: Bounds = &[("minLength", 1), ("maxLength", 256)];
const NAME: Bounds = &[("minLength", 1), ("maxLength", 253)];
const KIND: Bounds = &[("minLength", 1), ("maxLength", 63)];
const PATH: Bounds = &[("minLength", 1), ("maxLength", 1024)];
const PORT: Bounds = &[("minimum", 1)];

/// The bounds of a field.
pub(super) fn of(type_: &str, field: &str) -> Map<String, Value> {
    let of_field = BOUNDS.iter().filter(|(of, name, _)| *of == type_ && *name == field);
    let mut bounds: Map<String, Value> =
        of_field.flat_map(|(.., bounds)| *bounds).map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    if DURATIONS.iter().any(|(of, fields)| *of == type_ && fields.contains(&field)) {
        bounds.insert("pattern".to_owned(), DURATION.into());
        bounds.insert("maxLength".to_owned(), 32.into());
    }
    bounds
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use schemars::SchemaGenerator;
    use serde_json::Value;

    use super::{BOUNDS, DURATIONS, HELD};
    use crate::config::resources::backend::BackendSpec;
    use crate::config::resources::model::ModelSpec;
    use crate::config::resources::policy::PolicySpec;
    use crate::config::resources::route::RouteSpec;

    #[test]
    fn every_row_is_about_a_field_that_is_there() {
        let mut generator = SchemaGenerator::default();
        generator.subschema_for::<BackendSpec>();
        generator.subschema_for::<PolicySpec>();
        generator.subschema_for::<ModelSpec>();
        generator.subschema_for::<RouteSpec>();
        let types: HashMap<String, Value> = generator.take_definitions(true).into_iter().collect();
        let bounds = BOUNDS.iter().map(|(type_, field, _)| (*type_, *field));
        let durations = DURATIONS.iter().flat_map(|(type_, fields)| fields.iter().map(|field| (*type_, *field)));
        let held = HELD.iter().flat_map(|(type_, _, fields)| fields.iter().map(|field| (*type_, *field)));
        for (type_, field) in bounds.chain(durations).chain(held) {
            assert!(types[type_]["properties"][field].is_object(), "{type_} has no {field}");
        }
    }
}
