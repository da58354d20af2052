//! What must hold at the end of a scenario, or at any moment that a step waits for: providers, telemetry, secrets,
//! traps and memory.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::memory::Memory;
use super::{Patience, Player, SLACK};
use crate::client::{End, Exchange};
use crate::expect::{Failure, Judge, canary, providers, telemetry};
use crate::scenario::expect::{FinalExpect, ProviderExpect, TelemetryExpect};
use crate::scenario::{At, Scenario};
use crate::telemetry::records;
use crate::transcript::Transcript;
use crate::world::WorldError;

/// How long what holds at the end must go on holding.
const STEADY: Duration = Duration::from_millis(25);

impl Player<'_> {
    /// What must hold at the end: polled until it does or its time is up.
    pub(super) async fn at_end(&self, scenario: &Scenario) -> Result<Vec<Failure>, WorldError> {
        let FinalExpect { telemetry, .. } = &scenario.expect;
        let limit = self.setting.settle(telemetry.as_ref().and_then(|telemetry| telemetry.settle));
        let mut patience = Patience::new(limit);
        let mut failures = loop {
            let mut failures = self.judged_now(&scenario.expect).await?;
            if failures.is_empty() {
                // A counter on its way to too much passes the right value: what holds must still hold a moment later.
                tokio::time::sleep(STEADY).await;
                failures = self.judged_now(&scenario.expect).await?;
            }
            if failures.is_empty() || !patience.more().await {
                break failures;
            }
        };
        failures.extend(self.unexpected(scenario));
        failures.extend(self.leaks(scenario).await);
        failures.extend(self.grown(scenario));
        Ok(failures)
    }

    /// What is polled at the end, as it is at this moment.
    async fn judged_now(&self, expect: &FinalExpect) -> Result<Vec<Failure>, WorldError> {
        let mut failures = self.judged("expect", &expect.providers, expect.telemetry.as_ref()).await;
        failures.extend(self.statuses("expect", &expect.status).await?);
        Ok(failures)
    }

    /// What upper bounds on time are widened by: twice the lateness of this host's own clock since the scenario began.
    pub(super) fn slack(&self) -> Duration {
        let noise = self.setting.noise.as_ref().map(|noise| noise.since(self.world.origin)).unwrap_or_default();
        Duration::from_secs_f64(2e-3 * noise.p99).min(SLACK)
    }

    /// Exchanges that reached a listener, whatever became of them.
    fn reached(&self) -> usize {
        let reached =
            |exchange: &&Exchange| !exchange.call.nonce.is_empty() && !matches!(exchange.end, End::NotConnected(_));
        self.exchanges.iter().filter(reached).count()
    }

    /// Exchanges with a listener that got an answer.
    fn answered(&self) -> usize {
        self.exchanges.iter().filter(|exchange| exchange.head.is_some() && !exchange.call.nonce.is_empty()).count()
    }

    /// Whether the target grew too much.
    fn grown(&self, scenario: &Scenario) -> Vec<Failure> {
        let mut judge = Judge::new(&self.world.vars, "expect.memory");
        let Some(expect) = &scenario.expect.memory else { return judge.failures };
        let most = expect.growth.value.0;
        match self.memory.as_ref().map(Memory::growth) {
            Some(growth) if growth <= most => {}
            Some(growth) => {
                judge.fail(".growth", &expect.growth, format!("at most {most} bytes"), format!("{growth} bytes"))
            }
            None => judge.fail(".growth", &expect.growth, format!("at most {most} bytes"), "this system does not tell"),
        }
        judge.failures
    }

    /// Providers and telemetry at this moment.
    pub(super) async fn judged(
        &self,
        path: &str,
        expect: &BTreeMap<String, ProviderExpect>,
        wanted: Option<&TelemetryExpect>,
    ) -> Vec<Failure> {
        let mut judge = Judge::new(&self.world.vars, path).lenient(self.slack());
        let journals = self.world.journals();
        providers::judge(&mut judge, expect, &journals, &self.sent());
        if let Some(wanted) = wanted {
            let evidence = telemetry::Evidence {
                before: &self.world.before,
                now: self.world.metrics().await,
                records: self.world.records(),
                spans: self.world.spans(),
                journals: &journals,
                telemetry: &self.world.target.file.telemetry,
                reached: self.reached(),
            };
            telemetry::judge(&mut judge, wanted, &evidence);
        }
        judge.failures
    }

    fn sent(&self) -> HashMap<&str, &Exchange> {
        self.exchanges.iter().map(|exchange| (exchange.call.nonce.as_str(), exchange)).collect()
    }

    fn unexpected(&self, scenario: &Scenario) -> Vec<Failure> {
        let mut judge = Judge::new(&self.world.vars, "providers");
        let journals = self.world.journals();
        for record in providers::unexpected(&journals, &self.sent()).into_iter().take(3) {
            let actual = format!("{} received {} {}", record.provider, record.head.method(), record.head.path());
            judge.fail("", &scenario.id, "only requests that a step caused", actual);
        }
        for (name, journal) in self.world.trapped() {
            if let Some(place) =
                scenario.traps.iter().find(|trap| trap.value == *name && !journal.connections.is_empty())
            {
                let requests: Vec<String> = journal
                    .requests
                    .iter()
                    .map(|request| format!(", {} {}", request.head.method(), request.head.path()))
                    .collect();
                let actual = format!("{} connections{}", journal.connections.len(), requests.concat());
                judge.fail(&format!(".{name}"), place, "a trap that nobody touches", actual);
            }
        }
        judge.failures
    }

    async fn leaks(&self, scenario: &Scenario) -> Vec<Failure> {
        let mut judge = Judge::new(&self.world.vars, "expect.canary");
        // Every exchange that got an answer leaves a record; the search waits for the last of them.
        let telemetry = &self.world.target.file.telemetry;
        let logs = self.world.target.claims("telemetry.access_log");
        let mut patience = Patience::new(if logs { self.setting.settle(None) } else { Duration::from_millis(300) });
        while records(self.world.log_lines(), telemetry).len() < self.answered() && patience.more().await {}
        let unseen = self.spans_to_search(scenario).await;
        let journals = self.world.journals();
        let lines: Vec<String> = self.world.log_lines().into_iter().map(|(_, line)| line).collect();
        let places = canary::Places {
            exchanges: self.exchanges.iter().collect(),
            journals: &journals,
            logs: lines.join("\n"),
            metrics: self.world.scrape().await,
            spans: serde_json::Value::from(self.world.spans()).to_string(),
        };
        for leak in canary::leaks(scenario, &self.world.secrets, &self.world.keys, &places) {
            let expected = format!("{} never at {}", leak.secret, leak.place);
            match leak.canary.and_then(|name| scenario.expect.canary.get(&name)) {
                Some(place) => judge.fail(&format!(".{}", leak.secret), place, expected, "it is there"),
                None => judge.fail(&format!(".{}", leak.secret), &scenario.id, expected, "it is there"),
            }
        }
        if let Some(place) = unseen {
            judge.fail("", place, "spans to search for secrets", "no span came");
        }
        judge.failures
    }

    /// Waits for the last exchange's spans, where secrets are to be searched for in them; a place of a scenario where none
    /// came, because a search that sees nothing proves nothing.
    async fn spans_to_search<'s>(&self, scenario: &'s Scenario) -> Option<&'s At<String>> {
        let places = scenario.expect.canary.values().flat_map(|canary| &canary.value.never_at);
        let place = places.into_iter().find(|place| place.value == "spans")?;
        if scenario.collectors.is_empty() || !self.world.target.claims("telemetry.spans") {
            return None;
        }
        let servers = || self.world.spans().iter().filter(|span| span["span.kind"] == "server").count();
        let mut patience = Patience::new(self.setting.settle(None));
        while servers() < self.answered() && patience.more().await {}
        (servers() == 0).then_some(place)
    }

    pub(super) fn transcript(&self) -> Transcript {
        let lines = self.world.log_lines();
        let exchanges: Vec<&Exchange> = self.exchanges.iter().collect();
        Transcript::new(&exchanges, &self.world.journals(), &lines)
    }
}
