//! D5: a backend that leaves the model to the client entirely.

use super::{Hit, Provider, Rule, Set, Severity, providers};

pub(super) const RULE: Rule = Rule {
    id: "D5",
    severity: Severity::Info,
    title: "clients have to name a model",
    why: "Without a model of the provider and without a default, a request without `model` is refused with 400, and \
          an empty one goes to the provider as it is.",
    mend: "policies: {ai: {defaults: [{field: model, value: gpt-4o-mini}]}}",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec: {ai: {provider: {openai: {}}}}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {ai: {defaults: [{field: model, value: gpt-4o-mini}]}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let free = |backend| providers(backend).find(|provider| leaves_model_open(set, provider));
    let hit = |provider: Provider<'_>| {
        let mark = provider.kinds().next().map_or_else(|| provider.node.mark(), |kind| kind.mark());
        Hit::new(mark, format!("{} has no model of its own: clients have to name one", provider.title()))
    };
    set.ai_backends().filter_map(free).map(hit).collect()
}

/// Nobody but the client says which model it is.
fn leaves_model_open(set: &Set<'_>, provider: &Provider<'_>) -> bool {
    let fields = ["ai.defaults", "ai.overrides", "ai.transformations"].into_iter();
    let mut lists = fields.filter_map(|field| set.in_force(provider.backend, Some(provider.node), field));
    let names_model =
        |entry: &super::Entry| entry.value.items().iter().any(|item| item.text_at("field") == Some("model"));
    // Azure's models are deployments, and a custom provider's upstream may need none
    let known = provider.kinds().any(|kind| !matches!(kind.key.as_str(), "azureopenai" | "azure" | "custom"));
    known && provider.model().is_none() && !lists.any(names_model)
}
