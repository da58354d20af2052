//! The admin page: what the gateway does at this moment, for people and, under `/api`, for programs. It only tells: it
//! answers GET and HEAD alone, and only to those who name it by an address or as `localhost`, so that no web page can
//! reach it through a name of its own. Everything that it shows comes from here; nothing is loaded from elsewhere.
//!
//! | path | tells |
//! |---|---|
//! | `/api/overview` | the last minute, the series of the last five, the tables by route and model |
//! | `/api/listeners` | every listener with its address and conditions |
//! | `/api/routes` | the entries of each listener in the order in which they are tried |
//! | `/api/backends` | every backend, its groups, the health of its providers |
//! | `/api/configuration` | every object's conditions and notes, and the last reload |
//! | `/api/exchanges` | the last 500, newest first; `model`, `status`, `route` and `text` choose among them |
//! | `/api/exchanges/NUMBER` | one of them |
//! | `/api/live` | server-sent events, one a second: overview, reloads, new exchanges since `?since=` or `Last-Event-ID` |

pub mod backends;
pub mod exchange;
pub mod live;
pub mod objects;
pub mod recent;
pub mod routes;
pub mod window;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use self::exchange::Filter;
use self::live::{Body, Live, Pulse};
use self::recent::Recent;
use crate::loaded::Loaded;
use crate::ports::Ports;
use crate::record::timestamp;
use crate::worker::Shared;

/// Path, type and text of all that a browser needs.
const FILES: [(&str, &str, &str); 7] = [
    ("/", "text/html; charset=utf-8", include_str!("page/page.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/page.js", SCRIPT, include_str!("page/page.js")),
    ("/views.js", SCRIPT, include_str!("page/views.js")),
    ("/exchanges.js", SCRIPT, include_str!("page/exchanges.js")),
    ("/charts.js", SCRIPT, include_str!("page/charts.js")),
    ("/dom.js", SCRIPT, include_str!("page/dom.js")),
];
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What every answer of the administrator's address says to browsers.
const GUARDS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
];

/// What the page looks at.
#[derive(Debug, Clone)]
pub struct Page {
    shared: Arc<Shared>,
    loaded: Loaded,
    recent: Recent,
    ports: Arc<Ports>,
    /// Tells one gateway from the next at the same address.
    id: Arc<str>,
    readers: Arc<AtomicUsize>,
}

impl Page {
    pub(crate) fn new(shared: Arc<Shared>, loaded: Loaded, recent: Recent, ports: Arc<Ports>) -> Self {
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { shared, loaded, recent, ports, id: timestamp(started).into(), readers: Arc::default() }
    }

    /// The page's own paths; `None` for others.
    #[must_use]
    pub fn answer<B>(&self, request: &Request<B>, pulse: &Pulse) -> Option<Response<Body>> {
        let path = request.uri().path();
        if let Some((_, of, text)) = FILES.iter().find(|(own, ..)| *own == path) {
            return Some(full(StatusCode::OK, of, Bytes::from_static(text.as_bytes())));
        }
        let query = request.uri().query().unwrap_or_default();
        let what = path.strip_prefix("/api").filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        let told = match what.trim_matches('/') {
            "overview" => self.recent.overview(),
            "listeners" => {
                objects::listeners(&self.shared.snapshot.load(), &self.loaded, |port| self.ports.address(port))
            }
            "routes" => routes::told(&self.shared.snapshot.load()),
            "backends" => backends::told(&self.shared.snapshot.load(), &self.recent, Instant::now()),
            "configuration" => objects::configuration(&self.loaded),
            "exchanges" => match Filter::read(query) {
                Ok(filter) => self.recent.list(&filter),
                Err(why) => return Some(refusal(StatusCode::BAD_REQUEST, &why)),
            },
            "live" => return Some(self.live(request.headers(), query, pulse)),
            other => match other.strip_prefix("exchanges/").and_then(|number| number.parse().ok()) {
                Some(number) => match self.recent.one(number) {
                    Some(exchange) => exchange,
                    None => return Some(refusal(StatusCode::NOT_FOUND, "this exchange is not among the last 500")),
                },
                None => return Some(refusal(StatusCode::NOT_FOUND, HINT)),
            },
        };
        Some(full(StatusCode::OK, "application/json", told.to_string().into()))
    }

    fn live(&self, headers: &HeaderMap, query: &str, pulse: &Pulse) -> Response<Body> {
        let id = headers.get("last-event-id").and_then(|id| id.to_str().ok()).or_else(|| query.strip_prefix("since="));
        match Live::begin(self, id.and_then(|id| id.parse().ok()).unwrap_or(0), pulse) {
            Some(live) => with_type(Response::new(Body::Live(Box::new(live))), "text/event-stream"),
            None => refusal(StatusCode::SERVICE_UNAVAILABLE, "too many live readers; close a tab and try again"),
        }
    }
}

const HINT: &str = "paths: /api/overview /api/listeners /api/routes /api/backends /api/configuration /api/exchanges \
                    /api/exchanges/NUMBER /api/live";

/// Who is answered at all at the administrator's address; the refusal for the others.
#[must_use]
pub fn refused<B>(request: &Request<B>) -> Option<Response<Body>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "nothing can be changed here: GET only");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(response);
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let named = hosts.next().and_then(|host| host.to_str().ok()).is_some_and(is_own_name) && hosts.next().is_none();
    let why = "this page answers to localhost and to addresses only: use http://localhost:PORT/";
    (!named).then(|| refusal(StatusCode::MISDIRECTED_REQUEST, why))
}

/// `localhost` or an address, with or without a port: names that nobody else's DNS decides on.
fn is_own_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() && !name.ends_with(':') => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok() || host.parse::<SocketAddr>().is_ok()
}

/// Says to browsers how little an answer of this address may do.
pub fn guard(response: &mut Response<Body>) {
    for (name, value) in GUARDS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

fn refusal(status: StatusCode, why: &str) -> Response<Body> {
    let told: Value = json!({"error": why});
    full(status, "application/json", told.to_string().into())
}

fn full(status: StatusCode, of: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = with_type(Response::new(Body::Full(Some(bytes))), of);
    *response.status_mut() = status;
    response
}

fn with_type(mut response: Response<Body>, of: &'static str) -> Response<Body> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(of));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_no_dns_decides_on_are_its_own() {
        for own in
            ["localhost", "LOCALHOST:15000", "127.0.0.1", "127.0.0.1:15000", "[::1]", "[::1]:15000", "10.0.0.7:1"]
        {
            assert!(is_own_name(own), "{own}");
        }
        for other in
            ["", ":15000", "evil.example", "localhost.evil.example:15000", "127.0.0.1.nip.io", "a:b", "[evil]:1"]
        {
            assert!(!is_own_name(other), "{other}");
        }
    }
}
