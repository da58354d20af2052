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
    let path = format!("{}/../gateway/tests/config/{name}", env!("CARGO_MANIFEST_DIR"));
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
fn colours_are_only_for_who_wants_them() {
    let sources = [tutorial("tutorial-003.yaml")];
    let findings = lint(&sources).findings;
    assert!(!show(&findings, Format::Text, Style::default()).contains('\x1b'));
    assert!(show(&findings, Format::Text, Style { colour: true }).contains("\x1b[31merror[D1]\x1b[0m"));
}

#[test]
fn objects_may_allow_what_they_mean() {
    let text = "kind: AgentgatewayBackend\nmetadata:\n  name: a\n  annotations: {windtunnel.dev/lint-allow: \"D4, L20\"}\nspec: {ai: {provider: {openai: {model: m}}}}\n";
    assert_eq!(found(&text.replace("D4, L20", "L20")), BTreeSet::from(["D4"]));
    assert_eq!(found(text), BTreeSet::new());
    let second = "---\nkind: AgentgatewayBackend\nmetadata: {name: b}\nspec: {ai: {provider: {openai: {model: m}}}}\n";
    assert!(found(&(text.to_owned() + second)).contains("D4"), "another object is not meant");
}

#[test]
fn no_secret_is_shown() {
    let text = "kind: Secret\nmetadata: {name: openai}\nstringData: {apiKey: Bearer canary-key, other: canary-key}\n---\nkind: AgentgatewayBackend\nmetadata: {name: openai}\nspec:\n  ai: {provider: {openai: {}}}\n  policies: {auth: {key: canary-key, secretRef: {name: openai, key: apiKey}}}\n---\nkind: Secret\nmetadata: {name: openai}\nstringData: {apiKey: canary-key\n";
    let sources = [Source::new("m.yaml", text)];
    let found = found(text);
    assert!(["D13", "L10", "L11"].iter().all(|id| found.contains(id)), "{found:?}");
    for format in [Format::Text, Format::Json, Format::Github] {
        assert!(!shown(&sources, format).contains("canary"), "{format:?}");
    }
}

#[test]
fn lists_and_several_files_are_one_set() {
    let route = "kind: HTTPRoute\nmetadata: {name: r}\nspec: {rules: [{backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: a}]}]}\n";
    let backend = "kind: List\nitems:\n- kind: AgentgatewayBackend\n  metadata: {name: a}\n  spec: {ai: {provider: {openai: {}}}}\n";
    let sources = [Source::new("route.yaml", route), Source::new("backend.yaml", backend)];
    let outcome = lint(&sources);
    assert_eq!(outcome.objects, 2);
    assert!(!outcome.findings.iter().any(|finding| finding.rule.id == "L3"));
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
