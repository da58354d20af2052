//! AgentgatewayModels: what each compiles to, which parents take it, and what status says of it.

use std::sync::Arc;

use gateway::config;
use gateway::model::ModelRouter;
use gateway::snapshot::{AiBackend, Credential, Operation, Snapshot, Target};

use super::{GATEWAY, compile, conditions, parse, served, status};

const OPENAI: &str = "provider: OpenAI, baseURL: 'http://127.0.0.1:9/v1'";

fn model(name: &str, rest: &str) -> String {
    format!("---\nkind: AgentgatewayModel\nmetadata: {{name: {name}}}\nspec: {{parentRefs: [{{name: gw}}], {rest}}}\n")
}

fn routers(snapshot: &Snapshot) -> Vec<&ModelRouter> {
    let entries = snapshot.binds.iter().flat_map(|bind| &bind.listeners).flat_map(|listener| &listener.routes);
    let targets = entries.flat_map(|entry| &entry.rule.backends).filter_map(|backend| match &backend.target {
        Target::Models(router) => Some(&**router),
        _ => None,
    });
    targets.collect()
}

fn targets<'s>(snapshot: &'s Snapshot, name: &str) -> Vec<(u32, &'s Target)> {
    let model = routers(snapshot)[0].find(name).unwrap_or_else(|| panic!("no model {name}"));
    model.targets.iter().map(|weighted| (weighted.weight, &weighted.target)).collect()
}

fn only<'s>(snapshot: &'s Snapshot, name: &str) -> &'s AiBackend {
    match targets(snapshot, name).as_slice() {
        [(_, Target::Ai(backend))] => backend,
        other => panic!("{other:?}"),
    }
}

fn message(text: &str, name: &str) -> String {
    let compiled = served(text);
    let bad = status(&compiled, "AgentgatewayModel", name).every_condition().find(|condition| !condition.status);
    bad.map_or_else(String::new, |condition| format!("{}/{}: {}", condition.type_, condition.reason, condition.message))
}

#[test]
fn a_base_url_says_where_the_provider_is_and_what_its_paths_begin_with() {
    let cases = [
        ("https://api.example.com/v1", "api.example.com", 443, true, "/v1"),
        ("https://api.example.com:8443/v1/", "api.example.com", 8443, true, "/v1"),
        ("http://127.0.0.1:9", "127.0.0.1", 9, false, ""),
        ("http://llm/a/b", "llm", 80, false, "/a/b"),
        ("http://[::1]:9/v1", "::1", 9, false, "/v1"),
    ];
    for (url, host, port, tls, prefix) in cases {
        let compiled = served(&model("m", &format!("provider: OpenAI, baseURL: '{url}'")));
        let provider = &only(&compiled.snapshot, "m").groups[0][0];
        assert_eq!((&*provider.endpoint.host, provider.endpoint.port), (host, port), "{url}");
        assert_eq!(provider.endpoint.tls.is_some(), tls, "{url}");
        let target = provider.targets.of(Operation::Chat, "/x", None).unwrap();
        assert_eq!(target.to_string(), format!("{prefix}/chat/completions"), "{url}");
        assert!(provider.model.is_none() && provider.system == "openai");
    }
    let compiled = served(&model("gpt-4o", "provider: OpenAI"));
    let provider = &only(&compiled.snapshot, "gpt-4o").groups[0][0];
    assert_eq!((&*provider.endpoint.host, provider.endpoint.port), ("api.openai.com", 443));
    assert_eq!(provider.targets.of(Operation::Chat, "/x", None).unwrap(), "/v1/chat/completions");
}

#[test]
fn the_key_is_the_secrets_and_a_missing_one_is_told() {
    let auth = |name: &str| model("m", &format!("{OPENAI}, policies: {{auth: {{secretRef: {{name: {name}}}}}}}"));
    let secret = "---\nkind: Secret\nmetadata: {name: k}\nstringData: {apiKey: sk-1}\n";
    let compiled = served(&(auth("k") + secret));
    assert_eq!(
        conditions(&compiled, "AgentgatewayModel", "m"),
        "Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs"
    );
    let credential = &only(&compiled.snapshot, "m").groups[0][0].credential;
    assert!(matches!(credential, Credential::Inject { value, .. } if value == "Bearer sk-1"), "{credential:?}");
    let compiled = served(&auth("gone"));
    assert_eq!(
        conditions(&compiled, "AgentgatewayModel", "m"),
        "Accepted=True/Accepted ResolvedRefs=False/InvalidSecretRef"
    );
    assert!(matches!(only(&compiled.snapshot, "m").groups[0][0].credential, Credential::Unusable(_)));
}

#[test]
fn what_cannot_be_served_says_why_and_holds_its_name() {
    let cases = [
        ("provider: Anthropic", "Unsupported: provider Anthropic"),
        ("visibility: Public", "exactly one of provider and virtualModel"),
        ("provider: OpenAI, virtualModel: {weighted: {targets: []}}", "exactly one of provider and virtualModel"),
        ("provider: Custom, custom: {formats: [{type: Completions}]}", "needs baseURL"),
        ("provider: Custom, baseURL: 'http://a'", "custom must be set for provider Custom"),
        ("provider: OpenAI, azure: {}", "azure does not go with"),
        ("provider: Custom, baseURL: 'http://a', custom: {formats: []}", "1 to 6 formats"),
        ("provider: Custom, baseURL: 'http://a', custom: {formats: [{type: Rerank}]}", "Rerank is not supported"),
        (
            "provider: Custom, baseURL: 'http://a', custom: {formats: [{type: Messages, path: /x}]}",
            "path is not supported",
        ),
        ("provider: OpenAI, baseURL: 'ftp://a'", "must begin with http:// or https://"),
        ("provider: OpenAI, baseURL: 'http://u:p@a'", "no user, query or fragment"),
        ("provider: OpenAI, baseURL: 'http://a?x=1'", "no user, query or fragment"),
        ("provider: OpenAI, baseURL: a", "must begin with"),
        ("provider: OpenAI, policies: {promptGuard: {}}", "policies.promptGuard is not supported"),
        ("provider: OpenAI, policies: {authorization: {}}", "policies.authorization is not supported"),
        ("provider: OpenAI, baseURL: 'http://8.8.8.8', policies: {auth: {key: k}}", "in the clear"),
        ("virtualModel: {}", "exactly one of weighted, failover, conditional"),
        ("virtualModel: {conditional: {targets: []}}", "conditional is not supported"),
        ("virtualModel: {weighted: {targets: []}}", "1 to 64 targets"),
        ("virtualModel: {weighted: {targets: [{modelRef: {name: x}, weight: 0}]}}", "outside of 1"),
        ("visibility: Internal, virtualModel: {failover: {targets: []}}", "must be public"),
        ("match: {model: 'a*'}, virtualModel: {failover: {targets: []}}", "must be an exact name"),
        ("baseURL: 'http://a', virtualModel: {failover: {targets: []}}", "its targets have them"),
    ];
    for (spec, expected) in cases {
        let text = model("m", spec);
        let told = message(&text, "m");
        assert!(told.starts_with("Accepted/") && told.contains(expected), "{spec}: {told}");
        if !spec.contains("match") && !spec.contains("Internal") {
            let compiled = served(&text);
            assert!(matches!(targets(&compiled.snapshot, "m")[..], [(1, Target::Broken { .. })]), "{spec}");
        }
    }
    for wrong in ["a*b", "**", "*a*", "''"] {
        let told = message(&model("m", &format!("match: {{model: {wrong:?}}}, {OPENAI}").replace("\"''\"", "''")), "m");
        assert!(told.contains("UnsupportedValue: match.model"), "{wrong}: {told}");
    }
}

#[test]
fn a_virtual_model_shares_the_health_of_its_targets_and_asks_for_their_names() {
    let concrete = model("one", &format!("{OPENAI}, visibility: Internal"))
        + &model(
            "many",
            &format!("{OPENAI}, match: {{model: 'many-*'}}, policies: {{health: {{eviction: {{duration: 7s}}}}}}"),
        );
    let failover = model(
        "best",
        "virtualModel: {failover: {targets: [{modelRef: {name: many}, model: many-1, priority: 9}, {modelRef: {name: one}, priority: 2}]}}",
    );
    let weighted = model(
        "both",
        "virtualModel: {weighted: {targets: [{modelRef: {name: one}, weight: 3}, {modelRef: {name: gone}}]}}",
    );
    let compiled = served(&(concrete + &failover + &weighted));
    let best = only(&compiled.snapshot, "best");
    let names: Vec<_> =
        best.groups.iter().map(|group| (&*group[0].name, group[0].model.as_ref().map(|model| &*model.name))).collect();
    assert_eq!(names, [("one", Some("one")), ("many", Some("many-1"))]);
    assert_eq!(best.eviction.as_ref().map(|eviction| eviction.duration.as_secs()), Some(7));
    let direct = only(&compiled.snapshot, "many-x");
    assert!(Arc::ptr_eq(&direct.groups[0][0].health, &best.groups[1][0].health));
    assert!(routers(&compiled.snapshot)[0].find("one").is_none());
    let shares = targets(&compiled.snapshot, "both");
    assert!(matches!(shares[..], [(3, Target::Ai(_)), (1, Target::Broken { .. })]), "{shares:?}");
    assert_eq!(
        conditions(&compiled, "AgentgatewayModel", "both"),
        "Accepted=True/Accepted ResolvedRefs=False/BackendNotFound"
    );
}

#[test]
fn references_of_a_virtual_model_must_lead_to_one_concrete_name() {
    let others = model("wild", &format!("{OPENAI}, match: {{model: 'w-*'}}"))
        + &model("virt", "virtualModel: {weighted: {targets: [{modelRef: {name: wild}, model: w-1}]}}")
        + &model("broken", "provider: Groq");
    let cases = [
        ("{name: gone}", "BackendNotFound: target gone: AgentgatewayModel default/gone not found"),
        ("{name: virt}", "UnsupportedValue: target virt: default/virt is itself virtual"),
        ("{name: wild}", "UnsupportedValue: target wild: default/wild has a wildcard"),
        ("{name: wild}, model: x", "UnsupportedValue: target wild: `x` does not fit"),
        ("{name: broken}", "BackendNotFound: target broken: provider Groq is not supported"),
    ];
    for (reference, expected) in cases {
        let failover = format!("virtualModel: {{failover: {{targets: [{{modelRef: {reference}, priority: 0}}]}}}}");
        let text = others.clone() + &model("v", &failover);
        let told = message(&text, "v");
        assert!(told.contains(expected), "{reference}: {told}");
        assert!(matches!(targets(&served(&text).snapshot, "v")[..], [(1, Target::Broken { .. })]), "{reference}");
    }
}

#[test]
fn custom_formats_say_what_a_model_can_be_asked_for() {
    let custom = |name: &str, formats: &str| {
        model(name, &format!("provider: Custom, baseURL: 'http://127.0.0.1:9', custom: {{formats: [{formats}]}}"))
    };
    let text = custom("a", "{type: Completions}, {type: Embeddings}")
        + &custom("b", "{type: Completions}, {type: Messages}")
        + &model("v", "virtualModel: {weighted: {targets: [{modelRef: {name: a}}, {modelRef: {name: b}}]}}");
    let compiled = served(&text);
    let operations = |name: &str| routers(&compiled.snapshot)[0].find(name).and_then(|model| model.operations.clone());
    assert_eq!(operations("a"), Some(vec![Operation::Chat, Operation::Embeddings]));
    assert_eq!(operations("v"), Some(vec![Operation::Chat]));
    assert_eq!(only(&compiled.snapshot, "a").groups[0][0].system, "custom");
}

#[test]
fn parents_are_listeners_that_admit_models_and_rules_that_lead_to_them() {
    let route = "---\nkind: HTTPRoute\nmetadata: {name: r}\nspec: {parentRefs: [{name: gw}], rules: [{name: all, matches: [{path: {value: /a}}], backendRefs: [{group: agentgateway.dev, kind: AgentgatewayModel, name: '*'}]}, {name: other, matches: [{path: {value: /b}}], backendRefs: [{name: svc, port: 1}]}, {name: exact, matches: [{path: {type: Exact, value: /c}}], backendRefs: [{group: agentgateway.dev, kind: AgentgatewayModel, name: '*'}]}]}\n";
    let cases = [
        ("{name: gw, sectionName: http}", "Accepted=True/Accepted"),
        ("{name: gw, port: 8080}", "Accepted=True/Accepted"),
        ("{name: gw, sectionName: x}", "Accepted=False/NoMatchingParent"),
        ("{name: gone}", "Accepted=False/NoMatchingParent"),
        ("{kind: Service, name: gw}", "Accepted=False/InvalidKind"),
        ("{kind: HTTPRoute, name: r, sectionName: all}", "Accepted=True/Accepted"),
        ("{kind: HTTPRoute, name: r, sectionName: other}", "Accepted=False/NoMatchingParent"),
        ("{kind: HTTPRoute, name: r, sectionName: exact}", "Accepted=False/UnsupportedValue"),
        ("{kind: HTTPRoute, name: r, sectionName: x}", "Accepted=False/NoMatchingParent"),
        ("{kind: HTTPRoute, name: r}", "Accepted=False/NoMatchingParent"),
        ("{kind: HTTPRoute, name: r, namespace: far}", "Accepted=False/RefNotPermitted"),
    ];
    // an AIRoute of the same name is another object
    let namesake = "---\nkind: AIRoute\nmetadata: {name: r}\nspec: {parentRefs: [{name: nobody}], rules: [{backendRefs: [{name: none}]}]}\n";
    for (parent, expected) in cases {
        let text = model("m", OPENAI).replace("{name: gw}", parent);
        let compiled = served(&format!("{namesake}{route}{text}"));
        let told = conditions(&compiled, "AgentgatewayModel", "m");
        assert!(told.starts_with(expected), "{parent}: {told}");
        let found = routers(&compiled.snapshot).iter().any(|router| router.find("m").is_some());
        assert_eq!(found, expected.contains("True"), "{parent}");
    }
    let closed = GATEWAY.replace("namespaces: {from: All}", "kinds: [{kind: HTTPRoute}]") + &model("m", OPENAI);
    assert!(
        conditions(&compile(&closed), "AgentgatewayModel", "m").starts_with("Accepted=False/NotAllowedByListeners")
    );
    let open = closed.replace("{kind: HTTPRoute}", "{group: agentgateway.dev, kind: AgentgatewayModel}");
    assert!(conditions(&compile(&open), "AgentgatewayModel", "m").starts_with("Accepted=True/Accepted"));
}

#[test]
fn the_route_of_a_listeners_models_stands_behind_longer_prefixes_and_before_the_rest() {
    let route = |name: &str, path: &str| {
        format!(
            "---\nkind: HTTPRoute\nmetadata: {{name: {name}}}\nspec: {{parentRefs: [{{name: gw}}], rules: [{{matches: [{{path: {{value: {path}}}}}]}}]}}\n"
        )
    };
    let compiled = served(&(route("all", "/") + &route("narrow", "/v1") + &model("m", OPENAI)));
    let order: Vec<_> = super::rules(&compiled.snapshot).iter().map(|rule| rule.route.to_string()).collect();
    assert_eq!(order, ["default/narrow", "default/gw#http", "default/all"]);
    assert_eq!(status(&compiled, "Gateway", "gw").listeners[0].attached_routes, 3);
}

#[test]
fn the_younger_of_two_models_of_one_name_is_shadowed() {
    let text =
        model("a", &format!("{OPENAI}, match: {{model: x}}")) + &model("b", &format!("{OPENAI}, match: {{model: x}}"));
    let compiled = served(&text);
    assert_eq!(&*routers(&compiled.snapshot)[0].find("x").unwrap().object, "default/a");
    let notes = &status(&compiled, "AgentgatewayModel", "b").notes;
    assert_eq!(notes[..], ["shadowed by AgentgatewayModel default/a of the same match.model"]);
}

#[test]
fn health_survives_a_reload_also_of_a_model_that_only_a_virtual_one_uses() {
    let concrete = model("one", OPENAI).replace("parentRefs: [{name: gw}], ", "");
    let text = format!(
        "{GATEWAY}{concrete}{}",
        model("v", "virtualModel: {failover: {targets: [{modelRef: {name: one}, priority: 0}]}}")
    );
    let before = compile(&text);
    let again = config::compile(&parse(&text).expect("valid"), Some(&before.snapshot));
    let health = |snapshot: &Snapshot| only(snapshot, "v").groups[0][0].health.clone();
    assert!(Arc::ptr_eq(&health(&before.snapshot), &health(&again.snapshot)));
}
