//! One scenario → one outcome: starts its world, goes through its steps, judges, takes it down.
//! Nothing a target does makes it panic or hang: each step has a deadline.

mod hide;
mod memory;
mod step;
pub mod suite;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::Exchange;
use crate::expect::{Failure, Judge, canary, providers, telemetry};
use crate::load::Loaded;
use crate::mask::Secrets;
use crate::noise::Noise;
use crate::outcome::{Outcome, Verdict};
use crate::saboteur::Saboteur;
use crate::scenario::expect::{FinalExpect, ProviderExpect, TelemetryExpect};
use crate::scenario::{At, CheckExpect, Scenario, StartExpect, Step};
use crate::target::{Checked, LaunchError, Started, Target};
use crate::transcript::Transcript;
use crate::vars::Vars;
use crate::world::{World, WorldError};
use memory::Memory;
use step::Background;

/// What a run needs besides the scenario.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The gateway under test.
    pub target: Arc<Target>,
    /// The defect to put around the gateway.
    pub saboteur: Option<Saboteur>,
    /// How punctual the host is; without it, time is judged as it comes.
    pub noise: Option<Arc<Noise>>,
}

/// How long telemetry and providers may take to settle.
const SETTLE: Duration = Duration::from_secs(5);
/// The same when a saboteur is at work: something is expected not to hold.
const SETTLE_SABOTAGED: Duration = Duration::from_millis(1500);
/// The most that upper bounds are widened by.
const SLACK: Duration = Duration::from_millis(250);
/// The longest that one scenario may take.
const LIMIT: Duration = Duration::from_secs(60);
/// The same for those that are long by nature.
const LIMIT_LONG: Duration = Duration::from_secs(240);

impl Setting {
    /// For a target, without a saboteur.
    pub fn of(target: Arc<Target>) -> Setting {
        Setting { target, saboteur: None, noise: None }
    }

    /// With a saboteur.
    pub fn under(&self, saboteur: Saboteur) -> Setting {
        Setting { saboteur: Some(saboteur), ..self.clone() }
    }

    /// The longest wait for things to settle.
    fn settle(&self, asked: Option<Duration>) -> Duration {
        let usual = self.target.file.telemetry.settle.map_or(SETTLE, |settle| settle.0);
        let settle = asked.unwrap_or(usual);
        if self.saboteur.is_some() { settle.min(SETTLE_SABOTAGED) } else { settle }
    }
}

/// Runs a scenario once; no secret is in what comes out.
pub async fn scenario(loaded: &Loaded, setting: &Setting) -> Outcome {
    let secrets = Secrets::default();
    let mut outcome = once(loaded, setting, &secrets).await;
    hide::hide(&mut outcome, &secrets.masks());
    outcome
}

async fn once(loaded: &Loaded, setting: &Setting, secrets: &Secrets) -> Outcome {
    let started = Instant::now();
    if let Some(missing) = not_claimed(loaded, &setting.target) {
        let outcome = Outcome::new(loaded, Verdict::Unsupported, Duration::ZERO);
        return Outcome { why: Some(missing), ..outcome };
    }
    let limit = if loaded.scenario.long { LIMIT_LONG } else { LIMIT };
    let played = match &loaded.scenario {
        Scenario { check: Some(expect), .. } => {
            check(loaded, expect, setting, secrets).await.map(|failures| (failures, Transcript::default()))
        }
        Scenario { start: Some(expect), .. } => {
            start(loaded, expect, setting, secrets).await.map(|failures| (failures, Transcript::default()))
        }
        _ => match tokio::time::timeout(limit, play(loaded, setting, secrets)).await {
            Ok(played) => played,
            Err(_) => Ok((vec![unfinished(loaded, limit)], Transcript::default())),
        },
    };
    let duration = started.elapsed();
    let outcome = |verdict| Outcome::new(loaded, verdict, duration);
    match played {
        Ok((failures, _)) if failures.is_empty() => outcome(Verdict::Pass),
        Ok((failures, transcript)) => {
            let noise = setting.noise.as_ref().map(|noise| noise.since(started)).unwrap_or_default();
            if failures.iter().all(|failure| failure.late) && noise.too_noisy() {
                let why = format!("host too noisy: one tick in a hundred was {:.0}ms late, or more", noise.p99);
                return Outcome { why: Some(why), failures, transcript, ..outcome(Verdict::Error) };
            }
            Outcome { failures, transcript, ..outcome(Verdict::Fail) }
        }
        Err(WorldError::Launch(error)) if !matches!(error, LaunchError::Spawn { .. }) => {
            not_started(loaded, &error, duration)
        }
        Err(error) => Outcome { why: Some(error.to_string()), ..outcome(Verdict::Error) },
    }
}

/// Why this target is not asked.
fn not_claimed(loaded: &Loaded, target: &Target) -> Option<String> {
    if let Some(missing) = target.lacks(&loaded.scenario.needs) {
        return Some(format!("{missing} is not claimed"));
    }
    let no_check = loaded.scenario.check.is_some() && target.file.check.is_empty();
    let no_start = (loaded.scenario.start.is_some() || loaded.scenario.needs_process()) && target.file.start.is_none();
    match (no_check, no_start) {
        (true, _) => Some("the target file has no `check` command".to_owned()),
        (_, true) => Some("the target is not started by us: there is no process".to_owned()),
        _ => None,
    }
}

/// A target that does not serve with good manifests has failed, unless its adapter says what it cannot do.
fn not_started(loaded: &Loaded, error: &LaunchError, duration: Duration) -> Outcome {
    let said = error.to_string();
    let unable = said.lines().find_map(|line| line.trim().strip_prefix("unsupported ")).map(str::to_owned);
    match unable {
        Some(what) => Outcome { why: Some(what), ..Outcome::new(loaded, Verdict::Unsupported, duration) },
        None => {
            let vars = Vars::default();
            let mut judge = Judge::new(&vars, "gateway");
            judge.fail("", &loaded.scenario.id, "the target serves with these manifests", said);
            Outcome { failures: judge.failures, ..Outcome::new(loaded, Verdict::Fail, duration) }
        }
    }
}

fn unfinished(loaded: &Loaded, limit: Duration) -> Failure {
    let vars = Vars::default();
    let mut judge = Judge::new(&vars, "steps");
    judge.late("", &loaded.scenario.id, format!("the end of the scenario within {limit:?}"), "it was still going on");
    judge.failures.remove(0)
}

/// A scenario about the check of manifests.
async fn check(
    loaded: &Loaded,
    expect: &At<CheckExpect>,
    setting: &Setting,
    secrets: &Secrets,
) -> Result<Vec<Failure>, WorldError> {
    let checked = crate::world::check(loaded, &setting.target, secrets).await?;
    let checked = match setting.saboteur {
        Some(Saboteur::CheckSilent) => Checked { code: Some(0), output: String::new() },
        Some(Saboteur::CheckPlaceless) => Checked { code: Some(1), output: "error".to_owned() },
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

/// A scenario about a start with these manifests.
async fn start(
    loaded: &Loaded,
    expect: &At<StartExpect>,
    setting: &Setting,
    secrets: &Secrets,
) -> Result<Vec<Failure>, WorldError> {
    let within = expect.value.within.unwrap_or(Duration::from_secs(3));
    let started = crate::world::start_only(loaded, &setting.target, within, secrets).await?;
    let vars = Vars::default();
    let mut judge = Judge::new(&vars, "start");
    let sabotaged = setting.saboteur == Some(Saboteur::StartsWhenBroken);
    let (failed, actual, output) = match started {
        Started::Ended(_, output) | Started::Silent(output) if sabotaged => (false, "it serves".to_owned(), output),
        Started::Serving(mut instance) => {
            instance.kill().await;
            (false, "it serves".to_owned(), instance.output.text(0))
        }
        Started::Ended(code, output) => {
            (code != Some(0), code.map_or("ended by a signal".to_owned(), |code| format!("exit code {code}")), output)
        }
        Started::Silent(output) => (true, "it was never ready".to_owned(), output),
    };
    let fails = &expect.value.fails;
    if failed != fails.value {
        let expected = if fails.value { "an exit code that is not 0, or never ready" } else { "it serves" };
        judge.fail(".fails", fails, expected, format!("{actual}\n{output}").trim_end());
    }
    judge.maybe(".message", expect.value.message.as_ref(), || crate::matcher::Seen::one(output.clone()));
    Ok(judge.failures)
}

/// A scenario with steps.
async fn play(loaded: &Loaded, setting: &Setting, secrets: &Secrets) -> Result<(Vec<Failure>, Transcript), WorldError> {
    let world = World::start(loaded, &setting.target, setting.saboteur, secrets).await?;
    let memory = loaded.scenario.expect.memory.as_ref().and_then(|_| Memory::watch(&world.gateway));
    let mut player = Player { world, setting, exchanges: Vec::new(), background: Vec::new(), memory };
    let mut failures = player.steps("steps", &loaded.scenario.steps).await?;
    if failures.is_empty() {
        failures = player.join_all().await?;
    }
    if failures.is_empty() {
        failures = player.at_end(&loaded.scenario).await;
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
    /// Requests that go on beside the steps.
    background: Vec<Background<'s>>,
    memory: Option<Memory>,
}

impl<'s> Player<'s> {
    async fn steps(&mut self, path: &str, steps: &'s [At<Step>]) -> Result<Vec<Failure>, WorldError> {
        for (index, step) in steps.iter().enumerate() {
            let failures = self.step(&format!("{path}[{index}]"), step).await?;
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
        failures.extend(self.grown(scenario));
        failures
    }

    /// What upper bounds on time are widened by: twice the lateness of this host's own clock since the scenario began.
    fn slack(&self) -> Duration {
        let noise = self.setting.noise.as_ref().map(|noise| noise.since(self.world.origin)).unwrap_or_default();
        Duration::from_secs_f64(2e-3 * noise.p99).min(SLACK)
    }

    /// Exchanges that reached a listener, whatever became of them.
    fn reached(&self) -> usize {
        let reached = |exchange: &&Exchange| {
            !exchange.call.nonce.is_empty() && !matches!(exchange.end, crate::client::End::NotConnected(_))
        };
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
    async fn judged(
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
            let actual = format!("{} received {} {}", record.provider, record.method, record.path);
            judge.fail("", &scenario.id, "only requests that a step caused", actual);
        }
        for (name, journal) in self.world.trapped() {
            if let Some(place) =
                scenario.traps.iter().find(|trap| trap.value == *name && !journal.connections.is_empty())
            {
                let requests: Vec<String> =
                    journal.requests.iter().map(|request| format!(", {} {}", request.method, request.path)).collect();
                let actual = format!("{} connections{}", journal.connections.len(), requests.concat());
                judge.fail(&format!(".{name}"), place, "a trap that nobody touches", actual);
            }
        }
        judge.failures
    }

    async fn leaks(&self, scenario: &Scenario) -> Vec<Failure> {
        let mut judge = Judge::new(&self.world.vars, "expect.canary");
        // Every exchange that got an answer leaves a record; the search waits for the last of them.
        let mut patience = Patience::new(Duration::from_millis(300));
        while self.world.records().len() < self.answered() && patience.more().await {}
        let journals = self.world.journals();
        let lines: Vec<String> = self.world.log_lines().into_iter().map(|(_, line)| line).collect();
        let places = canary::Places {
            exchanges: self.exchanges.iter().collect(),
            journals: &journals,
            logs: lines.join("\n"),
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
        let lines = self.world.log_lines();
        let exchanges: Vec<&Exchange> = self.exchanges.iter().collect();
        Transcript::new(&exchanges, &self.world.journals(), &lines)
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
