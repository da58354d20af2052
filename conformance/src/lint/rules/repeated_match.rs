//! L22: a rule that an earlier rule of the same route hides.

use super::claim::claims;
use super::{Hit, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L22",
    severity: Severity::Warning,
    title: "a rule is shadowed by an earlier one of its route",
    why: "Of equal matches within a route the first rule wins; the later one never gets a request.",
    mend: "matches: [{path: {type: PathPrefix, value: …}}]        # give each rule a match of its own",
    bad: "
kind: HTTPRoute
metadata: {name: chat}
spec:
  parentRefs: [{name: gateway}]
  rules:
  - matches: [{path: {value: /v1}}]
    backendRefs: [{name: a, port: 80}]
  - matches: [{path: {value: /v1/}}]
    backendRefs: [{name: b, port: 80}]
",
    good: "
kind: HTTPRoute
metadata: {name: chat}
spec:
  parentRefs: [{name: gateway}]
  rules:
  - matches: [{path: {value: /v1}}]
    backendRefs: [{name: a, port: 80}]
  - matches: [{path: {value: /v1/models}}]
    backendRefs: [{name: b, port: 80}]
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let claims = claims(set);
    let mut hits: Vec<Hit> = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        let same =
            |other: &&super::claim::Claim<'_>| std::ptr::eq(other.route, claim.route) && other.mark != claim.mark;
        let hidden = claims[..index].iter().filter(same).any(|other| other.rivals(claim));
        if hidden && !hits.iter().any(|known| known.mark == claim.mark) {
            hits.push(Hit::new(
                claim.mark,
                format!("an earlier match of {} takes every request of this one", claim.route.title()),
            ));
        }
    }
    hits
}
