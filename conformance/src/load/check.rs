//! Everything that can be wrong with a scenario without running it: unknown names and impossible combinations.

mod references;
mod requests;
mod status;

use gateway::yaml::{Problem, Source, did_you_mean};

use super::{Loaded, at, manifests, names, place};
use crate::capability::{CAPABILITIES, PROFILES};
use crate::saboteur::Saboteur;
use crate::scenario::expect::{FinalExpect, ProviderExpect, ShareExpect, TelemetryExpect};
use crate::scenario::{At, Change, Level, Scenario, Step, WaitUntil};

pub(super) use references::in_comment;

/// All problems of one scenario.
pub(super) fn scenario(loaded: &Loaded) -> Vec<Problem> {
    let mut check = Check { source: &loaded.source, scenario: &loaded.scenario, problems: Vec::new() };
    check.head();
    check.world(loaded);
    for step in &loaded.scenario.steps {
        check.step(step);
    }
    check.at_end(&loaded.scenario.expect);
    check.references();
    check.variables();
    check.problems
}

/// Where a secret can be looked for.
pub(crate) const PLACES: &[&str] = &["client", "providers", "logs", "metrics", "spans"];

struct Check<'a> {
    source: &'a Source,
    scenario: &'a Scenario,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn head(&mut self) {
        let scenario = self.scenario;
        if !names::is_id(&scenario.id.value) {
            let problem = at(self.source, &scenario.id, format!("`{}` is no id", scenario.id.value));
            self.problems.push(problem.with_hint("a group in capital letters and a number, such as MY-01"));
        }
        self.known("profile", &scenario.profile, PROFILES.iter().map(|profile| profile.name));
        for need in &scenario.needs {
            self.known("capability", need, CAPABILITIES.iter().map(|capability| capability.name));
        }
        for name in &scenario.sabotage {
            self.known("saboteur", name, Saboteur::ALL.iter().map(|saboteur| saboteur.name()));
        }
        if scenario.sabotage.is_empty() && scenario.level != Level::May {
            let message = "no saboteur is named: nothing shows that this scenario can fail";
            self.problems.push(
                at(self.source, &scenario.id, message)
                    .with_hint("add `sabotage: […]`; `windtunnel list --saboteurs` names them"),
            );
        }
        let ways = [scenario.check.is_some(), scenario.start.is_some(), !scenario.steps.is_empty()];
        if ways.iter().filter(|given| **given).count() != 1 {
            let message = "a scenario has exactly one of `steps`, `check` and `start`";
            self.problems.push(at(self.source, &scenario.id, message));
        }
        let kinds = [("trap", &scenario.traps), ("collector", &scenario.collectors)];
        for (kind, name) in kinds.iter().flat_map(|(kind, names)| names.iter().map(move |name| (kind, name))) {
            if scenario.providers.contains_key(&name.value) {
                self.problems.push(at(self.source, name, format!("`{}` is a provider, not a {kind}", name.value)));
            }
        }
    }

    fn world(&mut self, loaded: &Loaded) {
        for (upstream, provider) in &self.scenario.connect_to {
            self.provider(provider);
            if upstream.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok()).is_none() {
                self.problems.push(at(self.source, provider, format!("`{upstream}` is not HOST:PORT")));
            }
        }
        if self.scenario.gateway_text.is_some() && !self.scenario.gateway.is_empty() {
            let message = "`gateway` and `gateway_text` exclude each other";
            self.problems.push(at(self.source, &self.scenario.gateway[0], message));
        }
        self.problems.extend(manifests::problems(loaded));
    }

    fn step(&mut self, step: &At<Step>) {
        let Step { id, request, change, wait_until, repeat, background, join, steps, .. } = &step.value;
        let kinds = [request.is_some(), change.is_some(), wait_until.is_some(), join.is_some(), !steps.is_empty()];
        if kinds.iter().filter(|given| **given).count() != 1 {
            let message = "a step is exactly one of `request`, `change`, `wait_until`, `join` and `steps`";
            self.problems.push(at(self.source, step, message));
        }
        if *background && (id.is_none() || request.is_none()) {
            let message = "a background step is a request with an `id`, by which `join` finds it";
            self.problems.push(at(self.source, step, message));
        }
        if let Some(join) = join {
            let known: Vec<&str> = self.scenario.background().filter_map(|step| step.id.as_deref()).collect();
            self.known("background step", join, known.into_iter());
        }
        steps.iter().for_each(|inner| self.step(inner));
        if repeat.is_some_and(|repeat| repeat.times == 0 || repeat.concurrency == 0) {
            self.problems.push(at(self.source, step, "`repeat` needs at least one time and one at once"));
        }
        if let Some(request) = request {
            self.request(step, request);
        }
        if let Some((served, name)) = step.value.expect.served_by.as_ref().and_then(|by| Some((by, by.value.word()?)))
            && !name.contains("${")
        {
            let named = At { value: name.to_owned(), referenced: served.referenced };
            self.known_as("provider", &named, name);
        }
        for (name, share) in &step.value.expect.distribution {
            self.provider_key(name);
            self.share(share);
        }
        if let Some(change) = change {
            self.change(step, change);
        }
        if let Some(wait) = wait_until {
            self.wait(step, wait);
        }
    }

    fn change(&mut self, step: &At<Step>, change: &Change) {
        for name in [&change.stop, &change.start, &change.heal].into_iter().flatten() {
            self.provider(name);
        }
        if change.half.is_some() && change.apply.is_empty() && change.delete.is_empty() && change.text.is_none() {
            self.problems.push(at(self.source, step, "`half` belongs to a changed configuration"));
        }
        for name in change.script.keys() {
            self.provider_key(name);
        }
        if change.half.is_some() || change.text.is_some() {
            self.needs("config.files", "text in place of manifests");
        }
        if change.cluster.is_some() {
            self.needs("config.kubernetes", "what happens to a cluster");
        }
    }

    fn wait(&mut self, step: &At<Step>, wait: &WaitUntil) {
        if let Some(request) = &wait.request {
            self.request(step, request);
        }
        let target = wait.ready.is_some() || wait.exited.is_some() || !wait.status.is_empty();
        if wait.request.is_none() && wait.providers.is_empty() && wait.telemetry.is_none() && !target {
            self.problems.push(at(self.source, step, "`wait_until` waits for nothing"));
        }
        self.providers(wait.providers.iter());
        self.statuses(&wait.status);
        if let Some(telemetry) = &wait.telemetry {
            self.telemetry(telemetry);
        }
    }

    fn at_end(&mut self, expect: &FinalExpect) {
        self.providers(expect.providers.iter());
        self.statuses(&expect.status);
        if let Some(telemetry) = &expect.telemetry {
            self.telemetry(telemetry);
        }
        for (name, canary) in &expect.canary {
            let known = name.strip_prefix("secrets.").is_some_and(|name| self.scenario.secrets.contains_key(name));
            if !known {
                self.problems.push(at(self.source, canary, format!("`{name}` is not one of this scenario's secrets")));
            }
            for place in canary.value.never_at.iter().chain(&canary.value.allowed_at) {
                match place.value.strip_prefix("provider.") {
                    Some(provider) => self.known_as("provider", place, provider),
                    None => self.known("place", place, PLACES.iter().copied()),
                }
            }
        }
    }

    fn providers<'p>(&mut self, providers: impl Iterator<Item = (&'p String, &'p ProviderExpect)>) {
        for (name, expect) in providers {
            self.provider_key(name);
            if let Some(share) = &expect.share {
                self.share(share);
            }
        }
    }

    fn share(&mut self, share: &At<ShareExpect>) {
        let ShareExpect { binomial, count, share: part } = &share.value;
        let ways = [binomial.is_some(), count.is_some(), part.is_some()];
        if ways.iter().filter(|given| **given).count() != 1 {
            self.problems.push(at(self.source, share, "a share is exactly one of `binomial`, `count` and `share`"));
        }
        if binomial.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
            self.problems.push(at(self.source, share, "a probability lies between 0 and 1"));
        }
    }

    /// A target that does not claim a kind of telemetry must not be judged by it.
    fn telemetry_needs(&mut self, telemetry: &TelemetryExpect) {
        let requests = telemetry.requests.is_some() || !telemetry.labels.is_empty() || telemetry.conserved.is_some();
        let log = !telemetry.log.is_empty() || !telemetry.log_every.is_empty() || telemetry.log_count.is_some();
        let uses = [
            (requests, "telemetry.requests"),
            (telemetry.tokens.is_some(), "telemetry.tokens"),
            (log, "telemetry.access_log"),
            (telemetry.ttft.is_some(), "telemetry.ttft"),
            (telemetry.time_per_output_token.is_some(), "telemetry.time_per_output_token"),
            (telemetry.cached_tokens.is_some(), "telemetry.cached_tokens"),
            (telemetry.series.is_some(), "telemetry.series_bounded"),
            (telemetry.exposition.is_some(), "telemetry.exposition"),
            (telemetry.cost.is_some(), "telemetry.cost"),
            (!telemetry.spans.is_empty() || !telemetry.span_count.is_empty(), "telemetry.spans"),
        ];
        for (_, need) in uses.iter().filter(|(used, _)| *used) {
            self.needs(need, "what is expected of telemetry");
        }
    }

    fn needs(&mut self, need: &str, what: &str) {
        if !self.scenario.needs.iter().any(|known| known.value == need) {
            let message = format!("{what} needs the capability `{need}`");
            self.problems
                .push(at(self.source, &self.scenario.id, message).with_hint(format!("add it to `needs: […, {need}]`")));
        }
    }

    fn telemetry(&mut self, telemetry: &TelemetryExpect) {
        self.telemetry_needs(telemetry);
        for tokens in telemetry.tokens.iter().flat_map(|list| &list.0) {
            if let Some(provider) = &tokens.provider {
                self.provider(provider);
            }
        }
    }

    fn provider(&mut self, name: &At<String>) {
        self.known_as("provider", name, &name.value);
    }

    fn known_as(&mut self, what: &str, place: &At<String>, name: &str) {
        if !self.scenario.providers.contains_key(name) {
            let problem = at(self.source, place, format!("no {what} is called `{name}`"));
            self.refuse(problem, name, self.scenario.providers.keys().map(String::as_str).collect());
        }
    }

    /// A provider named by a map key, which has no position of its own.
    fn provider_key(&mut self, name: &str) {
        if !self.scenario.providers.contains_key(name) {
            let found = self.source.text.rfind(&format!("{name}:")).unwrap_or(0);
            let problem = offset(self.source, found, name.len(), format!("no provider is called `{name}`"));
            self.refuse(problem, name, self.scenario.providers.keys().map(String::as_str).collect());
        }
    }

    fn known<'n>(&mut self, what: &str, name: &At<String>, names: impl Iterator<Item = &'n str>) {
        let names: Vec<&str> = names.collect();
        if !names.contains(&name.value.as_str()) {
            let problem = at(self.source, name, format!("no {what} is called `{}`", name.value));
            self.refuse(problem, &name.value, names);
        }
    }

    fn refuse(&mut self, problem: Problem, name: &str, names: Vec<&str>) {
        /// More names than this are a list of their own.
        const TOLD: usize = 20;
        let hint = match did_you_mean(name, names.iter().copied()) {
            Some(close) => format!("did you mean `{close}`?"),
            None if names.len() > TOLD => {
                format!("there are {} of them; `windtunnel list --help` says how to see them", names.len())
            }
            None => format!("there are {}", names.join(", ")),
        };
        self.problems.push(problem.with_hint(hint));
    }
}

/// A problem at a byte offset.
pub(super) fn offset(source: &Source, start: usize, width: usize, message: String) -> Problem {
    let before = &source.text[..start];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    place(source, line, column, width, message)
}
