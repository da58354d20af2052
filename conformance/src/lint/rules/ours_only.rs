//! L23: what only the reference gateway knows.

use super::{Entry, Hit, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L23",
    severity: Severity::Warning,
    title: "only Windtunnel's reference gateway has this",
    why: "The reference gateway has a few fields and values more than agentgateway, whose API server refuses or drops \
          them.",
    mend: "# leave it out for agentgateway; `Passthrough` is its type for operations that it does not know",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {ai: {routes: {/chat/completions: Completions, /completions: TextCompletions}}}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {ai: {routes: {/chat/completions: Completions, /completions: Passthrough}}}
",
    check,
};

/// Types of `ai.routes` that agentgateway does not have.
const TYPES: [&str; 2] = ["TextCompletions", "Moderations"];

fn check(set: &Set<'_>) -> Vec<Hit> {
    let roots = || set.objects.iter().map(|object| &object.root);
    let idle = roots().filter_map(|root| root.entry("spec.traffic.timeouts.responseIdle"));
    let routes = ["spec.policies.ai.routes", "spec.backend.ai.routes"].into_iter();
    let routes = routes.flat_map(|path| roots().filter_map(move |root| root.get(path))).flat_map(|map| map.entries());
    let types = routes.filter(|entry| entry.value.text().is_some_and(|type_| TYPES.contains(&type_)));
    idle.chain(types).map(hit).collect()
}

fn hit(entry: &Entry) -> Hit {
    let what = match entry.value.text().filter(|value| TYPES.contains(value)) {
        Some(value) => format!("agentgateway has no route type `{value}`"),
        None => format!("agentgateway has no field `{}`", entry.key),
    };
    Hit::new(entry.mark(), what)
}
