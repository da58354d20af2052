//! One table of what every object's status says, row by row from the rules of the Gateway API and of agentgateway,
//! with what a request then gets. A row is a line of objects, the conditions that must be among those told, and
//! the status of one request to a running gateway with the same objects.

mod agentgateway;
mod backend_refs;
mod gateways;
mod parents;
mod profile;
mod rules;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;

use gateway::config::{self, Condition, ObjectStatus};
use gateway::yaml::Source;

use crate::support::{raw, start_with};

/// One row. Objects are `Kind namespace/name: spec` (namespace `default` left out), or whole in flow style.
/// Conditions are `Kind name [parent or listener] Type=Status/Reason`; `no …` says that none begins so.
pub(crate) struct Row {
    what: &'static str,
    given: &'static [&'static str],
    told: &'static [&'static str],
    /// `host:port/path` of a request and its answer; 0 where nobody listens.
    asked: Option<(&'static str, u16)>,
}

pub(crate) const fn row(
    what: &'static str,
    given: &'static [&'static str],
    told: &'static [&'static str],
    asked: Option<(&'static str, u16)>,
) -> Row {
    Row { what, given, told, asked }
}

/// A Gateway that takes routes of every namespace.
pub(crate) const GW: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]}";
/// A backend that answers 200.
pub(crate) const B: &str = "AgentgatewayBackend b: {static: {host: 127.0.0.1, port: $UP}}";
/// A route to it.
pub(crate) const R: &str = "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{backendRefs: [$B]}]}";
/// A reference to it.
const REF: &str = "{name: b, group: agentgateway.dev, kind: AgentgatewayBackend}";

/// Answers 200 to whatever comes, until dropped.
struct Upstream {
    port: u16,
    over: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, over) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(false)));
        let until = over.clone();
        let serve = move || {
            std::thread::scope(|scope| {
                for stream in listener.incoming().take_while(|_| !until.load(Relaxed)) {
                    scope.spawn(|| answer(stream.unwrap()));
                }
            });
        };
        Self { port, over, serving: Some(std::thread::spawn(serve)) }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
        let _ended = self.serving.take().map(JoinHandle::join);
    }
}

fn answer(mut stream: TcpStream) {
    let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
    while !seen.ends_with(BODY.as_bytes()) {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(n) => seen.extend_from_slice(&chunk[..n]),
        }
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n";
    stream.write_all(format!("{head}{{}}").as_bytes()).unwrap();
}

const BODY: &str = r#"{"model":"m","messages":[]}"#;

/// The objects of a row as YAML.
fn manifests(given: &[&str], up: u16) -> String {
    let document = |text: &&str| {
        let text = text.replace("$B", REF).replace("$UP", &up.to_string());
        if text.starts_with('{') {
            return format!("{text}\n---\n");
        }
        let (head, spec) = text.split_once(": ").unwrap();
        let (kind, id) = head.split_once(' ').unwrap();
        let place = match id.split_once('/') {
            Some((namespace, name)) => format!("namespace: {namespace}, name: {name}"),
            None => format!("name: {id}"),
        };
        format!("kind: {kind}\nmetadata: {{{place}}}\nspec: {spec}\n---\n")
    };
    given.iter().map(document).collect()
}

/// Everything that is told of an object, a line each.
fn lines(object: &ObjectStatus) -> Vec<String> {
    let id = format!("{} {}", object.kind.name(), object.id());
    let line = |about: Option<String>, condition: &Condition| {
        let about = about.map(|about| format!(" [{about}]")).unwrap_or_default();
        let status = if condition.status { "True" } else { "False" };
        format!("{id}{about} {}={status}/{}", condition.type_, condition.reason)
    };
    let mut lines: Vec<_> = object.told().map(|(parent, condition)| line(parent, condition)).collect();
    for listener in &object.listeners {
        let name = &listener.name;
        lines.extend(listener.conditions.iter().map(|condition| line(Some(name.clone()), condition)));
        let kinds: Vec<_> = listener.supported_kinds.iter().map(|kind| kind.name()).collect();
        lines.push(format!("{id} [{name}] attachedRoutes={}", listener.attached_routes));
        lines.push(format!("{id} [{name}] supportedKinds={}", kinds.join(",")));
    }
    lines.extend(object.generation.map(|generation| format!("{id} observedGeneration={generation}")));
    lines.into_iter().map(|line| line.replace("default/", "")).collect()
}

/// What of a row does not hold.
fn faults(row: &Row, up: u16) -> Vec<String> {
    let text = manifests(row.given, up);
    let objects = config::from_sources(&[Source::new("row.yaml", text.as_str())]).unwrap();
    let told: Vec<String> = config::compile(&objects, None).status.iter().flat_map(lines).collect();
    let holds = |expected: &str| match expected.strip_prefix("no ") {
        Some(start) => !told.iter().any(|line| line.starts_with(start)),
        None => told.iter().any(|line| line == expected),
    };
    let missing = row.told.iter().filter(|expected| !holds(expected));
    let mut faults: Vec<String> =
        missing.map(|expected| format!("{}: not so: {expected}\n    {}", row.what, told.join("\n    "))).collect();
    if let Some((place, expected)) = row.asked {
        let status = ask(&text, place);
        if status != expected {
            faults.push(format!("{}: {place} answers {status} instead of {expected}", row.what));
        }
    }
    faults
}

/// The status that a gateway with these objects gives to one request.
fn ask(manifests: &str, place: &str) -> u16 {
    let (authority, path) = place.split_once('/').unwrap_or((place, "v1/chat/completions"));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "8080"));
    let running = start_with(manifests, |options| options.workers = Some(1));
    let Some(address) = running.gateway.as_ref().unwrap().address(port.parse().unwrap()) else { return 0 };
    let length = BODY.len();
    let head =
        format!("POST /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    let status = raw(address, format!("{head}{BODY}").as_bytes()).status;
    running.stop();
    status
}

fn check(rows: &[Row]) {
    let upstream = Upstream::start();
    let faults: Vec<String> = std::thread::scope(|scope| {
        let checks: Vec<_> = rows.iter().map(|row| scope.spawn(|| faults(row, upstream.port))).collect();
        checks.into_iter().flat_map(|check| check.join().unwrap()).collect()
    });
    assert!(faults.is_empty(), "{} of {} rows\n{}", faults.len(), rows.len(), faults.join("\n"));
}

#[test]
fn classes_gateways_and_listeners_say_what_is_served() {
    check(gateways::ROWS);
}

#[test]
fn routes_say_which_parents_they_attach_to() {
    check(parents::ROWS);
}

#[test]
fn routes_say_which_of_their_rules_are_dropped() {
    check(rules::ROWS);
}

#[test]
fn routes_say_which_references_resolve() {
    check(backend_refs::ROWS);
}

#[test]
fn backends_and_policies_say_what_takes_effect() {
    check(agentgateway::ROWS);
}

#[test]
fn the_gateway_apis_conformance_profile_holds() {
    check(profile::ROWS);
}
