//! L13: retries that no status sets off.

use super::{Entry, Hit, Rule, Set, Severity, retries};

pub(super) const RULE: Rule = Rule {
    id: "L13",
    severity: Severity::Warning,
    title: "a retry without `codes` retries no answer",
    why: "There are no default codes: without them only a request that got no answer at all is tried again, not one \
          that got a 429 or a 503.",
    mend: "retry: {attempts: 1, codes: [429, 500, 502, 503, 504]}",
    bad: "
kind: HTTPRoute
metadata: {name: chat}
spec: {rules: [{backendRefs: [{name: llm, port: 80}], retry: {attempts: 2}}]}
",
    good: "
kind: HTTPRoute
metadata: {name: chat}
spec: {rules: [{backendRefs: [{name: llm, port: 80}], retry: {attempts: 2, codes: [429, 503]}}]}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let blind = |retry: &&Entry| {
        let off = retry.value.text_at("attempts") == Some("0");
        !off && retry.value.items_at("codes").is_empty() && retry.value.get("condition").is_none()
    };
    let hit = |retry: &Entry| Hit::new(retry.mark(), "no status is retried: `codes` is left out");
    retries(set).filter(blind).map(hit).collect()
}
