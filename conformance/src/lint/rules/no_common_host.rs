//! L7: host names that never meet.

use super::{Hit, Node, Object, Parent, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L7",
    severity: Severity::Error,
    title: "route and listener have no host name in common",
    why: "The route is `Accepted=False/NoMatchingListenerHostname`, and its requests get a 404. `*.example.com` \
          does not cover `example.com`.",
    mend: "hostnames: [chat.example.com]        # within the listener's `hostname`",
    bad: "
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 80, protocol: HTTP, hostname: '*.example.com'}]}
---
kind: HTTPRoute
metadata: {name: chat}
spec: {parentRefs: [{name: gateway}], hostnames: [example.com], rules: [{backendRefs: [{name: llm, port: 80}]}]}
",
    good: "
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 80, protocol: HTTP, hostname: '*.example.com'}]}
---
kind: HTTPRoute
metadata: {name: chat}
spec: {parentRefs: [{name: gateway}], hostnames: [chat.example.com], rules: [{backendRefs: [{name: llm, port: 80}]}]}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    set.parents().filter_map(|parent| hit(set.find(&parent.to)?, &parent)).collect()
}

fn hit(gateway: &Object, parent: &Parent<'_>) -> Option<Hit> {
    let hostnames = parent.route.root.entry("spec.hostnames")?;
    let own: Vec<_> = hostnames.value.items().iter().filter_map(Node::text).collect();
    let listeners = parent.listeners(gateway);
    let meet =
        |listener: &&Node| listener.text_at("hostname").is_none_or(|theirs| own.iter().any(|own| overlap(own, theirs)));
    if own.is_empty() || listeners.is_empty() || listeners.iter().any(meet) {
        return None;
    }
    let theirs: Vec<_> = listeners.iter().filter_map(|listener| listener.text_at("hostname")).collect();
    let what = format!("no host name of this route fits {}, which serves {}", gateway.title(), theirs.join(", "));
    Some(Hit::new(hostnames.mark(), what))
}

/// Whether some host fits both; a wildcard stands for one label or more.
fn overlap(one: &str, another: &str) -> bool {
    let (one, another) = (one.to_lowercase(), another.to_lowercase());
    match (one.strip_prefix('*'), another.strip_prefix('*')) {
        (None, None) => one == another,
        (Some(suffix), None) => another.ends_with(suffix) && another.len() > suffix.len(),
        (None, Some(suffix)) => one.ends_with(suffix) && one.len() > suffix.len(),
        (Some(one), Some(another)) => one.ends_with(another) || another.ends_with(one),
    }
}

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn wildcards_cover_names_below_and_never_the_name_itself() {
        for (one, another) in [("a.b.c", "*.b.c"), ("x.a.b.c", "*.b.c"), ("*.a.b.c", "*.b.c"), ("A.b", "a.B")] {
            assert!(overlap(one, another) && overlap(another, one), "{one} {another}");
        }
        for (one, another) in [("b.c", "*.b.c"), ("xb.c", "*.b.c"), ("*.xb.c", "*.b.c"), ("a.b", "a.c")] {
            assert!(!overlap(one, another) && !overlap(another, one), "{one} {another}");
        }
    }
}
