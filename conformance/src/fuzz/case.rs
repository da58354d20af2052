//! A random case: providers, the gateway's policy around them, and requests. Small, readable data; what must hold for
//! it is `render`.

use super::draw::Draw;
use super::provider::{self, Fate, Turn};
use super::request::{self, Asked};

/// Everything that is random about a scenario.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// What each provider says, one turn after the other; the last one repeats.
    pub(super) providers: Vec<Vec<Turn>>,
    /// All providers in one group, instead of one group each.
    pub(super) one_group: bool,
    /// The providers speak TLS.
    pub(super) tls: bool,
    /// The configured model replaces the client's.
    pub(super) renamed: bool,
    /// `retry` of the route.
    pub(super) retry: Option<Retry>,
    /// Failed providers are left out by policy.
    pub(super) eviction: bool,
    /// There is a limit on one attempt.
    pub(super) limited: bool,
    /// The client's requests, one after the other.
    pub(super) requests: Vec<Asked>,
}

/// A retry policy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    /// Attempts after the first.
    pub(super) attempts: u32,
    /// Statuses that are tried again.
    pub(super) codes: &'static [u16],
}

impl Case {
    /// A case from these choices.
    pub(super) fn generate(draw: &mut Draw) -> Case {
        let requests = draw.list(3, 40, request::request);
        let providers = draw.list(2, 45, |draw| draw.list(2, 25, provider::turn));
        let several = providers.len() > 1;
        let renamed = draw.chance(50) || requests.iter().any(|asked| !asked.body.has_model);
        let silent = providers.iter().flatten().any(|turn| turn.fate == Fate::Silence);
        Case {
            one_group: several && draw.chance(40),
            tls: draw.chance(15),
            renamed,
            retry: draw.optional(30, |draw| Retry {
                attempts: draw.below(2) + 1,
                codes: draw.pick::<&[u16]>(&[&[503], &[503, 429], &[503, 500, 429]]),
            }),
            eviction: several && draw.chance(30),
            limited: silent || draw.chance(8),
            requests,
            providers,
        }
    }

    /// What the only provider always says, where that decides what must come.
    pub(super) fn foretold(&self, asked: &Asked) -> Option<&Turn> {
        let [turns] = self.providers.as_slice() else { return None };
        let [turn] = turns.as_slice() else { return None };
        let timely = !self.limited || turn.fate == Fate::Silence;
        (timely && asked.leaves.is_none() && !asked.body.refused).then_some(turn)
    }

    /// Most upstream requests for one request.
    pub(super) fn most_attempts(&self) -> u32 {
        match &self.retry {
            Some(retry) => 1 + retry.attempts,
            None => u32::try_from(self.providers.len()).unwrap_or(1).min(2),
        }
    }

    /// Requests in all.
    pub(super) fn exchanges(&self) -> usize {
        self.requests.iter().map(|asked| asked.times).sum()
    }

    /// Whether it is beyond doubt which usage the gateway has read.
    pub(super) fn counts_tokens(&self) -> bool {
        let whole = self.requests.iter().any(|asked| !asked.stream);
        let unclear = |turn: &Turn| turn.fate == Fate::Reset || turn.fate == Fate::Torn && whole;
        let left = self.requests.iter().any(|asked| asked.leaves.is_some());
        !left && !self.limited && !self.providers.iter().flatten().any(unclear)
    }
}
