//! What lets `windtunnel validate` in: the key, headers and roots of its flags, and what of them nobody may read.
//! Owns which words are secrets. Refuses to replace them, which is `mask`'s.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::Error;
use crate::cli::ValidateArgs;
use crate::mask::Masks;
use crate::validate::backend::Access;

/// The key and the headers of these flags.
pub(super) fn access(args: &ValidateArgs) -> Result<Access, Error> {
    let key = args.api_key_env.as_deref().map(|name| match std::env::var(name) {
        Ok(key) if !key.trim().is_empty() => Ok(key.trim().to_owned()),
        _ => Err(Error::Input(format!("--api-key-env: the environment variable {name} is not set, or empty"))),
    });
    let headers = args.headers.iter().map(|header| {
        let (name, value) = header.split_once(':').unwrap_or((header, ""));
        let good = http::HeaderName::try_from(name).is_ok() && http::HeaderValue::try_from(value.trim()).is_ok();
        // not the text itself: it may be a key
        let wrong = || Error::Input("--header: write NAME: VALUE".to_owned());
        if good && !value.is_empty() { Ok((name.to_ascii_lowercase(), value.trim().to_owned())) } else { Err(wrong()) }
    });
    let key = key.transpose()?;
    if key.as_deref().is_some_and(|key| http::HeaderValue::try_from(key).is_err()) {
        return Err(Error::Input("--api-key-env: the key has characters that no header may have".to_owned()));
    }
    let roots =
        args.ca.as_ref().map(|path| std::fs::read(path).map_err(Error::io(format!("cannot read {}", path.display()))));
    Ok(Access { key, headers: headers.collect::<Result<_, _>>()?, roots: roots.transpose()? })
}

/// What nobody may read: the key, and what headers say whose names are of credentials.
pub(super) fn masks(access: &Access) -> Masks {
    let words = access.headers.iter().filter(|(name, _)| is_secret(name)).flat_map(|(_, value)| secrets(value));
    let all = access.key.iter().cloned().chain(words);
    Masks::new(all.map(|secret| (secret, "[secret]".to_owned())))
}

/// Whether a header of this name has a credential: one that is known, or one that is called so.
fn is_secret(name: &str) -> bool {
    const CALLED: [&str; 8] = ["key", "token", "secret", "auth", "password", "cookie", "credential", "session"];
    let name = name.to_ascii_lowercase();
    mock_providers::credentials::is_credential_header(&name) || CALLED.iter().any(|word| name.contains(word))
}

/// A header's value, what stands behind its scheme, in each pair of cookies, and in what `Basic` encodes.
fn secrets(value: &str) -> Vec<String> {
    let behind = value.split_once(' ').map(|(_, rest)| rest.trim());
    let cookies = value.split(';').filter_map(|pair| Some(pair.split_once('=')?.1.trim()));
    let basic = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let pair = basic.and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok());
    let pair = pair.and_then(|pair| String::from_utf8(pair).ok());
    let password = pair.as_deref().and_then(|pair| Some(pair.split_once(':')?.1));
    let all = [Some(value), behind, pair.as_deref(), password].into_iter().flatten().chain(cookies);
    all.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(headers: &[(&str, &str)], text: &str) -> String {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        masks(&Access { key: Some("sk-key-of-the-user".to_owned()), headers, roots: None }).hide(text)
    }

    #[test]
    fn what_a_header_lets_in_with_is_hidden_as_it_is_sent_and_as_it_reads() {
        for (name, value, told) in [
            ("authorization", "Basic bWU6Y2FuYXJ5LXg=", "user me has canary-x"),
            ("authorization", "Basic bWU6Y2FuYXJ5LXg=", "bWU6Y2FuYXJ5LXg="),
            ("proxy-authorization", "Bearer canary-x", "canary-x"),
            ("authorization", "canary-x", "canary-x"),
            ("x-my-token", "canary-x", "canary-x"),
            ("X-Api-Key", "canary-x", "canary-x"),
            ("cookie", "theme=dark; sid=canary-x", "canary-x"),
        ] {
            let seen = hidden(&[(name, value)], told);
            assert!(seen.contains("[secret]") && !seen.contains("canary") && !seen.contains("bWU6"), "{name}: {seen}");
        }
        assert_eq!(hidden(&[], "sk-key-of-the-user"), "[secret]");
    }

    #[test]
    fn a_header_that_is_no_credential_hides_nothing() {
        let harmless = [("accept", "application/json"), ("x-tenant", "production"), ("user-agent", "gpt-4o-mini")];
        for (_, text) in harmless {
            assert_eq!(hidden(&harmless, text), text);
        }
    }
}
