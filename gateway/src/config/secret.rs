//! What a Secret says: `data` decoded, `stringData` on top, and the rules for reading a key.
//! Reasons name the Secret and the keys looked for, never a value.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::resources::core::Secret;
use super::resources::meta::SecretString;

/// Data keys read when the reference names none, in order.
pub(super) const USUAL_KEYS: [&str; 3] = ["Authorization", "apiKey", "api-key"];

/// Decodes a `data` value; `None` when it is not base64.
pub(super) fn decode(value: &SecretString) -> Option<Zeroizing<Vec<u8>>> {
    // room for all of it at once: a vector that grows leaves copies behind
    let mut squeezed = Zeroizing::new(Vec::with_capacity(value.expose().len()));
    squeezed.extend(value.expose().bytes().filter(|byte| !byte.is_ascii_whitespace()));
    STANDARD.decode(&*squeezed).ok().map(Zeroizing::new)
}

/// The value of a data key, as text.
fn value(secret: &Secret, key: &str) -> Option<Result<SecretString, ()>> {
    if let Some(plain) = secret.string_data.as_ref().and_then(|all| all.get(key)) {
        return Some(Ok(plain.clone()));
    }
    let encoded = secret.data.as_ref()?.get(key)?;
    let text = decode(encoded).and_then(|bytes| Some(std::str::from_utf8(&bytes).ok()?.to_owned()));
    Some(text.map(SecretString::from).ok_or(()))
}

/// Chain and private key of a certificate, as PEM text.
pub(super) fn certificate(secret: &Secret) -> Result<(SecretString, SecretString), String> {
    let text = |key: &str| match value(secret, key) {
        Some(Ok(text)) => Ok(text),
        Some(Err(())) => Err(format!("{key} is not text")),
        None => Err(format!("it has no {key}")),
    };
    Ok((text("tls.crt")?, text("tls.key")?))
}

/// Every entry of a Secret by name, as text where it is text.
pub(super) fn entries(secret: &Secret) -> impl Iterator<Item = (&str, Result<SecretString, ()>)> {
    let names: BTreeSet<_> = secret.string_data.iter().chain(&secret.data).flatten().map(|(name, _)| name).collect();
    names.into_iter().filter_map(|name| Some((name.as_str(), value(secret, name)?)))
}

/// The API key of a Secret: trimmed, and with the default key without a leading `Bearer `.
pub(super) fn api_key(secret: &Secret, key: Option<&str>) -> Result<SecretString, String> {
    let name = format!("{}/{}", secret.metadata.namespace(), secret.metadata.name);
    let named;
    let keys: &[&str] = match key {
        Some(key) => {
            named = [key];
            &named
        }
        None => &USUAL_KEYS,
    };
    let Some((key, found)) = keys.iter().find_map(|key| value(secret, key).map(|found| (*key, found))) else {
        return Err(format!("secret {name} missing {} value", keys.join(" or ")));
    };
    let Ok(text) = found else {
        return Err(format!("secret {name}: the {key} value is not UTF-8"));
    };
    let text = usable(text.expose());
    match text {
        "" => Err(format!("secret {name} missing {key} value (it is empty)")),
        text => Ok(SecretString::from(text.to_owned())),
    }
}

/// Trims, and takes off one leading `Bearer `: a key stored with its scheme works as well.
pub(super) fn usable(text: &str) -> &str {
    let text = text.trim();
    match text.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("bearer ") => text[7..].trim_start(),
        _ if text.eq_ignore_ascii_case("bearer") => "",
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::resources::Metadata;

    fn secret(entries: &[(&str, &str)]) -> Secret {
        let string_data: BTreeMap<_, _> =
            entries.iter().map(|(key, value)| ((*key).to_owned(), SecretString::from((*value).to_owned()))).collect();
        Secret {
            api_version: None,
            kind: None,
            metadata: Metadata { name: "s".into(), namespace: Some("ns".into()), ..Metadata::default() },
            data: None,
            string_data: Some(string_data),
            type_: None,
            immutable: None,
        }
    }

    fn key_of(entries: &[(&str, &str)], key: Option<&str>) -> Result<String, String> {
        api_key(&secret(entries), key).map(|found| found.expose().to_owned())
    }

    #[test]
    fn the_usual_keys_are_read_in_order_with_and_without_bearer() {
        assert_eq!(key_of(&[("Authorization", "Bearer sk-1\n")], None).as_deref(), Ok("sk-1"));
        assert_eq!(key_of(&[("Authorization", "sk-1")], None).as_deref(), Ok("sk-1"));
        assert_eq!(key_of(&[("apiKey", " sk-2 ")], None).as_deref(), Ok("sk-2"));
        assert_eq!(key_of(&[("api-key", "sk-3"), ("apiKey", "sk-2")], None).as_deref(), Ok("sk-2"));
        assert_eq!(key_of(&[("mine", "sk-4"), ("apiKey", "sk-2")], Some("mine")).as_deref(), Ok("sk-4"));
    }

    #[test]
    fn a_secret_that_cannot_be_used_says_which_keys_were_looked_for() {
        assert_eq!(
            key_of(&[("other", "x")], None),
            Err("secret ns/s missing Authorization or apiKey or api-key value".into())
        );
        assert_eq!(key_of(&[("apiKey", "x")], Some("mine")), Err("secret ns/s missing mine value".into()));
        assert_eq!(
            key_of(&[("apiKey", "Bearer ")], None),
            Err("secret ns/s missing apiKey value (it is empty)".into())
        );
    }

    #[test]
    fn values_that_are_not_text_are_refused_without_being_shown() {
        let mut broken = secret(&[]);
        broken.data = Some([("apiKey".to_owned(), SecretString::from("/w==".to_owned()))].into());
        assert_eq!(api_key(&broken, None).err().as_deref(), Some("secret ns/s: the apiKey value is not UTF-8"));
    }

    #[test]
    fn string_data_wins_over_data() {
        let mut both = secret(&[("apiKey", "plain")]);
        both.data = Some([("apiKey".to_owned(), SecretString::from("ZW5jb2RlZA==".to_owned()))].into());
        assert_eq!(api_key(&both, None).map(|found| found.expose().to_owned()).as_deref(), Ok("plain"));
    }
}
