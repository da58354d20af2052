//! One step: requests, a change, or a wait.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::drive::{Calls, GIVEN_UP, drive, expects_silence, leave_signal};
use super::{Patience, Player};
use crate::call;
use crate::client::{Call, Exchange};
use crate::expect::exchange::{self, Served};
use crate::expect::{Failure, Judge, distribution, providers};
use crate::matcher::Seen;
use crate::scenario::expect::ExchangeExpect;
use crate::scenario::{At, Change, Repeat, Request, Step, WaitUntil};
use crate::vars::Vars;
use crate::wire::{Head, head_end};
use crate::world::{Reload, WorldError};

/// The longest that a client waits when a saboteur is at work.
const DEADLINE_SABOTAGED: Duration = Duration::from_secs(3);
/// How long `wait_until` waits when it does not say.
const WAIT: Duration = Duration::from_secs(2);
/// Most failures told of one repeated request.
const TOLD: usize = 3;

/// Requests that go on while later steps happen; ended when dropped.
pub(super) struct Background<'s> {
    step: &'s At<Step>,
    path: String,
    /// How many requests are to be sent.
    asked: usize,
    running: JoinSet<Vec<Exchange>>,
}

impl<'s> Player<'s> {
    /// Does one step and judges it.
    pub(super) async fn step(&mut self, path: &str, step: &'s At<Step>) -> Result<Vec<Failure>, WorldError> {
        let Step { request, change, wait_until, join, steps, repeat, background, .. } = &step.value;
        if let Some(request) = request {
            let calls = self.calls(request, *repeat).await?;
            let concurrency = repeat.map_or(1, |repeat| repeat.concurrency);
            let mut running = JoinSet::new();
            let patience = !expects_silence(&step.value.expect);
            let asked = calls.calls.len();
            running.spawn(drive(calls.calls, concurrency, self.world.origin, patience));
            let background = Background { step, path: path.to_owned(), asked, running };
            if step.value.background {
                self.background.push(background);
                return Ok(Vec::new());
            }
            self.leave_when_received(calls.leaving).await;
            return self.finish(background).await;
        }
        if let Some(change) = change {
            return self.change(&format!("{path}.change"), change, step).await;
        }
        if let Some(wait) = wait_until {
            return self.wait(&format!("{path}.wait_until"), wait, step).await;
        }
        if let Some(join) = join {
            let named = |one: &Background<'_>| one.step.value.id.as_ref() == Some(&join.value);
            return match self.background.iter().position(named) {
                Some(at) => {
                    let background = self.background.remove(at);
                    self.finish(background).await
                }
                None => Err(WorldError::Scenario(format!("`{}` has been joined already", join.value))),
            };
        }
        debug_assert!(!background, "refused when read");
        for round in 0..repeat.map_or(1, |repeat| repeat.times) {
            self.world.vars.set("i", round);
            let failures = Box::pin(self.steps(&format!("{path}.steps"), steps)).await?;
            if !failures.is_empty() {
                return Ok(failures);
            }
        }
        Ok(Vec::new())
    }

    /// Waits for all background steps that nobody joined.
    pub(super) async fn join_all(&mut self) -> Result<Vec<Failure>, WorldError> {
        for background in std::mem::take(&mut self.background) {
            let failures = self.finish(background).await?;
            if !failures.is_empty() {
                return Ok(failures);
            }
        }
        Ok(Vec::new())
    }

    /// Waits for requests and judges them.
    async fn finish(&mut self, mut background: Background<'s>) -> Result<Vec<Failure>, WorldError> {
        let joined = background.running.join_next().await;
        let exchanges = joined.unwrap_or(Ok(Vec::new()));
        let exchanges = exchanges.map_err(|error| WorldError::Scenario(format!("a client broke: {error}")))?;
        let Background { step, path, asked, .. } = background;
        let mut failures = self.judge_exchanges(&format!("{path}.expect"), &step.value.expect, &exchanges).await;
        if exchanges.len() < asked {
            let mut judge = Judge::new(&self.world.vars, path);
            let actual = format!(
                "{} requests: {GIVEN_UP} of them got no answer in time, the rest was not sent",
                exchanges.len()
            );
            judge.fail("", step, format!("{asked} requests"), actual);
            failures.append(&mut judge.failures);
        }
        self.keep(step, exchanges);
        Ok(failures)
    }

    /// Keeps exchanges as evidence, the last one under the step's id.
    fn keep(&mut self, step: &At<Step>, exchanges: Vec<Exchange>) {
        if let (Some(id), Some(last)) = (&step.value.id, exchanges.last()) {
            remember(&mut self.world.vars, id, last);
        }
        self.exchanges.extend(exchanges);
    }

    /// Builds a request as often as it will be sent, and lets the seams know.
    async fn calls(&mut self, request: &Request, repeat: Option<Repeat>) -> Result<Calls, WorldError> {
        let (address, declared) = match request.at {
            Some(endpoint) => self.world.endpoint(endpoint)?,
            None => (self.world.listener(request.port)?, ""),
        };
        let mut all = Calls::default();
        for i in 0..repeat.map_or(1, |repeat| repeat.times) {
            let nonce = format!("{:016x}", crate::world::random());
            let vars = self.world.vars.with("nonce", nonce.clone());
            let vars = if repeat.is_some() { vars.with("i", i) } else { vars };
            let mut call = call::build(request, address, declared, &nonce, &vars)?;
            if let (Some(via), Some(name)) = (&mut call.http2, &request.connection) {
                via.slot = self.connections.entry(name.clone()).or_default().clone();
            }
            // A scenario that names its own deadline, or takes long, is not cut short: it would be red by that alone.
            if self.world.saboteur.is_some() && request.deadline.is_none() && !self.long {
                call.deadline = call.deadline.min(DEADLINE_SABOTAGED);
            }
            if request.at.is_some() {
                call.nonce.clear();
            } else {
                self.register(&call);
            }
            all.leaving.extend(leave_signal(request, &mut call).map(|signal| (nonce, signal)));
            all.calls.push(call);
        }
        Ok(all)
    }

    /// Lets the seams know what is sent.
    fn register(&self, call: &Call) {
        let Some(context) = &self.world.context else { return };
        if let Some(head) = head_end(&call.wire).and_then(|end| Head::parse(&call.wire[..end])) {
            context.sent(&call.nonce, head, call.body.to_vec());
        }
    }

    /// Tells each client to leave once a provider has its request.
    async fn leave_when_received(&self, mut leaving: Vec<(String, watch::Sender<bool>)>) {
        let mut patience = Patience::new(call::DEADLINE);
        while !leaving.is_empty() {
            let journals = self.world.journals();
            let received = providers::by_nonce(&journals);
            leaving.retain(|(nonce, signal)| match received.contains_key(nonce.as_str()) {
                true => {
                    signal.send_replace(true);
                    false
                }
                false => true,
            });
            if !patience.more().await {
                break;
            }
        }
        for (_, signal) in leaving {
            signal.send_replace(true);
        }
    }

    /// Judges all exchanges of a step; who served them is polled, the journal may be a moment behind.
    async fn judge_exchanges(&self, path: &str, expect: &ExchangeExpect, exchanges: &[Exchange]) -> Vec<Failure> {
        let about_upstream = expect.served_by.is_some()
            || expect.attempts.is_some()
            || expect.as_sent.is_some()
            || expect.every_attempt.is_some()
            || !expect.distribution.is_empty();
        let limit = if about_upstream { self.setting.settle(None) / 5 } else { Duration::ZERO };
        let mut patience = Patience::new(limit);
        loop {
            let failures = self.judge_now(path, expect, exchanges);
            if failures.is_empty() || !patience.more().await {
                return failures;
            }
        }
    }

    fn judge_now(&self, path: &str, expect: &ExchangeExpect, exchanges: &[Exchange]) -> Vec<Failure> {
        let journals = self.world.journals();
        let index_of = providers::by_nonce(&journals);
        let slack = self.slack();
        let mut failures = Vec::new();
        let mut by_provider: Vec<Served> = Vec::new();
        for (index, exchange) in exchanges.iter().enumerate() {
            let served = index_of.get(exchange.call.nonce.as_str()).cloned().unwrap_or_default();
            if failures.len() < TOLD {
                let vars = self.world.vars.with("i", index).with("nonce", exchange.call.nonce.clone());
                let several = exchanges.len() > 1;
                let path = if several { format!("{path} (request {index})") } else { path.to_owned() };
                let mut judge = Judge::new(&vars, path).lenient(slack);
                exchange::judge(&mut judge, expect, exchange, &served);
                providers::attempts(&mut judge, expect, &journals, exchange);
                failures.append(&mut judge.failures);
            }
            by_provider.push(served);
        }
        let mut judge = Judge::new(&self.world.vars, path).lenient(slack);
        for (name, share) in &expect.distribution {
            let hits = by_provider.iter().filter(|served| served.by.as_ref() == Some(name)).count();
            distribution::judge(&mut judge, &format!(".distribution.{name}"), share, hits, exchanges.len());
        }
        exchange::judge_all(&mut judge, expect, exchanges);
        failures.append(&mut judge.failures);
        failures
    }

    async fn change(&mut self, path: &str, change: &Change, step: &At<Step>) -> Result<Vec<Failure>, WorldError> {
        if let (Some(_), Some(status)) = (&change.signal, self.world.gateway.exited()) {
            let mut judge = Judge::new(&self.world.vars, path);
            judge.fail(".signal", step, "a running target to signal", format!("it ended by itself: {status}"));
            return Ok(judge.failures);
        }
        let reload = self.world.change(change).await?;
        let vars = self.world.vars.clone();
        let mut judge = Judge::new(&vars, path);
        match (reload, &change.refused) {
            (None | Some(Reload::Unknown), _) | (Some(Reload::Taken), None) => {}
            (Some(Reload::Silent), _) => {
                judge.fail("", step, "the gateway reloads", "it said nothing about the change");
            }
            (Some(Reload::Taken), Some(wanted)) => {
                judge.fail(".refused", wanted, "the change is refused", "it was taken");
            }
            (Some(Reload::Refused(said)), None) => judge.fail("", step, "the change is taken", said),
            (Some(Reload::Refused(said)), Some(wanted)) => judge.check(".refused", wanted, &Seen::one(said)),
        }
        Ok(judge.failures)
    }

    /// Readiness and exit at this moment.
    async fn process(&self, path: &str, wait: &WaitUntil) -> Vec<Failure> {
        let mut judge = Judge::new(&self.world.vars, path);
        if let Some(wanted) = &wait.ready {
            let ready = self.world.is_ready().await;
            if ready != wanted.value {
                judge.fail(".ready", wanted, format!("ready: {}", wanted.value), format!("ready: {ready}"));
            }
        }
        if let Some(wanted) = &wait.exited {
            match self.world.gateway.exited() {
                None => judge.fail(".exited", wanted, "an end of the process", "it is running"),
                Some(status) => {
                    let code = Seen::maybe(status.code());
                    if let Some(matcher) = wanted.value.code.as_ref().filter(|matcher| !matcher.holds(&code)) {
                        judge.fail(".exited.code", wanted, matcher.to_string(), status.to_string());
                    }
                }
            }
        }
        judge.failures
    }

    async fn wait(&mut self, path: &str, wait: &WaitUntil, step: &At<Step>) -> Result<Vec<Failure>, WorldError> {
        let usual = if wait.status.is_empty() { WAIT } else { self.setting.settle(None) };
        let mut patience = Patience::new(wait.within.unwrap_or(usual));
        loop {
            let mut failures = Vec::new();
            if let Some(request) = &wait.request {
                let calls = self.calls(request, None).await?;
                let exchanges = drive(calls.calls, 1, self.world.origin, true).await;
                failures = self.judge_exchanges(&format!("{path}.expect"), &wait.expect, &exchanges).await;
                self.keep(step, exchanges);
            }
            failures.extend(self.judged(path, &wait.providers, wait.telemetry.as_ref()).await);
            failures.extend(self.statuses(path, &wait.status).await?);
            failures.extend(self.process(path, wait).await);
            if failures.is_empty() || !patience.more().await {
                return Ok(failures);
            }
        }
    }
}

/// `${steps.ID.…}` for later steps.
fn remember(vars: &mut Vars, id: &str, exchange: &Exchange) {
    let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes));
    vars.set(format!("steps.{id}.request.body"), text(&exchange.call.body));
    vars.set(format!("steps.{id}.body"), text(&exchange.body));
    if let Some(status) = exchange.status() {
        vars.set(format!("steps.{id}.status"), status);
    }
    for (name, value) in exchange.head.iter().flat_map(|head| &head.headers) {
        vars.set(format!("steps.{id}.headers.{}", name.to_lowercase()), value.clone());
    }
}
