//! Runs scenarios plain, under the saboteurs that they name, and under others until these are told apart.
//! Judges nothing itself.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Row, Said, Trust, alike};
use crate::load::Loaded;
use crate::noise::Noise;
use crate::outcome::{Outcome, Verdict};
use crate::run::{Setting, suite};
use crate::saboteur::Saboteur;

/// So many runs per job are chosen at a time while saboteurs are told apart.
const AHEAD: usize = 4;

/// How to find out.
#[derive(Debug, Clone)]
pub struct Plan {
    /// For each run; its saboteur is replaced.
    pub setting: Setting,
    /// At once.
    pub jobs: usize,
    /// Only these saboteurs; none means all that the scenarios name.
    pub saboteurs: Vec<Saboteur>,
    /// The scenarios are the whole suite: a saboteur that none of them names is caught by nothing.
    pub whole: bool,
    /// Every scenario under every saboteur.
    pub full: bool,
    /// Also scenarios that take long.
    pub long: bool,
}

/// What is heard of a run that has ended.
#[derive(Debug)]
pub struct Told<'t> {
    /// Runs that have ended.
    pub done: usize,
    /// Runs known to be needed by now.
    pub of: usize,
    /// The scenario.
    pub id: &'t str,
    /// The saboteur; none for a plain run.
    pub saboteur: Option<Saboteur>,
    /// What it said.
    pub said: &'t Said,
}

/// One run: a scenario by its index, and the saboteur at work.
type Run = (usize, Option<Saboteur>);

/// Finds everything out; `told` hears of each run.
pub async fn run(scenarios: Vec<Loaded>, plan: &Plan, told: impl FnMut(&Told<'_>)) -> Trust {
    let asked = scenarios.into_iter().filter(|loaded| plan.long || loaded.named || !loaded.scenario.long);
    let scenarios: Vec<Arc<Loaded>> = asked.map(Arc::new).collect();
    let ticking = Arc::new(Noise::start());
    ticking.calibrate().await;
    let mut probe = Probe {
        plan,
        setting: Setting { noise: Some(ticking), ..plan.setting.clone() },
        trust: Trust { rows: scenarios.iter().map(|loaded| row(loaded)).collect(), ..Trust::default() },
        scenarios,
        running: JoinSet::new(),
        in_flight: BTreeSet::new(),
        noisy: BTreeSet::new(),
        later: Vec::new(),
        done: 0,
        told,
    };
    probe.all((0..probe.scenarios.len()).map(|index| (index, None)).collect()).await;
    probe.trust.saboteurs = asked_about(&probe.trust.rows, plan);
    probe.all(probe.named()).await;
    if plan.full {
        probe.all(probe.everything()).await;
    } else {
        probe.until_told_apart().await;
    }
    Trust { full: plan.full, ..probe.trust }
}

fn row(loaded: &Loaded) -> Row {
    let names = loaded.scenario.sabotage.iter();
    let named: BTreeSet<Saboteur> = names.filter_map(|name| Saboteur::named(&name.value)).collect();
    Row {
        id: loaded.id().to_owned(),
        named: named.into_iter().collect(),
        duration: Duration::ZERO,
        broken: None,
        unsupported: None,
    }
}

fn asked_about(rows: &[Row], plan: &Plan) -> Vec<Saboteur> {
    let named: BTreeSet<Saboteur> = rows.iter().flat_map(|row| row.named.iter().copied()).collect();
    let asked = |saboteur: &&Saboteur| match plan.saboteurs.as_slice() {
        [] => plan.full || plan.whole || named.contains(saboteur),
        some => some.contains(saboteur),
    };
    Saboteur::ALL.iter().filter(asked).copied().collect()
}

/// The state of finding out.
struct Probe<'p, F> {
    scenarios: Vec<Arc<Loaded>>,
    plan: &'p Plan,
    setting: Setting,
    trust: Trust,
    running: JoinSet<(Run, Outcome)>,
    in_flight: BTreeSet<Run>,
    /// Those that the host was too noisy for, once.
    noisy: BTreeSet<Run>,
    /// Those of them that wait for another chance.
    later: Vec<Run>,
    done: usize,
    told: F,
}

impl<F: FnMut(&Told<'_>)> Probe<'_, F> {
    /// The pairs that scenarios name.
    fn named(&self) -> VecDeque<Run> {
        let rows = self.trust.rows.iter().enumerate();
        let pairs = rows.flat_map(|(index, row)| row.named.iter().map(move |saboteur| (index, *saboteur)));
        pairs.filter(|(_, saboteur)| self.trust.saboteurs.contains(saboteur)).map(|(i, s)| (i, Some(s))).collect()
    }

    /// All that is not known yet.
    fn everything(&self) -> VecDeque<Run> {
        let pairs = (0..self.scenarios.len()).flat_map(|index| self.trust.saboteurs.iter().map(move |s| (index, *s)));
        pairs.filter(|pair| !self.trust.said.contains_key(pair)).map(|(i, s)| (i, Some(s))).collect()
    }

    /// Does all of these runs.
    async fn all(&mut self, mut queue: VecDeque<Run>) {
        while !queue.is_empty() || !self.running.is_empty() {
            self.fill(&mut queue);
            self.one_ends(queue.len()).await;
        }
        self.second_chances().await;
    }

    /// Runs what tells most saboteurs apart, until nothing is left that could.
    async fn until_told_apart(&mut self) {
        let mut queue = VecDeque::new();
        loop {
            if queue.is_empty() {
                queue = self.helpful();
            }
            if queue.is_empty() && self.running.is_empty() {
                return self.second_chances().await;
            }
            self.fill(&mut queue);
            self.one_ends(queue.len()).await;
        }
    }

    fn helpful(&self) -> VecDeque<Run> {
        let running = self.in_flight.iter().filter_map(|(index, saboteur)| Some((*index, (*saboteur)?))).collect();
        let open = alike::undecided(&self.trust);
        let runs = alike::helpful(&self.trust, &open, &running, AHEAD * self.plan.jobs);
        runs.into_iter().map(|(index, saboteur)| (index, Some(saboteur))).collect()
    }

    /// Starts runs while there is room.
    fn fill(&mut self, queue: &mut VecDeque<Run>) {
        while self.running.len() < self.plan.jobs.max(1) {
            let Some(run) = queue.pop_front() else { return };
            if self.is_worth(run) {
                self.start(run);
            }
        }
    }

    /// A scenario that does not pass without a saboteur is not run with one.
    fn is_worth(&mut self, (index, saboteur): Run) -> bool {
        let (row, Some(saboteur)) = (&self.trust.rows[index], saboteur) else { return true };
        if let Some(why) = &row.broken {
            self.trust.said.insert((index, saboteur), Said::Unclear(why.clone()));
        }
        row.broken.is_none() && row.unsupported.is_none()
    }

    fn start(&mut self, (index, saboteur): Run) {
        let loaded = Arc::clone(&self.scenarios[index]);
        let setting = Setting { saboteur, ..self.setting.clone() };
        self.in_flight.insert((index, saboteur));
        self.running.spawn(async move { ((index, saboteur), suite::guarded(&loaded, &setting).await) });
    }

    /// Waits for a run to end, and keeps what it said; one that the host was too noisy for gets one more chance.
    async fn one_ends(&mut self, waiting: usize) {
        let Some(Ok((run, outcome))) = self.running.join_next().await else { return };
        let noisy = outcome.verdict == Verdict::Error && outcome.failures.iter().any(|failure| failure.late);
        if noisy && self.noisy.insert(run) {
            self.later.push(run);
            return;
        }
        self.in_flight.remove(&run);
        self.keep(run, &outcome, waiting);
    }

    /// Those that the host was too noisy for, each alone.
    async fn second_chances(&mut self) {
        while let Some(run) = self.later.pop() {
            self.start(run);
            self.one_ends(self.later.len()).await;
        }
    }

    fn keep(&mut self, (index, saboteur): Run, outcome: &Outcome, waiting: usize) {
        self.done += 1;
        let said = Said::of(outcome);
        let id = &self.trust.rows[index].id;
        let of = self.done + self.running.len() + self.later.len() + waiting;
        (self.told)(&Told { done: self.done, of, id, saboteur, said: &said });
        match saboteur {
            Some(saboteur) => drop(self.trust.said.insert((index, saboteur), said)),
            None => self.keep_plain(index, outcome),
        }
    }

    fn keep_plain(&mut self, index: usize, outcome: &Outcome) {
        let row = &mut self.trust.rows[index];
        row.duration = outcome.duration;
        let why = outcome.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        match outcome.verdict {
            Verdict::Pass => {}
            Verdict::Unsupported => row.unsupported = Some(outcome.why.clone().unwrap_or_default()),
            other => row.broken = Some(format!("without a saboteur the verdict is {other}{why}")),
        }
    }
}
