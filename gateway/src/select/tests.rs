use proptest::prelude::*;

use super::*;
use crate::affinity::{Carrier, Persistence};
use crate::health::{Failed, Health};
use crate::snapshot::{Endpoint, Eviction, PathPlan, Target};

fn provider(name: &str) -> Arc<Provider> {
    Arc::new(Provider {
        name: name.into(),
        system: "openai",
        endpoint: Endpoint::new(name.into(), 1),
        model: None,
        targets: PathPlan::Default.into(),
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

fn failed(failure: Failure, hint: Option<Duration>, spared: bool) -> Failed<'static> {
    Failed { failure, rule: None, hint, spared, probe: false }
}

fn evict(provider: &Provider, now: Instant) {
    assert!(provider.health.failed(failed(Failure::Refused, None, false), now));
}

fn chosen(backend: &AiBackend, tried: &[Arc<Provider>], now: Instant, random: u64) -> String {
    choose(backend, tried, None, now, random).unwrap().provider.name.to_string()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_second_group_serves_only_when_the_first_cannot() {
    let pool = backend(&[&["a"], &["b"]]);
    let now = Instant::now();
    assert_eq!(chosen(&pool, &[], now, 7), "a");
    evict(&pool.groups[0][0], now);
    assert_eq!(chosen(&pool, &[], now, 7), "b");
    let tried = vec![pool.groups[1][0].clone()];
    let last = choose(&pool, &tried, None, now, 7).unwrap();
    assert!(&*last.provider.name == "a" && matches!(last.standing, Standing::Evicted), "the least bad");
    assert!(choose(&pool, &[pool.groups[0][0].clone(), tried[0].clone()], None, now, 7).is_none());
}

#[test]
fn of_two_equal_providers_each_gets_about_half_and_the_worse_very_little() {
    let pool = backend(&[&["a", "b"]]);
    let now = Instant::now();
    let share = |pool: &AiBackend| randoms().filter(|&r| chosen(pool, &[], now, r) == "a").count();
    assert!((800..1200).contains(&share(&pool)), "{}", share(&pool));
    pool.groups[0][0].health.failed(failed(Failure::Broken, None, true), now);
    assert!((20..120).contains(&share(&pool)), "{}", share(&pool));
}

#[test]
fn of_many_the_slowest_gets_only_what_is_needed_to_know_it() {
    let pool = backend(&[&["a", "b", "c", "d"]]);
    for (provider, millis) in pool.groups[0].iter().zip([100, 100, 100, 900]) {
        provider.health.good(Duration::from_millis(millis));
    }
    let now = Instant::now();
    let count = |name: &str| randoms().filter(|&r| chosen(&pool, &[], now, r) == name).count();
    // one request in sixteen looks at no rank, and a quarter of those meet it
    assert!((10..70).contains(&count("d")), "{}", count("d"));
    assert!(["a", "b", "c"].iter().all(|name| (500..800).contains(&count(name))));
}

#[test]
fn a_provider_that_may_return_is_probed_by_one_request_while_the_others_go_elsewhere() {
    let pool = backend(&[&["a", "b"], &["c"]]);
    let now = Instant::now();
    evict(&pool.groups[0][0], now);
    let later = now + 5 * SECOND;
    let probe = choose(&pool, &[], None, later, 3).unwrap();
    assert!(&*probe.provider.name == "a" && matches!(probe.standing, Standing::Probed(_)));
    assert!(randoms().all(|random| chosen(&pool, &[], later, random) == "b"));
    probe.provider.health.restore();
    drop(probe);
    assert!(randoms().any(|random| chosen(&pool, &[], later, random) == "a"));
}

#[test]
fn a_session_stays_with_its_provider_and_only_the_sessions_of_one_that_leaves_move() {
    let pool = backend(&[&["a", "b", "c"]]);
    let now = Instant::now();
    let name = http::HeaderName::from_static("x-session");
    let persistence = Persistence { carrier: Carrier::Header(name.clone()), lifetime: None, permanent: false };
    let served = |user: usize, random: u64, now: Instant| {
        let headers = http::HeaderMap::from_iter([(name.clone(), format!("user-{user}").parse().unwrap())]);
        let key = persistence.key(&headers, std::time::SystemTime::now());
        let choice = choose(&pool, &[], key, now, random).unwrap();
        (choice.provider.name.to_string(), choice.standing)
    };
    let before: Vec<_> = (0..300).map(|user| served(user, 1, now).0).collect();
    assert!((0..300).all(|user| served(user, u64::MAX - 5, now).0 == before[user]));
    evict(&pool.groups[0][1], now);
    let moved = (0..300).filter(|&user| served(user, 1, now).0 != before[user]);
    assert!(moved.map(|user| before[user].as_str()).all(|left| left == "b"));
    let own = before.iter().position(|name| name == "b").unwrap();
    let other = before.iter().position(|name| name != "b").unwrap();
    let later = now + 5 * SECOND;
    assert!(matches!(served(other, 1, later).1, Standing::Serving), "a probe is not the business of others");
    let probe = served(own, 1, later);
    assert!(probe.0 == "b" && matches!(probe.1, Standing::Probed(_)));
    assert!(matches!(served(own, 1, later).1, Standing::Serving), "one probe at a time");
}

#[test]
fn an_ordinary_failure_takes_nobody_out_whom_nobody_could_stand_in_for() {
    let now = Instant::now();
    let evictions = |groups: &[&[&str]]| {
        let pool = backend(groups);
        let fails = |provider: &&Arc<Provider>| {
            let spared = spared(&pool, provider, Failure::Broken, now);
            (0..3).any(|_| provider.health.failed(failed(Failure::Broken, None, spared), now))
        };
        pool.groups.iter().flatten().filter(fails).count()
    };
    assert_eq!(evictions(&[&["a"]]), 0);
    assert_eq!(evictions(&[&["a"], &["b"], &["c"]]), 2, "the last one stays");
    assert_eq!(evictions(&[&["a", "b", "c", "d"]]), 3);
    assert_eq!(evictions(&[&["a", "b", "c", "d", "e", "f", "g", "h"]]), 6, "a quarter stays");
    assert_eq!(evictions(&[&["a", "b", "c", "d", "e", "f", "g", "h"], &["i"]]), 8, "the lower group stands in");
}

#[test]
fn trouble_of_a_place_evicts_no_key_for_it_and_a_limited_key_leaves_alone() {
    let key = |name: &str| Provider {
        endpoint: Endpoint::new("api".into(), 443),
        ..Arc::into_inner(provider(name)).unwrap()
    };
    let mut pool = backend(&[]);
    pool.groups = vec![vec![Arc::new(key("key-1")), Arc::new(key("key-2"))]];
    let now = Instant::now();
    let spared_from = |pool: &AiBackend, failure| spared(pool, &pool.groups[0][0], failure, now);
    for eviction in [
        None,
        Some(Eviction { duration: SECOND, consecutive_failures: None, health_threshold: None, restore_health: None }),
    ] {
        pool.eviction = eviction;
        assert!(spared_from(&pool, Failure::Broken) && spared_from(&pool, Failure::Refused));
        assert!(!spared_from(&pool, Failure::Limited));
    }
    pool.groups.push(vec![provider("elsewhere")]);
    assert!(!spared_from(&pool, Failure::Broken) && !spared_from(&pool, Failure::Refused));
}

#[test]
fn when_all_are_away_the_first_return_counts() {
    let pool = backend(&[&["a"], &["b"]]);
    let now = Instant::now();
    let (a, b) = (&pool.groups[0][0].health, &pool.groups[1][0].health);
    a.failed(failed(Failure::Limited, Some(20 * SECOND), false), now);
    assert_eq!(soonest(&pool, now), None);
    b.failed(failed(Failure::Limited, Some(7 * SECOND), false), now);
    assert_eq!(soonest(&pool, now), Some(7 * SECOND));
}

#[test]
fn weights_are_shares_and_zero_is_none() {
    let broken = || Target::Broken { backend: "b".into(), reason: "r".into() };
    let entry = |weight| WeightedBackend { weight, filters: Default::default(), target: broken() };
    let backends = [entry(0), entry(90), entry(10)];
    let heavy = randoms().filter(|&r| by_weight(&backends, r).unwrap().weight == 90).count();
    assert!((1700..1900).contains(&heavy), "{heavy}");
    assert!(by_weight(&[entry(0)], 5).is_none() && by_weight(&[], 5).is_none());
}

/// What a provider of a random pool went through.
#[derive(Debug, Clone, Copy)]
enum Past {
    Well,
    Failing,
    Away,
    Due,
    NoKey,
}

fn pools() -> impl Strategy<Value = Vec<Vec<(Past, bool)>>> {
    let past = prop::sample::select(vec![Past::Well, Past::Failing, Past::Away, Past::Due, Past::NoKey]);
    prop::collection::vec(prop::collection::vec((past, prop::bool::weighted(0.2)), 1..6), 1..4)
}

/// A pool with these pasts, as it is at the returned time, and who was tried.
fn lived(pasts: &[Vec<(Past, bool)>]) -> (AiBackend, Vec<Arc<Provider>>, Instant) {
    let (begin, mut pool, mut tried) = (Instant::now(), backend(&[]), Vec::new());
    let now = begin + 5 * SECOND;
    for group in pasts {
        let member = |&(past, was_tried): &(Past, bool)| {
            let mut provider = Arc::into_inner(provider("p")).unwrap();
            match past {
                Past::Well => provider.health.good(Duration::from_millis(10)),
                Past::Failing => drop(provider.health.failed(failed(Failure::Broken, None, true), begin)),
                Past::Away => evict(&provider, now - SECOND),
                Past::Due => evict(&provider, begin),
                Past::NoKey => provider.credential = Credential::Unusable("no key".into()),
            }
            let provider = Arc::new(provider);
            tried.extend(was_tried.then(|| provider.clone()));
            provider
        };
        pool.groups.push(group.iter().map(member).collect());
    }
    (pool, tried, now)
}

proptest! {
    #[test]
    fn the_choice_is_always_one_of_the_best_group_that_has_someone_well(
        pasts in pools(),
        random in any::<u64>(),
        session in any::<Option<u32>>(),
    ) {
        let (pool, tried, now) = lived(&pasts);
        let session = session.and_then(|value| {
            let name = http::HeaderName::from_static("s");
            let headers = http::HeaderMap::from_iter([(name.clone(), value.to_string().parse().unwrap())]);
            let carrier = Carrier::Header(name);
            Persistence { carrier, lifetime: None, permanent: false }.key(&headers, std::time::SystemTime::now())
        });
        let choice = choose(&pool, &tried, session, now, random);
        let open = |(past, was_tried): &(Past, bool)| {
            !was_tried && matches!(past, Past::Well | Past::Failing | Past::Due)
        };
        let best = pasts.iter().position(|group| group.iter().any(open));
        let Some(choice) = choice else {
            prop_assert!(pasts.iter().flatten().all(|(_, was_tried)| *was_tried));
            return Ok(());
        };
        let place = pool.groups.iter().enumerate().find_map(|(index, group)| {
            group.iter().position(|provider| Arc::ptr_eq(provider, &choice.provider)).map(|at| (index, at))
        });
        let (group, at) = place.unwrap();
        let (past, was_tried) = pasts[group][at];
        prop_assert!(!was_tried);
        match best {
            Some(best) => {
                prop_assert_eq!(group, best);
                prop_assert!(open(&pasts[group][at]), "{:?} while another was well", past);
                let probed = matches!(choice.standing, Standing::Probed(_));
                prop_assert_eq!(probed, matches!(past, Past::Due));
            }
            None => {
                prop_assert!(matches!(choice.standing, Standing::Evicted));
                let could = pasts.iter().flatten().any(|(past, was_tried)| !was_tried && matches!(past, Past::Away));
                prop_assert!(!could || matches!(past, Past::Away), "no key, while another has one");
            }
        }
    }
}

#[test]
fn of_a_large_group_everyone_serves_and_who_is_due_is_found_soon() {
    let names: Vec<String> = (0..200).map(|n| format!("p{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let pool = backend(&[&names]);
    let now = Instant::now();
    let served: std::collections::HashSet<_> = randoms().map(|random| chosen(&pool, &[], now, random)).collect();
    assert!(served.len() > 190, "{}", served.len());
    evict(&pool.groups[0][7], now);
    assert!(randoms().all(|random| chosen(&pool, &[], now, random) != "p7"));
    let later = now + 100 * SECOND;
    let probes = randoms().filter_map(|random| choose(&pool, &[], None, later, random));
    let asked = probes.take(100).position(|choice| matches!(choice.standing, Standing::Probed(_)));
    assert!(asked.is_some(), "one request in six looks at it");
    for provider in &pool.groups[0][1..] {
        evict(provider, now);
    }
    assert_eq!(chosen(&pool, &[], now, 7 << 40), "p0", "all are looked at where nobody near serves");
}
