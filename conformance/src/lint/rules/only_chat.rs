//! D19: paths that are read as chat completions.

use super::{Hit, Object, PathMatch, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D19",
    severity: Severity::Info,
    title: "every path is a chat completion",
    why: "Without `policies.ai.routes` a backend reads every request as a chat completion, whatever its path: an \
          embeddings body or GET /v1/models gets a 400.",
    mend: "
policies:
  ai:
    routes:
      /chat/completions: Completions
      /embeddings: Embeddings
      /responses: Responses
      /models: Passthrough
      '*': Passthrough
",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec: {ai: {provider: {openai: {}}}}
---
kind: HTTPRoute
metadata: {name: embeddings}
spec:
  rules:
  - matches: [{path: {type: Exact, value: /v1/embeddings}}]
    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai}]
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {ai: {routes: {/embeddings: Embeddings}}}
---
kind: HTTPRoute
metadata: {name: embeddings}
spec:
  rules:
  - matches: [{path: {type: Exact, value: /v1/embeddings}}]
    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai}]
",
    check,
};

/// Ends of paths that have nothing to do with chat.
const OTHERS: [&str; 8] = [
    "/embeddings",
    "/models",
    "/responses",
    "/messages",
    "/moderations",
    "/rerank",
    "/images/generations",
    "/realtime",
];

fn check(set: &Set<'_>) -> Vec<Hit> {
    let bare = |backend: &&Object| set.in_force(backend, None, "ai.routes").is_none();
    set.ai_backends().filter(bare).flat_map(|backend| hits(set, backend)).collect()
}

/// Paths that are surely not meant as chat; or, when there is none, that others may come.
fn hits(set: &Set<'_>, backend: &Object) -> Vec<Hit> {
    let paths: Vec<PathMatch<'_>> = set.rules_to(backend).flat_map(|rule| rule.paths()).collect();
    let wrong: Vec<_> = paths.iter().filter(|path| ends_elsewhere(path)).map(|path| refused(path, backend)).collect();
    let narrow = paths.iter().all(|path| path.value.trim_end_matches('/').ends_with("/chat/completions"));
    if !wrong.is_empty() || narrow {
        return wrong;
    }
    vec![Hit::new(
        backend.mark(),
        format!("{} takes every path for a chat completion: embeddings and models get a 400", backend.title()),
    )]
}

fn ends_elsewhere(path: &PathMatch<'_>) -> bool {
    OTHERS.iter().any(|end| path.value.trim_end_matches('/').ends_with(end))
}

fn refused(path: &PathMatch<'_>, backend: &Object) -> Hit {
    let what = format!("`{}` is read as a chat completion by {}, and refused with 400", path.value, backend.title());
    Hit::new(path.mark, what).severity(Severity::Warning)
}
