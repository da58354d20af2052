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

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use answer::Answer;
use ask::Ask;
use backend::Backend;
use check::Check;
use deviation::Expected;
use gather::{Bounds, gather};
use outcome::{Checked, Outcome};
use plan::Plan;
use survey::{Survey, Wishes, survey};

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
    pub max_requests: usize,
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

/// Looks, asks and judges.
pub async fn run(backend: &Arc<Backend>, setting: &Setting, told: &impl Told) -> Outcome {
    let began = Instant::now();
    let mut outcome = Outcome { url: backend.base().to_string(), ..Outcome::default() };
    let seen = match survey(backend, &setting.wishes).await {
        Ok(seen) => seen,
        Err(hopeless) => {
            outcome.requests = hopeless.requests;
            outcome.checks = setting.checks.iter().map(|check| Checked::skipped(check, &hopeless.why)).collect();
            outcome.stopped = Some(hopeless.why);
            outcome.took = began.elapsed();
            return outcome;
        }
    };
    let plan = Plan::new(&setting.checks, &seen, setting.max_requests);
    told.planned(&seen, &plan);
    let bounds = Bounds { concurrency: setting.concurrency, timeout: setting.timeout, began };
    let gathered =
        gather(backend, plan.asks.clone(), &seen.facts.plain(), bounds, |sent| told.asked(sent, plan.requests)).await;
    let mut answers: HashMap<Ask, Arc<Vec<Answer>>> = gathered.answers;
    answers.extend(seen.asked.into_iter().map(|(ask, answer)| (ask, Arc::new(vec![answer]))));
    outcome.requests = seen.requests + gathered.sent;
    outcome.tokens = plan.tokens;
    outcome.checks =
        plan.checks.iter().map(|planned| planned.judged(&seen.facts, &answers, gathered.stopped.as_deref())).collect();
    outcome.stopped = gathered.stopped;
    outcome.model = seen.facts.model;
    outcome.embeddings_model = seen.facts.embeddings_model;
    outcome.fingerprint = Some(seen.fingerprint);
    outcome.took = began.elapsed();
    outcome
}
