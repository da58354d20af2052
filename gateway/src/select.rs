//! Which provider serves the next attempt: priority groups, then power of two choices.
//! Pure: takes the backend, the time, a random number and what was tried, and returns a provider.

use std::sync::Arc;
use std::time::Instant;

use crate::snapshot::{AiBackend, Credential, Provider, WeightedBackend};

/// One request in sixteen looks at no rank: what is known of a provider that nobody chooses any more grows stale.
const UNRANKED: u64 = 0xF;

/// The next provider: of the best group that has an untried provider in rotation, one that is due for a probe,
/// else the better of two different ones; when all are evicted the one that returns first; `None` when all were tried.
/// One whose credentials cannot be used comes last.
#[must_use]
pub fn choose<'a>(
    backend: &'a AiBackend,
    tried: &[Arc<Provider>],
    now: Instant,
    random: u64,
) -> Option<&'a Arc<Provider>> {
    let untried = |provider: &&Arc<Provider>| !tried.iter().any(|other| Arc::ptr_eq(other, provider));
    for group in &backend.groups {
        let live = || group.iter().filter(untried).filter(|provider| usable(provider) && !provider.health.evicted(now));
        let count = live().count();
        if count > 0 {
            if let Some(due) = live().find(|provider| provider.health.take_probe(now)) {
                return Some(due);
            }
            return better_of_two(live, count, random);
        }
    }
    let left = backend.groups.iter().flatten().filter(untried);
    left.min_by_key(|provider| (!usable(provider), provider.health.returns_at()))
}

/// Whether a provider that could serve was not tried yet.
#[must_use]
pub fn any_untried(backend: &AiBackend, tried: &[Arc<Provider>]) -> bool {
    let mut all = backend.groups.iter().flatten();
    all.any(|provider| usable(provider) && !tried.iter().any(|other| Arc::ptr_eq(other, provider)))
}

/// Whether there are credentials to send, where some are configured.
#[must_use]
pub fn usable(provider: &Provider) -> bool {
    !matches!(provider.credential, Credential::Unusable(_))
}

fn better_of_two<'a, I: Iterator<Item = &'a Arc<Provider>>>(
    candidates: impl Fn() -> I,
    count: usize,
    random: u64,
) -> Option<&'a Arc<Provider>> {
    let first = candidates().nth(below(random as u32, count));
    if count == 1 || random & UNRANKED == 0 {
        return first;
    }
    let first_index = below(random as u32, count);
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

/// Whether any provider but this one is in rotation.
#[must_use]
pub fn others_live(backend: &AiBackend, provider: &Arc<Provider>, now: Instant) -> bool {
    let mut all = backend.groups.iter().flatten();
    all.any(|other| !Arc::ptr_eq(other, provider) && usable(other) && !other.health.evicted(now))
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
mod tests {
    use super::*;
    use crate::health::{Failure, Health};
    use crate::snapshot::{Endpoint, PathPlan, Target};

    fn provider(name: &str) -> Arc<Provider> {
        Arc::new(Provider {
            name: name.into(),
            system: "openai",
            endpoint: Endpoint { host: "h".into(), port: 1, tls: None, connect_timeout: None },
            model: None,
            path: PathPlan::Default,
            credential: Credential::None,
            health: Arc::new(Health::default()),
        })
    }

    fn backend(groups: &[&[&str]]) -> AiBackend {
        let groups = groups.iter().map(|group| group.iter().map(|name| provider(name)).collect()).collect();
        AiBackend { name: "ns/b".into(), groups, eviction: None, unhealthy: None, routes: Vec::new() }
    }

    fn randoms() -> impl Iterator<Item = u64> {
        (1..2000u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    #[test]
    fn an_evicted_provider_is_not_picked_while_another_lives() {
        let pool = backend(&[&["a", "b", "c"]]);
        let now = Instant::now();
        pool.groups[0][1].health.failed(Failure::Refused, None, None, false, now);
        for random in randoms() {
            assert_ne!(&*choose(&pool, &[], now, random).unwrap().name, "b");
        }
    }

    #[test]
    fn the_second_group_serves_only_when_the_first_cannot() {
        let pool = backend(&[&["a"], &["b"]]);
        let now = Instant::now();
        assert_eq!(&*choose(&pool, &[], now, 7).unwrap().name, "a");
        pool.groups[0][0].health.failed(Failure::Refused, None, None, false, now);
        assert_eq!(&*choose(&pool, &[], now, 7).unwrap().name, "b");
        let tried = vec![pool.groups[1][0].clone()];
        assert_eq!(&*choose(&pool, &tried, now, 7).unwrap().name, "a", "the least bad when nothing else is left");
        assert!(choose(&pool, &[pool.groups[0][0].clone(), tried[0].clone()], now, 7).is_none());
    }

    #[test]
    fn of_two_equal_providers_each_gets_about_half_and_the_worse_very_little() {
        let pool = backend(&[&["a", "b"]]);
        let now = Instant::now();
        let share = |pool: &AiBackend| randoms().filter(|&r| &*choose(pool, &[], now, r).unwrap().name == "a").count();
        assert!((800..1200).contains(&share(&pool)), "{}", share(&pool));
        pool.groups[0][0].health.failed(Failure::Broken, None, None, true, now);
        assert!((20..120).contains(&share(&pool)), "{}", share(&pool));
    }

    #[test]
    fn weights_are_shares_and_zero_is_none() {
        let broken = || Target::Broken { backend: "b".into(), reason: "r".into() };
        let entry = |weight| WeightedBackend {
            weight,
            request_headers: Default::default(),
            response_headers: Default::default(),
            target: broken(),
        };
        let backends = [entry(0), entry(90), entry(10)];
        let heavy = randoms().filter(|&r| by_weight(&backends, r).unwrap().weight == 90).count();
        assert!((1700..1900).contains(&heavy), "{heavy}");
        assert!(by_weight(&[entry(0)], 5).is_none() && by_weight(&[], 5).is_none());
    }
}
