//! One scenario → one outcome: starts its world, goes through its steps, judges, takes it down.
//! Nothing a target does makes it panic or hang: each step has a deadline.

mod step;
pub mod suite;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::client::Exchange;
use crate::expect::{Failure, Judge, canary, providers, telemetry};
use crate::load::Loaded;
use crate::outcome::{Outcome, Verdict};
use crate::saboteur::Saboteur;
use crate::scenario::Scenario;
use crate::scenario::expect::{FinalExpect, ProviderExpect, TelemetryExpect};
use crate::target;
use crate::telemetry::records;
use crate::transcript::{Transcript, masked};
use crate::vars::Vars;
use crate::world::{World, WorldError};

/// What a run needs besides the scenario.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The `windtunnel` binary that the target is started from.
    pub exe: PathBuf,
    /// The defect to put around the gateway.
    pub saboteur: Option<Saboteur>,
}

/// How long telemetry and providers may take to settle.
const SETTLE: Duration = Duration::from_secs(5);
/// The same when a saboteur is at work: something is expected not to hold.
const SETTLE_SABOTAGED: Duration = Duration::from_millis(1500);

impl Setting {
    /// The longest wait for things to settle.
    fn settle(&self, asked: Option<Duration>) -> Duration {
        let settle = asked.unwrap_or(SETTLE);
        if self.saboteur.is_some() { settle.min(SETTLE_SABOTAGED) } else { settle }
    }
}

/// Runs a scenario once.
pub async fn scenario(loaded: &Loaded, setting: &Setting) -> Outcome {
    let started = Instant::now();
    let result = match &loaded.scenario.check {
        Some(_) => check(loaded, setting).await.map(|failures| (failures, Transcript::default())),
        None => play(loaded, setting).await,
    };
    let duration = started.elapsed();
    match result {
        Ok((failures, _)) if failures.is_empty() => Outcome::new(loaded, Verdict::Pass, duration),
        Ok((failures, transcript)) => Outcome { failures, transcript, ..Outcome::new(loaded, Verdict::Fail, duration) },
        Err(error) => Outcome { error: Some(error.to_string()), ..Outcome::new(loaded, Verdict::Error, duration) },
    }
}

/// A scenario about `--check`.
async fn check(loaded: &Loaded, setting: &Setting) -> Result<Vec<Failure>, WorldError> {
    let Some(expect) = &loaded.scenario.check else { return Ok(Vec::new()) };
    let checked = crate::world::check(loaded, &setting.exe).await?;
    let checked = match setting.saboteur {
        Some(Saboteur::CheckSilent) => target::Checked { code: Some(0), output: String::new() },
        Some(Saboteur::CheckPlaceless) => target::Checked { code: Some(1), output: "error".to_owned() },
        _ => checked,
    };
    let vars = Vars::default();
    let mut judge = Judge::new(&vars, "check");
    let fails = &expect.value.fails;
    if checked.code != Some(i32::from(fails.value)) {
        let actual = checked.code.map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit code {code}"));
        let actual = format!("{actual}\n{}", checked.output);
        judge.fail(".fails", fails, format!("exit code {}", i32::from(fails.value)), actual);
    }
    if let Some(place) = &expect.value.at
        && !checked.output.contains(&format!(":{}", place.value))
    {
        judge.fail(".at", place, format!("a message about {}", place.value), checked.output.clone());
    }
    judge.maybe(".message", expect.value.message.as_ref(), || crate::matcher::Seen::one(checked.output.clone()));
    Ok(judge.failures)
}

/// A scenario with steps.
async fn play(loaded: &Loaded, setting: &Setting) -> Result<(Vec<Failure>, Transcript), WorldError> {
    let world = World::start(loaded, &setting.exe, setting.saboteur).await?;
    let mut player = Player { world, setting, exchanges: Vec::new() };
    let mut failures = player.steps(&loaded.scenario).await?;
    if failures.is_empty() {
        failures = player.at_end(&loaded.scenario).await;
    }
    let masks = player.world.masks();
    for failure in &mut failures {
        failure.expected = masked(&failure.expected, &masks);
        failure.actual = masked(&failure.actual, &masks);
    }
    let transcript = if failures.is_empty() { Transcript::default() } else { player.transcript() };
    player.world.stop().await;
    Ok((failures, transcript))
}

/// A scenario being played.
struct Player<'s> {
    world: World,
    setting: &'s Setting,
    /// All exchanges so far.
    exchanges: Vec<Exchange>,
}

impl Player<'_> {
    async fn steps(&mut self, scenario: &Scenario) -> Result<Vec<Failure>, WorldError> {
        for (index, step) in scenario.steps.iter().enumerate() {
            let failures = self.step(index, step).await?;
            if !failures.is_empty() {
                return Ok(failures);
            }
        }
        Ok(Vec::new())
    }

    /// What must hold at the end: polled until it does or its time is up.
    async fn at_end(&self, scenario: &Scenario) -> Vec<Failure> {
        let FinalExpect { providers, telemetry, .. } = &scenario.expect;
        let limit = self.setting.settle(telemetry.as_ref().and_then(|telemetry| telemetry.settle));
        let mut patience = Patience::new(limit);
        let mut failures = loop {
            let failures = self.judged("expect", providers, telemetry.as_ref()).await;
            if failures.is_empty() || !patience.more().await {
                break failures;
            }
        };
        failures.extend(self.unexpected(scenario));
        failures.extend(self.leaks(scenario).await);
        failures
    }

    /// Providers and telemetry at this moment.
    async fn judged(
        &self,
        path: &str,
        expect: &BTreeMap<String, ProviderExpect>,
        wanted: Option<&TelemetryExpect>,
    ) -> Vec<Failure> {
        let mut judge = Judge::new(&self.world.vars, path);
        let journals = self.world.journals();
        providers::judge(&mut judge, expect, &journals, &self.sent());
        if let Some(wanted) = wanted {
            let evidence = telemetry::Evidence {
                before: &self.world.before,
                now: self.world.metrics().await,
                records: records(self.world.gateway.log.all(), self.world.saboteur),
                journals: &journals,
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
            let actual = format!("{} received {} {}", record.provider, record.method, record.path);
            judge.fail("", &scenario.id, "only requests that a step caused", actual);
        }
        judge.failures
    }

    async fn leaks(&self, scenario: &Scenario) -> Vec<Failure> {
        let mut judge = Judge::new(&self.world.vars, "expect.canary");
        // Every exchange that got an answer leaves a record; the search waits for the last of them.
        let answered = self.exchanges.iter().filter(|exchange| exchange.head.is_some()).count();
        let mut patience = Patience::new(Duration::from_millis(300));
        while self.world.gateway.log.len() < answered && patience.more().await {}
        let journals = self.world.journals();
        let lines: Vec<String> = self.world.log_lines().into_iter().map(|(_, line)| line).collect();
        let places = canary::Places {
            exchanges: self.exchanges.iter().collect(),
            journals: &journals,
            logs: format!("{}\n{}", lines.join("\n"), self.world.gateway.notices.text(0)),
            metrics: self.world.scrape().await,
        };
        for leak in canary::leaks(scenario, &self.world.secrets, &self.world.keys, &places) {
            let expected = format!("{} never at {}", leak.secret, leak.place);
            match leak.canary.and_then(|name| scenario.expect.canary.get(&name)) {
                Some(place) => judge.fail(&format!(".{}", leak.secret), place, expected, "it is there"),
                None => judge.fail(&format!(".{}", leak.secret), &scenario.id, expected, "it is there"),
            }
        }
        judge.failures
    }

    fn transcript(&self) -> Transcript {
        let mut lines = self.world.gateway.notices.all();
        lines.extend(self.world.log_lines());
        let exchanges: Vec<&Exchange> = self.exchanges.iter().collect();
        Transcript::new(&exchanges, &self.world.journals(), &lines, &self.world.masks())
    }
}

/// The pauses between two looks at something that may still come true.
struct Patience {
    end: Instant,
    pause: Duration,
}

impl Patience {
    fn new(limit: Duration) -> Patience {
        Patience { end: Instant::now() + limit, pause: Duration::from_millis(4) }
    }

    /// Pauses; false when the time is up.
    async fn more(&mut self) -> bool {
        let left = self.end.saturating_duration_since(Instant::now());
        tokio::time::sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(50));
        !left.is_zero()
    }
}
