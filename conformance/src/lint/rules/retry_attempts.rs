//! D17: one request more than meant.

use super::{Entry, Hit, Rule, Set, Severity, retries};

pub(super) const RULE: Rule = Rule {
    id: "D17",
    severity: Severity::Info,
    title: "`attempts` does not count the first try",
    why: "`retry.attempts` is the number of retries after the first try, so a provider may be asked once more than \
          the number says.",
    mend: "attempts: 1                 # two requests at most",
    bad: "
kind: HTTPRoute
metadata: {name: chat}
spec: {rules: [{backendRefs: [{name: llm, port: 80}], retry: {attempts: 3, codes: [503]}}]}
",
    good: "
kind: HTTPRoute
metadata: {name: chat}
spec: {rules: [{backendRefs: [{name: llm, port: 80}], retry: {codes: [503]}}]}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    retries(set).filter_map(|retry| retry.value.entry("attempts")).filter_map(hit).collect()
}

fn hit(attempts: &Entry) -> Option<Hit> {
    let number: u32 = attempts.value.text()?.parse().ok()?;
    (number > 0).then(|| {
        Hit::new(attempts.mark(), format!("`attempts: {number}` is up to {} requests", number.saturating_add(1)))
    })
}
