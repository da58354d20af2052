//! Makes a case that fails smaller, as long as it fails in the same way and there is time.

use std::path::Path;
use std::time::Instant;

use tokio::task::JoinSet;

use super::draw::Draw;
use super::{Error, Plan, Trial};
use crate::outcome::Outcome;
use crate::trust::Said;

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
            // What fails only now and then is no smaller case of what fails.
            let (other, again) = other.run(folder.to_owned(), plan.setting.clone()).await?;
            if same(&again) {
                (trial, outcome) = (other, again);
                steps += 1;
                continue 'smaller;
            }
        }
    }
}

/// Cases with a shorter text, each once, the boldest first.
fn candidates(trial: &Trial) -> Vec<Trial> {
    let measure = |trial: &Trial| (trial.rendered.text.len(), trial.rendered.text.clone());
    let mut seen = std::collections::BTreeSet::from([trial.rendered.id.clone()]);
    let now = measure(trial);
    let all = trial.tape.simpler().into_iter().map(|numbers| Trial::new(trial.case, Draw::again(numbers)));
    all.filter(|other| measure(other) < now && seen.insert(other.rendered.id.clone())).collect()
}
