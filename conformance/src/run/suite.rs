//! Many scenarios: in parallel, shuffled, repeated, with progress told as they finish.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;

use super::Setting;
use crate::load::Loaded;
use crate::outcome::{Outcome, Run, Verdict};
use crate::saboteur::Saboteur;

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
}

/// Runs scenarios; `told` hears of each outcome as it comes.
pub async fn run(scenarios: Vec<Loaded>, plan: &Plan, mut told: impl FnMut(&Outcome, usize)) -> Run {
    let started = Instant::now();
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut queue: Vec<Loaded> = scenarios;
    if let Some(seed) = plan.shuffle {
        shuffle(&mut queue, seed);
    }
    queue.reverse();
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut running = JoinSet::new();
    let mut stopped = false;
    loop {
        while running.len() < plan.jobs.max(1) && !stopped {
            let Some(next) = queue.pop() else { break };
            running.spawn(repeated(Arc::new(next), plan.setting.clone(), plan.repeat.max(1)));
        }
        let Some(joined) = running.join_next().await else { break };
        // A panic of ours has been printed; the run goes on and the scenario is missing from the report as an error.
        let Ok(outcome) = joined else { continue };
        stopped |= plan.fail_fast && outcome.verdict != Verdict::Pass;
        told(&outcome, queue.len() + running.len());
        outcomes.push(outcome);
    }
    for left in queue {
        outcomes.push(Outcome::new(&left, Verdict::Skipped, std::time::Duration::ZERO));
    }
    outcomes.sort_by(|a, b| a.id.cmp(&b.id));
    Run {
        outcomes,
        duration: started.elapsed(),
        started: clock,
        seed: plan.shuffle,
        repeat: plan.repeat,
        sabotage: plan.setting.saboteur.map(Saboteur::name).map(str::to_owned),
        stopped,
    }
}

async fn repeated(loaded: Arc<Loaded>, setting: Setting, times: usize) -> Outcome {
    let mut outcome = guarded(&loaded, &setting).await;
    for _ in 1..times {
        outcome = outcome.repeated(guarded(&loaded, &setting).await);
    }
    outcome
}

/// A panic is our mistake: an error, and the run goes on.
async fn guarded(loaded: &Arc<Loaded>, setting: &Setting) -> Outcome {
    let started = Instant::now();
    let (inner, own) = (Arc::clone(loaded), setting.clone());
    match tokio::spawn(async move { super::scenario(&inner, &own).await }).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let error = Some(format!("the harness broke: {error}"));
            Outcome { error, ..Outcome::new(loaded, Verdict::Error, started.elapsed()) }
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
