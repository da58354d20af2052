use super::*;

/// What tests of `listen` need to know beforehand.
impl Placement {
    /// Two cores, of which the first never has time.
    pub(crate) fn elsewhere() -> Self {
        let mut placement = Self::new(two());
        placement.shares = Shares { since: never(), shares: vec![1.0, 0.0], ..placement.shares };
        placement
    }
}

impl Balance {
    /// One of two cores, which lets so many connections go.
    pub(crate) fn crowded(leaving: u64) -> Self {
        let balance = Self::new(two(), 0);
        balance.shares.borrow_mut().since = never();
        balance.leaving.set(leaving);
        balance
    }
}

/// Nobody looks before.
fn never() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

fn two() -> Cores {
    let core = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let metrics = runtime.metrics();
        runtime.shutdown_background();
        metrics
    };
    Arc::new([core(), core()])
}

/// Cores of which a test says how busy they were.
struct Cast {
    now: Instant,
    busy: [Duration; 2],
    awake: bool,
}

impl Cast {
    /// So much time passes, in which each core is busy for such a share.
    fn pass(&mut self, time: Duration, shares: [f64; 2]) {
        self.now += time;
        for (busy, share) in self.busy.iter_mut().zip(shares) {
            *busy += time.mul_f64(share);
        }
    }

    fn told(&self) -> impl Iterator<Item = Told> {
        let awake = self.awake;
        self.busy.into_iter().map(move |busy| Told { busy, awake })
    }
}

fn cast() -> Cast {
    Cast { now: Instant::now() + SPELL, busy: [Duration::ZERO; 2], awake: false }
}

#[test]
fn connections_stay_together_on_a_core_that_has_time() {
    let (mut placement, mut cast) = (Placement::new(two()), cast());
    for _ in 0..1000 {
        cast.pass(MOMENT, [0.3, 0.0]);
        assert_eq!(placement.place_at(cast.now, cast.told()), 0);
    }
}

#[test]
fn many_that_come_at_once_are_spread_before_anybody_knows_what_they_do() {
    let (mut placement, cast) = (Placement::new(two()), cast());
    let placed: Vec<_> = (0..1000).map(|_| placement.place_at(cast.now, cast.told())).collect();
    assert_eq!(placed.iter().filter(|core| **core == 0).count(), 500);
    assert_eq!(placed[..40], [0; 40], "what waits for tokens is nearly idle");
}

#[test]
fn who_comes_to_a_busy_core_is_served_by_the_one_that_has_time_and_else_by_the_least_busy() {
    for (shares, expected) in [([0.5, 0.0], 1), ([0.5, 0.5], 0), ([0.9, 0.6], 1), ([0.6, 0.9], 0), ([1.0, 1.0], 0)] {
        let (mut placement, mut cast) = (Placement::new(two()), cast());
        placement.place_at(cast.now, cast.told());
        cast.pass(MOMENT, shares);
        assert_eq!(placement.place_at(cast.now, cast.told()), expected, "{shares:?}");
    }
}

#[test]
fn a_core_that_does_not_come_to_the_end_of_one_thing_has_no_time() {
    let (mut placement, mut cast) = (Placement::new(two()), cast());
    cast.pass(MOMENT, [0.1, 0.1]);
    placement.place_at(cast.now, cast.told());
    cast.awake = true;
    cast.pass(MOMENT, [0.0, 0.1]);
    assert_eq!(placement.place_at(cast.now, cast.told()), 1);
    cast.awake = false;
    cast.pass(MOMENT, [0.0, 0.1]);
    assert_eq!(placement.place_at(cast.now, cast.told()), 0, "one that sleeps has");
}

#[test]
fn a_request_that_came_long_ago_does_not_make_a_core_look_busy() {
    let balance = Balance::new(two(), 0);
    let began = balance.shares.borrow().since;
    balance.lets_go(began + SPELL, || 32);
    assert!(balance.shares.borrow().since < began + SPELL, "the look is at its own time");
}

/// How many of 100 requests are the last of their connections.
fn let_go(connections: usize, in_flight: u64, shares: [f64; 2]) -> usize {
    let (balance, mut cast) = (Balance::new(two(), 0), cast());
    let _held: Vec<_> = (0..connections).map(|_| balance.connection()).collect();
    let asked = |cast: &Cast| balance.lets_go_at(cast.now, cast.told(), || in_flight);
    assert!(!asked(&cast), "nothing has happened");
    cast.pass(SPELL, shares);
    (0..100).filter(|_| asked(&cast)).count()
}

#[test]
fn half_of_the_difference_goes_to_a_core_that_has_time() {
    assert_eq!(let_go(32, 32, [1.0, 0.0]), 16);
    assert_eq!(let_go(32, 32, [1.0, 0.3]), 11);
    assert_eq!(let_go(32, 8, [1.0, 0.0]), 4, "idle connections are not what makes it busy");
    assert_eq!(let_go(4, 400, [1.0, 0.0]), 2, "requests of HTTP/2 share connections");
}

#[test]
fn nobody_goes_where_it_would_not_help() {
    assert_eq!(let_go(32, 32, [1.0, 0.5]), 0, "to a core that is busy too");
    assert_eq!(let_go(32, 32, [0.8, 0.0]), 0, "from a core that has time left");
    assert_eq!(let_go(32, 1, [1.0, 0.0]), 0, "with the one that makes it busy");
    assert_eq!(let_go(1, 100, [1.0, 0.0]), 0, "with the one that makes it busy");
    assert!(!Balance::default().lets_go(Instant::now() + SPELL, || 100), "a core without others");
}
