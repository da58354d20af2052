//! L3: references that lead nowhere.

use gateway::yaml::did_you_mean;

use super::{Hit, Object, Reference, Rule, Set, Severity, targets};

pub(super) const RULE: Rule = Rule {
    id: "L3",
    severity: Severity::Error,
    title: "a reference leads nowhere",
    why: "A route to a backend that is not there gets 500 `service not found`; a route to a Gateway that is not \
          there is not served; a policy without its target does nothing. It is only a note when nothing like it is \
          among the manifests: the object may be in the cluster already.",
    mend: "kubectl get agentgatewaybackends,gateways,httproutes,secrets --all-namespaces",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai-backend}
spec: {ai: {provider: {openai: {}}}}
---
kind: HTTPRoute
metadata: {name: chat}
spec: {rules: [{backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai-bakcend}]}]}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai-backend}
spec: {ai: {provider: {openai: {}}}}
---
kind: HTTPRoute
metadata: {name: chat}
spec: {rules: [{backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai-backend}]}]}
",
    check,
};

/// Kinds that people write beside their routes; others are the cluster's.
const KINDS: [&str; 6] = ["AgentgatewayBackend", "Gateway", "HTTPRoute", "AIRoute", "Secret", "Service"];

fn check(set: &Set<'_>) -> Vec<Hit> {
    let backends = set.route_rules().flat_map(|rule| rule.backends());
    let parents = set.parents().map(|parent| parent.to);
    let targets = set.of("AgentgatewayPolicy").flat_map(targets);
    let secrets = set.auths().filter_map(|auth| auth.secret());
    let all = backends.chain(parents).chain(targets).chain(secrets);
    all.filter(|to| KINDS.contains(&to.kind) && set.find(to).is_none()).filter_map(|to| hit(set, &to)).collect()
}

fn hit(set: &Set<'_>, to: &Reference<'_>) -> Option<Hit> {
    let at = to.node.entry("name").map_or_else(|| to.node.mark(), |name| name.mark());
    let elsewhere = set.of(to.kind).find(|object| object.name == to.name);
    if let Some(object) = elsewhere {
        let what = format!("{} is not there, but {} is", to.title(), object.title());
        return Some(Hit::new(at, what).mend(moved(to, object)));
    }
    let here = set.of(to.kind).filter(|object| object.namespace == to.namespace);
    if let Some(close) = did_you_mean(to.name, here.map(|object| object.name.as_str())) {
        return Some(Hit::new(at, format!("{} is not there", to.title())).mend(format!("name: {close}")));
    }
    // D18 has said what this Service really is
    let meant = to.kind != "Service" || to.node.get("kind").is_some() || to.node.get("port").is_some();
    let what = format!("{} is not among these manifests", to.title());
    let mend = "# nothing, if it is in the cluster already; else lint it together with these manifests";
    // what is missing may stand in a document that cannot be read
    (meant && set.unreadable.is_empty()).then(|| Hit::new(at, what).severity(Severity::Info).mend(mend))
}

fn moved(to: &Reference<'_>, object: &Object) -> String {
    match to.kind {
        "Secret" => format!("# move the Secret to namespace {}; secretRef cannot leave its own", to.namespace),
        "HTTPRoute" | "AIRoute" => format!("# move the policy to namespace {}", object.namespace),
        _ => format!("{{name: {}, namespace: {}}}", to.name, object.namespace),
    }
}
