//! What a route is worth by itself, whatever it attaches to: which of its rules are served as written, which
//! references resolve, and the conditions that follow. A route is accepted while one of its rules is; rules that
//! are not are dropped by name (`PartiallyInvalid`), and what they match is answered 500.

use super::attach::Context;
use super::policy::Traffic;
use super::rule::{self, Issues, Sources};
use super::{Refusal, hostname, matcher};
use crate::config::manifests::Resource;
use crate::config::resources::Object;
use crate::config::resources::route::{RouteSpec, RuleSpec};
use crate::config::status::Condition;
use crate::snapshot::Hostname;

/// What holds in a route and what does not.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Whether anything is served as written.
    served: bool,
    /// What is left out, each with its place.
    dropped: Vec<Refusal>,
    /// References that do not resolve.
    unresolved: Vec<Refusal>,
}

/// Looks at every rule of a route; also gives the host names that are some.
pub(super) fn of(
    context: &Context<'_>,
    route: &Resource<Object<RouteSpec>>,
    rules: &[RuleSpec],
) -> (Vec<Option<Hostname>>, Verdict) {
    let mut verdict = Verdict::default();
    let sources = Sources { manifests: context.manifests, backends: context.backends, models: context.models };
    for (index, spec) in rules.iter().enumerate() {
        verdict.add_rule(sources, route, spec, index + 1);
    }
    let hostnames = verdict.hostnames(&route.object.spec.hostnames);
    if route.object.spec.use_default_gateways.is_some() {
        verdict
            .drop("for default Gateways", Refusal::new("UnsupportedValue", "useDefaultGateways is not supported yet"));
    }
    verdict.served &= !hostnames.is_empty();
    (hostnames, verdict)
}

impl Verdict {
    fn add_rule(&mut self, sources: Sources<'_>, route: &Resource<Object<RouteSpec>>, spec: &RuleSpec, number: usize) {
        let mut issues = Issues::default();
        rule::compile(sources, route, spec, Traffic::default(), &mut issues);
        self.unresolved.append(&mut issues.resolved);
        let as_written = issues.accepted.is_empty();
        for refusal in issues.accepted {
            self.drop(&number.to_string(), refusal);
        }
        let bad: Vec<_> = spec.matches.iter().map(|spec| matcher::compile(spec).err()).collect();
        self.served |= as_written && (bad.is_empty() || bad.iter().any(Option::is_none));
        for (index, refusal) in bad.into_iter().enumerate().filter_map(|(index, bad)| Some((index, bad?))) {
            self.drop(&format!("{number} match {}", index + 1), refusal);
        }
    }

    /// Host names that are none serve nothing.
    fn hostnames(&mut self, names: &[String]) -> Vec<Option<Hostname>> {
        if names.is_empty() {
            return vec![None];
        }
        let mut hostnames = Vec::new();
        for name in names {
            match hostname::parse(name) {
                Ok(hostname) => hostnames.push(Some(hostname)),
                Err(refusal) => self.drop("for that host", refusal),
            }
        }
        hostnames
    }

    fn drop(&mut self, which: &str, refusal: Refusal) {
        let message = format!("Dropped Rule {which}: {}", refusal.message);
        self.dropped.push(Refusal { message, ..refusal });
    }

    /// Whether the route is accepted by a parent that lets it attach.
    pub(super) fn accepted(&self) -> bool {
        self.served
    }

    /// The conditions for one parent; `detached` is why the route is not attached to it.
    pub(super) fn conditions(&self, detached: Option<&Refusal>) -> impl Iterator<Item = Condition> {
        let accepted = match (detached, self.served, self.dropped.first()) {
            (Some(refusal), ..) => Condition::no("Accepted", refusal.reason, refusal.message.clone()),
            (None, false, Some(first)) => Condition::no("Accepted", first.reason, joined(&self.dropped)),
            (None, ..) => Condition::yes("Accepted", "Accepted", "Route is accepted"),
        };
        let partial = (accepted.status && !self.dropped.is_empty())
            .then(|| Condition::yes("PartiallyInvalid", "UnsupportedValue", joined(&self.dropped)));
        let resolved = match self.unresolved.first() {
            None => Condition::yes("ResolvedRefs", "ResolvedRefs", "All references are resolved"),
            Some(first) => Condition::no("ResolvedRefs", first.reason, joined(&self.unresolved)),
        };
        [Some(accepted), Some(resolved), partial].into_iter().flatten()
    }
}

/// Every message once.
pub(super) fn joined(refusals: &[Refusal]) -> String {
    let mut messages: Vec<&str> = Vec::new();
    for refusal in refusals {
        if !messages.contains(&refusal.message.as_str()) {
            messages.push(&refusal.message);
        }
    }
    messages.join("; ")
}
