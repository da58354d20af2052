use std::collections::BTreeSet;

use super::show::{Format, explain, list, show};
use super::*;
use crate::render::Style;

fn ids(text: &str) -> Vec<(&'static str, Severity)> {
    let sources = [Source::new("m.yaml", text)];
    lint(&sources).findings.iter().map(|finding| (finding.rule.id, finding.severity)).collect()
}

fn found(text: &str) -> BTreeSet<&'static str> {
    ids(text).into_iter().map(|(id, _)| id).collect()
}

/// Manifests of a file beside the gateway's tests, where they run unchanged.
fn tutorial(name: &str) -> Source {
    let file = name.trim_start_matches("tutorial-");
    let path = format!("{}/../docs/tutorials/{file}", env!("CARGO_MANIFEST_DIR"));
    Source::new(name, std::fs::read_to_string(path).expect("a tutorial"))
}

/// What the commands of a tutorial make of a key.
fn secret(name: &str, key: &str, value: &str) -> Source {
    let head = format!("kind: Secret\nmetadata: {{name: {name}, namespace: agentgateway-system}}\n");
    Source::new("secret.yaml", format!("{head}stringData: {{{key}: {value}}}\n"))
}

fn shown(sources: &[Source], format: Format) -> String {
    show(&lint(sources).findings, format, Style::default())
}

#[test]
fn every_rule_finds_its_bad_example_and_nothing_in_the_good_one() {
    for rule in RULES {
        assert!(found(rule.bad).contains(rule.id), "{} does not trip: {:?}", rule.id, found(rule.bad));
        assert!(!found(rule.good).contains(rule.id), "{} trips on what is good", rule.id);
    }
}

#[test]
fn what_a_rule_proposes_trips_no_worse_one() {
    for rule in RULES {
        let worst = ids(rule.good).into_iter().filter(|(_, severity)| *severity > Severity::Info).collect::<Vec<_>>();
        assert!(worst.is_empty(), "{}: the good example has {worst:?}", rule.id);
    }
}

#[test]
fn the_table_has_every_trap_once_and_in_order() {
    let ids: Vec<_> = RULES.iter().map(|rule| rule.id.to_owned()).collect();
    let traps = (1..=22).map(|number| format!("D{number}"));
    let others = (1..=ids.len() - 22).map(|number| format!("L{number}"));
    assert_eq!(ids, traps.chain(others).collect::<Vec<_>>());
    for rule in RULES {
        assert!(!rule.title.is_empty() && rule.why.ends_with('.') && !rule.mend.is_empty(), "{}", rule.id);
        assert!(Rule::named(&rule.id.to_lowercase()).is_some_and(|found| found.id == rule.id));
    }
}

#[test]
fn the_tutorials_have_exactly_these_traps() {
    let one = |number: u32| tutorial(&format!("tutorial-00{number}.yaml"));
    let mut mended = one(1);
    mended.text = mended.text.replace("openai: {}\n        model", "openai:\n        model");
    let mut table = String::new();
    for (name, sources) in [
        ("000", vec![one(0)]),
        ("001", vec![one(1)]),
        ("001, its typo mended", vec![mended]),
        ("002", vec![one(2), secret("openai-secret", "Authorization", "Bearer canary-key")]),
        ("003", vec![one(3), secret("openai-api-key", "apiKey", "canary-key")]),
        ("004", vec![one(4)]),
    ] {
        table += &format!("{name}\n");
        for Finding { rule, severity, line, column, what, .. } in lint(&sources).findings {
            table += &format!("  {line}:{column}: {severity}[{}] {what}\n", rule.id);
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn findings_read_like_a_compilers() {
    insta::assert_snapshot!(shown(&[tutorial("tutorial-003.yaml")], Format::Text));
}

#[test]
fn machines_get_json_and_annotations() {
    let source = tutorial("tutorial-001.yaml");
    insta::assert_snapshot!("json", shown(std::slice::from_ref(&source), Format::Json));
    insta::assert_snapshot!("github", shown(&[source], Format::Github));
}

#[test]
fn manifests_that_are_cut_off_or_lack_a_line_are_linted_all_the_same() {
    let check = |text: String| {
        let sources = [Source::new("m.yaml", text)];
        let lines = sources[0].text.lines().count();
        for finding in lint(&sources).findings {
            assert!(finding.line <= lines.max(1) && finding.width > 0, "{finding:?}");
        }
    };
    for text in RULES.iter().flat_map(|rule| [rule.bad, rule.good]) {
        (0..text.len())
            .filter(|end| text.is_char_boundary(*end))
            .step_by(5)
            .for_each(|end| check(text[..end].to_owned()));
        for left_out in 0..text.lines().count() {
            let lines = text.lines().enumerate().filter(|(index, _)| *index != left_out);
            check(lines.map(|(_, line)| format!("{line}\n")).collect());
        }
    }
}

#[test]
fn colours_are_only_for_who_wants_them() {
    let sources = [tutorial("tutorial-003.yaml")];
    let findings = lint(&sources).findings;
    assert!(!show(&findings, Format::Text, Style::default()).contains('\x1b'));
    assert!(show(&findings, Format::Text, Style { colour: true }).contains("\x1b[31merror[D1]\x1b[0m"));
}

#[test]
fn objects_may_allow_what_they_mean() {
    let text = "\
kind: AgentgatewayBackend
metadata:
  name: a
  annotations: {windtunnel.dev/lint-allow: \"D4, L20\"}
spec: {ai: {provider: {openai: {model: m}}}}
";
    assert_eq!(found(&text.replace("D4, L20", "L20")), BTreeSet::from(["D4"]));
    assert_eq!(found(text), BTreeSet::new());
    let second = "---\nkind: AgentgatewayBackend\nmetadata: {name: b}\nspec: {ai: {provider: {openai: {model: m}}}}\n";
    assert!(found(&(text.to_owned() + second)).contains("D4"), "another object is not meant");
}

#[test]
fn no_secret_is_shown() {
    let text = "\
kind: Secret
metadata: {name: openai}
stringData: {apiKey: Bearer canary-key, other: canary-key}
---
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {auth: {key: canary-key, secretRef: {name: openai, key: apiKey}}}
---
kind: Secret
metadata: {name: openai}
stringData: {apiKey: canary-key
";
    let sources = [Source::new("m.yaml", text)];
    let found = found(text);
    assert!(["D13", "L10", "L11"].iter().all(|id| found.contains(id)), "{found:?}");
    for format in [Format::Text, Format::Json, Format::Github] {
        assert!(!shown(&sources, format).contains("canary"), "{format:?}");
    }
}

#[test]
fn lists_and_several_files_are_one_set() {
    let route = ROUTE.replace("name: pool", "name: a");
    let backend = "\
kind: List
items:
- kind: AgentgatewayBackend
  metadata: {name: a}
  spec: {ai: {provider: {openai: {}}}}
";
    let sources = [Source::new("route.yaml", route), Source::new("backend.yaml", backend)];
    let outcome = lint(&sources);
    assert_eq!(outcome.objects, 2);
    assert!(!outcome.findings.iter().any(|finding| finding.what.contains("AgentgatewayBackend default/a is not")));
    let places: Vec<_> = outcome.findings.iter().map(|one| (one.source.path.to_str(), one.line)).collect();
    assert!(places.contains(&(Some("backend.yaml"), 4)), "{places:?}");
}

#[test]
fn every_rule_can_be_explained_and_is_listed() {
    let list = list(Style::default());
    assert_eq!(list.lines().count(), RULES.len());
    let text = explain(&RULES[6], Style::default());
    insta::assert_snapshot!(text);
}

const GATEWAY: &str = "
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
";

const POOL: &str = "
kind: AgentgatewayBackend
metadata: {name: pool}
spec: {ai: {groups: [{providers: [{name: a, openai: {}}]}, {providers: [{name: b, openai: {}}]}]}}
---
";

const ROUTE: &str = "
kind: HTTPRoute
metadata: {name: route}
spec:
  parentRefs: [{name: gateway}]
  rules: [{backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: pool}]}]
---
";

/// A policy on one object.
fn policy(kind: &str, name: &str, spec: &str) -> String {
    let group = if kind.starts_with("Agent") { "agentgateway.dev" } else { "gateway.networking.k8s.io" };
    let head = "kind: AgentgatewayPolicy\nmetadata: {name: policy}\nspec:\n";
    format!("{head}  targetRefs: [{{group: {group}, kind: {kind}, name: {name}}}]\n  {spec}\n---\n")
}

/// Each row: manifests, a rule, whether it trips.
#[track_caller]
fn judge(rows: &[(String, &str, bool)]) {
    for (text, id, trips) in rows {
        assert_eq!(found(text).contains(id), *trips, "{id} on\n{text}");
    }
}

#[test]
fn backend_policies_count_wherever_they_are_attached() {
    let health = "backend: {health: {eviction: {duration: 30s}}}";
    let all = |policy: String| format!("{GATEWAY}{POOL}{ROUTE}{policy}");
    judge(&[
        (all(String::new()), "D10", true),
        (all(policy("AgentgatewayBackend", "pool", health)), "D10", false),
        (all(policy("HTTPRoute", "route", health)), "D10", false),
        (all(policy("Gateway", "gateway", health)), "D10", false),
        (all(policy("HTTPRoute", "another", health)), "D10", true),
        (all(policy("Gateway", "gateway", "backend: {health: {unhealthyCondition: 'true'}}")), "D10", true),
        (all(policy("Gateway", "gateway", "backend: {auth: {secretRef: {name: keys}}}")), "L20", false),
        (all(policy("Gateway", "gateway", "backend: {auth: {secretRef: {name: keys}}}")), "D15", true),
    ]);
}

#[test]
fn callers_are_checked_on_the_route_or_on_its_gateway() {
    let keyed = POOL.replace("spec: {ai:", "spec: {policies: {auth: {secretRef: {name: keys}}}, ai:");
    let all = |policy: String| format!("{GATEWAY}{keyed}{ROUTE}{policy}");
    let guard = "traffic: {jwtAuthentication: {providers: []}}";
    judge(&[
        (all(String::new()), "D15", true),
        (all(policy("Gateway", "gateway", guard)), "D15", false),
        (all(policy("Gateway", "another", guard)), "D15", true),
        (all(policy("HTTPRoute", "route", "traffic: {timeouts: {request: 5s}}")), "D15", true),
    ]);
}

#[test]
fn routes_are_shadowed_only_by_the_same_match_at_the_same_place() {
    let route = |name: &str, spec: &str, backend: &str| {
        format!(
            "kind: HTTPRoute\nmetadata: {{name: {name}}}\n\
             spec: {{{spec}, rules: [{{{backend} backendRefs: [{{name: s, port: 80}}]}}]}}\n---\n"
        )
    };
    let two = |one: (&str, &str), other: (&str, &str)| route("a", one.0, one.1) + &route("b", other.0, other.1);
    let gateway = "parentRefs: [{name: gateway}]";
    let (http, https) =
        ("parentRefs: [{name: gateway, sectionName: http}]", "parentRefs: [{name: gateway, sectionName: https}]");
    let host = "parentRefs: [{name: gateway}], hostnames: [a.example.com]";
    let header = "matches: [{headers: [{name: X-Team, value: a}]}],";
    judge(&[
        (two((gateway, ""), (gateway, "matches: [{path: {type: PathPrefix, value: /}}],")), "D20", true),
        (two((gateway, ""), (http, "")), "D20", true),
        (two((https, ""), (http, "")), "D20", false),
        (two((gateway, ""), (host, "")), "D20", false),
        (two((host, ""), ("parentRefs: [{name: gateway}], hostnames: [A.example.com]", "")), "D20", true),
        (two((gateway, ""), (gateway, header)), "D20", false),
        (two((gateway, "matches: [{headers: [{name: x-team, value: a}]}],"), (gateway, header)), "D20", true),
        (two((gateway, "matches: [{method: GET}],"), (gateway, "matches: [{method: POST}],")), "D20", false),
        (two((gateway, ""), ("parentRefs: [{name: another}]", "")), "D20", false),
    ]);
}

#[test]
fn who_shadows_whom_depends_on_names_and_on_age() {
    let route = |name: &str, created: &str| {
        format!(
            "kind: HTTPRoute\nmetadata: {{name: {name}, creationTimestamp: {created}}}\n\
             spec: {{parentRefs: [{{name: gateway}}], rules: [{{backendRefs: [{{name: s, port: 80}}]}}]}}\n---\n"
        )
    };
    let told = |text: &str| {
        let sources = [Source::new("m.yaml", text)];
        let hit = lint(&sources).findings.into_iter().find(|finding| finding.rule.id == "D20").expect("a shadow");
        (hit.line, hit.what.contains("never matches"))
    };
    let (a_old, b_new) = (route("a", "2026-01-01T00:00:00Z"), route("b", "2026-02-01T00:00:00Z"));
    let b_old = route("b", "2025-01-01T00:00:00Z");
    assert_eq!(told(&(b_new.clone() + &a_old)), (3, true), "age counts, not the order of documents");
    assert_eq!(told(&(a_old + &b_old)), (7, false), "the Gateway API serves the older b, agentgateway a");
}

#[test]
fn references_are_errors_where_something_like_them_is_there() {
    let severity = |text: &str| ids(text).into_iter().find(|(id, _)| *id == "L3").map(|(_, severity)| severity);
    assert_eq!(severity(ROUTE), Some(Severity::Info));
    let near = format!("{GATEWAY}{ROUTE}{POOL}");
    assert_eq!(severity(&near), None);
    assert_eq!(severity(&near.replace("metadata: {name: pool}", "metadata: {name: pools}")), Some(Severity::Error));
    assert_eq!(severity(&near.replace("name: pool}\n", "name: pool, namespace: ai}\n")), Some(Severity::Error));
    assert_eq!(severity(&format!("{ROUTE}not: [yaml")), None, "what cannot be read may hold it");
    for name in ["gateway", "gateways"] {
        let istio = format!("apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: {name}}}\n---\n");
        assert_eq!(severity(&format!("{istio}{ROUTE}{POOL}")), Some(Severity::Info), "another group's Gateway {name}");
    }
}

#[test]
fn kinds_and_versions_are_looked_at_where_they_are_ours() {
    for (version, kind, trips) in [
        ("agentgateway.dev/v1alpha1", "AgentGatewayBackend", true),
        ("agentgateway.dev/v1alpha1", "TrafficPolicy", true),
        ("agentgateway.dev/v1", "AgentgatewayBackend", true),
        ("gateway.networking.k8s.io/v1", "AgentgatewayBackend", true),
        ("v1", "HTTPRoute", true),
        ("gateway.networking.k8s.io/v1", "GRPCRoute", false),
        ("networking.istio.io/v1", "Gateway", false),
        ("serving.knative.dev/v1", "Service", false),
        ("apps/v1", "Deployment", false),
    ] {
        let found =
            found(&format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{any: thing}}\n"));
        assert_eq!(found.contains("L1"), trips, "{version} {kind}: {found:?}");
    }
}

#[test]
fn what_is_left_out_of_a_backend_reference_is_told_apart() {
    let route = |reference: &str| {
        format!(
            "kind: HTTPRoute\nmetadata: {{name: r}}\nspec: {{rules: [{{backendRefs: [{{name: a{reference}}}]}}]}}\n"
        )
    };
    judge(&[
        (route(""), "D18", true),
        (route(", kind: Service"), "D18", true),
        (route(", group: agentgateway.dev"), "D18", true),
        (route(", kind: AgentgatewayBackend"), "D18", true),
        (route(", port: 80"), "D18", false),
        (route(", group: \"\", kind: Service, port: 80"), "D18", false),
        (route(", group: agentgateway.dev, kind: AgentgatewayBackend"), "D18", false),
        (route(", group: inference.networking.k8s.io, kind: InferencePool"), "D18", false),
    ]);
}

#[test]
fn metrics_are_known_by_family_suffix_and_pattern() {
    let rule = |expr: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: board}}\ndata: {{a: 'rate({expr}[5m])'}}\n")
    };
    for known in [
        "agentgateway_requests_total",
        "agentgateway_gen_ai_client_token_usage_bucket",
        "agentgateway_request_.*",
        "agentgateway_build_info",
    ] {
        assert!(!found(&rule(known)).contains("D9"), "{known}");
    }
    for unknown in [
        "agentgateway_token_.*",
        "agentgateway_requests_per_second",
        "agentgateway_gen_ai_server_request_duration_seconds_sum",
    ] {
        assert!(found(&rule(unknown)).contains("D9"), "{unknown}");
    }
}
