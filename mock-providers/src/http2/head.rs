//! Heads of HTTP/2: a request's as rules see it, a plan's as the library sends it.
//!
//! Owns what the two versions say differently: `:authority` is `host`, and what concerns a connection of HTTP/1.1 has
//! no place. Refuses to check the request: the library has.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Response, StatusCode};

use crate::plan::Plan;
use crate::request::{Head, RequestHead};
use crate::script::Framing;

/// The head of a request; `:authority` stands as `host` unless that is there too.
pub(super) fn of_request(parts: &Parts) -> Head {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let host = parts.uri.authority().filter(|_| !parts.headers.contains_key(header::HOST));
    let host = host.map(|authority| ("host", authority.to_string()));
    let headers = host.into_iter().chain(parts.headers.iter().map(|(name, value)| (name.as_str(), text(value))));
    let target = parts.uri.path_and_query().map_or("*", PathAndQuery::as_str);
    let expects = parts.headers.get(header::EXPECT);
    Head {
        lines: RequestHead::new(parts.method.as_str(), target, headers),
        keep_alive: true,
        http2: true,
        expects_continue: expects.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")),
        ..Head::default()
    }
}

/// The head of a response, none for a status that HTTP/2 cannot carry; headers that it cannot carry stay behind.
pub(super) fn of_plan(plan: &Plan) -> Option<Response<()>> {
    let status = StatusCode::from_u16(plan.status).ok().filter(|status| !status.is_informational())?;
    let mut headers = HeaderMap::new();
    for (name, value) in &plan.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| !concerns_connection(name));
        if let (Some(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            // Beyond thousands of headers there is no room.
            let _ = headers.try_append(name, value);
        }
    }
    if plan.framing == Framing::ContentLength && !plan.is_bodiless() && !headers.contains_key(header::CONTENT_LENGTH) {
        let length = plan.declared.unwrap_or_else(|| plan.body_length());
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let mut response = Response::new(());
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Some(response)
}

fn concerns_connection(name: &HeaderName) -> bool {
    matches!(*name, header::CONNECTION | header::TRANSFER_ENCODING | header::UPGRADE | header::TE)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}
