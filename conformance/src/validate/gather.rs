//! Asking: every different request once, some beside each other, bursts by themselves, what may be too much for a
//! backend after them, within all bounds.
//! Owns politeness and the end of patience. Refuses to judge what comes back.

use std::collections::HashMap;
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

/// The bounds of a run.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Requests at once.
    pub concurrency: usize,
    /// Of one request.
    pub timeout: Duration,
    /// When the run began.
    pub began: Instant,
}

/// What was asked, and why the rest was not.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The answers to each ask.
    pub answers: HashMap<Ask, Arc<Vec<Answer>>>,
    /// How many requests were sent.
    pub sent: usize,
    /// Why not everything was asked.
    pub stopped: Option<String>,
}

/// Who has had enough, and when.
struct Patience {
    endless: AtomicUsize,
    bounds: Bounds,
}

impl Patience {
    fn ended(&self) -> Option<String> {
        let Bounds { timeout, began, .. } = self.bounds;
        if self.endless.load(Ordering::Relaxed) >= PATIENCE {
            return Some(format!("{PATIENCE} requests had no end within {}; nothing more is asked", seconds(timeout)));
        }
        let most = timeout.saturating_mul(LONGEST);
        (began.elapsed() > most).then(|| format!("the run took longer than {}; nothing more is asked", seconds(most)))
    }

    fn saw(&self, answers: &[Answer]) {
        let endless = |answer: &&Answer| match &answer.end {
            End::TimedOut => true,
            End::Malformed(what) => what.contains("more than"),
            _ => false,
        };
        self.endless.fetch_add(answers.iter().filter(endless).count(), Ordering::Relaxed);
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
    let patience = Arc::new(Patience { endless: AtomicUsize::new(0), bounds });
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
            let _place = places.acquire_owned().await.ok()?;
            let answers = asked(&backend, &ask, &patience).await?;
            Some((ask, answers))
        });
    }
    while let Some(done) = running.join_next().await {
        gathered.took(done.expect("asking does not panic"), &told);
    }
    let mut lost = None;
    for ask in by_themselves {
        let mut answers = asked(backend, &ask, &patience).await;
        if let Some(answers) = answers.as_mut().filter(|_| ask.way == Way::Last) {
            let after = backend.send(probe).await;
            let Request { method, path, .. } = &ask.request;
            lost =
                is_lost(&after).then(|| format!("the backend was lost after a {method} {path}: {}", after.refusal()));
            answers.push(after);
        }
        gathered.took(answers.map(|answers| (ask, answers)), &told);
        if lost.is_some() {
            break;
        }
    }
    gathered.stopped = lost.or_else(|| patience.ended().filter(|_| gathered.stopped.is_some()));
    gathered
}

/// Whether a chat that was answered before is so no more; a 429 is an answer.
pub fn is_lost(probe: &Answer) -> bool {
    probe.trouble().is_some() || probe.status().is_none_or(|status| status >= 500)
}

impl Gathered {
    fn took(&mut self, answered: Option<(Ask, Vec<Answer>)>, told: &impl Fn(usize)) {
        match answered {
            None => self.stopped = Some(String::new()),
            Some((ask, answers)) => {
                self.sent += answers.len();
                self.answers.insert(ask, Arc::new(answers));
                told(self.sent);
            }
        }
    }
}

/// The answers, unless patience has ended; who is asked to wait, waits.
async fn asked(backend: &Arc<Backend>, ask: &Ask, patience: &Patience) -> Option<Vec<Answer>> {
    for _ in 0..AGAIN {
        if patience.ended().is_some() {
            return None;
        }
        let answers = backend.ask(ask).await;
        patience.saw(&answers);
        let too_fast = answers.iter().find(|answer| answer.status() == Some(429));
        match too_fast.filter(|_| !matches!(ask.way, Way::Until429(_))) {
            Some(answer) => tokio::time::sleep(pause(answer).min(patience.bounds.timeout)).await,
            None => return Some(answers),
        }
    }
    Some(backend.ask(ask).await)
}

/// What a 429 asks for.
fn pause(answer: &Answer) -> Duration {
    let told = answer.header("retry-after").and_then(|value| value.parse::<f64>().ok());
    let told = told.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    told.unwrap_or(Duration::from_secs(1)).min(LONGEST_PAUSE)
}
