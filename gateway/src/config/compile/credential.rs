//! `policies.auth` → what is sent upstream. A Secret that cannot be used becomes
//! [`Credential::Unusable`]; reasons never hold a value.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::Refusal;
use super::grant::Reference;
use super::provider::Surroundings;
use crate::config::kind::CORE;
use crate::config::resources::SecretString;
use crate::config::resources::backend::{AuthSpec, LocationSpec, SecretRef};
use crate::config::secret;
use crate::snapshot::Credential;

/// How a provider wants its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `Authorization: Bearer KEY`
    Bearer,
    /// `x-api-key: KEY`, OAuth tokens as bearer.
    Anthropic,
    /// `api-key: KEY`
    Azure,
}

/// Compiles `policies.auth` of a backend or a model; `Err` is a shape that cannot be served,
/// `Ok(Unusable)` a Secret that cannot.
pub(super) fn compile(around: &Surroundings<'_>, auth: &AuthSpec, style: Style) -> Result<Credential, Refusal> {
    check_shape(auth)?;
    if auth.passthrough.is_some() {
        return Ok(Credential::Passthrough);
    }
    let key = match (&auth.key, &auth.secret_ref) {
        (Some(key), _) => match secret::usable(key.expose()) {
            "" => return Err(Refusal::invalid("policies.auth.key is empty")),
            key => SecretString::from(key.to_owned()),
        },
        (None, Some(reference)) => match from_secret(around, reference) {
            Ok(key) => key,
            Err(why) => return Ok(Credential::Unusable(why.into())),
        },
        (None, None) => return Err(Refusal::invalid("policies.auth needs one of key, secretRef, passthrough")),
    };
    let (name, prefix) = place(auth.location.as_ref(), style, key.expose())?;
    let Some(value) = wiped(&prefix, key.expose()) else {
        let whose = auth.secret_ref.as_ref().map_or("policies.auth.key".to_owned(), |reference| {
            format!("secret {}/{}", reference.namespace.as_deref().unwrap_or(around.namespace), reference.name)
        });
        return Ok(Credential::Unusable(format!("{whose}: the value cannot be sent in a header").into()));
    };
    Ok(Credential::Inject { name, value })
}

/// A header value whose copies share their bytes, which are wiped when the last of them goes.
fn wiped(prefix: &str, key: &str) -> Option<HeaderValue> {
    let bytes = Zeroizing::new([prefix.as_bytes(), key.as_bytes()].concat());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(bytes)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn check_shape(auth: &AuthSpec) -> Result<(), Refusal> {
    let unsupported = [
        ("credentials", auth.credentials),
        ("aws", auth.aws),
        ("azure", auth.azure),
        ("gcp", auth.gcp),
        ("oauthTokenExchange", auth.oauth_token_exchange),
        ("crossAppAccess", auth.cross_app_access),
        ("jwtSign", auth.jwt_sign),
    ];
    if let Some((field, _)) = unsupported.into_iter().find(|(_, present)| present.is_some()) {
        return Err(Refusal::unsupported(format!("policies.auth.{field}")));
    }
    let ways = [auth.key.is_some(), auth.secret_ref.is_some(), auth.passthrough.is_some()];
    if ways.into_iter().filter(|way| *way).count() > 1 {
        return Err(Refusal::invalid("policies.auth: key, secretRef and passthrough exclude each other"));
    }
    if auth.passthrough.is_some() && auth.location.is_some() {
        return Err(Refusal::unsupported("policies.auth.location with passthrough"));
    }
    Ok(())
}

fn from_secret(around: &Surroundings<'_>, reference: &SecretRef) -> Result<SecretString, String> {
    let kind = reference.kind.as_deref().filter(|kind| !kind.is_empty()).unwrap_or("Secret");
    if kind != "Secret" || reference.group.as_deref().unwrap_or(CORE) != CORE {
        return Err(format!("secretRef: {kind} is not a Secret"));
    }
    let &Surroundings { manifests, kind: from, namespace, .. } = around;
    let target = reference.namespace.as_deref().unwrap_or(namespace);
    let name = &reference.name;
    let permission = Reference {
        from,
        from_namespace: namespace,
        to_group: CORE,
        to_kind: "Secret",
        to_namespace: target,
        to_name: name,
    };
    permission.check(manifests).map_err(|refusal| refusal.message)?;
    let secret = manifests.secret(target, name).ok_or_else(|| format!("secret {target}/{name} not found"))?;
    secret::api_key(&secret.object, reference.key.as_deref())
}

/// The header and what stands before the key.
fn place(location: Option<&LocationSpec>, style: Style, key: &str) -> Result<(HeaderName, String), Refusal> {
    let Some(location) = location else {
        return Ok(match style {
            Style::Anthropic if !key.starts_with("sk-ant-oat") => (HeaderName::from_static("x-api-key"), String::new()),
            Style::Azure => (HeaderName::from_static("api-key"), String::new()),
            Style::Bearer | Style::Anthropic => (AUTHORIZATION, "Bearer ".to_owned()),
        });
    };
    let Some(header) = &location.header else {
        return Err(Refusal::unsupported("policies.auth.location other than a header"));
    };
    let name = HeaderName::try_from(&header.name)
        .map_err(|_| Refusal::invalid(format!("policies.auth.location: `{}` is not a header name", header.name)))?;
    Ok((name, header.prefix.clone().unwrap_or_default()))
}
