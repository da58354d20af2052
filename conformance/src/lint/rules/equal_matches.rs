//! D20: routes that ask for the same requests.

use super::claim::{Claim, claims};
use super::{Hit, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D20",
    severity: Severity::Warning,
    title: "a route is shadowed by another",
    why: "Of equal matches agentgateway takes the route whose namespace/name comes first in the alphabet, though \
          the Gateway API says the oldest. The other never gets a request.",
    mend: "matches: [{path: {type: PathPrefix, value: /pool}}]     # give each route a match of its own",
    bad: "
kind: HTTPRoute
metadata: {name: local-llm}
spec: {parentRefs: [{name: gateway}], rules: [{backendRefs: [{name: local, port: 80}]}]}
---
kind: HTTPRoute
metadata: {name: llm-pool}
spec: {parentRefs: [{name: gateway}], rules: [{backendRefs: [{name: pool, port: 80}]}]}
",
    good: "
kind: HTTPRoute
metadata: {name: local-llm}
spec: {parentRefs: [{name: gateway}], rules: [{backendRefs: [{name: local, port: 80}]}]}
---
kind: HTTPRoute
metadata: {name: llm-pool}
spec:
  parentRefs: [{name: gateway}]
  rules: [{matches: [{path: {value: /pool}}], backendRefs: [{name: pool, port: 80}]}]
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let claims = claims(set);
    let mut hits: Vec<Hit> = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        let earlier =
            claims[..index].iter().find(|other| !std::ptr::eq(other.route, claim.route) && other.rivals(claim));
        let Some(other) = earlier else { continue };
        let hit = hit(other, claim);
        // several hostnames or parents make one trap, not several
        if !hits.iter().any(|known| known.mark == hit.mark) {
            hits.push(hit);
        }
    }
    hits
}

/// `older` comes first by age.
fn hit(older: &Claim<'_>, younger: &Claim<'_>) -> Hit {
    if older.route.id() < younger.route.id() {
        return Hit::new(
            younger.mark,
            format!("this never matches: {} has the same match and wins", older.route.title()),
        );
    }
    let (old, young) = (older.route.title(), younger.route.title());
    Hit::new(
        older.mark,
        format!(
            "{young} has the same match: agentgateway serves it (by its name), the Gateway API means {old} (the older)"
        ),
    )
}
