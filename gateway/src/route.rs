//! Request head → the best rule. Pure; precedence is settled when the snapshot is compiled,
//! so the first match is the best match.

pub mod index;

use std::borrow::Cow;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method};

use crate::snapshot::{Bind, Hostname, Listener, Match, PathMatch, RouteEntry, ValueMatch};

/// Why nothing matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
    /// No listener of this port serves the host.
    Listener,
    /// No route of the listener matches.
    Route,
    /// The path has two readings, and they are not served alike.
    Ambiguous,
}

/// What is asked for, as it is to be read.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The request's, or the one that a preflight announces.
    pub method: &'a Method,
    /// Without query, in its normal form.
    pub path: &'a str,
    /// A second reading of the path.
    pub lenient: Option<&'a str>,
    /// Lower case, without port.
    pub host: &'a str,
    /// Headers and query.
    pub head: &'a Parts,
}

/// The listener and the entry that serve this request. A preflight belongs to the rule that would serve what it
/// announces, if that rule has a CORS filter.
///
/// # Errors
/// When no listener or no route fits, or the two readings of the path lead to different rules.
pub fn find<'a>(bind: &'a Bind, asked: Asked<'_>) -> Result<(&'a Listener, &'a RouteEntry), NoRoute> {
    if let Some(method) = crate::cors::preflight_method(asked.head)
        && let Ok((listener, entry)) = read_twice(bind, Asked { method: &method, ..asked })
        && entry.rule.cors().is_some()
    {
        return Ok((listener, entry));
    }
    read_twice(bind, asked)
}

fn read_twice<'a>(bind: &'a Bind, asked: Asked<'_>) -> Result<(&'a Listener, &'a RouteEntry), NoRoute> {
    let found = best(bind, asked);
    let Some(lenient) = asked.lenient else { return found };
    let rule =
        |found: Result<(&Listener, &'a RouteEntry), NoRoute>| found.ok().map(|(_, entry)| Arc::as_ptr(&entry.rule));
    if rule(best(bind, Asked { path: lenient, ..asked })) == rule(found) { found } else { Err(NoRoute::Ambiguous) }
}

fn best<'a>(bind: &'a Bind, asked: Asked<'_>) -> Result<(&'a Listener, &'a RouteEntry), NoRoute> {
    let listener = listener(bind, asked.host).ok_or(NoRoute::Listener)?;
    let entry = listener.index.first(&listener.routes, asked.host, asked.path, |entry| {
        fits(entry.hostname.as_ref(), asked.host)
            && matches(&entry.matcher, asked)
            && (!entry.rule.openai_paths_only || crate::operation::by_suffix(asked.path).is_some())
    });
    entry.map(|entry| (listener, entry)).ok_or(NoRoute::Route)
}

/// The listener of a port that serves a host.
#[must_use]
pub fn listener<'a>(bind: &'a Bind, host: &str) -> Option<&'a Listener> {
    bind.listeners.iter().find(|listener| fits(listener.hostname.as_ref(), host))
}

/// The host a request is for: without user and port, lower case.
#[must_use]
pub fn host(head: &Parts) -> Cow<'_, str> {
    let raw = match head.uri.authority() {
        Some(authority) => authority.as_str(),
        None => head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
    };
    let bytes = raw.as_bytes();
    let start = bytes.iter().rposition(|byte| *byte == b'@').map_or(0, |at| at + 1);
    let (raw, bytes) = (&raw[start..], &bytes[start..]);
    let end = match bytes.first() {
        Some(b'[') => bytes.iter().position(|byte| *byte == b']').map_or(raw.len(), |at| at + 1),
        _ => bytes.iter().position(|byte| *byte == b':').unwrap_or(raw.len()),
    };
    let name = raw[..end].trim_end_matches('.');
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Whether a pattern covers a host in lower case.
#[must_use]
pub fn fits(pattern: Option<&Hostname>, host: &str) -> bool {
    match pattern {
        None => true,
        Some(Hostname::Exact(name)) => **name == *host,
        Some(Hostname::Wildcard(suffix)) => host.len() > suffix.len() && host.ends_with(&**suffix),
    }
}

fn path_fits(wanted: &PathMatch, path: &str) -> bool {
    match wanted {
        PathMatch::Exact(exact) => **exact == *path,
        PathMatch::Prefix(prefix) => path_has_prefix(path, prefix),
        PathMatch::Regex(regex) => regex.is_match(path),
    }
}

fn matches(matcher: &Match, Asked { method, path, head, .. }: Asked<'_>) -> bool {
    path_fits(&matcher.path, path)
        && matcher.method.as_ref().is_none_or(|wanted| wanted == method)
        && matcher.headers.iter().all(|(name, value)| header_fits(&head.headers, name, value))
        && matcher.query.iter().all(|(name, value)| query_fits(head.uri.query(), name, value))
}

fn path_has_prefix(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn header_fits(headers: &HeaderMap, name: &http::HeaderName, value: &ValueMatch) -> bool {
    headers.get(name).and_then(|found| found.to_str().ok()).is_some_and(|found| value_fits(found, value))
}

fn query_fits(query: Option<&str>, name: &str, value: &ValueMatch) -> bool {
    let pairs = query.unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut found = pairs.filter(|(key, _)| percent_decoded(key) == name);
    found.next().is_some_and(|(_, raw)| value_fits(&percent_decoded(raw), value))
}

fn value_fits(found: &str, value: &ValueMatch) -> bool {
    match value {
        ValueMatch::Exact(exact) => **exact == *found,
        ValueMatch::Regex(regex) => regex.is_match(found),
    }
}

/// Percent-decoding of a query component, `+` included; text that does not decode to UTF-8 stays as it is.
fn percent_decoded(raw: &str) -> Cow<'_, str> {
    if !raw.contains(['%', '+']) {
        return Cow::Borrowed(raw);
    }
    let bytes = raw.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(raw.len()), 0);
    while at < bytes.len() {
        let hex = raw.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).map_or(Cow::Borrowed(raw), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_prefix_matches_whole_segments() {
        for (path, fits) in
            [("/openai", true), ("/openai/", true), ("/openai/x", true), ("/openaix", false), ("/", false)]
        {
            assert_eq!(path_has_prefix(path, "/openai"), fits, "{path}");
            assert!(path_has_prefix(path, ""), "{path}");
        }
    }

    #[test]
    fn the_host_is_lower_case_without_port() {
        for (given, expected) in [("API.Example.com:80", "api.example.com"), ("[::1]:8080", "[::1]"), ("a.", "a")] {
            assert_eq!(host(&head("/", &[("host", given)])), expected);
        }
        assert_eq!(host(&head("http://Other:9/x", &[("host", "a")])), "other");
    }

    #[test]
    fn header_and_query_conditions_hold_together() {
        let matcher = Match {
            path: PathMatch::Prefix("".into()),
            method: None,
            headers: vec![(http::HeaderName::from_static("x-tier"), ValueMatch::Exact("gold".into()))],
            query: vec![("v".into(), ValueMatch::Regex(regex::Regex::new("^(?:1 .)$").unwrap()))],
        };
        let fits = |uri: &str, tier: &str| {
            let head = head(uri, &[("X-Tier", tier)]);
            matches(&matcher, Asked { method: &head.method, path: "/", lenient: None, host: "", head: &head })
        };
        assert!(fits("/?v=1+%62", "gold"));
        assert!(!fits("/?v=1+%62", "silver") && !fits("/?v=2", "gold") && !fits("/", "gold"));
    }

    #[test]
    fn a_wildcard_needs_a_label() {
        let wildcard = Hostname::Wildcard(".example.com".into());
        assert!(fits(Some(&wildcard), "a.b.example.com"));
        assert!(!fits(Some(&wildcard), "example.com") && !fits(Some(&wildcard), ".example.com"));
    }
}
