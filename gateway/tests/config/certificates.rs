//! HTTPS listeners: which certificates are found, and what is said of those that are not.

use crate::{compile, status};

fn secret(name: &str, namespace: &str, adjust: impl Fn(String) -> String) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["a.example.com".to_owned()]).expect("a certificate");
    let indented = |pem: String| pem.lines().map(|line| format!("\n    {line}")).collect::<String>();
    let (chain, key) = (indented(made.cert.pem()), indented(made.signing_key.serialize_pem()));
    adjust(format!(
        "---\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: |{chain}\n  tls.key: |{key}\n"
    ))
}

fn grant(to: &str) -> String {
    format!(
        "---
kind: ReferenceGrant
metadata: {{name: g, namespace: certs}}
spec:
  from: [{{group: gateway.networking.k8s.io, kind: Gateway, namespace: default}}]
  to: [{{group: '', kind: Secret, name: {to}}}]
"
    )
}

/// `ResolvedRefs` and `Programmed` of an HTTPS listener with this `tls`, how many certificates it serves, and what is said.
fn listener(tls: &str, more: &str) -> (String, usize, String) {
    let compiled = compile(&format!(
        "
kind: Gateway
metadata: {{name: gw}}
spec:
  gatewayClassName: agentgateway
  listeners: [{{name: https, port: 8443, protocol: HTTPS, tls: {tls}}}]
{more}"
    ));
    let listener = &status(&compiled, "Gateway", "gw").listeners[0];
    let said: Vec<_> = ["Accepted", "ResolvedRefs", "Programmed"]
        .iter()
        .filter_map(|type_| listener.conditions.iter().find(|condition| condition.type_ == *type_))
        .map(|condition| format!("{}={}", condition.reason, condition.status))
        .collect();
    let messages: Vec<_> = listener.conditions.iter().map(|condition| condition.message.as_str()).collect();
    let certificates = compiled.snapshot.binds.first().map_or(0, |bind| bind.listeners[0].certificates.len());
    (said.join(" "), certificates, messages.join("; "))
}

const GOOD: &str = "Accepted=true ResolvedRefs=true Programmed=true";
const INVALID: &str = "Accepted=true InvalidCertificateRef=false Invalid=false";
const FORBIDDEN: &str = "Accepted=true RefNotPermitted=false Invalid=false";
const HALF: &str = "Accepted=true InvalidCertificateRef=false Programmed=true";
const UNSUPPORTED: &str = "Unsupported=false ResolvedRefs=true Invalid=false";

#[test]
fn every_way_to_name_a_certificate_has_its_conditions() {
    let own = secret("c", "default", |text| text);
    let far = secret("c", "certs", |text| text);
    let far_granted = format!("{far}{}", grant("c"));
    let far_other = format!("{far}{}", grant("other"));
    let opaque = secret("c", "default", |text| text.replace("kubernetes.io/tls", "Opaque"));
    let untyped = secret("c", "default", |text| text.replace("type: kubernetes.io/tls\n", ""));
    let keyless = secret("c", "default", |text| text.replace("tls.key", "key"));
    let garbled = secret("c", "default", |text| text.replace("BEGIN CERT", "BEGIN GARBLED"));
    let table = [
        ("{certificateRefs: [{name: c}]}", &own, GOOD, 1),
        ("{mode: Terminate, certificateRefs: [{group: '', kind: Secret, name: c}]}", &own, GOOD, 1),
        ("{certificateRefs: [{name: c}]}", &untyped, GOOD, 1),
        ("{certificateRefs: [{name: c}, {name: c}]}", &own, GOOD, 2),
        ("{certificateRefs: [{name: c, namespace: certs}]}", &far_granted, GOOD, 1),
        ("{certificateRefs: [{name: c, namespace: certs}]}", &far, FORBIDDEN, 0),
        ("{certificateRefs: [{name: c, namespace: certs}]}", &far_other, FORBIDDEN, 0),
        ("{certificateRefs: [{name: none}]}", &own, INVALID, 0),
        ("{certificateRefs: [{name: none}, {name: c}]}", &own, HALF, 1),
        ("{certificateRefs: [{kind: ConfigMap, name: c}]}", &own, INVALID, 0),
        ("{certificateRefs: [{group: x, name: c}]}", &own, INVALID, 0),
        ("{certificateRefs: [{name: c}]}", &opaque, INVALID, 0),
        ("{certificateRefs: [{name: c}]}", &keyless, INVALID, 0),
        ("{certificateRefs: [{name: c}]}", &garbled, INVALID, 0),
        ("{certificateRefs: []}", &own, INVALID, 0),
        ("{options: {a/b: c}, certificateRefs: [{name: c}]}", &own, UNSUPPORTED, 0),
        ("{frontendValidation: {}, certificateRefs: [{name: c}]}", &own, UNSUPPORTED, 0),
        ("{mode: Passthrough, certificateRefs: [{name: c}]}", &own, "Invalid=false ResolvedRefs=true Invalid=false", 0),
    ];
    for (tls, more, expected, count) in table {
        let (said, certificates, messages) = listener(tls, more);
        assert_eq!((said.as_str(), certificates), (expected, count), "{tls}: {messages}");
        assert!(!messages.contains("PRIVATE"), "no key is told: {messages}");
    }
}

#[test]
fn a_port_is_http_or_https_and_of_two_that_differ_none_is_picked() {
    let compiled = compile(&format!(
        "
kind: Gateway
metadata: {{name: gw}}
spec:
  gatewayClassName: agentgateway
  listeners:
  - {{name: https, port: 8443, protocol: HTTPS, hostname: a.example.com, tls: {{certificateRefs: [{{name: c}}]}}}}
  - {{name: http, port: 8443, protocol: HTTP, hostname: b.example.com}}
{}",
        secret("c", "default", |text| text)
    ));
    let told: Vec<_> = status(&compiled, "Gateway", "gw")
        .listeners
        .iter()
        .map(|listener| {
            listener.conditions.iter().find(|condition| condition.type_ == "Conflicted").map(|it| it.reason)
        })
        .collect();
    assert_eq!(told, [Some("ProtocolConflict"), Some("ProtocolConflict")]);
    assert!(compiled.snapshot.binds.is_empty());
}
