//! No secret is in the Debug of anything that reaches it, and none stays in memory when its snapshot goes.

use std::fs::File;
use std::os::unix::fs::FileExt;

use gateway::auth::KeyDigest;
use gateway::config;
use gateway::snapshot::{AiBackend, Credential};
use gateway::yaml::Source;

use super::{ai, first_target, parse};

/// Long, so that what an allocator writes into memory that is free does not hide it.
const KEY: &str = "sk-canary-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789-abcdefghijklmnopqrstuvwxyz";

fn manifests() -> String {
    let made = rcgen::generate_simple_self_signed(vec!["a.example.com".to_owned()]).expect("a certificate");
    let indented = |pem: String| pem.lines().map(|line| format!("\n    {line}")).collect::<String>();
    let (chain, key) = (indented(made.cert.pem()), indented(made.signing_key.serialize_pem()));
    format!(
        "
kind: Gateway
metadata: {{name: gw}}
spec:
  gatewayClassName: agentgateway
  listeners: [{{name: tls, port: 8443, protocol: HTTPS, tls: {{certificateRefs: [{{name: cert}}]}}}}]
---
kind: HTTPRoute
metadata: {{name: r}}
spec:
  parentRefs: [{{name: gw}}]
  rules:
    - backendRefs: [{{name: b, group: agentgateway.dev, kind: AgentgatewayBackend}}]
      filters: [{{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{{name: x-api-key, value: {KEY}-filter}}]}}}}]
---
kind: AgentgatewayBackend
metadata: {{name: b}}
spec: {{ai: {{provider: {{openai: {{}}}}}}, policies: {{auth: {{secretRef: {{name: provider}}}}}}}}
---
kind: AgentgatewayBackend
metadata: {{name: inline}}
spec: {{ai: {{provider: {{openai: {{}}}}}}, policies: {{auth: {{key: {KEY}-inline}}}}}}
---
kind: AgentgatewayPolicy
metadata: {{name: keys}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: gw}}]
  traffic: {{apiKeyAuthentication: {{secretRef: {{name: clients}}}}}}
---
kind: Secret
metadata: {{name: provider}}
stringData: {{Authorization: {KEY}}}
---
kind: Secret
metadata: {{name: clients}}
stringData: {{alice: {KEY}-client}}
---
kind: Secret
metadata: {{name: cert}}
type: kubernetes.io/tls
stringData:
  tls.crt: |{chain}
  tls.key: |{key}
"
    )
}

#[test]
fn no_debug_of_the_configuration_shows_a_secret() {
    let text = manifests();
    let private = text.lines().skip_while(|line| !line.contains("BEGIN PRIVATE")).nth(1).expect("a key").trim();
    let source = Source::new("all.yaml", text.clone());
    let manifests = parse(&text).unwrap_or_else(|problems| panic!("{problems:?}"));
    let compiled = config::compile(&manifests, None);
    let backend = format!("{:?}", manifests.backends);
    let routes = format!("{:?}{:?}", compiled.snapshot, compiled.status);
    assert!(backend.contains("key: Some(***)") && routes.contains("Inject(authorization: ***)"), "{routes}");
    for shown in [format!("{source:?}{:?}{:?}", manifests.secrets, manifests.policies), backend, routes] {
        assert!(!shown.contains("canary") && !shown.contains(private), "{shown}");
    }
    let digest = KeyDigest::of(KEY.as_bytes());
    assert_eq!(format!("{digest:?}"), "***");
}

fn provider_key(backend: &AiBackend) -> &[u8] {
    match &backend.groups[0][0].credential {
        Credential::Inject { value, .. } => value.as_bytes(),
        other => panic!("no key: {other:?}"),
    }
}

/// What this process has at an address; nothing where the memory is gone.
fn memory(address: usize, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let read = File::open("/proc/self/mem").expect("it is open to ourselves").read_exact_at(&mut bytes, address as u64);
    if read.is_ok() { bytes } else { Vec::new() }
}

#[test]
fn keys_and_texts_are_wiped_when_the_last_that_holds_them_goes() {
    let manifests = parse(&manifests()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let compiled = config::compile(&manifests, None);
    let target = first_target(&compiled);
    let key = provider_key(ai(&target));
    let (key, length) = (key.as_ptr().addr(), key.len());
    let source = Source::new("all.yaml", self::manifests());
    let (text, text_length) = (source.text.as_ptr().addr(), source.text.len());
    let shows_key = |at, length| memchr::memmem::find(&memory(at, length), b"abcdefghijklmnopqrstuvwxyz").is_some();
    assert!(shows_key(key, length) && shows_key(text, text_length));
    drop(compiled);
    assert!(shows_key(key, length), "a request that began with it still needs it");
    drop(target);
    assert!(!shows_key(key, length), "the last snapshot is gone");
    drop(source);
    assert!(!shows_key(text, text_length));
}
