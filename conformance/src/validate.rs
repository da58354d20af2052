//! `windtunnel validate`: is this backend really compatible with OpenAI's API?
//!
//! Reading order: [`check`] (what a check is) and [`checks`] (the 84), [`ask`] and [`facts`] (what is sent), [`backend`]
//! and [`gather`] (how), [`answer`], [`stream`], [`chunks`] and [`shape`] (how answers are read), [`finding`] and
//! [`deviation`] (what they mean), [`survey`] and [`fingerprint`] (the first look), [`outcome`] and [`report`] (telling),
//! [`through`] (what a gateway changes). Everything is asked before anything is judged, so that checks share answers.

pub mod answer;
pub mod ask;
pub mod backend;
pub mod check;
pub mod checks;
pub mod chunks;
pub mod deviation;
pub mod facts;
pub mod finding;
pub mod fingerprint;
pub mod gather;
pub mod outcome;
pub mod plan;
pub mod report;
pub mod select;
pub mod shape;
pub mod stream;
pub mod survey;
pub mod through;
mod transcript;

use std::sync::Arc;
use std::time::Instant;

use backend::Backend;
use check::Check;
use deviation::Expected;
use gather::{Bounds, Budget, LONGEST, gather};
use outcome::{Checked, Outcome};
use plan::Plan;
use survey::{FIRST, Hopeless, Survey, Wishes, survey};

/// What a run is to do.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The checks, in order.
    pub checks: Vec<&'static Check>,
    /// What the user says of the backend.
    pub wishes: Wishes,
    /// The deviations that are known already.
    pub expected: Expected,
    /// Requests at once.
    pub concurrency: usize,
    /// Requests at most, those of the first look too.
    pub budget: Budget,
    /// Of one request.
    pub timeout: std::time::Duration,
}

/// What is told while a run goes on.
pub trait Told {
    /// The first look is over, and this is what will be asked.
    fn planned(&self, survey: &Survey, plan: &Plan);
    /// So many requests are behind us.
    fn asked(&self, requests: usize, of: usize);
}

impl Setting {
    /// What there is to tell where nothing could be asked of this URL.
    pub fn nothing(&self, url: String, why: &str) -> Outcome {
        let checks = self.checks.iter().map(|check| Checked::unasked(check, why)).collect();
        let mut outcome = Outcome { url, checks, ..Outcome::default() };
        outcome.tame();
        outcome
    }
}

/// Looks, asks and judges. What the backend says is in the outcome as [`Outcome::tame`] leaves it.
pub async fn run(backend: &Arc<Backend>, setting: &Setting, told: &impl Told) -> Outcome {
    let began = Instant::now();
    let mut outcome = judged(backend, setting, told, began).await;
    outcome.requests = backend.sent();
    outcome.took = began.elapsed();
    outcome.tame();
    outcome
}

async fn judged(backend: &Arc<Backend>, setting: &Setting, told: &impl Told, began: Instant) -> Outcome {
    let (url, budget) = (backend.base().to_string(), setting.budget);
    let most = budget.most;
    if most < FIRST {
        return setting.nothing(url, &format!("the first look takes {FIRST} requests, and --max-requests is {budget}"));
    }
    let seen = match survey(backend, &setting.wishes, most).await {
        Ok(seen) => seen,
        Err(Hopeless { why }) => return Outcome { stopped: Some(why.clone()), ..setting.nothing(url, &why) },
    };
    let plan = Plan::new(&setting.checks, &seen, budget);
    told.planned(&seen, &plan);
    let bounds = Bounds {
        concurrency: setting.concurrency,
        timeout: setting.timeout,
        ends: began + setting.timeout.saturating_mul(LONGEST),
        budget,
        spare: most.saturating_sub(seen.requests + plan.requests),
    };
    let of = seen.requests + plan.requests;
    let gathered = gather(backend, plan.asks.clone(), &seen.facts.plain(), bounds, |sent| told.asked(sent, of)).await;
    let mut answers = gathered.answers;
    answers.extend(seen.asked.into_iter().map(|(ask, answer)| (ask, Ok(Arc::new(vec![answer])))));
    let stopped = gathered.stopped.as_deref();
    Outcome {
        url,
        checks: plan.checks.iter().map(|planned| planned.judged(&seen.facts, &answers, stopped)).collect(),
        tokens: plan.tokens,
        stopped: gathered.stopped,
        model: seen.facts.model,
        embeddings_model: seen.facts.embeddings_model,
        fingerprint: Some(seen.fingerprint),
        ..Outcome::default()
    }
}
