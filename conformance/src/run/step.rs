//! One step: requests, a change, or a wait.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::{Patience, Player};
use crate::call;
use crate::client::{self, Call, Exchange, Leave};
use crate::expect::exchange::{self, Served};
use crate::expect::{Failure, Judge, distribution, providers};
use crate::matcher::Seen;
use crate::saboteur::Seam;
use crate::scenario::expect::ExchangeExpect;
use crate::scenario::{At, Change, Repeat, Request, Step, WaitUntil};
use crate::vars::Vars;
use crate::wire::{Head, head_end};
use crate::world::WorldError;

/// The longest that a client waits when a saboteur is at work.
const DEADLINE_SABOTAGED: Duration = Duration::from_secs(3);
/// How long `wait_until` waits when it does not say.
const WAIT: Duration = Duration::from_secs(2);
/// Most failures told of one repeated request.
const TOLD: usize = 3;

impl Player<'_> {
    /// Does one step and judges it.
    pub(super) async fn step(&mut self, index: usize, step: &At<Step>) -> Result<Vec<Failure>, WorldError> {
        let path = format!("steps[{index}]");
        if let Some(request) = &step.value.request {
            let repeat = step.value.repeat.unwrap_or(Repeat { times: 1, concurrency: 1 });
            let exchanges = self.send(request, repeat).await?;
            let failures = self.judge_exchanges(&format!("{path}.expect"), &step.value.expect, &exchanges).await;
            self.keep(step, exchanges);
            return Ok(failures);
        }
        if let Some(change) = &step.value.change {
            return self.change(&format!("{path}.change"), change, step).await;
        }
        match &step.value.wait_until {
            Some(wait) => self.wait(&format!("{path}.wait_until"), wait, step).await,
            None => Ok(Vec::new()),
        }
    }

    /// Keeps exchanges as evidence, the last one under the step's id.
    fn keep(&mut self, step: &At<Step>, exchanges: Vec<Exchange>) {
        if let (Some(id), Some(last)) = (&step.value.id, exchanges.last()) {
            remember(&mut self.world.vars, id, last);
        }
        self.exchanges.extend(exchanges);
    }

    /// Sends a request as often as asked.
    async fn send(&self, request: &Request, repeat: Repeat) -> Result<Vec<Exchange>, WorldError> {
        let address = self.world.listener(request.port)?;
        let places = Arc::new(Semaphore::new(repeat.concurrency));
        let mut running = JoinSet::new();
        for i in 0..repeat.times {
            let nonce = format!("{:016x}", crate::world::random());
            let vars = self.world.vars.with("i", i).with("nonce", nonce.clone());
            let mut call = call::build(request, address, &nonce, &vars)?;
            if self.world.saboteur.is_some() {
                call.deadline = call.deadline.min(DEADLINE_SABOTAGED);
            }
            self.register(&call);
            let signal = leave_signal(request, &mut call);
            let (place, origin) = (Arc::clone(&places).acquire_owned().await, self.world.origin);
            running.spawn(async move {
                let answer = client::send(call, origin).await;
                drop(place);
                (i, answer)
            });
            if let Some(signal) = signal {
                self.leave_when_received(&nonce, &signal).await;
            }
        }
        let mut done = Vec::with_capacity(repeat.times);
        while let Some(joined) = running.join_next().await {
            done.push(joined.map_err(|error| WorldError::Scenario(format!("a client broke: {error}")))?);
        }
        done.sort_by_key(|(i, _)| *i);
        Ok(done.into_iter().map(|(_, exchange)| exchange).collect())
    }

    /// Lets the seams know what is sent.
    fn register(&self, call: &Call) {
        let Some(context) = self.world.context.as_ref().filter(|context| context.saboteur.seam() == Seam::Upstream)
        else {
            return;
        };
        if let Some(head) = head_end(&call.wire).and_then(|end| Head::parse(&call.wire[..end])) {
            context.sent(&call.nonce, head, call.body.to_vec());
        }
    }

    /// Tells the client to leave once a provider has its request.
    async fn leave_when_received(&self, nonce: &str, signal: &watch::Sender<bool>) {
        let mut patience = Patience::new(call::DEADLINE);
        while providers::served(&self.world.journals(), nonce).attempts == 0 && patience.more().await {}
        signal.send_replace(true);
    }

    /// Judges all exchanges of a step; who served them is polled, the journal may be a moment behind.
    async fn judge_exchanges(&self, path: &str, expect: &ExchangeExpect, exchanges: &[Exchange]) -> Vec<Failure> {
        let about_upstream = expect.served_by.is_some() || expect.attempts.is_some() || !expect.distribution.is_empty();
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
        let mut failures = Vec::new();
        let mut by_provider: Vec<Served> = Vec::new();
        for (index, exchange) in exchanges.iter().enumerate() {
            let served = index_of.get(exchange.call.nonce.as_str()).cloned().unwrap_or_default();
            if failures.len() < TOLD {
                let vars = self.world.vars.with("i", index).with("nonce", exchange.call.nonce.clone());
                let several = exchanges.len() > 1;
                let path = if several { format!("{path} (request {index})") } else { path.to_owned() };
                let mut judge = Judge::new(&vars, path);
                exchange::judge(&mut judge, expect, exchange, &served);
                failures.append(&mut judge.failures);
            }
            by_provider.push(served);
        }
        let mut judge = Judge::new(&self.world.vars, path);
        for (name, share) in &expect.distribution {
            let hits = by_provider.iter().filter(|served| served.by.as_ref() == Some(name)).count();
            distribution::judge(&mut judge, &format!(".distribution.{name}"), share, hits, exchanges.len());
        }
        failures.append(&mut judge.failures);
        failures
    }

    async fn change(&mut self, path: &str, change: &Change, step: &At<Step>) -> Result<Vec<Failure>, WorldError> {
        let waiting = self.world.change(change).await?;
        let vars = self.world.vars.clone();
        let mut judge = Judge::new(&vars, path);
        let Some(from) = waiting else { return Ok(judge.failures) };
        let answer = self.world.reloaded(from).await;
        match (answer, &change.refused) {
            (None, _) => judge.fail("", step, "the gateway reloads", "it said nothing about the change"),
            (Some(Ok(())), None) => {}
            (Some(Ok(())), Some(wanted)) => judge.fail(".refused", wanted, "the change is refused", "it was taken"),
            (Some(Err(said)), None) => judge.fail("", step, "the change is taken", said),
            (Some(Err(said)), Some(wanted)) => judge.check(".refused", wanted, &Seen::one(said)),
        }
        Ok(judge.failures)
    }

    async fn wait(&mut self, path: &str, wait: &WaitUntil, step: &At<Step>) -> Result<Vec<Failure>, WorldError> {
        let mut patience = Patience::new(wait.within.unwrap_or(WAIT));
        loop {
            let mut failures = Vec::new();
            if let Some(request) = &wait.request {
                let exchanges = self.send(request, Repeat { times: 1, concurrency: 1 }).await?;
                failures = self.judge_exchanges(&format!("{path}.expect"), &wait.expect, &exchanges).await;
                self.keep(step, exchanges);
            }
            failures.extend(self.judged(path, &wait.providers, wait.telemetry.as_ref()).await);
            if failures.is_empty() || !patience.more().await {
                return Ok(failures);
            }
        }
    }
}

fn leave_signal(request: &Request, call: &mut Call) -> Option<watch::Sender<bool>> {
    request.close_after.filter(|close| close.before_head == Some(true))?;
    let (sender, receiver) = watch::channel(false);
    call.leave = Leave::When(receiver);
    Some(sender)
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
