//! One scenario → one outcome: starts its world, goes through its steps, judges, takes it down.
//! Nothing a target does makes it panic or hang: each step has a deadline.

mod drive;
mod end;
mod hide;
mod memory;
mod single;
mod status;
mod step;
pub mod suite;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::{Exchange, http2};
use crate::expect::{Failure, Judge};
use crate::load::Loaded;
use crate::mask::Secrets;
use crate::noise::Noise;
use crate::outcome::{Outcome, Verdict};
use crate::saboteur::Saboteur;
use crate::scenario::{At, Endpoint, Scenario, Step};
use crate::target::{LaunchError, Target};
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
    outcome.target.clone_from(&setting.target.argument);
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
            single::check(loaded, expect, setting, secrets).await.map(|failures| (failures, Transcript::default()))
        }
        Scenario { start: Some(expect), .. } => {
            single::start(loaded, expect, setting, secrets).await.map(|failures| (failures, Transcript::default()))
        }
        _ => play(loaded, setting, secrets, limit).await,
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
        _ if target.file.attach.is_some() && !loaded.scenario.connect_to.is_empty() => {
            Some("the target is not started by us: it does not know where upstreams are".to_owned())
        }
        _ if loaded.scenario.disturbs_cluster()
            && !target.cluster.as_ref().is_some_and(|cluster| cluster.is_ours()) =>
        {
            Some("the cluster is not ours: nothing may happen to it".to_owned())
        }
        // An endpoint that nobody knows is not "not ready".
        _ if loaded.scenario.asks(Endpoint::Ready) && target.file.telemetry.ready.is_none() => {
            Some("the target file does not say where readiness is".to_owned())
        }
        _ if loaded.scenario.asks(Endpoint::Metrics) && target.file.telemetry.metrics.is_none() => {
            Some("the target file does not say where metrics are".to_owned())
        }
        _ if loaded.scenario.statuses().next().is_some() && !target.tells_status() => {
            Some("the target file does not say how status is read".to_owned())
        }
        _ => None,
    }
}

/// A target that does not serve with good manifests has failed, unless its adapter says what it cannot do.
fn not_started(loaded: &Loaded, error: &LaunchError, duration: Duration) -> Outcome {
    let said = error.to_string();
    match said.lines().find_map(unable) {
        Some(what) => Outcome { why: Some(what), ..Outcome::new(loaded, Verdict::Unsupported, duration) },
        None => {
            let vars = Vars::default();
            let mut judge = Judge::new(&vars, "gateway");
            judge.fail("", &loaded.scenario.id, "the target serves with these manifests", said);
            Outcome { failures: judge.failures, ..Outcome::new(loaded, Verdict::Fail, duration) }
        }
    }
}

/// `unsupported CAPABILITY: reason`: what an adapter says when it cannot express a scenario.
fn unable(line: &str) -> Option<String> {
    let (name, reason) = line.trim().strip_prefix("unsupported ")?.split_once(": ")?;
    crate::capability::is_capability(name).then(|| format!("{name}: {reason}"))
}

fn unfinished(loaded: &Loaded, limit: Duration) -> Failure {
    let vars = Vars::default();
    let mut judge = Judge::new(&vars, "steps");
    judge.fail("", &loaded.scenario.id, format!("the end of the scenario within {limit:?}"), "it was still going on");
    judge.failures.remove(0)
}

/// A scenario with steps.
async fn play(
    loaded: &Loaded,
    setting: &Setting,
    secrets: &Secrets,
    limit: Duration,
) -> Result<(Vec<Failure>, Transcript), WorldError> {
    let world = World::start(loaded, &setting.target, setting.saboteur, secrets).await?;
    let memory = loaded.scenario.expect.memory.as_ref().and_then(|_| Memory::watch(&world.gateway));
    let mut player = Player {
        world,
        setting,
        exchanges: Vec::new(),
        background: Vec::new(),
        connections: HashMap::new(),
        memory,
        long: loaded.scenario.long,
    };
    // The evidence outlives a scenario that has no end of its own.
    let failures = match tokio::time::timeout(limit, player.whole(&loaded.scenario)).await {
        Ok(failures) => failures,
        Err(_) => Ok(vec![unfinished(loaded, limit)]),
    };
    let good = failures.as_ref().is_ok_and(Vec::is_empty);
    let transcript = if good { Transcript::default() } else { player.transcript() };
    player.world.stop().await;
    Ok((failures?, transcript))
}

/// A scenario being played.
struct Player<'s> {
    world: World,
    setting: &'s Setting,
    /// All exchanges so far.
    exchanges: Vec<Exchange>,
    /// Requests that go on beside the steps.
    background: Vec<Background<'s>>,
    /// HTTP/2 connections that several requests share, by name.
    connections: HashMap<String, http2::Slot>,
    memory: Option<Memory>,
    /// The scenario takes long by nature.
    long: bool,
}

impl<'s> Player<'s> {
    /// The steps, what goes on beside them, and the end.
    async fn whole(&mut self, scenario: &'s Scenario) -> Result<Vec<Failure>, WorldError> {
        let mut failures = self.steps("steps", &scenario.steps).await?;
        if failures.is_empty() {
            failures = self.join_all().await?;
        }
        if failures.is_empty() {
            failures = self.at_end(scenario).await?;
        }
        Ok(failures)
    }

    async fn steps(&mut self, path: &str, steps: &'s [At<Step>]) -> Result<Vec<Failure>, WorldError> {
        for (index, step) in steps.iter().enumerate() {
            let failures = self.step(&format!("{path}[{index}]"), step).await?;
            if !failures.is_empty() {
                return Ok(failures);
            }
        }
        Ok(Vec::new())
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
