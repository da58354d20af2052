//! Host names of listeners and routes: reading, intersection, precedence.

use std::cmp::Reverse;

use super::Refusal;
use crate::snapshot::Hostname;

/// Reads `api.example.com` or `*.example.com`.
pub(super) fn parse(text: &str) -> Result<Hostname, Refusal> {
    let lower = text.to_ascii_lowercase();
    let (wildcard, name) = match lower.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, lower.as_str()),
    };
    if !is_dns_name(name) || name.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err(Refusal::new(
            "UnsupportedValue",
            format!("`{text}` is not a host name (like `api.example.com` or `*.example.com`)"),
        ));
    }
    Ok(if wildcard { Hostname::Wildcard(format!(".{name}").into()) } else { Hostname::Exact(name.into()) })
}

pub(super) fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        bytes.len() <= 63
            && edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// What both cover; `None` in a position is "every host", the result `None` is "nothing".
pub(super) fn intersect(listener: Option<&Hostname>, route: Option<&Hostname>) -> Option<Option<Hostname>> {
    use Hostname::{Exact, Wildcard};
    match (listener, route) {
        (one, None) | (None, one) => Some(one.cloned()),
        (Some(Exact(a)), Some(Exact(b))) => (a == b).then(|| Some(Exact(a.clone()))),
        (Some(Exact(name)), Some(Wildcard(suffix))) | (Some(Wildcard(suffix)), Some(Exact(name))) => {
            covers(suffix, name).then(|| Some(Exact(name.clone())))
        }
        (Some(Wildcard(a)), Some(Wildcard(b))) => {
            let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
            long.ends_with(&**short).then(|| Some(Wildcard(long.clone())))
        }
    }
}

fn covers(suffix: &str, name: &str) -> bool {
    name.len() > suffix.len() && name.ends_with(suffix)
}

/// Sorts exact names first, then the longest wildcard, then "every host".
pub(super) fn rank(hostname: Option<&Hostname>) -> (u8, Reverse<usize>) {
    match hostname {
        Some(Hostname::Exact(_)) => (0, Reverse(0)),
        Some(Hostname::Wildcard(suffix)) => (1, Reverse(suffix.len())),
        None => (2, Reverse(0)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn common(listener: &str, route: &str) -> Option<String> {
        let read = |text: &str| (!text.is_empty()).then(|| parse(text).expect("a host name"));
        let both = intersect(read(listener).as_ref(), read(route).as_ref())?;
        Some(match both {
            Some(Hostname::Exact(name)) => name.into(),
            Some(Hostname::Wildcard(suffix)) => format!("*{suffix}"),
            None => String::new(),
        })
    }

    #[test]
    fn the_narrower_of_two_host_names_is_served() {
        let cases = [
            ("", "", Some("")),
            ("", "a.example.com", Some("a.example.com")),
            ("*.example.com", "", Some("*.example.com")),
            ("a.example.com", "a.example.com", Some("a.example.com")),
            ("a.example.com", "b.example.com", None),
            ("*.example.com", "a.example.com", Some("a.example.com")),
            ("*.example.com", "b.a.example.com", Some("b.a.example.com")),
            ("*.example.com", "example.com", None),
            ("a.example.com", "*.example.com", Some("a.example.com")),
            ("*.example.com", "*.a.example.com", Some("*.a.example.com")),
            ("*.b.com", "*.a.com", None),
            ("*.example.com", "badexample.com", None),
        ];
        for (listener, route, expected) in cases {
            assert_eq!(common(listener, route).as_deref(), expected, "{listener} with {route}");
        }
    }

    /// Some pattern over few labels, so that many of them meet.
    fn patterns() -> impl Strategy<Value = Option<Hostname>> {
        proptest::option::of("(\\*\\.)?([ab]\\.){0,3}com")
            .prop_map(|text| text.map(|text| parse(&text).expect("a host name")))
    }

    fn serves(pattern: Option<&Hostname>, host: &str) -> bool {
        match pattern {
            None => true,
            Some(Hostname::Exact(name)) => **name == *host,
            Some(Hostname::Wildcard(suffix)) => covers(suffix, host),
        }
    }

    proptest! {
        #[test]
        fn what_both_share_serves_exactly_the_hosts_that_both_serve(
            listener in patterns(),
            route in patterns(),
            host in "([ab]\\.){0,4}com",
        ) {
            let shared = intersect(listener.as_ref(), route.as_ref());
            let by_shared = shared.is_some_and(|shared| serves(shared.as_ref(), &host));
            prop_assert_eq!(by_shared, serves(listener.as_ref(), &host) && serves(route.as_ref(), &host));
        }
    }

    #[test]
    fn names_that_are_not_host_names_are_refused() {
        for wrong in ["", "*", "*.", "a..b", "-a.com", "a b", "a.*.com", "10.0.0.1", "a/b", "ex:80"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(parse("API.Example.com").ok(), Some(Hostname::Exact("api.example.com".into())));
    }
}
