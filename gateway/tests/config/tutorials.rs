//! The manifests of the tutorials, unchanged, each with the Gateway and Secret it presumes.

use gateway::snapshot::{Credential, Operation, PathMatch};
use http::HeaderValue;

use super::{ai, compile, first_target, rules, table};

fn gateway(name: &str, namespace: &str, port: u16) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata:\n  name: {name}\n  namespace: {namespace}\n\
         spec:\n  gatewayClassName: agentgateway\n  listeners:\n  - {{name: http, port: {port}, protocol: HTTP}}\n---\n"
    )
}

fn secret(namespace: &str) -> String {
    // What `kubectl create secret generic … --dry-run=client -o yaml` prints.
    format!(
        "apiVersion: v1\ndata:\n  Authorization: QmVhcmVyIHNrLXRlc3Q=\nkind: Secret\nmetadata:\n  creationTimestamp: null\n  \
         name: openai-secret\n  namespace: {namespace}\n---\n"
    )
}

fn sent(credential: &Credential) -> (&str, &HeaderValue) {
    match credential {
        Credential::Inject { name, value } => (name.as_str(), value),
        other => panic!("no key: {other:?}"),
    }
}

#[test]
fn route_llm_traffic_to_openai() {
    let namespace = "enterprise-agentgateway";
    let text = gateway("agentgateway", namespace, 8080)
        + &secret(namespace)
        + include_str!("../../../docs/tutorials/000.yaml");
    let compiled = compile(&text);
    let provider = ai(&first_target(&compiled)).groups[0][0].clone();
    assert_eq!((&*provider.endpoint.host, provider.endpoint.port), ("api.openai.com", 443));
    assert!(provider.endpoint.tls.is_some() && provider.model.is_none());
    assert_eq!(sent(&provider.credential), ("authorization", &HeaderValue::from_static("Bearer sk-test")));
    assert!(sent(&provider.credential).1.is_sensitive());
    assert_eq!(rules(&compiled.snapshot)[0].timeouts.request.map(|time| time.as_secs()), Some(120));
    insta::assert_snapshot!(table(compiled));
}

#[test]
fn llm_routing_and_observability_once_its_typo_is_mended() {
    let namespace = "agentgateway-system";
    let mended =
        include_str!("../../../docs/tutorials/001.yaml").replace("openai: {}\n        model", "openai:\n        model");
    let compiled = compile(&(gateway("agentgateway", namespace, 8080) + &secret(namespace) + &mended));
    assert_eq!(ai(&first_target(&compiled)).groups[0][0].model_name().as_deref(), Some("gpt-4o"));
    insta::assert_snapshot!(table(compiled));
}

#[test]
fn your_first_ai_route() {
    let compiled = compile(&(secret("agentgateway-system") + include_str!("../../../docs/tutorials/002.yaml")));
    assert_eq!(ai(&first_target(&compiled)).groups[0][0].model_name().as_deref(), Some("gpt-4o-mini"));
    insta::assert_snapshot!(table(compiled));
}

#[test]
fn configure_the_openai_llm_provider_with_an_ai_route() {
    let secret = "kind: Secret\nmetadata: {name: openai-api-key, namespace: agentgateway-system}\n\
                  stringData: {apiKey: sk-test}\n---\n";
    let compiled = compile(&(secret.to_owned() + include_str!("../../../docs/tutorials/003.yaml")));
    let rule = &rules(&compiled.snapshot)[0];
    assert!(rule.openai_paths_only);
    assert!(
        matches!(&compiled.snapshot.binds[0].listeners[0].routes[0].matcher.path, PathMatch::Prefix(p) if p.is_empty())
    );
    let provider = ai(&first_target(&compiled)).groups[0][0].clone();
    assert_eq!(sent(&provider.credential), ("authorization", &HeaderValue::from_static("Bearer sk-test")));
    insta::assert_snapshot!(table(compiled));
}

#[test]
fn load_balance_across_two_local_models() {
    let text =
        gateway("agentgateway-proxy", "agentgateway-system", 80) + include_str!("../../../docs/tutorials/004.yaml");
    let compiled = compile(&text);
    let rules = rules(&compiled.snapshot);
    assert_eq!(&*rules[0].route, "agentgateway-system/local-llm", "the older of equal matches wins");
    let pool = rules.iter().find(|rule| rule.route.ends_with("llm-pool")).expect("attached");
    let names: Vec<_> =
        ai(&pool.backends[0].target).groups[0].iter().map(|provider| provider.name.to_string()).collect();
    assert_eq!(names, ["local-a", "local-b"]);
    let single = ai(&first_target(&compiled)).groups[0][0].clone();
    assert_eq!(
        (&*single.name, &*single.endpoint.host, single.endpoint.port),
        ("backend", "host.docker.internal", 8090)
    );
    assert!(single.endpoint.tls.is_none());
    assert_eq!(single.targets.of(Operation::Chat, "/x", None).unwrap(), "/v1/chat/completions");
    assert!(matches!(single.credential, Credential::None));
    insta::assert_snapshot!(table(compiled));
}
