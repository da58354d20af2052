//! The CORS filter → [`Cors`], with the Gateway API's rules for wildcards and origins.

use http::header::{HeaderName, HeaderValue};

use super::{Refusal, hostname, matcher};
use crate::config::resources::route::CorsSpec;
use crate::cors::{self, Allowed, Cors, Origin, Origins};
use crate::snapshot::Hostname;

/// Seconds for which a preflight's answer holds when the filter does not say.
const MAX_AGE: i64 = 5;

/// Compiles a CORS filter.
pub(super) fn compile(spec: &CorsSpec) -> Result<Cors, Refusal> {
    let max_age = spec.max_age.unwrap_or(MAX_AGE);
    if !(1..=i64::from(i32::MAX)).contains(&max_age) {
        return Err(unsupported(format!("cors.maxAge {max_age} is not a number of seconds from 1")));
    }
    let origins = match wildcard(&spec.allow_origins, "allowOrigins")? {
        true => Origins::Any,
        false => Origins::Listed(spec.allow_origins.iter().map(|text| origin(text)).collect::<Result<_, _>>()?),
    };
    let credentials = spec.allow_credentials.unwrap_or(false);
    let expose = match wildcard(&spec.expose_headers, "exposeHeaders")? {
        true if credentials => {
            return Err(unsupported(
                "cors.exposeHeaders `*` means nothing to browsers with allowCredentials: name them",
            ));
        }
        true => Some(HeaderValue::from_static("*")),
        false => list(&spec.expose_headers, header)?,
    };
    Ok(Cors {
        origins,
        credentials,
        methods: allowed(&spec.allow_methods, "allowMethods", |name| {
            matcher::method(name).map(|name| name.to_string())
        })?,
        headers: allowed(&spec.allow_headers, "allowHeaders", header)?,
        expose,
        max_age: HeaderValue::from(max_age),
    })
}

fn unsupported(message: impl Into<String>) -> Refusal {
    Refusal::new("UnsupportedValue", message)
}

/// Whether a list is the wildcard, which stands alone.
fn wildcard(list: &[String], field: &str) -> Result<bool, Refusal> {
    match list {
        [only] if only == "*" => Ok(true),
        list if list.iter().any(|name| name == "*") => {
            Err(unsupported(format!("cors.{field}: `*` stands alone or not at all")))
        }
        _ => Ok(false),
    }
}

fn allowed(names: &[String], field: &str, check: fn(&str) -> Result<String, Refusal>) -> Result<Allowed, Refusal> {
    Ok(if wildcard(names, field)? { Allowed::Asked } else { Allowed::Listed(list(names, check)?) })
}

/// Names separated by commas; no header for none.
fn list(names: &[String], check: fn(&str) -> Result<String, Refusal>) -> Result<Option<HeaderValue>, Refusal> {
    let names = names.iter().map(|name| check(name)).collect::<Result<Vec<_>, _>>()?;
    Ok(HeaderValue::from_str(&names.join(", ")).ok().filter(|list| !list.is_empty()))
}

fn header(name: &str) -> Result<String, Refusal> {
    let known = HeaderName::try_from(name).map_err(|_| unsupported(format!("`{name}` is not a header name")))?;
    Ok(known.to_string())
}

/// `https://app.example.com`, `https://*.example.com:8443`, `http://*`.
fn origin(text: &str) -> Result<Origin, Refusal> {
    let help =
        || unsupported(format!("`{text}` is not an origin: write it like `https://*.example.com:8443`, or `*` alone"));
    let (scheme, host, port) = cors::parts(text).ok_or_else(help)?;
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(scheme.as_str(), "http" | "https") {
        return Err(help());
    }
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    let host = match host {
        "*" => None,
        host if address.is_ok() => Some(Hostname::Exact(host.to_ascii_lowercase().into())),
        host => Some(hostname::parse(host).map_err(|_| help())?),
    };
    Ok(Origin { scheme: scheme.into(), host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_origin(origin: &str) -> CorsSpec {
        CorsSpec { allow_origins: vec![origin.to_owned()], ..CorsSpec::default() }
    }

    #[test]
    fn origins_are_scheme_host_and_port() {
        for (text, host, port) in [
            ("https://A.example.com", Some(Hostname::Exact("a.example.com".into())), 443),
            ("http://*.example.com:8080", Some(Hostname::Wildcard(".example.com".into())), 8080),
            ("https://*", None, 443),
            ("http://127.0.0.1:3000", Some(Hostname::Exact("127.0.0.1".into())), 3000),
            ("http://[::1]", Some(Hostname::Exact("[::1]".into())), 80),
        ] {
            let Origin { host: found, port: at, .. } = origin(text).expect("an origin");
            assert_eq!((found, at), (host, Some(port)), "{text}");
        }
        for wrong in
            ["example.com", "ftp://example.com", "https://", "https://a/b", "https://a.*.com", "https://a:x", "null"]
        {
            assert!(compile(&with_origin(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wildcard_stands_alone() {
        let two = vec!["*".to_owned(), "GET".to_owned()];
        assert!(compile(&CorsSpec { allow_methods: two.clone(), ..CorsSpec::default() }).is_err());
        assert!(compile(&CorsSpec { allow_headers: two, ..CorsSpec::default() }).is_err());
        assert!(matches!(compile(&with_origin("*")), Ok(Cors { origins: Origins::Any, .. })));
        let exposed = CorsSpec { expose_headers: vec!["*".into()], ..CorsSpec::default() };
        assert!(compile(&exposed).is_ok());
        assert!(compile(&CorsSpec { allow_credentials: Some(true), ..exposed }).is_err());
    }

    #[test]
    fn names_become_lists() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let spec = CorsSpec {
            allow_methods: names(&["GET", "PUT"]),
            allow_headers: names(&["X-A", "x-b"]),
            max_age: Some(60),
            ..CorsSpec::default()
        };
        let cors = compile(&spec).expect("valid");
        assert_eq!(cors.methods, Allowed::Listed(Some(HeaderValue::from_static("GET, PUT"))));
        assert_eq!(cors.headers, Allowed::Listed(Some(HeaderValue::from_static("x-a, x-b"))));
        assert_eq!((cors.max_age, cors.expose), (HeaderValue::from_static("60"), None));
        assert!(compile(&CorsSpec { allow_methods: names(&["get"]), ..CorsSpec::default() }).is_err());
        assert!(compile(&CorsSpec { max_age: Some(0), ..CorsSpec::default() }).is_err());
    }
}
