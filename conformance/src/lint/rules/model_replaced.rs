//! D4: a model that clients cannot switch.

use super::{Hit, Rule, Set, Severity, providers};

pub(super) const RULE: Rule = Rule {
    id: "D4",
    severity: Severity::Info,
    title: "clients cannot choose the model",
    why: "A provider's `model` is no default: it replaces what the client asks for, always.",
    mend: "
openai: {}                  # and, for a default:
policies: {ai: {defaults: [{field: model, value: gpt-4o-mini}]}}
",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec: {ai: {provider: {openai: {model: gpt-4o-mini}}}}
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
    let first = |backend| providers(backend).find_map(|provider| Some((provider, provider.model()?)));
    let hit = |(provider, model): (super::Provider<'_>, &super::Entry)| {
        let name = model.value.text().unwrap_or_default();
        Hit::new(
            model.mark(),
            format!("every request to {} is sent with model `{name}`, whatever the client asks for", provider.title()),
        )
    };
    set.ai_backends().filter_map(first).map(hit).collect()
}
