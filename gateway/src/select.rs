//! Which provider serves the next attempt: priority groups, then the session's own, else power of two choices.
//! Pure: takes the backend, the time, a random number and what was tried, and returns a provider.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::affinity::Key;
use crate::health::{Failure, Probe};
use crate::snapshot::{AiBackend, Credential, Provider, WeightedBackend};

/// One request in sixteen looks at no rank: what is known of a provider that nobody chooses any more grows stale.
const UNRANKED: u64 = 0xF;
/// Of a larger group so many are looked at, from one on that chance names: what a choice costs does not grow with the
/// group.
const LOOKED_AT: usize = 32;
/// Of a group that nobody stands in for, one provider in so many stays whatever it answers.
const LEAST_SHARE: usize = 4;

/// A provider, and why it.
#[derive(Debug)]
pub struct Choice {
    /// Who is asked.
    pub provider: Arc<Provider>,
    /// What is thought of it.
    pub standing: Standing,
}

/// What is thought of a provider that is asked.
#[derive(Debug)]
pub enum Standing {
    /// In rotation.
    Serving,
    /// Its time out of rotation is over: this request sees how it is.
    Probed(Probe),
    /// Out of rotation, like all others: the least bad.
    Evicted,
}

impl Standing {
    /// The word in the log; the usual case goes without saying.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self::Serving => None,
            Self::Probed(_) => Some("probe"),
            Self::Evicted => Some("evicted"),
        }
    }
}

/// The next provider: of the best group that has an untried provider in rotation or due for a probe, that one,
/// else the session's, else the better of two different ones. When all are evicted, the one that returns first;
/// one whose credentials cannot be used comes last; `None` when all were tried.
#[must_use]
pub fn choose(
    backend: &AiBackend,
    tried: &[Arc<Provider>],
    session: Option<Key>,
    now: Instant,
    random: u64,
) -> Option<Choice> {
    let untried = |provider: &&Arc<Provider>| !tried.iter().any(|other| Arc::ptr_eq(other, provider));
    for group in &backend.groups {
        let open = || group.iter().filter(untried).filter(|provider| usable(provider));
        let chosen = match session {
            Some(key) => of_session(open, key, now),
            None if group.len() > LOOKED_AT => {
                let start = below((random >> 16) as u32, group.len());
                let near = || group[start..].iter().chain(&group[..start]).take(LOOKED_AT);
                let open_near = || near().filter(untried).filter(|provider| usable(provider));
                of_group(open_near, now, random).or_else(|| of_group(open, now, random))
            }
            None => of_group(open, now, random),
        };
        if chosen.is_some() {
            return chosen;
        }
    }
    let left = backend.groups.iter().flatten().filter(untried);
    let least_bad = left.min_by_key(|provider| (!usable(provider), provider.health.away(now)))?;
    Some(Choice { provider: least_bad.clone(), standing: Standing::Evicted })
}

/// Whether a provider that could serve was not tried yet.
#[must_use]
pub fn any_untried(backend: &AiBackend, tried: &[Arc<Provider>]) -> bool {
    untried(backend, tried).next().is_some()
}

/// The providers that could serve and were not tried yet.
pub fn untried<'a>(backend: &'a AiBackend, tried: &'a [Arc<Provider>]) -> impl Iterator<Item = &'a Arc<Provider>> {
    let open =
        move |provider: &&Arc<Provider>| usable(provider) && !tried.iter().any(|other| Arc::ptr_eq(other, provider));
    backend.groups.iter().flatten().filter(open)
}

/// Whether there are credentials to send, where some are configured.
#[must_use]
pub fn usable(provider: &Provider) -> bool {
    !matches!(provider.credential, Credential::Unusable(_))
}

fn of_group<'a, I: Iterator<Item = &'a Arc<Provider>>>(
    open: impl Fn() -> I,
    now: Instant,
    random: u64,
) -> Option<Choice> {
    if let Some((due, probe)) = open().find_map(|provider| Some((provider, provider.health.take_probe(now)?))) {
        return Some(Choice { provider: due.clone(), standing: Standing::Probed(probe) });
    }
    let serving = || open().filter(|provider| provider.health.serving());
    let provider = better_of_two(serving, serving().count(), random)?.clone();
    Some(Choice { provider, standing: Standing::Serving })
}

/// Only sessions of its own probe a provider: the others stay where they are.
fn of_session<'a, I: Iterator<Item = &'a Arc<Provider>>>(
    open: impl Fn() -> I,
    key: Key,
    now: Instant,
) -> Option<Choice> {
    let rank = |provider: &&Arc<Provider>| key.rank(&provider.name);
    let own = open().filter(|provider| provider.health.serving() || provider.health.due(now)).max_by_key(rank)?;
    if !own.health.serving()
        && let Some(probe) = own.health.take_probe(now)
    {
        return Some(Choice { provider: own.clone(), standing: Standing::Probed(probe) });
    }
    let serving = open().filter(|provider| provider.health.serving()).max_by_key(rank)?;
    Some(Choice { provider: serving.clone(), standing: Standing::Serving })
}

fn better_of_two<'a, I: Iterator<Item = &'a Arc<Provider>>>(
    candidates: impl Fn() -> I,
    count: usize,
    random: u64,
) -> Option<&'a Arc<Provider>> {
    let first_index = below(random as u32, count);
    let first = candidates().nth(first_index);
    if count <= 1 || random & UNRANKED == 0 {
        return first;
    }
    let step = 1 + below((random >> 32) as u32, count - 1);
    let second = candidates().nth((first_index + step) % count);
    match (first, second) {
        (Some(first), Some(second)) if second.health.rank() > first.health.rank() => Some(second),
        (first, _) => first,
    }
}

/// Maps 32 random bits to `0..count` without a division.
fn below(random: u32, count: usize) -> usize {
    ((u64::from(random) * count as u64) >> 32) as usize
}

/// Whether a failure is no reason to take a provider out, because nobody would be served better for it:
/// its place is the trouble, and only other keys for the same place are left; or, without a policy, an ordinary
/// failure would leave nobody, or too few of a group that no other group stands in for.
#[must_use]
pub fn spared(backend: &AiBackend, provider: &Arc<Provider>, failure: Failure, now: Instant) -> bool {
    let in_rotation = |other: &&Arc<Provider>| {
        let well = other.health.serving() || other.health.due(now);
        !Arc::ptr_eq(other, provider) && usable(other) && well
    };
    let others = || backend.groups.iter().flatten().filter(in_rotation);
    let same_place = |other: &Arc<Provider>| other.endpoint == provider.endpoint && other.model == provider.model;
    let (some, elsewhere) = (others().next().is_some(), others().any(|other| !same_place(other)));
    if some && !elsewhere && !failure.of_the_key() {
        return true;
    }
    if backend.eviction.is_some() || failure != Failure::Broken {
        return false;
    }
    let in_group = |group: &&Vec<Arc<Provider>>| group.iter().any(|other| Arc::ptr_eq(other, provider));
    let group = backend.groups.iter().find(in_group).map(Vec::as_slice).unwrap_or_default();
    let beside = group.iter().filter(in_rotation).count();
    let stand_ins = others().count() - beside;
    !some || (stand_ins == 0 && beside * LEAST_SHARE < group.len())
}

/// When the first provider of a pool returns; `None` while one is in rotation, or where there is no pool.
#[must_use]
pub fn soonest(backend: &AiBackend, now: Instant) -> Option<Duration> {
    let usable = || backend.groups.iter().flatten().filter(|provider| usable(provider));
    let all_away = usable().nth(1).is_some() && usable().all(|provider| !provider.health.serving());
    if all_away { usable().map(|provider| provider.health.away(now)).min() } else { None }
}

/// A backendRef by its weight; `None` when there is none with a weight.
#[must_use]
pub fn by_weight(backends: &[WeightedBackend], random: u64) -> Option<&WeightedBackend> {
    if let [only] = backends {
        return (only.weight > 0).then_some(only);
    }
    let total: u64 = backends.iter().map(|backend| u64::from(backend.weight)).sum();
    let mut point = ((u128::from(random) * u128::from(total)) >> 64) as u64;
    backends.iter().find(|backend| {
        let weight = u64::from(backend.weight);
        let here = point < weight;
        point = point.saturating_sub(weight);
        here && weight > 0
    })
}

#[cfg(test)]
mod tests;
