//! Where an upstream is: hosts, TLS, and the rule that keys do not travel in the clear.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::{Refusal, hostname, limits};
use crate::config::kind::CORE;
use crate::config::manifests::Manifests;
use crate::config::resources::ObjectReference;
use crate::config::resources::backend::{HttpSpec, HttpVersion, SkipVerifySpec, TcpSpec, TlsSpec};
use crate::snapshot::{Credential, Endpoint, Protocol, SkipVerify, UpstreamTls};

/// Annotation on an AgentgatewayBackend: `"true"` lets keys go to public addresses in the clear.
pub const ALLOW_PLAINTEXT: &str = "windtunnel.dev/allow-plaintext-credentials";

const SHORTEST_CONNECT: Duration = Duration::from_millis(100);

/// A host name or an address without brackets.
pub(super) fn host(text: &str) -> Result<Arc<str>, Refusal> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<Ipv6Addr>().is_ok() || hostname::is_dns_name(bare.trim_end_matches('.')) {
        return Ok(bare.into());
    }
    let help = if text.contains("://") { ", without scheme" } else { "" };
    Err(Refusal::invalid(format!("`{text}` is not a host: write a name or an address{help}")))
}

/// `policies.tls`, or TLS by port: 443 is TLS unless told otherwise.
pub(super) fn endpoint(
    host: Arc<str>,
    port: u16,
    tls: Option<UpstreamTls>,
    tcp: Option<&TcpSpec>,
    http: Option<&HttpSpec>,
) -> Result<Endpoint, Refusal> {
    if port == 0 {
        return Err(Refusal::invalid("port 0 cannot be connected to"));
    }
    let tls = tls.or_else(|| (port == 443).then(UpstreamTls::default));
    let connect_timeout = tcp.and_then(|tcp| tcp.connect_timeout.as_deref()).map(limits::duration).transpose()?;
    if connect_timeout.is_some_and(|limit| limit < SHORTEST_CONNECT) {
        return Err(Refusal::invalid("policies.tcp.connectTimeout must be at least 100ms"));
    }
    let protocol = match http.and_then(|http| http.version) {
        Some(HttpVersion::Http2) => Protocol::Http2,
        Some(HttpVersion::Http1) | None => Protocol::Http1,
    };
    Ok(Endpoint { tls, connect_timeout, protocol, ..Endpoint::new(host, port) })
}

/// `appProtocol` of a Service's port. A WebSocket begins as HTTP/1.1.
pub(super) fn protocol(app_protocol: Option<&str>) -> Result<Protocol, Refusal> {
    match app_protocol.unwrap_or_default() {
        "" | "http" | "kubernetes.io/ws" => Ok(Protocol::Http1),
        "kubernetes.io/h2c" => Ok(Protocol::Http2),
        other => Err(Refusal::new(
            "UnsupportedProtocol",
            format!("appProtocol {other} is not supported: use http, kubernetes.io/ws or kubernetes.io/h2c"),
        )),
    }
}

/// `policies.tls` of an object in `namespace`.
pub(super) fn tls(manifests: &Manifests, namespace: &str, spec: &TlsSpec) -> Result<UpstreamTls, Refusal> {
    let unsupported = [
        ("mtlsCertificateRef", spec.mtls_certificate_ref),
        ("verifySubjectAltNames", spec.verify_subject_alt_names),
        ("alpnProtocols", spec.alpn_protocols),
        ("keyExchangeGroups", spec.key_exchange_groups),
        ("certificateSource", spec.certificate_source),
    ];
    if let Some((field, _)) = unsupported.into_iter().find(|(_, present)| present.is_some()) {
        return Err(Refusal::unsupported(format!("policies.tls.{field}")));
    }
    let refs = spec.ca_certificate_refs.as_deref().unwrap_or_default();
    let roots = refs.iter().map(|reference| roots(manifests, namespace, reference)).collect::<Result<Vec<_>, _>>()?;
    Ok(UpstreamTls {
        sni: spec.sni.as_deref().map(host).transpose()?,
        ca: (!roots.is_empty()).then(|| roots.join("\n").into()),
        skip_verify: match spec.insecure_skip_verify {
            None => SkipVerify::Nothing,
            Some(SkipVerifySpec::Hostname) => SkipVerify::Hostname,
            Some(SkipVerifySpec::All) => SkipVerify::All,
        },
    })
}

/// The PEM roots of a ConfigMap's `ca.crt`.
fn roots<'m>(manifests: &'m Manifests, namespace: &str, reference: &ObjectReference) -> Result<&'m str, Refusal> {
    let kind = reference.kind.as_deref().unwrap_or("ConfigMap");
    if kind != "ConfigMap" || reference.group.as_deref().unwrap_or(CORE) != CORE {
        return Err(Refusal::new("InvalidCACertificateRef", format!("caCertificateRefs: {kind} is not a ConfigMap")));
    }
    if reference.namespace.as_deref().is_some_and(|other| other != namespace) {
        let message = "caCertificateRefs: a ConfigMap of another namespace cannot be used";
        return Err(Refusal::new("InvalidCACertificateRef", message));
    }
    let name = &reference.name;
    let map = manifests.config_map(namespace, name);
    let pem = map.and_then(|map| map.object.data.as_ref()?.get("ca.crt"));
    let Some(pem) = pem else {
        let what = if map.is_some() { "has no `ca.crt`" } else { "not found" };
        return Err(Refusal::new("InvalidCACertificateRef", format!("ConfigMap {namespace}/{name} {what}")));
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match certificates {
        Ok(all) if !all.is_empty() => Ok(pem),
        _ => Err(Refusal::new("InvalidCACertificateRef", format!("ConfigMap {namespace}/{name}: `ca.crt` is not PEM"))),
    }
}

/// A key may go over plaintext only to where others can hardly listen.
pub(super) fn check_plaintext(endpoint: &Endpoint, credential: &Credential, allowed: bool) -> Result<(), Refusal> {
    let injected = matches!(credential, Credential::Inject { .. });
    if !injected || endpoint.tls.is_some() || allowed || is_near(&endpoint.host) {
        return Ok(());
    }
    let message = format!(
        "a key would go to {} in the clear: set policies.tls, or allow it with the annotation {ALLOW_PLAINTEXT}: \"true\"",
        endpoint.authority
    );
    Err(Refusal::new("InsecureCredentials", message))
}

/// Loopback, private and link-local addresses, and names that only a private network resolves.
pub fn is_near(host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return match address.to_canonical() {
            IpAddr::V4(v4) => is_near_v4(v4),
            IpAddr::V6(v6) => {
                v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()
            }
        };
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let near = [".local", ".internal", ".svc", ".localhost"];
    !name.contains('.') || near.iter().any(|suffix| name.ends_with(suffix))
}

fn is_near_v4(address: Ipv4Addr) -> bool {
    address.is_loopback() || address.is_private() || address.is_link_local() || address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn refused(host: &str, port: u16) -> bool {
        let endpoint = endpoint(host.into(), port, None, None, None).expect("an endpoint");
        let value = HeaderValue::from_static("Bearer k");
        let credential = Credential::Inject { name: http::header::AUTHORIZATION, value };
        check_plaintext(&endpoint, &credential, false).is_err()
    }

    #[test]
    fn an_address_is_told_apart_from_its_port() {
        for (host, authority) in [("llm.local", "llm.local:8080"), ("10.0.0.1", "10.0.0.1:8080"), ("::1", "[::1]:8080")]
        {
            assert_eq!(&*Endpoint::new(host.into(), 8080).authority, authority);
        }
    }

    #[test]
    fn keys_do_not_go_to_public_addresses_in_the_clear() {
        for public in ["api.example.com", "8.8.8.8", "2001:db8::1", "172.32.0.1", "evil.local.example.com"] {
            assert!(refused(public, 80), "{public}");
        }
    }

    #[test]
    fn keys_may_go_to_private_networks_and_over_tls() {
        let near = [
            "127.0.0.1",
            "::1",
            "localhost",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.1",
            "169.254.1.1",
            "fe80::1",
            "fd00::1",
            "llm",
            "host.docker.internal",
            "mock.default.svc",
            "mock.default.svc.cluster.local",
            "box.local",
            "::ffff:10.0.0.1",
        ];
        for host in near {
            assert!(!refused(host, 80), "{host}");
        }
        assert!(!refused("api.example.com", 443));
    }

    #[test]
    fn hosts_are_names_or_addresses_and_nothing_else() {
        for wrong in ["", "https://api.openai.com", "a b", "host:80", "a/b", "[::1", "user@host"] {
            assert!(host(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(host("[::1]").as_deref(), Ok("::1"));
        assert_eq!(host("my_mock").as_deref(), Ok("my_mock"));
    }
}
