//! Who was asked for one request, and who may be asked next: nobody twice in a round, nobody within the pause it
//! asked for, and nobody again who said that there is no point in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use smallvec::SmallVec;

use crate::error::{Reason, Rejection};
use crate::exchange::Exchange;
use crate::select::{self, Choice};
use crate::snapshot::{AiBackend, Provider, Rule};

/// Longest wait before a provider that asked for a pause is asked again for the same request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The providers that were asked for one request.
#[derive(Debug, Default)]
pub struct Tries {
    /// In this round: when all were asked, the next round begins.
    asked: SmallVec<[Arc<Provider>; 1]>,
    /// Those that said `x-should-retry: false`: in no round again.
    final_words: SmallVec<[Arc<Provider>; 1]>,
    /// Those that asked for a pause (Retry-After), and its end.
    pauses: Vec<(Arc<Provider>, Instant)>,
}

impl Tries {
    /// Who was asked in this round.
    #[must_use]
    pub fn asked(&self) -> &[Arc<Provider>] {
        &self.asked
    }

    /// A provider is asked.
    pub fn ask(&mut self, provider: &Arc<Provider>) {
        self.asked.push(provider.clone());
    }

    /// What a provider said about being asked again.
    pub fn note(&mut self, provider: &Arc<Provider>, pause: Option<Duration>, should_retry: Option<bool>) {
        self.pauses.retain(|(other, _)| !Arc::ptr_eq(other, provider));
        self.pauses.extend(pause.map(|pause| (provider.clone(), Instant::now() + pause)));
        if should_retry == Some(false) {
            self.final_words.push(provider.clone());
        }
    }

    /// How long the provider still wants to be left alone.
    fn pause_of(&self, provider: &Arc<Provider>, now: Instant) -> Duration {
        let pause = self.pauses.iter().find(|(other, _)| Arc::ptr_eq(other, provider));
        pause.map_or(Duration::ZERO, |(_, end)| end.saturating_duration_since(now))
    }

    /// After which pause somebody may be asked: an untried provider, else a new round begins. `None` when everyone had
    /// a final word, or when the pause is too long. Nobody is chosen yet.
    pub fn pause(&mut self, exchange: &Exchange, rule: &Rule, backend: &AiBackend) -> Option<Duration> {
        if !select::any_untried(backend, &self.asked) {
            self.asked.clone_from(&self.final_words);
        }
        let now = Instant::now();
        let asked_for = select::untried(backend, &self.asked).map(|provider| self.pause_of(provider, now)).min()?;
        let pause = rule.retry.as_ref().map(|retry| retry.backoff).unwrap_or_default().max(asked_for);
        let fits = asked_for <= PATIENCE && exchange.deadline.is_none_or(|end| now + pause < end);
        fits.then_some(pause)
    }

    /// Whom to ask when the pause is over: nobody who still wants to be left alone.
    pub fn next(&self, exchange: &Exchange, backend: &AiBackend) -> Option<Choice> {
        let (now, random) = (Instant::now(), exchange.worker.random());
        let waiting = self.pauses.iter().filter(|(_, end)| *end > now).map(|(provider, _)| provider.clone());
        let not_now: Vec<_> = self.asked.iter().cloned().chain(waiting).collect();
        let choice = select::choose(backend, &not_now, exchange.session, now, random)?;
        select::usable(&choice.provider).then_some(choice)
    }
}

/// The gateway's own error when the last provider gave no answer: with the last real status that says
/// "not now", if another provider gave one, and when to come back, if all are away.
#[must_use]
pub fn last_word(exchange: &Exchange, backend: &AiBackend, mut rejection: Rejection) -> Rejection {
    if rejection.reason != Reason::UpstreamFailure {
        return rejection;
    }
    let answered = exchange.record.attempts.iter().rev().find_map(|attempt| Some((attempt, attempt.status?)));
    if let Some((attempt, status)) = answered.filter(|(_, status)| *status == 429 || *status >= 500)
        && let Ok(status) = StatusCode::from_u16(status)
    {
        rejection.status = status;
        rejection.message = format!("{}; provider {} answered {status} before", rejection.message, attempt.provider);
    }
    let later = matches!(rejection.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    rejection.retry_after = select::soonest(backend, Instant::now()).filter(|_| later);
    rejection
}
