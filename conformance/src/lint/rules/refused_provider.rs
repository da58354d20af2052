//! L18: providers and policies that the API server refuses, although each field exists.

use std::collections::HashSet;

use super::{Entry, Hit, Node, Object, Provider, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L18",
    severity: Severity::Error,
    title: "fields that exclude or need each other",
    why: "The resource definitions have rules across fields: exactly one kind of provider, host and port together, \
          path or pathPrefix, names unique within a group, one way to target a policy. The API server refuses what \
          breaks them.",
    mend: "provider: {host: llm.internal, port: 8090, openai: {}}",
    bad: "
kind: AgentgatewayBackend
metadata: {name: local}
spec: {ai: {provider: {host: llm.internal, openai: {}}}}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: local}
spec: {ai: {provider: {host: llm.internal, port: 8090, openai: {}}}}
",
    check,
};

const BACKENDS: [&str; 6] = ["ai", "static", "dynamicForwardProxy", "mcp", "aws", "a2a"];

fn check(set: &Set<'_>) -> Vec<Hit> {
    let providers = set.providers().filter_map(|provider| provider_hit(&provider));
    let shapes = set.of("AgentgatewayBackend").flat_map(shape).chain(set.of("AgentgatewayPolicy").flat_map(policy));
    shapes.chain(providers).chain(set.ai_backends().flat_map(twins)).collect()
}

/// The first rule that a provider breaks.
fn provider_hit(provider: &Provider<'_>) -> Option<Hit> {
    let field = |name: &str| provider.node.entry(name);
    let kinds: Vec<&Entry> = provider.kinds().collect();
    let (host, port) = (field("host"), field("port"));
    let refused = match kinds.as_slice() {
        [] => Some((provider.node.mark(), "says no kind of provider, such as `openai: {}`")),
        [_, second, ..] => Some((second.mark(), "is of two kinds: exactly one can be set")),
        [_] => None,
    };
    let alone = match (host, port) {
        (Some(one), None) | (None, Some(one)) => Some((one.mark(), "needs both `host` and `port`, or neither")),
        _ => None,
    };
    let both = field("path").and(field("pathPrefix")).map(|prefix| (prefix.mark(), "has both `path` and `pathPrefix`"));
    let homeless = field("pathPrefix").filter(|_| host.is_none());
    let homeless = homeless.map(|prefix| (prefix.mark(), "has a `pathPrefix`, which needs a `host`"));
    let (mark, what) = refused.or(alone).or(both).or(homeless)?;
    Some(Hit::new(mark, format!("{} {what}", provider.title())))
}

fn shape(backend: &Object) -> Vec<Hit> {
    let Some(spec) = backend.root.get("spec") else { return Vec::new() };
    let title = backend.title();
    let kinds: Vec<_> = spec.entries().iter().filter(|entry| BACKENDS.contains(&entry.key.as_str())).collect();
    let mut hits = Vec::new();
    if kinds.len() != 1 {
        let mark = kinds.get(1).map_or_else(|| backend.mark(), |second| second.mark());
        hits.push(
            Hit::new(mark, format!("{title} needs exactly one of {}", BACKENDS.join(", ")))
                .mend("spec: {ai: {provider: {openai: {}}}}"),
        );
    }
    let ai = spec.get("ai").filter(|ai| ai.get("provider").is_some() == ai.get("groups").is_some());
    let what = format!("{title} needs exactly one of `ai.provider` and `ai.groups`");
    hits.extend(ai.map(|ai| Hit::new(ai.mark(), what).mend("ai: {provider: {openai: {}}}")));
    let policies = spec.entry("policies.ai").filter(|_| spec.get("ai").is_none());
    hits.extend(
        policies
            .map(|policies| Hit::new(policies.mark(), format!("{title} is no AI backend and takes no AI policies"))),
    );
    hits
}

fn twins(backend: &Object) -> Vec<Hit> {
    let groups = backend.root.items_at("spec.ai.groups").iter();
    groups.flat_map(|group| twins_of(group.items_at("providers"), backend)).collect()
}

fn twins_of(providers: &[Node], backend: &Object) -> Vec<Hit> {
    let mut seen = HashSet::new();
    let again = providers.iter().filter_map(|one| one.entry("name")).filter(|name| !seen.insert(name.value.text()));
    let hit = |name: &Entry| {
        let what = format!("{} has two providers of this name in one group", backend.title());
        Hit::new(name.mark(), what).mend("name: …                     # its own; policies find a provider by it")
    };
    again.map(hit).collect()
}

fn policy(policy: &Object) -> Vec<Hit> {
    let has = |path: &str| policy.root.get(path).is_some();
    let mut hits = Vec::new();
    if has("spec.targetRefs") == has("spec.targetSelectors") {
        let what = format!("{} needs exactly one of `targetRefs` and `targetSelectors`", policy.title());
        let mend = "targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: …}]";
        hits.push(Hit::new(policy.mark(), what).mend(mend));
    }
    if !["spec.traffic", "spec.frontend", "spec.backend"].into_iter().any(has) {
        let what = format!("{} needs one of `traffic`, `frontend` and `backend`", policy.title());
        hits.push(Hit::new(policy.mark(), what).mend("traffic: {timeouts: {request: 60s}}"));
    }
    hits
}
