//! Cross-origin requests (the CORS protocol of the Fetch standard): which origins may read an answer, and what a
//! browser is told that asks first. Pure: request headers in, response headers out. A gateway with a CORS filter owns
//! these headers; what the upstream says about origins is replaced, never mixed with it.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;
use http::{Method, Response};

use crate::snapshot::Hostname;

/// A CORS filter, compiled.
#[derive(Debug, Clone)]
pub struct Cors {
    /// Who may read answers.
    pub origins: Origins,
    /// Whether cookies and the like may come along.
    pub credentials: bool,
    /// Methods beyond those that need no leave.
    pub methods: Allowed,
    /// Request headers beyond those that need no leave.
    pub headers: Allowed,
    /// Response headers that scripts may read.
    pub expose: Option<HeaderValue>,
    /// Seconds for which a preflight's answer holds.
    pub max_age: HeaderValue,
}

/// Origins that are allowed.
#[derive(Debug, Clone)]
pub enum Origins {
    /// `*`, also the origin `null`.
    Any,
    /// One of these.
    Listed(Vec<Origin>),
}

/// A pattern of origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `http` or `https`.
    pub scheme: Box<str>,
    /// `None` is any host.
    pub host: Option<Hostname>,
    /// Never `None` for a scheme with a port of its own.
    pub port: Option<u16>,
}

/// What a preflight is told of methods or headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// `*`: what it asks for. The wildcard itself would mean nothing to a request with credentials.
    Asked,
    /// These, separated by commas; `None` says nothing.
    Listed(Option<HeaderValue>),
}

impl Allowed {
    fn told(&self, asked: Option<&HeaderValue>) -> Option<HeaderValue> {
        match self {
            Self::Asked => asked.cloned(),
            Self::Listed(list) => list.clone(),
        }
    }
}

/// The method that a preflight asks for; `None` when the request is no preflight.
#[must_use]
pub fn preflight_method(head: &Parts) -> Option<Method> {
    if head.method != Method::OPTIONS || !head.headers.contains_key(ORIGIN) {
        return None;
    }
    Method::from_bytes(head.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes()).ok()
}

impl Cors {
    /// What a preflight is told beyond [`Cors::grant`]. Of origins that are not allowed it is told nothing.
    #[must_use]
    pub fn preflight(&self, request: &HeaderMap) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        let vary = "origin, access-control-request-method, access-control-request-headers";
        headers.insert(VARY, HeaderValue::from_static(vary));
        if self.allowed_origin(request).is_some() {
            let told = [
                (ACCESS_CONTROL_ALLOW_METHODS, self.methods.told(request.get(ACCESS_CONTROL_REQUEST_METHOD))),
                (ACCESS_CONTROL_ALLOW_HEADERS, self.headers.told(request.get(ACCESS_CONTROL_REQUEST_HEADERS))),
                (ACCESS_CONTROL_MAX_AGE, Some(self.max_age.clone())),
            ];
            set(headers, told);
        }
        response
    }

    /// Says on an answer whether the request's origin may read it.
    pub fn grant(&self, request: &HeaderMap, response: &mut HeaderMap) {
        let owned = [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS];
        owned.iter().for_each(|name| drop(response.remove(name)));
        if let Some(origin) = self.allowed_origin(request) {
            let told = [
                (ACCESS_CONTROL_ALLOW_ORIGIN, Some(origin.clone())),
                (ACCESS_CONTROL_ALLOW_CREDENTIALS, self.credentials.then(|| HeaderValue::from_static("true"))),
                (ACCESS_CONTROL_EXPOSE_HEADERS, self.expose.clone()),
            ];
            set(response, told);
        }
        if !varies_by_origin(response) {
            response.append(VARY, HeaderValue::from_static("origin"));
        }
    }

    /// The request's origin, when it is the only one it tells and one of ours.
    fn allowed_origin<'r>(&self, request: &'r HeaderMap) -> Option<&'r HeaderValue> {
        let mut told = request.get_all(ORIGIN).iter();
        let origin = told.next().filter(|_| told.next().is_none())?;
        let allowed = match &self.origins {
            Origins::Any => true,
            Origins::Listed(patterns) => {
                let (scheme, host, port) = parts(origin.to_str().ok()?)?;
                patterns.iter().any(|pattern| pattern.covers(scheme, host, port))
            }
        };
        allowed.then_some(origin)
    }
}

fn set<const N: usize>(headers: &mut HeaderMap, told: [(HeaderName, Option<HeaderValue>); N]) {
    for (name, value) in told {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
}

fn varies_by_origin(headers: &HeaderMap) -> bool {
    let named = headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
    named.map(str::trim).any(|name| name == "*" || name.eq_ignore_ascii_case("origin"))
}

impl Origin {
    fn covers(&self, scheme: &str, host: &str, port: Option<u16>) -> bool {
        scheme.eq_ignore_ascii_case(&self.scheme)
            && port == self.port
            && crate::route::fits(self.host.as_ref(), &host.to_ascii_lowercase())
    }
}

/// Scheme, host and port of an origin, the port by its scheme when none is told; `None` when it is no origin.
#[must_use]
pub fn parts(origin: &str) -> Option<(&str, &str, Option<u16>)> {
    let (scheme, authority) = origin.split_once("://")?;
    let bracket = authority.rfind(']').unwrap_or(0);
    let (host, port) = match authority[bracket..].find(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(bracket + colon);
            (host, Some(port[1..].parse().ok()?))
        }
        None => (authority, None),
    };
    let by_scheme = if scheme.eq_ignore_ascii_case("https") {
        Some(443)
    } else {
        scheme.eq_ignore_ascii_case("http").then_some(80)
    };
    let usable = !host.is_empty() && !host.contains(['/', '?', '#', '@']);
    usable.then_some((scheme, host, port.or(by_scheme)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: Origins) -> Cors {
        Cors {
            origins,
            credentials: true,
            methods: Allowed::Asked,
            headers: Allowed::Listed(Some(HeaderValue::from_static("x-a, x-b"))),
            expose: Some(HeaderValue::from_static("x-c")),
            max_age: HeaderValue::from_static("5"),
        }
    }

    fn origin(scheme: &str, host: Option<Hostname>, port: u16) -> Origin {
        Origin { scheme: scheme.into(), host, port: Some(port) }
    }

    fn asking(origin: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
        headers.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"));
        headers
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_together() {
        let listed = Origins::Listed(vec![
            origin("https", Some(Hostname::Exact("a.example.com".into())), 443),
            origin("https", Some(Hostname::Wildcard(".example.org".into())), 443),
            origin("http", None, 3000),
        ]);
        let cors = cors(listed);
        for (origin, allowed) in [
            ("https://a.example.com", true),
            ("https://a.example.com:443", true),
            ("HTTPS://A.example.COM", true),
            ("https://a.example.com:8443", false),
            ("http://a.example.com", false),
            ("https://a.example.com.evil.net", false),
            ("https://evil.net/https://a.example.com", false),
            ("https://x.y.example.org", true),
            ("https://example.org", false),
            ("https://evilexample.org", false),
            ("http://anything:3000", true),
            ("http://[::1]:3000", true),
            ("http://user@anything:3000", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(cors.allowed_origin(&asking(origin)).is_some(), allowed, "{origin}");
        }
        let mut two = asking("https://a.example.com");
        two.append(ORIGIN, HeaderValue::from_static("https://a.example.com"));
        assert!(cors.allowed_origin(&two).is_none());
    }

    #[test]
    fn a_preflight_is_told_what_it_asks_for_or_nothing() {
        let response = cors(Origins::Any).preflight(&asking("null"));
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "PUT");
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_HEADERS], "x-a, x-b");
        let refused = cors(Origins::Listed(Vec::new())).preflight(&asking("https://a"));
        assert_eq!(refused.headers().keys().collect::<Vec<_>>(), [VARY]);
    }

    #[test]
    fn what_the_upstream_says_of_origins_is_replaced() {
        let mut response = HeaderMap::new();
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response.insert(VARY, HeaderValue::from_static("Accept, Origin"));
        cors(Origins::Any).grant(&asking("https://a"), &mut response);
        assert_eq!(response.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter().collect::<Vec<_>>(), ["https://a"]);
        assert_eq!(response[ACCESS_CONTROL_EXPOSE_HEADERS], "x-c");
        assert_eq!(response.get_all(VARY).iter().count(), 1);
        cors(Origins::Listed(Vec::new())).grant(&asking("https://a"), &mut response);
        assert!(!response.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert!(!response.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }
}
