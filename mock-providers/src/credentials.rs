//! The one table of what a credential is: header names, query parameters, cookies.
//!
//! Owns recognising, accepting and masking them, so that what lets a caller in can never be what a journal shows.
//! Refuses to guess secrets inside bodies.

use crate::request::RequestHead;

/// Headers whose whole value is secret, in lower case.
pub const HEADERS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "apikey",
    "x-goog-api-key",
    "xi-api-key",
    "ocp-apim-subscription-key",
    "x-amz-security-token",
    "x-auth-token",
    "x-access-token",
    "cookie",
    "set-cookie",
];

/// Query parameters whose value is secret, in lower case.
pub const QUERY: &[&str] = &[
    "key",
    "api-key",
    "api_key",
    "apikey",
    "access_token",
    "token",
    "code",
    "sig",
    "signature",
    "subscription-key",
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "x-goog-signature",
];

/// What stands in the place of a secret.
pub const MASK: &str = "[redacted]";

/// Whether a header's value is secret.
pub fn is_credential_header(name: &str) -> bool {
    HEADERS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a query parameter's value is secret.
pub fn is_credential_parameter(name: &str) -> bool {
    QUERY.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The header value as it may be shown: schemes and cookie names stay, secrets do not.
pub fn redact(name: &str, value: &str) -> String {
    if !is_credential_header(name) {
        return value.to_owned();
    }
    if name.eq_ignore_ascii_case("cookie") {
        return redact_cookies(value);
    }
    match value.split_once(' ') {
        Some((scheme @ ("Bearer" | "Basic" | "bearer" | "basic"), _)) => format!("{scheme} {MASK}"),
        _ => MASK.to_owned(),
    }
}

/// Every cookie is a credential: the names stay, the values go.
fn redact_cookies(value: &str) -> String {
    let masked: Vec<String> = value
        .split(';')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) => format!("{}={MASK}", name.trim()),
            None => MASK.to_owned(),
        })
        .collect();
    masked.join("; ")
}

/// The query string as it may be shown.
pub fn redact_query(query: &str) -> String {
    let masked: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_credential_parameter(name) => format!("{name}={MASK}"),
            _ => pair.to_owned(),
        })
        .collect();
    masked.join("&")
}

/// The bearer token that a request presents, as OpenAI takes it.
pub fn bearer(head: &RequestHead) -> Option<&str> {
    let value = head.header(HEADERS[0])?;
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_is_also_masked() {
        let header = ("Authorization", "Bearer sk-1");
        assert_eq!(bearer(&RequestHead::new("GET", "/", [header].into_iter())), Some("sk-1"));
        assert_eq!(redact(header.0, header.1), "Bearer [redacted]");
    }

    #[test]
    fn cookies_and_query_parameters_keep_only_their_names() {
        assert_eq!(redact("Cookie", "sid=abc; theme=dark"), "sid=[redacted]; theme=[redacted]");
        assert_eq!(redact_query("api-version=1&KEY=abc"), "api-version=1&KEY=[redacted]");
        assert_eq!(redact("x-api-key", "Bearer-less secret"), MASK);
    }
}
