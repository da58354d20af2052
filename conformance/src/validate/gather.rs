//! Asking: every different request once, some beside each other, bursts by themselves, what may be too much for a
//! backend after them, within all bounds.
//! Owns politeness and the end of patience. Refuses to judge what comes back.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::answer::{Answer, seconds};
use super::ask::{Ask, Request, Way};
use super::backend::Backend;
use crate::client::End;

/// So many requests may go without an end before nothing more is asked.
pub const PATIENCE: usize = 5;
/// A run takes at most so many times the timeout of one request.
pub const LONGEST: u32 = 20;
/// How often a request that came too fast is sent again.
const AGAIN: usize = 3;
/// The longest pause before that.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// How many requests a run may send, of those that the user allowed to one or both ways.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Of this run.
    pub most: usize,
    /// What `--max-requests` says.
    pub told: usize,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each_way = if self.most < self.told { " (half of them each way)" } else { "" };
        write!(f, "{}{each_way}", self.told)
    }
}

/// The bounds of a run.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Requests at once.
    pub concurrency: usize,
    /// Of one request.
    pub timeout: Duration,
    /// When the run ends at the latest.
    pub ends: Instant,
    /// Requests at most, all that were ever sent.
    pub budget: Budget,
    /// How many of them neither are sent nor planned: for those that came too fast.
    pub spare: usize,
}

/// The answers to each ask, or why there are none.
pub type Answers = HashMap<Ask, Result<Arc<Vec<Answer>>, String>>;

/// What was asked, and why the rest was not.
#[derive(Debug, Default)]
pub struct Gathered {
    /// What became of each ask that had its turn.
    pub answers: Answers,
    /// Why the backend was given up; that our own time was over says nothing of it.
    pub stopped: Option<String>,
}

/// Who has had enough, and when.
struct Patience {
    endless: AtomicUsize,
    spare: AtomicUsize,
    bounds: Bounds,
}

impl Patience {
    fn ended(&self) -> Option<String> {
        self.lost().or_else(|| (Instant::now() >= self.bounds.ends).then(|| self.late()))
    }

    fn lost(&self) -> Option<String> {
        let within = seconds(self.bounds.timeout);
        let many = self.endless.load(Ordering::Relaxed) >= PATIENCE;
        many.then(|| format!("{PATIENCE} requests had no end within {within}; nothing more is asked"))
    }

    fn late(&self) -> String {
        let most = self.bounds.timeout.saturating_mul(LONGEST);
        format!("the run took longer than {}; nothing more is asked", seconds(most))
    }

    /// What this comes to, unless the run ends before; an answer that is cut off so is none, for it says nothing.
    async fn within<T>(&self, waiting: impl Future<Output = T>) -> Result<T, String> {
        tokio::time::timeout_at(self.bounds.ends.into(), waiting).await.map_err(|_| self.late())
    }

    fn saw(&self, answers: &[Answer]) {
        let endless = |answer: &&Answer| match &answer.end {
            End::TimedOut => true,
            End::Malformed(what) => what.contains("more than"),
            _ => false,
        };
        self.endless.fetch_add(answers.iter().filter(endless).count(), Ordering::Relaxed);
    }

    /// Takes so many requests that nobody has planned, or says why not.
    fn takes(&self, requests: usize) -> Result<(), String> {
        let taken = self.spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(requests));
        let budget = self.bounds.budget;
        taken
            .map(drop)
            .map_err(|_| format!("it is to be asked again later (429), and --max-requests {budget} forbids it"))
    }
}

/// Asks all, each once; `probe` is a chat that is known to be answered; `told` hears after each how many requests are
/// behind it.
pub async fn gather(
    backend: &Arc<Backend>,
    asks: Vec<Ask>,
    probe: &Request,
    bounds: Bounds,
    told: impl Fn(usize),
) -> Gathered {
    let patience = Patience { endless: AtomicUsize::new(0), spare: AtomicUsize::new(bounds.spare), bounds };
    let patience = Arc::new(patience);
    let mut gathered = Gathered::default();
    let (alone, mut by_themselves): (Vec<Ask>, Vec<Ask>) = asks.into_iter().partition(|ask| ask.way == Way::Alone);
    by_themselves.sort_by_key(|ask| match ask.way {
        // After that one nothing is let in any more.
        Way::Until429(_) => 2,
        Way::Last => 1,
        _ => 0,
    });
    let places = Arc::new(Semaphore::new(bounds.concurrency));
    let mut running = JoinSet::new();
    for ask in alone {
        let (backend, patience, places) = (Arc::clone(backend), Arc::clone(&patience), Arc::clone(&places));
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            let answers = asked(&backend, &ask, &patience).await;
            (ask, answers)
        });
    }
    while let Some(done) = running.join_next().await {
        gathered.took(done.expect("asking does not panic"));
        told(backend.sent());
    }
    for ask in by_themselves {
        let mut answers = asked(backend, &ask, &patience).await;
        let mut lost = None;
        if let (Way::Last, Ok(before)) = (ask.way, &mut answers) {
            match survived(backend, &ask, probe, &patience).await {
                Ok((after, why)) => {
                    before.push(after);
                    lost = why;
                }
                Err(why) => answers = Err(why),
            }
        }
        gathered.took((ask, answers));
        told(backend.sent());
        if lost.is_some() {
            gathered.stopped = lost;
            break;
        }
    }
    let all = gathered.answers.values().all(Result::is_ok);
    gathered.stopped = gathered.stopped.or_else(|| patience.lost().filter(|_| !all));
    gathered
}

/// Whether the backend still answers a chat after what may have been too much for it.
async fn survived(
    backend: &Backend,
    ask: &Ask,
    probe: &Request,
    patience: &Patience,
) -> Result<(Answer, Option<String>), String> {
    let after = patience.within(backend.send(probe)).await?;
    let Request { method, path, .. } = &ask.request;
    let lost = is_lost(&after).then(|| format!("the backend was lost after a {method} {path}: {}", after.refusal()));
    Ok((after, lost))
}

/// Whether a chat that was answered before is so no more; a 429 is an answer.
pub fn is_lost(probe: &Answer) -> bool {
    probe.trouble().is_some() || probe.status().is_none_or(|status| status >= 500)
}

impl Gathered {
    fn took(&mut self, (ask, answers): (Ask, Result<Vec<Answer>, String>)) {
        self.answers.insert(ask, answers.map(Arc::new));
    }
}

/// The answers, unless patience has ended; who is asked to wait, waits.
async fn asked(backend: &Arc<Backend>, ask: &Ask, patience: &Patience) -> Result<Vec<Answer>, String> {
    let mut repeats = 0..AGAIN;
    loop {
        if let Some(why) = patience.ended() {
            return Err(why);
        }
        let answers = patience.within(backend.ask(ask)).await?;
        patience.saw(&answers);
        let too_fast = answers.iter().find(|answer| answer.status() == Some(429));
        let too_fast = too_fast.filter(|_| !matches!(ask.way, Way::Until429(_)));
        let Some(answer) = too_fast.filter(|_| repeats.next().is_some()) else { return Ok(answers) };
        patience.takes(ask.sends())?;
        patience.within(tokio::time::sleep(pause(answer).min(patience.bounds.timeout))).await?;
    }
}

/// What a 429 asks for.
fn pause(answer: &Answer) -> Duration {
    let told = answer.header("retry-after").and_then(|value| value.parse::<f64>().ok());
    let told = told.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    told.unwrap_or(Duration::from_secs(1)).min(LONGEST_PAUSE)
}
