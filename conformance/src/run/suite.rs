//! Many scenarios: in parallel, shuffled, repeated, with progress told as they finish.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;

use super::Setting;
use crate::date::Date;
use crate::load::Loaded;
use crate::noise::Noise;
use crate::outcome::{About, Excuse, LeftOut, Outcome, Run, Verdict};
use crate::saboteur::Saboteur;
use crate::scenario::Level;
use crate::target::Target;

/// How to run them.
#[derive(Debug, Clone)]
pub struct Plan {
    /// For each scenario.
    pub setting: Setting,
    /// At once.
    pub jobs: usize,
    /// How often each.
    pub repeat: usize,
    /// Seed of the order; `None` keeps it.
    pub shuffle: Option<u64>,
    /// Stop at the first that does not pass.
    pub fail_fast: bool,
    /// Also those that take long.
    pub long: bool,
    /// Scenarios of the suite that nobody asked for, by profile and level.
    pub left_out: LeftOut,
}

/// How often a `must` whose verdict rests on time is run.
const TIMED: usize = 3;

/// Runs scenarios; `told` hears of each outcome as it comes.
pub async fn run(scenarios: Vec<Loaded>, plan: &Plan, mut told: impl FnMut(&Outcome, usize)) -> Run {
    let started = Instant::now();
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let ticking = Arc::new(Noise::start());
    let noise = ticking.calibrate().await;
    let setting = Setting { noise: Some(ticking), ..plan.setting.clone() };
    let (mut queue, left_out) = partitioned(scenarios, plan);
    if let Some(seed) = plan.shuffle {
        shuffle(&mut queue, seed);
    }
    // The longest go first, so that nothing waits for them at the end.
    queue.sort_by_key(|loaded| !loaded.scenario.long);
    queue.reverse();
    let jobs = if setting.target.concurrent() { plan.jobs.max(1) } else { 1 };
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut noisy: Vec<Loaded> = Vec::new();
    let mut running = JoinSet::new();
    let mut stopped = false;
    loop {
        while running.len() < jobs && !stopped {
            let Some(next) = queue.pop() else { break };
            running.spawn(repeated(next, setting.clone(), plan.repeat));
        }
        let Some(joined) = running.join_next().await else { break };
        // A panic of ours is caught within and is an error.
        let Ok((loaded, outcome)) = joined else { continue };
        if outcome.verdict == Verdict::Error && outcome.failures.iter().any(|failure| failure.late) {
            noisy.push(loaded);
            continue;
        }
        stopped |= plan.fail_fast && !matches!(outcome.verdict, Verdict::Pass | Verdict::Unsupported);
        told(&outcome, queue.len() + running.len() + noisy.len());
        outcomes.push(outcome);
    }
    // Those that the host was too noisy for get one more chance, each alone.
    while let Some(loaded) = noisy.pop() {
        let (_, outcome) = repeated(loaded, setting.clone(), plan.repeat).await;
        told(&outcome, noisy.len());
        outcomes.push(outcome);
    }
    let why = "the run stopped before it";
    outcomes.extend(queue.iter().map(|left| skipped(left, why)));
    outcomes.extend(left_out.iter().map(|left| skipped(left, "it takes long; run it by its id or with --long")));
    outcomes.sort_by(|a, b| a.id.cmp(&b.id));
    for outcome in &mut outcomes {
        excuse(outcome, &setting.target);
    }
    Run {
        outcomes,
        duration: started.elapsed(),
        started: clock,
        seed: plan.shuffle,
        repeat: plan.repeat,
        sabotage: plan.setting.saboteur.map(Saboteur::name).map(str::to_owned),
        stopped,
        left_out: plan.left_out.clone(),
        target: About::of(&setting.target),
        noise,
    }
}

/// What is run, and what takes too long to be run without being asked for.
fn partitioned(scenarios: Vec<Loaded>, plan: &Plan) -> (Vec<Loaded>, Vec<Loaded>) {
    scenarios.into_iter().partition(|loaded| plan.long || loaded.named || !loaded.scenario.long)
}

fn skipped(loaded: &Loaded, why: &str) -> Outcome {
    Outcome { why: Some(why.to_owned()), ..Outcome::new(loaded, Verdict::Skipped, Duration::ZERO) }
}

/// Puts a known failure beside its outcome.
fn excuse(outcome: &mut Outcome, target: &Target) {
    let needs = &outcome.needs;
    outcome.claimed = needs.iter().all(|need| target.claims(need));
    outcome.expected_failure = target.expected_failure(&outcome.id).map(|known| Excuse {
        issue: known.issue.clone(),
        until: known.until.clone(),
        expired: Date::parse(&known.until).is_none_or(|until| until < Date::today()),
    });
}

/// Runs one scenario as often as it takes.
async fn repeated(loaded: Loaded, setting: Setting, asked: usize) -> (Loaded, Outcome) {
    let loaded = Arc::new(loaded);
    let scenario = &loaded.scenario;
    let timed = scenario.timing && scenario.level == Level::Must && !scenario.long && setting.saboteur.is_none();
    let times = if timed { asked.max(TIMED) } else { asked.max(1) };
    let mut outcome = guarded(&loaded, &setting).await;
    for round in 1..times {
        let decided = matches!(outcome.verdict, Verdict::Unsupported | Verdict::Error | Verdict::Flaky);
        // Twice red without a green is red; more rounds would only take time.
        if decided || outcome.verdict == Verdict::Fail && round >= 2 && asked <= 1 {
            break;
        }
        outcome = outcome.repeated(guarded(&loaded, &setting).await);
    }
    if scenario.profile.value == "load" && matches!(outcome.verdict, Verdict::Pass | Verdict::Fail | Verdict::Flaky) {
        outcome.verdict = Verdict::Informational;
    }
    (Arc::unwrap_or_clone(loaded), outcome)
}

/// A panic is our mistake: an error, and the run goes on.
pub(crate) async fn guarded(loaded: &Arc<Loaded>, setting: &Setting) -> Outcome {
    let started = Instant::now();
    let (inner, own) = (Arc::clone(loaded), setting.clone());
    match tokio::spawn(async move { super::scenario(&inner, &own).await }).await {
        Ok(outcome) => outcome,
        Err(error) => {
            // The panic's own words may hold secrets; they are on standard error, for us.
            let how = if error.is_panic() { "a panic, told on standard error" } else { "it was cancelled" };
            let why = Some(format!("the harness broke: {how}"));
            Outcome { why, ..Outcome::new(loaded, Verdict::Error, started.elapsed()) }
        }
    }
}

/// Fisher–Yates with a splitmix generator: the same seed gives the same order everywhere.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let drawn = (z ^ (z >> 31)) % (last as u64 + 1);
        items.swap(last, usize::try_from(drawn).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_order() {
        let order = |seed| {
            let mut items: Vec<u32> = (0..20).collect();
            shuffle(&mut items, seed);
            items
        };
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
        let mut sorted = order(7);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<u32>>());
    }
}
