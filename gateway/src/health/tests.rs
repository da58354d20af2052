use super::*;

const SECOND: Duration = Duration::from_secs(1);

const REFUSED: Failed<'_> = Failed { failure: Failure::Refused, rule: None, hint: None, spared: false, probe: false };
const BROKEN: Failed<'_> = Failed { failure: Failure::Broken, ..REFUSED };

fn refuse(health: &Health, hint: Option<Duration>, now: Instant) -> bool {
    health.failed(Failed { hint, ..REFUSED }, now)
}

/// The probe that is due fails.
fn fail_probe(health: &Arc<Health>, rule: Option<&Eviction>, now: Instant) -> bool {
    let _probe = health.take_probe(now).expect("due");
    health.failed(Failed { rule, spared: true, probe: true, ..BROKEN }, now)
}

#[test]
fn a_refusal_evicts_at_once_and_longer_each_time_up_to_a_cap() {
    let (health, now) = (Arc::new(Health::default()), Instant::now());
    for _ in 0..50 {
        assert!(refuse(&health, None, now) && !health.serving());
    }
    assert_eq!(health.away(now), 3 * SECOND, "a burst of failures is one eviction");
    let later = now + 4 * SECOND;
    assert!(fail_probe(&health, None, later));
    assert_eq!(health.away(later), 6 * SECOND);
    let mut at = later;
    for _ in 0..50 {
        at += 61 * SECOND;
        fail_probe(&health, None, at);
    }
    assert_eq!(health.away(at), 60 * SECOND);
}

#[test]
fn a_pause_that_is_asked_for_is_kept_beyond_the_cap_and_lengthens_an_eviction() {
    let (health, now) = (Health::default(), Instant::now());
    refuse(&health, Some(107 * SECOND), now);
    assert_eq!(health.away(now), 107 * SECOND);
    refuse(&health, Some(200 * SECOND), now);
    refuse(&health, Some(SECOND), now);
    assert_eq!(health.away(now), 200 * SECOND);
}

#[test]
fn other_failures_evict_after_three_in_a_row_and_never_one_that_is_spared() {
    let (health, now) = (Health::default(), Instant::now());
    for expected in [false, false, true] {
        assert_eq!(health.failed(BROKEN, now), expected);
    }
    let alone = Health::default();
    assert!(!(0..9).any(|_| alone.failed(Failed { spared: true, ..BROKEN }, now)) && alone.serving());
}

#[test]
fn a_key_that_is_not_taken_costs_rank_and_no_eviction() {
    let (health, now) = (Health::default(), Instant::now());
    assert!(!(0..9).any(|_| health.failed(Failed { failure: Failure::Denied, ..REFUSED }, now)));
    assert!(health.rank() < 0.1 && health.serving());
}

#[test]
fn a_good_answer_between_failures_starts_the_count_again() {
    let (health, now) = (Health::default(), Instant::now());
    for _ in 0..5 {
        assert!(!health.failed(BROKEN, now));
        assert!(!health.failed(BROKEN, now));
        health.good(Duration::from_millis(10));
        health.completed();
    }
}

#[test]
fn thresholds_of_a_policy_evict_when_either_is_met() {
    let rule = |consecutive_failures, health_threshold| Eviction {
        duration: SECOND,
        consecutive_failures,
        health_threshold,
        restore_health: None,
    };
    let failures_until_eviction = |rule: Eviction| {
        let (health, now) = (Health::default(), Instant::now());
        (1..20).find(|_| health.failed(Failed { rule: Some(&rule), ..BROKEN }, now))
    };
    // the score before the nth failure is 0.7^(n-1)
    let cases = [
        (rule(None, None), Some(1)),
        (rule(Some(4), None), Some(4)),
        (rule(Some(0), None), None),
        (rule(None, Some(0.5)), Some(3)),
        (rule(Some(2), Some(0.1)), Some(2)),
        (rule(Some(0), Some(0.8)), Some(2)),
    ];
    for (rule, expected) in cases {
        let text = format!("{rule:?}");
        assert_eq!(failures_until_eviction(rule), expected, "{text}");
    }
}

#[test]
fn one_request_probes_a_provider_whose_time_is_over_and_others_wait_for_what_it_sees() {
    let (health, now) = (Arc::new(Health::default()), Instant::now());
    assert!(health.take_probe(now).is_none(), "never evicted");
    refuse(&health, None, now);
    assert!(health.take_probe(now + 2 * SECOND).is_none() && health.rank() < 0.8);
    let later = now + 4 * SECOND;
    let probe = health.take_probe(later).expect("due");
    assert!(health.take_probe(later).is_none() && !health.serving() && !health.due(later));
    drop(probe);
    let again = health.take_probe(later);
    assert!(again.is_some(), "a probe that saw nothing leaves the next one to another");
    health.restore();
    drop(again);
    assert!(health.serving() && health.rank() > 0.99);
}

#[test]
fn a_failed_probe_evicts_again_whatever_the_thresholds_say() {
    let rule =
        Eviction { duration: SECOND, consecutive_failures: None, health_threshold: None, restore_health: Some(0.4) };
    let (health, now) = (Arc::new(Health::default()), Instant::now());
    health.failed(Failed { rule: Some(&rule), ..BROKEN }, now);
    let (later, rare) = (now + 2 * SECOND, Eviction { consecutive_failures: Some(9), ..rule.clone() });
    assert!(fail_probe(&health, Some(&rare), later));
    assert_eq!(health.away(later), 2 * SECOND, "the second eviction in a row");
    health.restore();
    assert!((health.rank() - 0.4).abs() < 1e-9, "restoreHealth is the score on return");
}

#[test]
fn what_began_before_an_eviction_and_fails_late_is_not_blamed_on_the_probe() {
    let rare =
        Eviction { duration: SECOND, consecutive_failures: Some(9), health_threshold: None, restore_health: None };
    for late in
        [REFUSED, BROKEN, Failed { rule: Some(&rare), ..BROKEN }, Failed { failure: Failure::Denied, ..REFUSED }]
    {
        let (health, now) = (Arc::new(Health::default()), Instant::now());
        refuse(&health, None, now);
        let later = now + 4 * SECOND;
        let probe = health.take_probe(later).expect("due");
        health.failed(late, later);
        drop(probe);
        assert!(health.due(later), "the next request probes: {late:?}");
        assert_eq!(health.away(later), Duration::ZERO, "{late:?}");
        assert!(fail_probe(&health, None, later));
        assert_eq!(health.away(later), 6 * SECOND, "the growth is that of two evictions: {late:?}");
    }
}
