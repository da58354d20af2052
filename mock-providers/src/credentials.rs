//! The one table of what a credential is: where it stands, and which dialects take it from there.
//!
//! Owns recognising, accepting and masking. What lets a caller in is looked up in the table that masks, so it can never
//! be what a journal shows. Refuses to guess secrets inside bodies; only error answers are searched for the caller's own.

use std::borrow::Cow;

use base64::Engine;

use crate::request::RequestHead;
use crate::script::Dialect::{self, Anthropic, Azure, Openai};

/// Where a credential stands in a request or a response; names in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The value of a header, after its scheme where it has one.
    Header(&'static str),
    /// The values of a header that is a list of names and values.
    Cookie(&'static str),
    /// The value of a query parameter.
    Query(&'static str),
}

use Place::{Cookie, Header, Query};

/// Every place of a credential, with the dialects that let a caller in by it. A request that has several presents the
/// first in this order.
pub const TABLE: &[(Place, &[Dialect])] = &[
    (Header("x-api-key"), &[Anthropic]),
    (Header("api-key"), &[Azure]),
    (Header("authorization"), &[Openai, Azure, Anthropic]),
    (Header("proxy-authorization"), &[]),
    (Header("apikey"), &[]),
    (Header("x-goog-api-key"), &[]),
    (Header("xi-api-key"), &[]),
    (Header("ocp-apim-subscription-key"), &[]),
    (Header("x-amz-security-token"), &[]),
    (Header("x-auth-token"), &[]),
    (Header("x-access-token"), &[]),
    (Header("set-cookie"), &[]),
    (Cookie("cookie"), &[]),
    (Query("key"), &[]),
    (Query("api-key"), &[]),
    (Query("api_key"), &[]),
    (Query("apikey"), &[]),
    (Query("access_token"), &[]),
    (Query("token"), &[]),
    (Query("code"), &[]),
    (Query("sig"), &[]),
    (Query("signature"), &[]),
    (Query("subscription-key"), &[]),
    (Query("x-amz-signature"), &[]),
    (Query("x-amz-credential"), &[]),
    (Query("x-amz-security-token"), &[]),
    (Query("x-goog-signature"), &[]),
];

/// What stands in the place of a secret.
pub const MASK: &str = "[redacted]";

/// Shorter values are not searched for in other texts: they would be found in innocent words.
const SHORTEST_SOUGHT: usize = 8;

/// Whether a header's value is secret.
pub fn is_credential_header(name: &str) -> bool {
    header_place(name).is_some()
}

/// Whether a query parameter's value is secret.
pub fn is_credential_parameter(name: &str) -> bool {
    let name = decoded(name);
    TABLE.iter().any(|(place, _)| matches!(place, Query(known) if known.eq_ignore_ascii_case(&name)))
}

fn header_place(name: &str) -> Option<Place> {
    let is = |known: &str| known.eq_ignore_ascii_case(name.trim());
    TABLE.iter().map(|(place, _)| *place).find(|place| matches!(place, Header(known) | Cookie(known) if is(known)))
}

/// The credential by which a request would be let in, as this dialect looks for it.
pub fn presented(dialect: Dialect, head: &RequestHead) -> Option<&str> {
    let accepted = TABLE.iter().filter(|(_, dialects)| dialects.contains(&dialect));
    accepted.map(|(place, _)| *place).find_map(|place| found(place, head))
}

fn found(place: Place, head: &RequestHead) -> Option<&str> {
    match place {
        Header("authorization") => {
            let (scheme, token) = head.header("authorization")?.trim().split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        }
        Header(name) | Cookie(name) => head.header(name).map(str::trim),
        Query(name) => {
            let mut pairs = head.query()?.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(known, _)| decoded(known).eq_ignore_ascii_case(name)).map(|(_, value)| value)
        }
    }
}

/// The header value as it may be shown: schemes and cookie names stay, secrets do not.
pub fn redact(name: &str, value: &str) -> String {
    match header_place(name) {
        None => value.to_owned(),
        Some(Cookie(_)) => pairs(value, ";", "; ", |_| true),
        Some(_) => match value.split_once(' ') {
            Some((scheme, _)) if ["bearer", "basic"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
                format!("{scheme} {MASK}")
            }
            _ => MASK.to_owned(),
        },
    }
}

/// The query string as it may be shown.
pub fn redact_query(query: &str) -> String {
    pairs(query, "&", "&", is_credential_parameter)
}

/// A request target as it may be shown: without the password of an absolute form, its query masked.
pub fn redact_target(target: &str) -> String {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let mut shown = match path.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://{MASK}@{rest}"),
        None => path.to_owned(),
    };
    if let Some(query) = query {
        shown.push('?');
        shown.push_str(&redact_query(query));
    }
    shown
}

/// A text that repeats what the caller sent, without the credentials among it.
pub fn redact_echoes<'t>(text: &'t str, head: &RequestHead) -> Cow<'t, str> {
    redact_all(text, &secrets(head))
}

/// A text without these secrets, of which the longest come first.
pub(crate) fn redact_all<'t>(text: &'t str, secrets: &[String]) -> Cow<'t, str> {
    let mut shown = Cow::Borrowed(text);
    for secret in secrets {
        if shown.contains(secret) {
            shown = Cow::Owned(shown.replace(secret, MASK));
        }
    }
    shown
}

/// Every credential of a request that is long enough to be sought in other texts, as it was sent and as it reads when
/// decoded; the longest first.
pub(crate) fn secrets(head: &RequestHead) -> Vec<String> {
    let mut all = Vec::new();
    for (name, value) in head.headers() {
        match header_place(name) {
            // Names of cookies are no secrets.
            Some(Cookie(_)) => {
                all.extend(value.split(';').map(|pair| pair.split_once('=').map_or(pair, |(_, own)| own)))
            }
            Some(_) => all.extend(value.split([' ', ';', '='])),
            None => {}
        }
    }
    let in_query = head.query().into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('='));
    all.extend(in_query.filter(|(name, _)| is_credential_parameter(name)).map(|(_, value)| value));
    let passwords =
        head.headers().filter(|(name, _)| is_credential_header(name)).filter_map(|(_, value)| password(value));
    let sent = all.iter().map(|part| part.trim());
    let read = sent.clone().map(|part| decoded(part).into_owned());
    let mut all: Vec<String> = sent.map(str::to_owned).chain(read).chain(passwords).collect();
    all.retain(|secret| secret.len() >= SHORTEST_SOUGHT);
    all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    all.dedup();
    all
}

/// The password in a header of the scheme `Basic`.
fn password(value: &str) -> Option<String> {
    let (_, encoded) = value.trim().split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))?;
    let pair = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    Some(String::from_utf8(pair).ok()?.split_once(':')?.1.to_owned())
}

/// Masks the values of `name=value` pairs; what has no name is a secret where all of them are.
fn pairs(text: &str, separator: &str, joint: &str, is_secret: impl Fn(&str) -> bool) -> String {
    let masked: Vec<String> = text
        .split(separator)
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{}={MASK}", name.trim()),
            None if is_secret("") => MASK.to_owned(),
            _ => pair.to_owned(),
        })
        .collect();
    masked.join(joint)
}

/// A part of a query without percent-encoding.
fn decoded(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => (bytes.push(byte), rest = &after[2..]).1,
            None => (bytes.push(first), rest = after).1,
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "sk-canary-0123456789";

    /// A request that has the secret in this place, and in no other.
    fn request(place: Place) -> RequestHead {
        let (name, value) = match place {
            Header(name @ ("authorization" | "proxy-authorization")) => (name, format!("bearer {SECRET}")),
            Header(name) => (name, SECRET.to_owned()),
            Cookie(name) => (name, format!("sid={SECRET}; {SECRET}")),
            Query(name) => {
                let target = format!("/x?a=b&{name}={SECRET}");
                return RequestHead::new("GET", &target, [("host", "a")].into_iter());
            }
        };
        RequestHead::new("GET", "/x", [(name.to_uppercase(), value)].into_iter())
    }

    #[test]
    fn what_any_dialect_accepts_and_whatever_else_is_in_the_table_is_masked() {
        for (place, dialects) in TABLE {
            let head = request(*place);
            for dialect in *dialects {
                assert_eq!(presented(*dialect, &head), Some(SECRET), "{place:?}");
            }
            let shown = format!("{head:?}{}", serde_json::to_string(&head).expect("a head is JSON"));
            assert!(!shown.contains(SECRET) && shown.matches(MASK).count() > 1, "{place:?}: {shown}");
            let echo = format!("no such model: {SECRET}");
            assert!(!redact_echoes(&echo, &head).contains(SECRET), "{place:?}");
        }
    }

    #[test]
    fn secrets_are_known_decoded_and_names_of_cookies_are_none() {
        let headers =
            [("cookie", "language=canary-of-cookie; canary-alone"), ("authorization", "Basic bWU6Y2FuYXJ5LXg9PQ==")];
        let head = RequestHead::new("GET", "/x?key=canary%2Din-query&visible=language", headers.into_iter());
        let echo = "language canary-of-cookie canary-alone canary-in-query canary%2Din-query canary-x==";
        assert_eq!(redact_echoes(echo, &head), format!("language{}", format!(" {MASK}").repeat(5)));
    }

    #[test]
    fn a_place_that_a_dialect_does_not_take_lets_nobody_in() {
        for dialect in [Openai, Azure, Anthropic] {
            for (place, _) in TABLE.iter().filter(|(_, dialects)| !dialects.contains(&dialect)) {
                assert_eq!(presented(dialect, &request(*place)), None, "{dialect:?} {place:?}");
            }
        }
    }

    #[test]
    fn cookies_and_query_parameters_keep_only_their_names() {
        assert_eq!(redact("Cookie", "sid=abc; theme=dark"), "sid=[redacted]; theme=[redacted]");
        assert_eq!(redact("Cookie ", "abc"), "[redacted]");
        assert_eq!(redact_query("api-version=1&KEY=abc&k%65y=abc"), "api-version=1&KEY=[redacted]&k%65y=[redacted]");
        assert_eq!(redact("x-api-key", "Bearer-less secret"), MASK);
        assert_eq!(redact("Authorization", "BEARER abc"), "BEARER [redacted]");
        assert_eq!(redact_target("http://me:abc@host/x?sig=abc"), "http://[redacted]@host/x?sig=[redacted]");
    }
}
