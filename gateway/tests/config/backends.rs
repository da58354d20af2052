//! AgentgatewayBackends: shapes, policies, credentials, and what survives a reload.

use std::sync::Arc;

use gateway::config;
use gateway::snapshot::{Credential, Operation, SkipVerify, Target};

use super::{GATEWAY, ai, conditions, first_target, parse, served, status};

const ROUTE: &str = "
---
kind: AIRoute
metadata: {name: r}
spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: b}]}]}
---
";

fn backend(spec: &str) -> String {
    format!("kind: AgentgatewayBackend\nmetadata: {{name: b}}\nspec: {spec}{ROUTE}")
}

fn provider(provider: &str, policies: &str) -> String {
    backend(&format!("{{ai: {{provider: {{{provider}}}}}, policies: {{{policies}}}}}"))
}

fn message(text: &str) -> String {
    let compiled = served(text);
    let conditions = &status(&compiled, "AgentgatewayBackend", "b").conditions;
    format!("{}: {}", conditions[0].reason, conditions[0].message)
}

#[test]
fn shapes_that_cannot_be_served_break_the_backend_and_say_why() {
    let cases = [
        ("{}", "exactly one of ai, static"),
        ("{ai: {provider: {openai: {}}}, static: {host: a, port: 1}}", "exactly one of ai, static"),
        ("{ai: {}}", "exactly one of ai.provider and ai.groups"),
        ("{ai: {groups: []}}", "1 to 8 groups"),
        ("{ai: {groups: [{providers: []}]}}", "1 to 16 providers"),
        ("{ai: {groups: [{providers: [{openai: {}}]}]}}", "needs a name"),
        ("{ai: {groups: [{providers: [{name: a, openai: {}}, {name: a, openai: {}}]}]}}", "unique within a group: a"),
        ("{ai: {provider: {}}}", "exactly one provider kind"),
        ("{ai: {provider: {openai: {}, anthropic: {}}}}", "exactly one provider kind"),
        ("{ai: {provider: {openai: {}, host: a}}}", "both host and port"),
        ("{ai: {provider: {openai: {}, path: /a, pathPrefix: /b}}}", "mutually exclusive"),
        ("{ai: {provider: {openai: {}, pathPrefix: /b}}}", "pathPrefix requires host"),
        ("{ai: {provider: {openai: {}, path: a}}}", "starts with `/`"),
        ("{ai: {provider: {openai: {}, host: 'https://x.org', port: 443}}}", "without scheme"),
        ("{ai: {provider: {openai: {model: ''}}}}", "model is empty"),
        ("{ai: {provider: {openai: {}, name: x}}}", "takes no name"),
        ("{ai: {provider: {openai: {}}}, policies: {auth: {}}}", "needs one of key, secretRef, passthrough"),
        ("{ai: {provider: {openai: {}}}, policies: {auth: {key: a, passthrough: {}}}}", "exclude each other"),
        ("{ai: {provider: {openai: {}}}, policies: {auth: {aws: {}}}}", "policies.auth.aws is not supported"),
        (
            "{ai: {provider: {openai: {}}}, policies: {tls: {caCertificateRefs: [{name: x}]}}}",
            "ConfigMap default/x not found",
        ),
        ("{ai: {provider: {openai: {}}}, policies: {health: {eviction: {duration: 5}}}}", "write `5s`"),
        ("{ai: {provider: {openai: {}}}, policies: {health: {eviction: {healthThreshold: 101}}}}", "outside of 0–100"),
        ("{ai: {provider: {openai: {}}}, policies: {ai: {routes: {/x: Rerank}}}}", "Rerank is not supported"),
        ("{static: {host: a}}", "static needs host and port"),
        ("{static: {host: a, port: 80}, policies: {ai: {routes: {}}}}", "AI policies require AI backend"),
    ];
    for (spec, expected) in cases {
        let text = backend(spec);
        assert!(message(&text).contains(expected), "{spec}: {}", message(&text));
        let compiled = served(&text);
        assert!(conditions(&compiled, "AgentgatewayBackend", "b").starts_with("Accepted=False"), "{spec}");
        let Target::Broken { reason, .. } = first_target(&compiled) else { panic!("{spec} is served") };
        assert!(reason.contains(expected), "{spec}: {reason}");
    }
}

#[test]
fn a_host_override_is_plaintext_unless_port_or_policy_say_tls() {
    let cases = [("port: 8090", "", false), ("port: 443", "", true), ("port: 8443", "tls: {}", true)];
    for (port, policies, tls) in cases {
        let target = first_target(&served(&provider(&format!("openai: {{}}, host: llm.local, {port}"), policies)));
        assert_eq!(ai(&target).groups[0][0].endpoint.tls.is_some(), tls, "{port} {policies}");
    }
}

#[test]
fn paths_are_planned_as_written() {
    let plan = |fields: &str| {
        let target = first_target(&served(&provider(&format!("openai: {{}}, host: a.local, port: 80{fields}"), "")));
        ai(&target).groups[0][0].targets.of(Operation::Chat, "/x", None).unwrap()
    };
    assert_eq!(plan(""), "/v1/chat/completions");
    assert_eq!(plan(", pathPrefix: /api/v3/"), "/api/v3/chat/completions");
    assert_eq!(plan(", path: /api/chat"), "/api/chat");
}

#[test]
fn each_provider_gets_its_key_in_its_own_style() {
    let cases = [
        ("openai: {}", "key: hunter2", "authorization", "Bearer hunter2"),
        ("openai: {}", "key: Bearer hunter2", "authorization", "Bearer hunter2"),
        ("anthropic: {}", "key: hunter2", "x-api-key", "hunter2"),
        ("anthropic: {}", "key: sk-ant-oat-1", "authorization", "Bearer sk-ant-oat-1"),
        ("azureopenai: {endpoint: x.openai.azure.com}", "key: hunter2", "api-key", "hunter2"),
        ("openai: {}", "key: hunter2, location: {header: {name: X-Key, prefix: 'Token '}}", "x-key", "Token hunter2"),
    ];
    for (kind, auth, header, expected) in cases {
        let target = first_target(&served(&provider(kind, &format!("auth: {{{auth}}}"))));
        let Credential::Inject { name, value } = &ai(&target).groups[0][0].credential else { panic!("{kind} {auth}") };
        assert_eq!((name.as_str(), value.to_str().expect("text")), (header, expected));
        assert!(value.is_sensitive());
        assert!(!format!("{target:?}").contains(expected), "a key shows in Debug");
    }
}

#[test]
fn a_secret_that_cannot_be_used_is_named_and_nothing_is_sent() {
    let secret = |data: &str| format!("kind: Secret\nmetadata: {{name: s}}\nstringData: {data}\n---\n");
    let cases = [
        (String::new(), "secret default/s not found"),
        (secret("{other: hunter2}"), "secret default/s missing Authorization or apiKey or api-key value"),
        (secret("{Authorization: '  '}"), "secret default/s missing Authorization value"),
        (secret("{apiKey: \"hunter2\\nhunter2\"}"), "cannot be sent in a header"),
        ("kind: Secret\nmetadata: {name: s}\ndata: {apiKey: /w==}\n---\n".to_owned(), "is not UTF-8"),
    ];
    for (secret, expected) in cases {
        let text = format!("{}{secret}", provider("openai: {}", "auth: {secretRef: {name: s}}"));
        assert!(message(&text).starts_with("TranslationError: failed to translate backend: "), "{}", message(&text));
        assert!(message(&text).contains(expected) && !message(&text).contains("hunter2"), "{}", message(&text));
        let target = first_target(&served(&text));
        assert!(matches!(ai(&target).groups[0][0].credential, Credential::Unusable(_)), "{expected}");
    }
}

#[test]
fn a_secret_of_another_namespace_needs_a_grant() {
    let text = format!(
        "{}
kind: Secret
metadata: {{name: s, namespace: vault}}
stringData: {{apiKey: k}}
---
",
        provider("openai: {}", "auth: {secretRef: {name: s, namespace: vault}}")
    );
    assert!(message(&text).contains("missing a ReferenceGrant"), "{}", message(&text));
    let granted = text
        + "
kind: ReferenceGrant
metadata: {name: g, namespace: vault}
spec:
  from: [{group: agentgateway.dev, kind: AgentgatewayBackend, namespace: default}]
  to: [{group: '', kind: Secret}]
";
    assert_eq!(message(&granted), "Accepted: Backend successfully accepted");
}

#[test]
fn a_key_does_not_go_over_plaintext_to_a_public_host_unless_allowed() {
    let text = provider("openai: {}, host: llm.example.com, port: 80", "auth: {key: k}");
    assert!(message(&text).starts_with("InsecureCredentials: "), "{}", message(&text));
    assert!(matches!(first_target(&served(&text)), Target::Broken { .. }));
    let opted_in = text.replace(
        "{name: b}\nspec",
        "{name: b, annotations: {windtunnel.dev/allow-plaintext-credentials: \"true\"}}\nspec",
    );
    assert_eq!(message(&opted_in), "Accepted: Backend successfully accepted");
    assert_eq!(
        message(&provider("openai: {}, host: 127.0.0.1, port: 80", "auth: {key: k}")),
        "Accepted: Backend successfully accepted"
    );
}

#[test]
fn the_closest_policy_wins_field_by_field() {
    let text = "
kind: AgentgatewayBackend
metadata: {name: b}
spec:
  ai:
    groups:
    - providers:
      - {name: own, openai: {}, host: a.local, port: 1, policies: {auth: {key: provider}}}
      - {name: shared, openai: {}, host: a.local, port: 2}
  policies: {tls: {insecureSkipVerify: All, sni: backend.example.com}}
---
kind: AgentgatewayPolicy
metadata: {name: p}
spec:
  targetRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: b}]
  backend: {auth: {key: policy}, tls: {}}
"
    .to_owned()
        + ROUTE;
    let target = first_target(&served(&text));
    let keys: Vec<_> = ai(&target).groups[0]
        .iter()
        .map(|provider| match &provider.credential {
            Credential::Inject { value, .. } => value.to_str().expect("text").to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(keys, ["Bearer provider", "Bearer policy"]);
    let tls = ai(&target).groups[0][1].endpoint.tls.clone().expect("set");
    assert_eq!((tls.skip_verify, tls.sni.as_deref()), (SkipVerify::All, Some("backend.example.com")));
}

#[test]
fn routes_are_sorted_by_suffix_and_eviction_is_scaled() {
    let policies = "ai: {routes: {'*': Passthrough, /chat: Completions, /v1/embeddings: Embeddings}}, \
                    health: {eviction: {consecutiveFailures: 3, healthThreshold: 50, restoreHealth: 100}}";
    let target = first_target(&served(&provider("openai: {}", policies)));
    let backend = ai(&target);
    let routes: Vec<_> = backend.routes.iter().map(|(suffix, operation)| (&**suffix, *operation)).collect();
    assert_eq!(
        routes,
        [("/v1/embeddings", Operation::Embeddings), ("/chat", Operation::Chat), ("*", Operation::Passthrough)]
    );
    let eviction = backend.eviction.as_ref().expect("configured");
    assert_eq!((eviction.duration.as_secs(), eviction.consecutive_failures), (3, Some(3)));
    assert_eq!((eviction.health_threshold, eviction.restore_health), (Some(0.5), Some(1.0)));
}

#[test]
fn roots_come_from_a_config_map_and_must_be_pem() {
    let certificate = rcgen::generate_simple_self_signed(["a.local".to_owned()]).expect("a certificate").cert.pem();
    let pem = certificate.trim_end().replace('\n', "\n    ");
    let text = |pem: &str| {
        let map = format!("kind: ConfigMap\nmetadata: {{name: ca}}\ndata:\n  ca.crt: |\n    {pem}\n---\n");
        map + &provider(
            "openai: {}, host: a.local, port: 8443",
            "tls: {caCertificateRefs: [{name: ca, group: '', kind: ConfigMap}]}",
        )
    };
    let target = first_target(&served(&text(&pem)));
    let ca = ai(&target).groups[0][0].endpoint.tls.clone().and_then(|tls| tls.ca);
    assert_eq!(ca.as_deref().map(str::trim), Some(certificate.trim()));
    assert!(message(&text("not a certificate")).starts_with("InvalidCACertificateRef: "));
}

#[test]
fn a_provider_keeps_its_health_over_a_reload_while_it_stays_the_same() {
    let text = |port: u16, key: &str| {
        let spec = format!("openai: {{model: m}}, host: a.local, port: {port}");
        parse(&format!("{GATEWAY}{}", provider(&spec, &format!("auth: {{key: {key}}}")))).expect("valid")
    };
    let health = |compiled: &config::Compiled| ai(&first_target(compiled)).groups[0][0].health.clone();
    let before = config::compile(&text(1, "old"), None);
    let rotated = config::compile(&text(1, "new"), Some(&before.snapshot));
    assert!(Arc::ptr_eq(&health(&before), &health(&rotated)));
    let moved = config::compile(&text(2, "new"), Some(&before.snapshot));
    assert!(!Arc::ptr_eq(&health(&before), &health(&moved)));
}
