//! The configuration side of the gateway, from text to snapshot, without a socket.

mod backends;
mod certificates;
mod conditions;
mod errors;
mod expressions;
mod folders;
mod matching;
mod models;
mod policies;
mod precedence;
mod secrets;
mod sessions;
mod tracing;
mod tutorials;

use std::sync::Arc;

use gateway::config::{self, Compiled, Manifests, ObjectStatus, Report};
use gateway::snapshot::{AiBackend, Rule, Snapshot, Target};
use gateway::yaml::{Problem, Source};

/// A Gateway on port 8080 that admits routes of every namespace.
const GATEWAY: &str = "
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: agentgateway
  listeners:
  - {name: http, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
---
";

fn parse(text: &str) -> Result<Manifests, Vec<Problem>> {
    config::from_sources(&[Source::new("test.yaml", text)])
}

fn compile(text: &str) -> Compiled {
    match parse(text) {
        Ok(manifests) => config::compile(&manifests, None),
        Err(problems) => panic!("{}", render(&problems)),
    }
}

/// The snapshot and status of [`GATEWAY`] with more objects.
fn served(text: &str) -> Compiled {
    compile(&format!("{GATEWAY}{text}"))
}

fn render(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

fn table(compiled: Compiled) -> String {
    Report { status: compiled.status }.to_string()
}

fn status<'c>(compiled: &'c Compiled, kind: &str, name: &str) -> &'c ObjectStatus {
    let found = compiled.status.iter().find(|status| status.kind.name() == kind && status.name == name);
    found.unwrap_or_else(|| panic!("no status of {kind} {name}"))
}

/// `Accepted=True/Valid ResolvedRefs=…` of an object.
fn conditions(compiled: &Compiled, kind: &str, name: &str) -> String {
    let words: Vec<_> = status(compiled, kind, name)
        .told()
        .map(|(_, condition)| {
            let value = if condition.status { "True" } else { "False" };
            format!("{}={value}/{}", condition.type_, condition.reason)
        })
        .collect();
    words.join(" ")
}

/// Rules of the first listener in the order of precedence.
fn rules(snapshot: &Snapshot) -> Vec<Arc<Rule>> {
    let listener = &snapshot.binds[0].listeners[0];
    listener.routes.iter().map(|entry| entry.rule.clone()).collect()
}

fn first_target(compiled: &Compiled) -> Target {
    rules(&compiled.snapshot)[0].backends[0].target.clone()
}

fn ai(target: &Target) -> &AiBackend {
    match target {
        Target::Ai(backend) => backend,
        other => panic!("not an AI backend: {other:?}"),
    }
}
