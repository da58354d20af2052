//! `traffic.apiKeyAuthentication` → the keys that clients may show. Every entry of the Secret is one key, in the
//! clear or as a JSON object with `key` or `keyHash`. An entry that cannot be read makes the whole unusable:
//! reasons name the entry and never hold a value.

use http::header::{AUTHORIZATION, HeaderName};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Refusal;
use crate::auth::{ClientKeys, KeyDigest, Mode};
use crate::config::manifests::Manifests;
use crate::config::resources::SecretString;
use crate::config::resources::backend::LocationSpec;
use crate::config::resources::policy::{ApiKeySpec, KeyMode};
use crate::config::secret;

/// Compiles the block of a policy in `namespace`.
pub(super) fn compile(manifests: &Manifests, namespace: &str, spec: &ApiKeySpec) -> Result<ClientKeys, Refusal> {
    let unsupported = [("secretSelector", spec.secret_selector), ("configMapSelector", spec.config_map_selector)];
    if let Some((field, _)) = unsupported.into_iter().find(|(_, present)| present.is_some()) {
        return Err(Refusal::unsupported(field));
    }
    let Some(reference) = &spec.secret_ref else { return Err(Refusal::invalid("secretRef is needed")) };
    let id = format!("{namespace}/{}", reference.name);
    let secret = manifests.secret(namespace, &reference.name);
    let secret = secret.ok_or_else(|| Refusal::invalid(format!("secret {id} not found")))?;
    let digests = secret::entries(&secret.object).map(|(name, value)| {
        let unreadable = |why| Refusal::invalid(format!("secret {id}: the entry {name} {why}"));
        value.map_err(|()| "is not UTF-8").and_then(|value| digest(&value)).map_err(unreadable)
    });
    let digests = digests.collect::<Result<_, _>>()?;
    let (header, prefix) = place(spec.location.as_ref())?;
    let mode = match spec.mode {
        None | Some(KeyMode::Strict) => Mode::Strict,
        Some(KeyMode::Optional) => Mode::Optional,
        Some(KeyMode::Permissive) => Mode::Permissive,
    };
    Ok(ClientKeys { mode, header, prefix, digests })
}

/// An entry in its long form; a field that is unknown here may be a limit, so it is not passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    key: Option<SecretString>,
    key_hash: Option<SecretString>,
    #[serde(rename = "metadata")]
    _metadata: Option<IgnoredAny>,
}

fn digest(value: &SecretString) -> Result<KeyDigest, &'static str> {
    let in_the_clear = |key: &str| match secret::usable(key) {
        "" => Err("is empty"),
        key => Ok(KeyDigest::of(key.as_bytes())),
    };
    if !value.expose().trim_start().starts_with('{') {
        return in_the_clear(value.expose());
    }
    match serde_json::from_str(value.expose()) {
        Ok(Entry { key: Some(key), key_hash: None, .. }) => in_the_clear(key.expose()),
        Ok(Entry { key: None, key_hash: Some(hash), .. }) => {
            let hash = hash.expose().strip_prefix("sha256:").and_then(KeyDigest::from_hex);
            hash.ok_or("has a keyHash that is not sha256: and 64 hex digits")
        }
        _ => Err("is not a JSON object with either key or keyHash (and metadata)"),
    }
}

fn place(location: Option<&LocationSpec>) -> Result<(HeaderName, Box<str>), Refusal> {
    let Some(location) = location else { return Ok((AUTHORIZATION, "Bearer ".into())) };
    let Some(header) = &location.header else {
        return Err(Refusal::unsupported("location other than a header"));
    };
    let name = HeaderName::try_from(&header.name)
        .map_err(|_| Refusal::invalid(format!("location: `{}` is not a header name", header.name)))?;
    Ok((name, header.prefix.as_deref().unwrap_or_default().into()))
}
