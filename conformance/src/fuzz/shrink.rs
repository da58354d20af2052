//! Makes a case that fails smaller, as long as it fails in the same way and there is time.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use super::draw::Draw;
use super::{Error, Plan, Trial};
use crate::outcome::Outcome;
use crate::run::suite;
use crate::trust::Said;

/// How often a case must fail again.
const RUNS: usize = 16;

/// In which way a case fails: the place of the first expectation that does not hold, numbers aside.
pub(super) fn kind(outcome: &Outcome) -> String {
    let told = match Said::of(outcome) {
        Said::Red(place) => place,
        Said::Green => String::new(),
        Said::Unclear(why) => why,
    };
    told.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// The smallest case found that fails like this one, and how many steps led to it.
pub(super) async fn smallest(
    mut trial: Trial,
    mut outcome: Outcome,
    plan: &Plan,
    folder: &Path,
) -> Result<(Trial, Outcome, usize), Error> {
    let end = Instant::now() + plan.shrink;
    let wanted = kind(&outcome);
    let mut steps = 0;
    'smaller: loop {
        let mut candidates = candidates(&trial).into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < plan.jobs.max(1)
                && Instant::now() < end
                && let Some(candidate) = candidates.next()
            {
                running.spawn(candidate.run(folder.to_owned(), plan.setting.clone()));
            }
            let Some(joined) = running.join_next().await else { return Ok((trial, outcome, steps)) };
            let Ok(ended) = joined else { continue };
            let (other, said) = ended?;
            let same = |said: &Outcome| said.verdict == outcome.verdict && kind(said) == wanted;
            if !same(&said) {
                continue;
            }
            if always(&other, &said, plan, folder).await? {
                (trial, outcome) = (other, said);
                steps += 1;
                continue 'smaller;
            }
        }
    }
}

/// Whether a case fails so every time: what fails only now and then is no smaller case of what fails. So many cases are
/// tried that one which races would get through a few runs.
pub(super) async fn always(trial: &Trial, outcome: &Outcome, plan: &Plan, folder: &Path) -> Result<bool, Error> {
    let wanted = kind(outcome);
    let same = |said: &Outcome| said.verdict == outcome.verdict && kind(said) == wanted;
    let loaded = Arc::new(trial.load(folder)?);
    let mut running = JoinSet::new();
    for run in 0..RUNS {
        if run >= plan.jobs.max(1) && !fails_again(&mut running, &same).await {
            return Ok(false);
        }
        let (loaded, setting) = (loaded.clone(), plan.setting.clone());
        running.spawn(async move { suite::guarded(&loaded, &setting).await });
    }
    while !running.is_empty() {
        if !fails_again(&mut running, &same).await {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn fails_again(running: &mut JoinSet<Outcome>, same: impl Fn(&Outcome) -> bool) -> bool {
    running.join_next().await.is_some_and(|ended| ended.is_ok_and(|outcome| same(&outcome)))
}

/// Cases with a shorter text, each once, the boldest first.
fn candidates(trial: &Trial) -> Vec<Trial> {
    let measure = |trial: &Trial| (trial.rendered.text.len(), trial.rendered.text.clone());
    let mut seen = std::collections::BTreeSet::from([trial.rendered.id.clone()]);
    let now = measure(trial);
    let all = trial.tape.simpler().into_iter().map(|numbers| Trial::new(trial.case, Draw::again(numbers)));
    all.filter(|other| measure(other) < now && seen.insert(other.rendered.id.clone())).collect()
}
