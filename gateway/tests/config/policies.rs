//! AgentgatewayPolicies on Gateways and routes.

use gateway::snapshot::Target;

use super::{conditions, rules, served, status};

const ROUTES: &str = "
kind: HTTPRoute
metadata: {name: r, labels: {tier: paid}}
spec:
  parentRefs: [{name: gw}]
  rules:
  - {name: own, matches: [{path: {value: /own}}], timeouts: {request: 1s}, retry: {attempts: 1}}
  - {name: named, matches: [{path: {value: /named}}]}
  - {matches: [{path: {value: /x}}]}
---
kind: HTTPRoute
metadata: {name: other}
spec: {parentRefs: [{name: gw}], rules: [{matches: [{path: {value: /}}]}]}
---
";

fn policy(name: &str, target: &str, rest: &str) -> String {
    format!("kind: AgentgatewayPolicy\nmetadata: {{name: {name}}}\nspec: {{targetRefs: [{{{target}}}], {rest}}}\n---\n")
}

/// Path → request deadline in seconds and attempts.
fn limits(text: &str) -> Vec<(String, Option<u64>, Option<u32>)> {
    let compiled = served(&format!("{ROUTES}{text}"));
    let entries = &compiled.snapshot.binds[0].listeners[0].routes;
    let mut found: Vec<_> = entries
        .iter()
        .map(|entry| {
            let path = format!("{:?}", entry.matcher.path);
            let time = entry.rule.timeouts.request.map(|time| time.as_secs());
            (
                path.trim_start_matches("Prefix(").trim_matches(['"', ')']).to_owned(),
                time,
                entry.rule.retry.as_ref().map(|retry| retry.attempts),
            )
        })
        .collect();
    found.sort();
    found
}

#[test]
fn the_more_specific_of_rule_route_listener_and_gateway_wins() {
    let text =
        policy("gateway", "kind: Gateway, name: gw", "traffic: {timeouts: {request: 60s}, retry: {attempts: 6}}")
            + &policy("route", "kind: HTTPRoute, name: r", "traffic: {timeouts: {request: 30s}}")
            + &policy("rule", "kind: HTTPRoute, name: r, sectionName: named", "traffic: {timeouts: {request: 0s}}");
    let expected =
        [("", Some(60), Some(6)), ("/named", None, Some(6)), ("/own", Some(1), Some(1)), ("/x", Some(30), Some(6))];
    assert_eq!(limits(&text), expected.map(|(path, time, attempts)| (path.to_owned(), time, attempts)));
    let listener = policy("gateway", "kind: Gateway, name: gw", "traffic: {timeouts: {request: 60s}}")
        + &policy("listener", "kind: Gateway, name: gw, sectionName: http", "traffic: {timeouts: {request: 50s}}");
    assert_eq!(limits(&listener)[0].1, Some(50));
}

#[test]
fn the_older_of_two_policies_on_one_target_wins() {
    let text = policy("z", "kind: Gateway, name: gw", "traffic: {timeouts: {request: 7s}}")
        + &policy("a", "kind: Gateway, name: gw", "traffic: {timeouts: {request: 8s}}");
    assert_eq!(limits(&text)[0].1, Some(7));
}

#[test]
fn targets_are_found_by_label() {
    let text = "kind: AgentgatewayPolicy\nmetadata: {name: p}\nspec: {targetSelectors: [{group: gateway.networking.k8s.io, \
                kind: HTTPRoute, matchLabels: {tier: paid}}], traffic: {timeouts: {request: 9s}}}\n";
    let found = limits(text);
    assert_eq!((found[0].1, found[3].1), (None, Some(9)));
}

#[test]
fn a_protective_part_that_is_not_implemented_closes_its_routes() {
    let text = policy("p", "kind: HTTPRoute, name: r", "traffic: {apiKeyAuthentication: {}, timeouts: {request: 5s}}");
    let compiled = served(&format!("{ROUTES}{text}"));
    for rule in rules(&compiled.snapshot) {
        let closed = matches!(rule.backends.first().map(|backend| &backend.target), Some(Target::Broken { .. }));
        assert_eq!(closed, rule.route.ends_with("/r"), "{}", rule.route);
    }
    assert_eq!(conditions(&compiled, "AgentgatewayPolicy", "p"), "Accepted=False/Invalid Attached=True/Attached");
    let message = &status(&compiled, "AgentgatewayPolicy", "p").condition("Accepted").unwrap().message;
    assert!(message.contains("traffic.apiKeyAuthentication") && message.contains("500"), "{message}");
}

#[test]
fn a_wrong_value_beside_a_protective_part_does_not_open_the_routes() {
    let text = policy("p", "kind: HTTPRoute, name: r", "traffic: {rateLimit: {}, timeouts: {request: soon}}")
        + &policy("q", "kind: HTTPRoute, name: other", "backend: {ai: {promptGuard: {}}}");
    let compiled = served(&format!("{ROUTES}{text}"));
    for rule in rules(&compiled.snapshot) {
        assert!(matches!(rule.backends[0].target, Target::Broken { .. }), "{}", rule.route);
    }
    assert_eq!(conditions(&compiled, "AgentgatewayPolicy", "p"), "Accepted=False/Invalid Attached=True/Attached");
}

#[test]
fn policies_say_what_they_do_and_where() {
    let gateway = "group: gateway.networking.k8s.io, kind: Gateway, name: gw";
    let cases = [
        (gateway, "traffic: {retry: {codes: [503]}}", "Accepted=True/Valid Attached=True/Attached"),
        (gateway, "frontend: {tracing: {}}", "Accepted=False/Invalid Attached=True/Attached"),
        (
            gateway,
            "frontend: {tracing: {}}, traffic: {timeouts: {request: 1s}}",
            "Accepted=True/PartiallyValid Attached=True/Attached",
        ),
        (
            "kind: Gateway, name: gone",
            "traffic: {timeouts: {request: 1s}}",
            "Accepted=True/Valid Attached=False/Pending",
        ),
        ("kind: Pod, name: gw", "traffic: {timeouts: {request: 1s}}", "Accepted=True/Valid Attached=False/Pending"),
        (gateway, "traffic: {timeouts: {request: soon}}", "Accepted=False/Invalid Attached=True/Attached"),
        (gateway, "traffic: {retry: {codes: [99]}}", "Accepted=False/Invalid Attached=True/Attached"),
        (gateway, "traffic: {timeouts: {responseIdle: 5s}}", "Accepted=True/Valid Attached=True/Attached"),
        (gateway, "frontend: {http: {maxBufferSize: 100}}", "Accepted=True/Valid Attached=True/Attached"),
        (gateway, "frontend: {http: {maxBufferSize: 0}}", "Accepted=False/Invalid Attached=True/Attached"),
        (
            gateway,
            "frontend: {http: {maxBufferSize: 9, http1IdleTimeout: 1s}}",
            "Accepted=True/PartiallyValid Attached=True/Attached",
        ),
        (
            gateway,
            "frontend: {metrics: {attributes: {add: [{name: team, expression: \"request.headers['x-team']\"}]}}}",
            "Accepted=True/Valid Attached=True/Attached",
        ),
        (
            gateway,
            "frontend: {metrics: {attributes: {add: [{name: le, expression: \"'x'\"}]}}}",
            "Accepted=False/Invalid Attached=True/Attached",
        ),
        (
            gateway,
            "frontend: {metrics: {attributes: {add: [{name: a.b, expression: \"'x'\"}, {name: b, expression: \"'x'\"}]}}}",
            "Accepted=True/PartiallyValid Attached=True/Attached",
        ),
        (
            gateway,
            "traffic: {apiKeyAuthentication: {secretRef: {name: gone}}}",
            "Accepted=False/Invalid Attached=True/Attached",
        ),
    ];
    for (target, rest, expected) in cases {
        let compiled = served(&format!("{ROUTES}{}", policy("p", target, rest)));
        assert_eq!(conditions(&compiled, "AgentgatewayPolicy", "p"), expected, "{target} {rest}");
    }
    let nothing = served("kind: AgentgatewayPolicy\nmetadata: {name: p}\nspec: {traffic: {}}\n");
    assert_eq!(conditions(&nothing, "AgentgatewayPolicy", "p"), "Accepted=False/Invalid Attached=False/Pending");
}

#[test]
fn the_log_of_one_policy_and_the_labels_of_another_act_together() {
    let gateway = "group: gateway.networking.k8s.io, kind: Gateway, name: gw";
    let log = policy("log", gateway, "frontend: {accessLog: {attributes: {remove: [http.host]}}}");
    let add = "frontend: {metrics: {attributes: {add: [{name: team, expression: \"'red'\"}]}}}";
    let compiled = served(&format!("{ROUTES}{log}{}", policy("labels", gateway, add)));
    let telling = compiled.snapshot.binds[0].listeners[0].telling.as_ref().unwrap();
    assert_eq!(telling.log.as_ref().map(|log| log.remove.len()), Some(1));
    assert_eq!(telling.labels.as_ref().map(|labels| &*labels.0[0].0), Some("team"));
}
