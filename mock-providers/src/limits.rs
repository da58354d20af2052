//! Quotas: who may ask how much, and what they are told.
//!
//! Owns the counts of requests and tokens, the places for requests in flight and the queue before them. Refuses a clock
//! (the time is given) and to know rules: what is turned away here never reaches one.

mod bucket;
mod context;
mod headers;
mod refusal;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::credentials;
use crate::digest::hash;
use crate::openai;
use crate::plan::{Answer, Header, Kind};
use crate::request::Request;
use crate::script::{self, Dialect, LimitHeaders, Measure, Scope, Tokenizer};
use bucket::{Bucket, Standing};

pub(crate) use context::{as_if, overflow};
pub(crate) use headers::Style;
pub(crate) use refusal::Refusal;

/// How many accounts are known at once; then those that owe nothing are forgotten, or all where all owe.
const MAX_ACCOUNTS: usize = 1 << 16;

/// The limits of a provider and how far they are used up.
pub(crate) struct Limits {
    script: script::Limits,
    /// The rule that the journal names for a request that was turned away.
    pub(crate) rule: Arc<str>,
    accounts: Mutex<HashMap<u64, Account>>,
    places: Option<Arc<Semaphore>>,
    waiting: AtomicU32,
}

/// What is counted together.
struct Account {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

impl Limits {
    pub(crate) fn new(script: script::Limits) -> Self {
        let places = script.concurrent.map(|limit| Arc::new(Semaphore::new(limit.get() as usize)));
        Self { script, rule: "limits".into(), accounts: Mutex::default(), places, waiting: AtomicU32::new(0) }
    }

    /// All quotas are full again; requests under way keep their places.
    pub(crate) fn reset(&self) {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A request's turn, when it has come; who does not wait for it to the end leaves no trace.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        request: &Request<'_>,
        dialect: Dialect,
        clock: impl Fn() -> Duration,
    ) -> Turn {
        let mut turn = self.charge(request, dialect, clock());
        let Some(places) = self.places.as_ref().filter(|_| turn.refusal.is_none()) else { return turn };
        let permit = match places.clone().try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => self.wait(places).await,
        };
        match permit {
            Some(permit) => {
                turn.busy = self.busy(places);
                turn.held().permit = Some(permit);
            }
            None => {
                turn.end();
                let limit = self.script.concurrent.map_or(0, |limit| limit.get());
                let queue = self.script.queue;
                turn.refusal = Some(Refusal::Full { limit, queue: queue.max, answer: queue.when_full });
            }
        }
        turn.at = clock();
        turn
    }

    /// A place for who waits in line, unless the line is too long.
    async fn wait(&self, places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        let max = self.script.queue.max;
        self.waiting.fetch_update(Relaxed, Relaxed, |waiting| (waiting < max).then_some(waiting + 1)).ok()?;
        let _waiting = Waiting(&self.waiting);
        Some(places.clone().acquire_owned().await.expect("the places are never closed"))
    }

    /// How many of the places are taken: from 0, by this request alone, to 1.
    fn busy(&self, places: &Semaphore) -> f64 {
        let all = self.script.concurrent.map_or(1, |limit| limit.get());
        let others = (all as usize).saturating_sub(places.available_permits() + 1);
        if all > 1 { others as f64 / f64::from(all - 1) } else { 0.0 }
    }

    /// Takes what the request is expected to use, or says why it may not.
    fn charge(self: &Arc<Self>, request: &Request<'_>, dialect: Dialect, now: Duration) -> Turn {
        // Settled by what is really used, however that is counted.
        let prompt = openai::prompt_tokens(request, Tokenizer::Estimate);
        let account = self.account(request, dialect);
        let asked = context::asked(request);
        let expected = prompt.saturating_add(asked.unwrap_or(0));
        let refusal = self.with(account, now, |account| account.charge(expected));
        let held = match refusal {
            None => Held { requests: 1, tokens: expected, used: None, permit: None },
            Some(_) => Held::default(),
        };
        let foreseen = asked.is_some();
        Turn { limits: self.clone(), account, at: now, prompt, foreseen, refusal, busy: 0.0, held: Mutex::new(held) }
    }

    fn account(&self, request: &Request<'_>, dialect: Dialect) -> u64 {
        let of = match self.script.scope {
            Scope::Provider => None,
            Scope::Model => request.model(),
            Scope::Key => credentials::presented(dialect.of_key(request.head), &request.head.lines),
        };
        of.map_or(0, |of| hash(of.as_bytes()))
    }

    /// Looks at an account as it is now.
    fn with<T>(&self, account: u64, now: Duration, look: impl FnOnce(&mut Account) -> T) -> T {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= MAX_ACCOUNTS && !accounts.contains_key(&account) {
            accounts.retain(|_, known| known.owes(now));
            if accounts.len() >= MAX_ACCOUNTS {
                accounts.clear();
            }
        }
        let new = || {
            let full = |limit: Option<_>| limit.map(|limit| Bucket::full(limit, now));
            Account { requests: full(self.script.rpm), tokens: full(self.script.tpm) }
        };
        let account = accounts.entry(account).or_insert_with(new);
        account.buckets().for_each(|(_, bucket)| bucket.refill(now));
        look(account)
    }
}

impl Account {
    fn buckets(&mut self) -> impl Iterator<Item = (Measure, &mut Bucket)> {
        let requests = self.requests.iter_mut().map(|bucket| (Measure::Requests, bucket));
        requests.chain(self.tokens.iter_mut().map(|bucket| (Measure::Tokens, bucket)))
    }

    fn owes(&mut self, now: Duration) -> bool {
        self.buckets().any(|(_, bucket)| {
            bucket.refill(now);
            !bucket.is_full()
        })
    }

    /// Takes a request and its tokens, or neither.
    fn charge(&mut self, tokens: u64) -> Option<Refusal> {
        let amount = |of| if of == Measure::Requests { 1 } else { tokens };
        let refusals = self.buckets().filter_map(|(of, bucket)| refusal(of, bucket, amount(of)));
        // The one that lasts longest counts: whoever waits for it passes.
        let worst = refusals.max_by_key(|refusal| match refusal {
            Refusal::Spent { wait, .. } => *wait,
            Refusal::TooLarge { .. } | Refusal::Full { .. } => Duration::MAX,
        });
        if worst.is_none() {
            self.buckets().for_each(|(of, bucket)| bucket.take(amount(of).into()));
        }
        worst
    }
}

fn refusal(of: Measure, bucket: &Bucket, requested: u64) -> Option<Refusal> {
    let Standing { limit, remaining, .. } = bucket.standing();
    match bucket.wait(requested) {
        Some(Duration::ZERO) => None,
        Some(wait) => Some(Refusal::Spent { of, limit, used: limit - remaining, requested, wait }),
        None => Some(Refusal::TooLarge { of, limit, requested }),
    }
}

/// One who waits in line, for as long as it does.
struct Waiting<'l>(&'l AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A request that the limits let in, or the reason why they did not; its place is free again when it ends.
pub(crate) struct Turn {
    limits: Arc<Limits>,
    account: u64,
    at: Duration,
    prompt: u64,
    /// The caller said how long the answer may be.
    foreseen: bool,
    /// Why it was turned away, if it was.
    pub(crate) refusal: Option<Refusal>,
    /// How busy the provider was when it began: from 0 to 1.
    pub(crate) busy: f64,
    held: Mutex<Held>,
}

/// What a request has taken and not given back.
#[derive(Default)]
struct Held {
    requests: u64,
    tokens: u64,
    /// The tokens of the answer and its prompt, once they are known.
    used: Option<u64>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Takes in what the answer uses, and gives it the headers that tell what is left.
    pub(crate) fn answered(&self, answer: &mut Answer, style: Style) {
        if self.refusal.is_none() {
            let used = tokens(answer, self.prompt);
            let mut held = self.held();
            held.used = Some(used);
            if !self.foreseen {
                self.settle(&mut held, used);
            }
        }
        let when = self.limits.script.headers;
        if when == LimitHeaders::Never || (when == LimitHeaders::OnLimit && self.refusal.is_none()) {
            return;
        }
        let wall = wall();
        let mut headers: Vec<Header> = self.limits.with(self.account, self.at, |account| {
            let all = account.buckets().map(|(of, bucket)| headers::standing(style, of, bucket.standing(), wall));
            all.flatten().collect()
        });
        headers.extend(self.refusal.iter().flat_map(|refusal| refusal.wait(style)));
        // A fault that pretends a quota is used up has told its own story.
        headers.retain(|(name, _)| !answer.headers.iter().any(|(known, _)| known == name));
        answer.headers.extend(headers);
    }

    /// Ends it: the place is free, and the tokens are those that were used.
    pub(crate) fn end(&self) {
        let mut held = self.held();
        held.permit = None;
        match held.used {
            Some(used) => self.settle(&mut held, used),
            // Nothing came of it.
            None => {
                self.settle(&mut held, 0);
                let requests = std::mem::take(&mut held.requests);
                self.correct(|account| account.requests.as_mut(), -i128::from(requests));
            }
        }
    }

    /// Holds so many tokens, whatever it held before.
    fn settle(&self, held: &mut Held, tokens: u64) {
        let more = i128::from(tokens) - i128::from(std::mem::replace(&mut held.tokens, tokens));
        self.correct(|account| account.tokens.as_mut(), more);
    }

    fn correct(&self, bucket: impl FnOnce(&mut Account) -> Option<&mut Bucket>, more: i128) {
        if more != 0 {
            self.limits.with(self.account, self.at, |account| bucket(account).map(|bucket| bucket.take(more)));
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.end();
    }
}

/// The time since 1970.
fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What an answer uses: what it reports, or else an estimate of the prompt and of the content. Errors use nothing.
fn tokens(answer: &Answer, prompt: u64) -> u64 {
    if answer.status >= 400 {
        return 0;
    }
    let reported = answer.pieces.iter().rev().find_map(|piece| piece.usage);
    let content = answer.pieces.iter().filter(|piece| piece.kind == Kind::Content).count() as u64;
    reported.map_or(prompt.saturating_add(content), |used| used.total_tokens())
}

#[cfg(test)]
mod tests;
