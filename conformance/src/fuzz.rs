//! The property at system level: random mock scripts × random requests keep the invariants. Nothing is invented, lost
//! or told twice: no terminator, no byte, no log record, no token, no secret. Each case is rendered as a scenario and
//! run like one; a case that fails is made smaller and written out as a file that `windtunnel run` takes.

mod case;
mod draw;
mod provider;
mod render;
mod request;
mod shrink;
mod yaml;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::load::{self, Loaded, Problems};
use crate::outcome::{Outcome, Verdict};
use crate::run::{Setting, suite};
use case::Case;
use draw::{Draw, Tape, splitmix};
use render::Rendered;

/// What to try.
#[derive(Debug, Clone)]
pub struct Plan {
    /// For each case.
    pub setting: Setting,
    /// How many cases.
    pub cases: usize,
    /// The first case is a function of it, and so is every other.
    pub seed: u64,
    /// At once.
    pub jobs: usize,
    /// Go on after so many different faults; 1 stops at the first.
    pub faults: usize,
    /// How long one fault is made smaller.
    pub shrink: Duration,
    /// Where scenarios of faults are written.
    pub out: PathBuf,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Found {
    /// Cases that were run.
    pub ran: usize,
    /// Of them, those that the target does not claim to handle.
    pub unsupported: usize,
    /// Different faults, made smaller where they fail every time.
    pub faults: Vec<Fault>,
}

/// A case that fails.
#[derive(Debug)]
pub struct Fault {
    /// Which case of the run it was at first.
    pub case: usize,
    /// It fails every time; one that does not is kept as it was found, and the search goes on.
    pub always: bool,
    /// How many times it was made smaller.
    pub steps: usize,
    /// What tells it from other faults.
    kind: String,
    /// The scenario.
    pub file: PathBuf,
    /// What the scenario says.
    pub outcome: Outcome,
}

/// Why nothing could be found out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file.
    #[error("cannot write {path}: {source}", path = .0.display(), source = .1)]
    Io(PathBuf, #[source] std::io::Error),
    /// A case could not be judged; nobody is to blame but us, or the target file.
    #[error("a case could not be run: {0}")]
    Run(String),
    /// The generator wrote something that is no scenario.
    #[error("a generated scenario is not one:\n{0}")]
    Scenario(#[from] Problems),
}

/// A case on its way.
#[derive(Debug, Clone)]
struct Trial {
    case: usize,
    tape: Tape,
    rendered: Rendered,
}

impl Trial {
    fn new(case: usize, mut draw: Draw) -> Trial {
        let rendered = render::scenario(&Case::generate(&mut draw));
        Trial { case, tape: draw.tape(), rendered }
    }

    /// Its scenario, as a file of this folder.
    fn load(&self, folder: &Path) -> Result<Loaded, Error> {
        let file = folder.join(format!("{}.yaml", self.rendered.id));
        std::fs::write(&file, &self.rendered.text).map_err(|error| Error::Io(file.clone(), error))?;
        Ok(load::read_files(folder, &[file])?.remove(0))
    }

    async fn run(self, folder: PathBuf, setting: Setting) -> Result<(Trial, Outcome), Error> {
        let loaded = Arc::new(self.load(&folder)?);
        let outcome = suite::guarded(&loaded, &setting).await;
        Ok((self, outcome))
    }
}

/// Runs random cases; `told` hears how many have been run, and of each fault.
pub async fn run(plan: &Plan, mut told: impl FnMut(usize, Option<&Fault>)) -> Result<Found, Error> {
    let folder = tempfile::tempdir().map_err(|error| Error::Io(std::env::temp_dir(), error))?;
    let mut found = Found::default();
    let mut running = JoinSet::new();
    let mut next = 0;
    loop {
        while running.len() < plan.jobs.max(1) && next < plan.cases {
            let trial = Trial::new(next, Draw::from_seed(seed(plan.seed, next)));
            running.spawn(trial.run(folder.path().to_owned(), plan.setting.clone()));
            next += 1;
        }
        let Some(joined) = running.join_next().await else { return Ok(found) };
        let Ok(ended) = joined else { continue };
        let (trial, outcome) = ended?;
        found.ran += 1;
        told(found.ran, None);
        match outcome.verdict {
            Verdict::Pass => continue,
            Verdict::Unsupported => found.unsupported += 1,
            Verdict::Error => return Err(Error::Run(outcome.why.unwrap_or_default())),
            _ => {
                let kind = shrink::kind(&outcome);
                let known = |always| found.faults.iter().any(|fault| fault.kind == kind && fault.always == always);
                if known(true) {
                    continue;
                }
                let always = shrink::always(&trial, &outcome, plan, folder.path()).await?;
                if !always && known(false) {
                    continue;
                }
                let (trial, outcome, steps) = match always {
                    true => shrink::smallest(trial, outcome, plan, folder.path()).await?,
                    false => (trial, outcome, 0),
                };
                let fault = keep(&trial, outcome, (always, steps, kind), &plan.out)?;
                told(found.ran, Some(&fault));
                found.faults.push(fault);
            }
        }
        if found.faults.iter().filter(|fault| fault.always).count() >= plan.faults.max(1) {
            return Ok(found);
        }
    }
}

/// A seed that nobody chose.
pub fn any_seed() -> u64 {
    // Short enough to be typed.
    crate::world::random() % 1_000_000_000
}

/// Each case has a seed of its own, so that it can be had alone.
fn seed(seed: u64, case: usize) -> u64 {
    let mut state = seed ^ (case as u64).wrapping_mul(0x2545_f491_4f6c_dd1d);
    splitmix(&mut state)
}

/// Writes the scenario where people find it.
fn keep(
    trial: &Trial,
    outcome: Outcome,
    (always, steps, kind): (bool, usize, String),
    out: &Path,
) -> Result<Fault, Error> {
    std::fs::create_dir_all(out).map_err(|error| Error::Io(out.to_owned(), error))?;
    let loaded = trial.load(out)?;
    let outcome = Outcome { argument: loaded.argument(), source: loaded.source, ..outcome };
    let file = out.join(format!("{}.yaml", trial.rendered.id));
    Ok(Fault { case: trial.case, always, steps, kind, file, outcome })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_a_scenario_and_every_seed_another_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut ids = std::collections::BTreeSet::new();
        for case in 0..400 {
            let trial = Trial::new(case, Draw::from_seed(seed(1, case)));
            let text = &trial.rendered.text;
            let loaded = trial.load(folder.path()).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(loaded.id(), trial.rendered.id);
            ids.insert(trial.rendered.id);
        }
        assert!(ids.len() > 390, "only {} different cases", ids.len());
    }

    #[test]
    fn the_simplest_case_is_a_plain_one() {
        let trial = Trial::new(0, Draw::again(Vec::new()));
        assert!(
            trial.rendered.text.contains("{text: ok}") && !trial.rendered.text.contains("fault"),
            "{}",
            trial.rendered.text
        );
    }
}
