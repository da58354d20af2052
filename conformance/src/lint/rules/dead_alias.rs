//! L12: aliases that never apply.

use super::{Entry, Hit, Object, Rule, Set, Severity, providers};

pub(super) const RULE: Rule = Rule {
    id: "L12",
    severity: Severity::Warning,
    title: "a model alias never applies",
    why: "Aliases are looked up after the provider's `model` has replaced the client's. Where every provider has a \
          model, an alias of any other name is never met.",
    mend: "openai: {}                  # leave `model` out, and let aliases say which one it is",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {model: gpt-4o}}}
  policies: {ai: {modelAliases: {fast: gpt-4o-mini}}}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {ai: {modelAliases: {fast: gpt-4o-mini}}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    set.ai_backends().flat_map(|backend| hits(set, backend)).collect()
}

fn hits(set: &Set<'_>, backend: &Object) -> Vec<Hit> {
    let models: Option<Vec<&str>> = providers(backend).map(|provider| provider.model()?.value.text()).collect();
    let (Some(models), Some(aliases)) = (models, set.in_force(backend, None, "ai.modelAliases")) else {
        return Vec::new();
    };
    let dead = |alias: &&Entry| !models.iter().any(|model| fits(&alias.key, model));
    let hit = |alias: &Entry| {
        Hit::new(
            alias.mark(),
            format!("`{}` is never looked up: each provider of {} has a model of its own", alias.key, backend.title()),
        )
    };
    aliases.value.entries().iter().filter(dead).map(hit).collect()
}

/// An alias is a name, or a pattern with one `*`.
fn fits(alias: &str, model: &str) -> bool {
    match alias.split_once('*') {
        None => alias == model,
        Some((start, end)) => {
            model.len() >= start.len() + end.len() && model.starts_with(start) && model.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn an_alias_fits_by_name_or_by_pattern() {
        assert!(fits("gpt-4o", "gpt-4o") && fits("gpt-*", "gpt-4o") && fits("*-mini", "o4-mini") && fits("*", ""));
        assert!(!fits("gpt-4", "gpt-4o") && !fits("gpt-*", "o4") && !fits("aa*aa", "aaa"));
    }
}
