//! Matching against a naive reading of the Gateway API: every match is looked at, and the better of two is told by
//! comparing them rule by rule. It knows nothing of what the gateway compiles.

use std::cmp::Ordering;

use gateway::route::{self, Asked};
use http::Method;
use proptest::prelude::*;
use proptest::sample::select;

/// One route with one rule of one match.
#[derive(Debug, Clone)]
struct Route {
    hostname: &'static str,
    path: (&'static str, &'static str),
    method: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    query: Vec<(&'static str, &'static str)>,
}

#[derive(Debug, Clone)]
struct Request {
    host: &'static str,
    path: &'static str,
    method: &'static str,
    header: Option<(&'static str, &'static str)>,
    query: &'static str,
}

const LISTENERS: [&str; 4] = ["", "*.example.com", "*.a.example.com", "a.example.com"];

fn any_route() -> impl Strategy<Value = Route> {
    let hostname =
        select(vec!["", "*.example.com", "*.a.example.com", "a.example.com", "x.a.example.com", "other.org"]);
    let paths = [
        ("Exact", "/"),
        ("Exact", "/a"),
        ("Exact", "/a/b"),
        ("PathPrefix", "/"),
        ("PathPrefix", "/a"),
        ("PathPrefix", "/a/"),
        ("PathPrefix", "/a/b"),
        ("PathPrefix", "/ab"),
        ("RegularExpression", "/a.*"),
        ("RegularExpression", "/a/[bc]"),
    ];
    let method = select(vec!["", "", "GET", "POST"]);
    let headers = proptest::sample::subsequence(vec![("x-a", "1"), ("x-b", "2")], 0..=2);
    let query = proptest::sample::subsequence(vec![("p", "1"), ("q", "2")], 0..=2);
    (hostname, select(paths.to_vec()), method, headers, query)
        .prop_map(|(hostname, path, method, headers, query)| Route { hostname, path, method, headers, query })
}

fn any_request() -> impl Strategy<Value = Request> {
    let host =
        select(vec!["a.example.com", "x.a.example.com", "b.example.com", "example.com", "other.org", "none.net"]);
    let path = select(vec!["/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/abc", "/z"]);
    let header = select(vec![None, Some(("x-a", "1")), Some(("x-a", "2")), Some(("x-b", "2"))]);
    (host, path, select(vec!["GET", "POST", "PUT"]), header, select(vec!["", "p=1", "p=1&q=2", "q=2&p=2", "p=2&p=1"]))
        .prop_map(|(host, path, method, header, query)| Request { host, path, method, header, query })
}

fn manifests(routes: &[Route]) -> String {
    let listeners = LISTENERS.iter().enumerate().map(|(index, hostname)| {
        let hostname = if hostname.is_empty() { String::new() } else { format!(", hostname: '{hostname}'") };
        format!("  - {{name: l{index}, port: 80, protocol: HTTP{hostname}}}\n")
    });
    let mut text = format!(
        "kind: Gateway\nmetadata: {{name: gw}}\nspec:\n  gatewayClassName: agentgateway\n  listeners:\n{}",
        listeners.collect::<String>()
    );
    for (index, route) in routes.iter().enumerate() {
        let pairs = |pairs: &[(&str, &str)]| -> String {
            pairs.iter().map(|(name, value)| format!("{{name: {name}, value: '{value}'}}, ")).collect()
        };
        let hostnames = if route.hostname.is_empty() { String::new() } else { format!("'{}'", route.hostname) };
        let method = if route.method.is_empty() { String::new() } else { format!(", method: {}", route.method) };
        let (type_, value) = route.path;
        text.push_str(&format!(
            "---\nkind: HTTPRoute\nmetadata: {{name: r{index}}}\nspec:\n  parentRefs: [{{name: gw}}]\n  hostnames: [{hostnames}]\n  \
             rules:\n  - matches: [{{path: {{type: {type_}, value: '{value}'}}, headers: [{}], queryParams: [{}]{method}}}]\n",
            pairs(&route.headers),
            pairs(&route.query)
        ));
    }
    text
}

/// How well a pattern fits a host: exact beats wildcard, the longer wildcard the shorter, any wildcard none.
fn host_fit(pattern: &str, host: &str) -> Option<(u8, usize)> {
    match pattern.strip_prefix('*') {
        _ if pattern.is_empty() => Some((0, 0)),
        Some(suffix) => (host.ends_with(suffix) && host.len() > suffix.len()).then_some((1, suffix.len())),
        None => (pattern == host).then_some((2, 0)),
    }
}

/// The better of two patterns that fit a host is the host of both together.
fn narrower<'p>(a: &'p str, b: &'p str, host: &str) -> &'p str {
    if host_fit(a, host) >= host_fit(b, host) { a } else { b }
}

fn fits(route: &Route, request: &Request) -> bool {
    let (type_, value) = route.path;
    let segments = |path: &'static str| path.split('/').filter(|segment| !segment.is_empty()).collect::<Vec<_>>();
    let path = match type_ {
        "Exact" => request.path == value,
        "PathPrefix" => segments(request.path).starts_with(&segments(value)),
        _ => regex::Regex::new(&format!("^({value})$")).expect("valid").is_match(request.path),
    };
    let first =
        |name: &str| request.query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    path && (route.method.is_empty() || route.method == request.method)
        && route.headers.iter().all(|header| request.header == Some(*header))
        && route.query.iter().all(|(name, value)| first(name).is_some_and(|(_, found)| found == *value))
}

/// Which of two fitting routes is better, by the letter of HTTPRouteRule.matches; the older one if they are equal.
fn better(a: &Route, b: &Route, listener: &str, host: &str) -> Ordering {
    let hostname = |route: &Route| host_fit(narrower(listener, route.hostname, host), host);
    let kind =
        |route: &Route| ["RegularExpression", "PathPrefix", "Exact"].iter().position(|kind| *kind == route.path.0);
    let length = |route: &Route| route.path.1.trim_end_matches('/').len();
    let regex_length = |route: &Route| route.path.1.len();
    let by = hostname(a).cmp(&hostname(b)).then(kind(a).cmp(&kind(b)));
    let by = match a.path.0 {
        "RegularExpression" => by.then(regex_length(a).cmp(&regex_length(b))),
        _ => by.then(length(a).cmp(&length(b))),
    };
    by.then(a.method.is_empty().cmp(&b.method.is_empty()).reverse())
        .then(a.headers.len().cmp(&b.headers.len()))
        .then(a.query.len().cmp(&b.query.len()))
}

fn expected(routes: &[Route], request: &Request) -> Option<String> {
    let host = request.host;
    let listener = LISTENERS.into_iter().max_by_key(|listener| host_fit(listener, host))?;
    let mut best: Option<(usize, &Route)> = None;
    for (index, route) in routes.iter().enumerate() {
        let here = host_fit(route.hostname, host).is_some() && fits(route, request);
        if here && best.is_none_or(|(_, other)| better(route, other, listener, host) == Ordering::Greater) {
            best = Some((index, route));
        }
    }
    best.map(|(index, _)| format!("default/r{index}"))
}

fn head(request: &Request) -> http::request::Parts {
    let uri = format!("{}?{}", request.path, request.query);
    let builder = http::Request::builder().method(request.method).uri(uri).header("host", request.host);
    let builder = match request.header {
        Some((name, value)) => builder.header(name, value),
        None => builder,
    };
    builder.body(()).expect("a request").into_parts().0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_route_that_serves_is_the_one_that_a_naive_reading_of_the_gateway_api_finds(
        routes in proptest::collection::vec(any_route(), 0..12),
        requests in proptest::collection::vec(any_request(), 30),
    ) {
        let compiled = super::compile(&manifests(&routes));
        let bind = &compiled.snapshot.binds[0];
        for request in &requests {
            let head = head(request);
            let method = Method::from_bytes(request.method.as_bytes()).expect("a method");
            let asked = Asked { method: &method, path: request.path, lenient: None, host: request.host, head: &head };
            let found = route::find(bind, asked).ok().map(|(_, entry)| entry.rule.route.to_string());
            prop_assert_eq!(found, expected(&routes, request), "{:?}", request);
        }
    }
}
