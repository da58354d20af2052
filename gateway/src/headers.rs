//! Which headers and query parameters cross the hop. One table of credentials, one of hop-by-hop names.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};

use crate::snapshot::HeaderEdit;

/// The trace that a request belongs to (W3C trace context).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What tracers of other makes add to it.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The name of a request in logs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Whether a field is hop-by-hop (RFC 9110 section 7.6.1), or one that this hop writes itself.
fn is_of_this_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "expect"
            | "host"
    )
}

/// Whether a request header carries a caller's credentials.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    let known = matches!(
        name,
        "authorization"
            | "proxy-authorization"
            | "cookie"
            | "x-api-key"
            | "api-key"
            | "apikey"
            | "x-goog-api-key"
            | "x-auth-token"
            | "x-access-token"
            | "x-amz-security-token"
            | "x-amz-date"
            | "x-amz-content-sha256"
            | "openai-organization"
            | "openai-project"
            | "ocp-apim-subscription-key"
    );
    known
        || (name.starts_with("x-")
            && (name.ends_with("-api-key") || name.ends_with("-token") || name.ends_with("-secret")))
}

/// Query parameters that carry a caller's credentials.
const CREDENTIAL_PARAMETERS: [&str; 12] = [
    "key",
    "api_key",
    "api-key",
    "apikey",
    "x-api-key",
    "api_token",
    "access_token",
    "token",
    "auth",
    "authorization",
    "subscription-key",
    "sig",
];

/// Copies what may cross this hop; with `strip_credentials` without the caller's credentials. The length is told by the body
/// that is sent, not by the one that was announced.
#[must_use]
pub fn forwarded(from: &HeaderMap, strip_credentials: bool) -> HeaderMap {
    let listed = listed_in_connection(from);
    // as many stay behind as this hop adds, but for the trace
    let mut to = HeaderMap::with_capacity(from.len() + 1);
    for (name, value) in from {
        let dropped = *name == CONTENT_LENGTH
            || is_of_this_hop(name)
            || listed.iter().any(|other| other == name)
            || (strip_credentials && is_credential(name.as_str()));
        if !dropped {
            to.append(name.clone(), value.clone());
        }
    }
    to
}

/// A chain of client addresses that the caller tells is one header and ends with what we know ourselves.
/// Where none is told, none is begun: providers need not know who calls.
pub fn append_forwarded_for(headers: &mut HeaderMap, peer: IpAddr) {
    const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    if !headers.contains_key(FORWARDED_FOR) {
        return;
    }
    let mut chain = Vec::new();
    for told in headers.get_all(FORWARDED_FOR).iter().filter(|told| !told.is_empty()) {
        chain.extend_from_slice(told.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(peer.to_string().as_bytes());
    if let Ok(chain) = HeaderValue::from_bytes(&chain) {
        headers.insert(FORWARDED_FOR, chain);
    }
}

/// Removes hop-by-hop fields from a response head in place.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    for name in listed_in_connection(headers) {
        headers.remove(name);
    }
    while let Some(name) = headers.keys().find(|name| is_of_this_hop(name)).cloned() {
        headers.remove(name);
    }
}

fn listed_in_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).map(str::trim);
    names
        .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("close"))
        .filter_map(|name| name.parse().ok())
        .collect()
}

/// The query without the caller's credentials.
#[must_use]
pub fn query_without_credentials(query: &str) -> Cow<'_, str> {
    let secret = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        CREDENTIAL_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known)) || name.contains('%')
    };
    if !query.split('&').any(secret) {
        return Cow::Borrowed(query);
    }
    Cow::Owned(query.split('&').filter(|pair| !secret(pair)).collect::<Vec<_>>().join("&"))
}

/// Applies a header modifier: set, add, remove.
pub fn edit(headers: &mut HeaderMap, edit: &HeaderEdit) {
    for (name, value) in &edit.set {
        headers.insert(name.clone(), value.clone());
    }
    for (name, value) in &edit.add {
        headers.append(name.clone(), value.clone());
    }
    for name in &edit.remove {
        headers.remove(name);
    }
}

/// The same text with every occurrence of a secret replaced by as many asterisks.
#[must_use]
pub fn masked(mut text: Vec<u8>, secret: &[u8]) -> Vec<u8> {
    if secret.is_empty() {
        return text;
    }
    let mut from = 0;
    while let Some(at) = memchr::memmem::find(&text[from..], secret).map(|at| from + at) {
        text[at..at + secret.len()].fill(b'*');
        from = at + secret.len();
    }
    text
}

/// Whether the content type is JSON or built on it.
#[must_use]
pub fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(http::header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    memchr::memmem::find(value, b"json").is_some()
}

/// Whether this is a stream of server-sent events.
#[must_use]
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    let value = headers.get(http::header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    value.get(..17).is_some_and(|start| start.eq_ignore_ascii_case(b"text/event-stream"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn credentials_and_hop_by_hop_fields_stay_behind() {
        let mut from = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer c"),
            ("x-api-key", "c"),
            ("x-vendor-api-key", "c"),
            ("cookie", "c"),
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "c"),
            ("te", "trailers"),
            ("x-custom", "kept"),
        ] {
            from.insert(name, HeaderValue::from_static(value));
        }
        let to = forwarded(&from, true);
        assert_eq!(to.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-custom"]);
        assert!(forwarded(&from, false).contains_key("authorization"));
    }

    #[test]
    fn a_chain_of_addresses_is_one_header_and_ends_with_the_peer() {
        let (mut headers, peer) = (HeaderMap::new(), IpAddr::from([127, 0, 0, 1]));
        append_forwarded_for(&mut headers, peer);
        assert!(headers.is_empty());
        for told in ["1.1.1.1, 2.2.2.2", "3.3.3.3"] {
            headers.append("x-forwarded-for", HeaderValue::from_static(told));
        }
        append_forwarded_for(&mut headers, peer);
        assert_eq!(headers.len(), 1);
        assert_eq!(headers["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 3.3.3.3, 127.0.0.1");
    }

    #[test]
    fn every_occurrence_of_a_secret_is_masked_once() {
        assert_eq!(masked(b"a sk-1 b sk-1".to_vec(), b"sk-1"), b"a **** b ****");
        assert_eq!(masked(b"***".to_vec(), b"**"), b"***");
    }

    #[test]
    fn credential_parameters_leave_the_query() {
        for (query, expected) in [
            ("a=1&b=%20y", "a=1&b=%20y"),
            ("key=c&a=1", "a=1"),
            ("api_key=c", ""),
            ("API-Key=c&api-version=2", "api-version=2"),
            ("k%65y=c&a=1", "a=1"),
        ] {
            assert_eq!(query_without_credentials(query), expected);
        }
    }

    /// A name in any case.
    fn any_case(names: &'static [&'static str]) -> impl Strategy<Value = String> {
        (prop::sample::select(names), any::<u64>()).prop_map(|(name, cases)| {
            let upper = |at: usize| cases >> (at % 64) & 1 == 1;
            let letters = name.chars().enumerate();
            letters.map(|(at, c)| if upper(at) { c.to_ascii_uppercase() } else { c }).collect()
        })
    }

    const SECRET_NAMES: &[&str] = &[
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "x-amz-security-token",
        "openai-organization",
        "x-vendor-api-key",
        "x-github-token",
        "x-client-secret",
    ];
    const HOP_NAMES: &[&str] =
        &["keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection", "expect", "host"];
    const PLAIN_NAMES: &[&str] = &["accept", "user-agent", "x-custom", "x-token-count", "content-type", "x-hop"];

    proptest! {
        #[test]
        fn no_credential_passes_whatever_its_case_its_place_and_its_company(
            fields in prop::collection::vec(
                prop_oneof![
                    (any_case(SECRET_NAMES), "secret[a-z0-9]{0,4}"),
                    (any_case(HOP_NAMES), "hop[a-z0-9]{0,4}"),
                    (any_case(PLAIN_NAMES), "plain[a-z0-9]{0,4}"),
                ],
                0..12,
            ),
            listed in prop::collection::vec((any_case(PLAIN_NAMES), "[ ,\t]{0,3},[ \t]{0,2}"), 0..3),
        ) {
            let mut from = HeaderMap::new();
            for (name, value) in &fields {
                from.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
            }
            for (name, separators) in &listed {
                from.append(CONNECTION, format!("close{separators}{name}{separators}").parse().unwrap());
            }
            let kept = forwarded(&from, true);
            let is_listed = |name: &str| listed.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
            let plain = fields.iter().filter(|(name, value)| value.starts_with("plain") && !is_listed(name));
            prop_assert_eq!(kept.len(), plain.clone().count());
            for name in PLAIN_NAMES {
                let expected: Vec<_> = plain.clone().filter(|(own, _)| own.eq_ignore_ascii_case(name)).collect();
                let values: Vec<_> = kept.get_all(*name).iter().collect();
                prop_assert_eq!(values, expected.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>());
            }
        }

        #[test]
        fn no_credential_parameter_passes_and_no_other_is_lost(
            pairs in prop::collection::vec(
                prop_oneof![
                    (any_case(&["key", "api_key", "api-key", "access_token", "token", "k%65y"]), "=secret[a-z%&]{0,4}"),
                    (any_case(&["a", "keys", "api-version", "limit", ""]), "(=plain[a-z%+]{0,4})?"),
                ],
                0..8,
            ),
        ) {
            let query = pairs.iter().map(|(name, rest)| format!("{name}{rest}")).collect::<Vec<_>>().join("&");
            let kept = query_without_credentials(&query);
            prop_assert!(!kept.contains("secret"), "{}", kept);
            prop_assert_eq!(kept.matches("plain").count(), query.matches("plain").count());
        }
    }
}
