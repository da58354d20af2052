//! Answers of the RequestRedirect filter (Gateway API, HTTPRequestRedirectFilter): what the filter does not give stays
//! as the request has it. The query is kept.

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderValue, Response, Uri};

use crate::path;
use crate::snapshot::{PathMatch, Redirect};

/// What a redirected request asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host without port.
    pub host: &'a str,
    /// The listener's port.
    pub port: u16,
    /// Path and query.
    pub uri: &'a Uri,
    /// What matched the path.
    pub matched: &'a PathMatch,
}

/// The answer; `None` when there is no host to send the client to.
#[must_use]
pub fn answer(redirect: &Redirect, asked: Asked<'_>) -> Option<Response<Bytes>> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = redirect.status;
    response.headers_mut().insert(LOCATION, location(redirect, asked)?);
    Some(response)
}

fn location(redirect: &Redirect, asked: Asked<'_>) -> Option<HeaderValue> {
    let scheme = redirect.scheme.as_deref().unwrap_or(asked.scheme);
    let host = redirect.hostname.as_deref().unwrap_or(asked.host);
    if host.is_empty() {
        return None;
    }
    let well_known = if scheme == "https" { 443 } else { 80 };
    // another scheme means its own port, the same scheme the listener's
    let port = redirect.port.unwrap_or(if redirect.scheme.is_some() { well_known } else { asked.port });
    let port = if port == well_known { String::new() } else { format!(":{port}") };
    let kept = asked.uri.path();
    let path = redirect.path.as_ref().map_or_else(|| kept.into(), |edit| path::edited(kept, asked.matched, edit));
    let query = asked.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    HeaderValue::from_str(&format!("{scheme}://{host}{port}{path}{query}")).ok()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::snapshot::PathEdit;

    fn redirect() -> Redirect {
        Redirect { scheme: None, hostname: None, port: None, path: None, status: StatusCode::FOUND }
    }

    fn to(redirect: &Redirect, scheme: &str, port: u16) -> String {
        let uri = Uri::from_static("/old/x?q=1");
        let matched = PathMatch::Prefix("/old".into());
        let asked = Asked { scheme, host: "a.example.com", port, uri: &uri, matched: &matched };
        location(redirect, asked).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn the_port_is_that_of_filter_scheme_or_listener_and_left_out_where_it_is_well_known() {
        let with = |scheme: Option<&str>, port| Redirect { scheme: scheme.map(Into::into), port, ..redirect() };
        for (redirect, scheme, listener, expected) in [
            (with(None, None), "http", 80, "http://a.example.com/old/x?q=1"),
            (with(None, None), "http", 8080, "http://a.example.com:8080/old/x?q=1"),
            (with(None, None), "https", 443, "https://a.example.com/old/x?q=1"),
            (with(None, None), "https", 8443, "https://a.example.com:8443/old/x?q=1"),
            (with(None, None), "https", 80, "https://a.example.com:80/old/x?q=1"),
            (with(Some("https"), None), "http", 8080, "https://a.example.com/old/x?q=1"),
            (with(Some("http"), None), "https", 8443, "http://a.example.com/old/x?q=1"),
            (with(Some("https"), Some(8443)), "http", 80, "https://a.example.com:8443/old/x?q=1"),
            (with(Some("https"), Some(443)), "http", 80, "https://a.example.com/old/x?q=1"),
            (with(Some("http"), Some(443)), "http", 80, "http://a.example.com:443/old/x?q=1"),
            (with(None, Some(80)), "http", 8080, "http://a.example.com/old/x?q=1"),
        ] {
            assert_eq!(to(&redirect, scheme, listener), expected, "{redirect:?}");
        }
    }

    #[test]
    fn host_and_path_are_replaced_and_the_query_stays() {
        let elsewhere = Redirect { hostname: Some("b.example.com".into()), ..redirect() };
        assert_eq!(to(&elsewhere, "http", 80), "http://b.example.com/old/x?q=1");
        for (edit, expected) in [
            (PathEdit::Full("/all".into()), "http://a.example.com/all?q=1"),
            (PathEdit::Prefix("/new".into()), "http://a.example.com/new/x?q=1"),
            (PathEdit::Prefix("/".into()), "http://a.example.com/x?q=1"),
        ] {
            assert_eq!(to(&Redirect { path: Some(edit), ..redirect() }, "http", 80), expected);
        }
    }

    #[test]
    fn without_a_host_there_is_nowhere_to_go() {
        let (uri, matched) = (Uri::from_static("//evil.example.com"), PathMatch::Prefix("".into()));
        let asked = Asked { scheme: "http", host: "", port: 80, uri: &uri, matched: &matched };
        assert!(answer(&redirect(), asked).is_none());
    }
}
