//! Certificates of HTTPS listeners: Secrets of type `kubernetes.io/tls`, also of other namespaces with a grant.
//! A reference that cannot be used is told; the others serve.

use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::Refusal;
use super::grant::Reference;
use crate::certificate;
use crate::config::kind::{CORE, Kind};
use crate::config::manifests::Manifests;
use crate::config::resources::ObjectReference;
use crate::config::resources::gateway::{ListenerSpec, TlsMode};
use crate::config::secret;

/// `Secret.type` of a certificate.
const TLS_SECRET: &str = "kubernetes.io/tls";

/// The certificates of a listener, and what does not hold in its references.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) certificates: Vec<Arc<CertifiedKey>>,
    pub(super) bad: Vec<Refusal>,
}

/// What of `tls` a listener cannot be served with, whatever its certificates.
pub(super) fn check(spec: &ListenerSpec) -> Result<(), Refusal> {
    let Some(tls) = &spec.tls else { return Ok(()) };
    if tls.mode == Some(TlsMode::Passthrough) {
        return Err(Refusal::invalid("tls.mode Passthrough does not go with protocol HTTPS: use Terminate"));
    }
    if tls.frontend_validation.is_some() {
        return Err(Refusal::unsupported("tls.frontendValidation"));
    }
    match tls.options.iter().flatten().next() {
        Some((name, _)) => Err(Refusal::unsupported(format!("tls.options `{name}`"))),
        None => Ok(()),
    }
}

/// Reads what an HTTPS listener of a Gateway in `namespace` refers to.
pub(super) fn of_listener(manifests: &Manifests, namespace: &str, spec: &ListenerSpec) -> Shelf {
    let refs = spec.tls.as_ref().and_then(|tls| tls.certificate_refs.as_deref()).unwrap_or_default();
    let mut shelf = Shelf::default();
    if refs.is_empty() {
        shelf.bad.push(invalid("protocol HTTPS needs tls.certificateRefs"));
    }
    for reference in refs {
        match one(manifests, namespace, reference) {
            Ok(certificate) => shelf.certificates.push(certificate),
            Err(refusal) => shelf.bad.push(refusal),
        }
    }
    shelf
}

fn one(manifests: &Manifests, own: &str, reference: &ObjectReference) -> Result<Arc<CertifiedKey>, Refusal> {
    let (group, kind) = (reference.group.as_deref().unwrap_or(CORE), reference.kind.as_deref().unwrap_or("Secret"));
    if (group, kind) != (CORE, "Secret") {
        return Err(invalid(format!("tls.certificateRefs: {kind} of group \"{group}\" is not a Secret")));
    }
    let (namespace, name) = (reference.namespace.as_deref().unwrap_or(own), &reference.name);
    let permission = Reference {
        from: Kind::Gateway,
        from_namespace: own,
        to_group: group,
        to_kind: kind,
        to_namespace: namespace,
        to_name: name,
    };
    permission.check(manifests)?;
    let told = |what: &str| invalid(format!("Secret {namespace}/{name}: {what}"));
    let found = manifests.secret(namespace, name);
    let secret = &found.ok_or_else(|| invalid(format!("Secret {namespace}/{name} not found")))?.object;
    if secret.type_.as_deref().is_some_and(|type_| type_ != TLS_SECRET) {
        return Err(told(&format!("its type is not {TLS_SECRET}")));
    }
    let (chain, key) = secret::certificate(secret).map_err(|why| told(&why))?;
    certificate::read(chain.expose(), key.expose()).map_err(|why| told(&why))
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidCertificateRef", message)
}
