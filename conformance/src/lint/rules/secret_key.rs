//! D2: a Secret without the data key that is read.

use super::{Auth, Hit, Object, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D2",
    severity: Severity::Error,
    title: "the Secret has no data key that is read",
    why: "Without `secretRef.key` only the data key `Authorization` is read. The backend is then `Accepted=False` \
          and each request gets a 500; at one provider of a group nothing is said at all, and the provider gets an \
          empty key.",
    mend: "secretRef: {name: …, key: apiKey}        # or rename the Secret's data key to Authorization",
    bad: "
kind: Secret
metadata: {name: openai}
stringData: {apiKey: canary-key}
---
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {auth: {secretRef: {name: openai}}}
",
    good: "
kind: Secret
metadata: {name: openai}
stringData: {apiKey: canary-key}
---
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {auth: {secretRef: {name: openai, key: apiKey}}}
",
    check,
};

/// What is read when the reference names no key.
const USUAL: &str = "Authorization";

fn check(set: &Set<'_>) -> Vec<Hit> {
    set.auths().filter_map(|auth| missing(set, &auth)).collect()
}

fn missing(set: &Set<'_>, auth: &Auth<'_>) -> Option<Hit> {
    let reference = auth.secret()?;
    let secret = set.find(&reference)?;
    let key = reference.node.text_at("key").unwrap_or(USUAL);
    let what = match keys(secret).find(|(name, _)| *name == key) {
        Some((_, false)) => return None,
        Some((_, true)) => format!("the value of data key `{key}` of Secret {} is empty", secret.id()),
        None => format!("Secret {} has no data key `{key}`{}", secret.id(), others(secret)),
    };
    let silent = if auth.of_provider { "; the backend's status will not say so" } else { "" };
    let hit = Hit::new(reference.node.mark(), what + silent);
    let only = keys(secret).next().filter(|(_, empty)| !empty);
    Some(match only {
        Some((name, _)) if keys(secret).count() == 1 => {
            let name_of = &secret.name;
            hit.mend(format!(
                "secretRef: {{name: {name_of}, key: {name}}}        # or rename the Secret's data key to {USUAL}"
            ))
        }
        _ => hit,
    })
}

/// Data keys, and whether their values are empty.
fn keys(secret: &Object) -> impl Iterator<Item = (&str, bool)> {
    let maps = ["stringData", "data"].into_iter().filter_map(|map| secret.root.get(map));
    let entries = maps.flat_map(|map| map.entries());
    entries.map(|entry| (entry.key.as_str(), entry.value.text().is_none_or(|value| value.trim().is_empty())))
}

fn others(secret: &Object) -> String {
    let names: Vec<_> = keys(secret).map(|(name, _)| format!("`{name}`")).collect();
    if names.is_empty() { String::new() } else { format!(", only {}", names.join(", ")) }
}
