//! The last five minutes in numbers, for all traffic and by route and model: a bucket for every five seconds.
//! Bounded: beyond [`MAX_NAMES`] names of a bucket the others share one.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::cost::Usd;
use crate::record::{End, Record};

/// Length of a bucket.
const STEP: Duration = Duration::from_secs(5);
/// Buckets that are shown.
const BUCKETS: u64 = 60;
/// Buckets of the last minute.
const MINUTE: u64 = 12;
/// Names of a bucket that have numbers of their own.
const MAX_NAMES: usize = 50;

/// The buckets.
#[derive(Debug)]
pub struct Window {
    start: Instant,
    buckets: VecDeque<Bucket>,
}

#[derive(Debug, Default)]
struct Bucket {
    /// Steps since the start.
    number: u64,
    all: Tally,
    routes: BTreeMap<Box<str>, Tally>,
    models: BTreeMap<Box<str>, Tally>,
}

/// What is summed up.
#[derive(Debug, Default, Clone)]
struct Tally {
    requests: u64,
    failed: u64,
    refused: u64,
    input: u64,
    output: u64,
    /// Of what was priced.
    cost: Option<Usd>,
    duration: Spread,
    first_token: Spread,
}

/// Times by size: four classes for each doubling, so that a quantile is at most a tenth off.
#[derive(Debug, Default, Clone)]
struct Spread(BTreeMap<u8, u64>);

impl Window {
    /// Empty buckets.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { start: now, buckets: VecDeque::new() }
    }

    /// Counts an exchange that has just ended.
    pub fn count(&mut self, record: &Record, now: Instant) {
        let number = self.number(now);
        if self.buckets.back().is_none_or(|last| last.number < number) {
            self.buckets.push_back(Bucket { number, ..Bucket::default() });
            while self.buckets.front().is_some_and(|first| first.number + BUCKETS < number) {
                self.buckets.pop_front();
            }
        }
        let Some(bucket) = self.buckets.back_mut() else { return };
        bucket.all.count(record);
        if let Some(route) = &record.route {
            named(&mut bucket.routes, route).count(record);
        }
        if let (Some(_), Some(model)) = (record.operation, record.sent_model()) {
            named(&mut bucket.models, model).count(record);
        }
    }

    /// The last minute, the series of finished buckets before now (oldest first), and the tables by route and model.
    #[must_use]
    pub fn told(&self, now: Instant) -> Value {
        let current = self.number(now);
        let live = || self.buckets.iter().filter(|bucket| bucket.number + BUCKETS >= current);
        let mut minute = Tally::default();
        live().filter(|bucket| bucket.number + MINUTE > current).for_each(|bucket| minute.add(&bucket.all));
        let empty = Tally::default();
        let of = |number: u64| live().find(|bucket| bucket.number == number).map_or(&empty, |bucket| &bucket.all);
        let series: Vec<Value> =
            (0..BUCKETS).map(|at| (current + at).checked_sub(BUCKETS).map_or(&empty, of).told(STEP)).collect();
        let (mut routes, mut models) = (BTreeMap::new(), BTreeMap::new());
        for bucket in live() {
            gather(&mut routes, &bucket.routes);
            gather(&mut models, &bucket.models);
        }
        let minute_long = Duration::from_secs(60).min(now.saturating_duration_since(self.start).max(STEP));
        json!({
            "step_seconds": STEP.as_secs(),
            "last_minute": minute.told(minute_long),
            "series": series,
            "routes": table(&routes),
            "models": table(&models),
        })
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() / STEP.as_secs()
    }
}

fn named<'t>(tallies: &'t mut BTreeMap<Box<str>, Tally>, name: &str) -> &'t mut Tally {
    let name = if tallies.len() < MAX_NAMES || tallies.contains_key(name) { name } else { "(others)" };
    if !tallies.contains_key(name) {
        tallies.insert(name.into(), Tally::default());
    }
    tallies.get_mut(name).expect("it is there, or was just put there")
}

fn gather<'b>(sums: &mut BTreeMap<&'b str, Tally>, bucket: &'b BTreeMap<Box<str>, Tally>) {
    for (name, tally) in bucket {
        sums.entry(name).or_default().add(tally);
    }
}

/// Over the whole window, the busiest, those first.
fn table(sums: &BTreeMap<&str, Tally>) -> Vec<Value> {
    let mut rows: Vec<_> = sums.iter().collect();
    rows.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.requests));
    let row = |(name, tally): (&&str, &Tally)| {
        let mut row = tally.told(STEP * BUCKETS as u32);
        row["name"] = Value::from(*name);
        row
    };
    rows.into_iter().take(MAX_NAMES).map(row).collect()
}

impl Tally {
    fn count(&mut self, record: &Record) {
        let failed = record.status >= 500 || matches!(record.end, End::UpstreamFailed | End::TimedOut);
        self.requests += 1;
        self.failed += u64::from(failed);
        self.refused += u64::from(!failed && record.status >= 400);
        if let Some(usage) = record.usage {
            self.input = self.input.saturating_add(usage.input);
            self.output = self.output.saturating_add(usage.output);
        }
        self.charge(record.cost.map(|cost| cost.total()));
        self.duration.count(record.duration);
        if let Some(first) = record.first_token {
            self.first_token.count(first);
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.refused += other.refused;
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.charge(other.cost);
        self.duration.add(&other.duration);
        self.first_token.add(&other.first_token);
    }

    fn charge(&mut self, cost: Option<Usd>) {
        if let Some(Usd(cost)) = cost {
            self.cost.get_or_insert_default().0 += cost;
        }
    }

    fn told(&self, over: Duration) -> Value {
        let each = |count: u64| rounded(count as f64 / over.as_secs_f64());
        let quantiles = |spread: &Spread, name: &str| {
            let of = |share| Value::from(spread.quantile(share).map(|time| rounded(time.as_secs_f64() * 1000.0)));
            [(format!("{name}_p50_ms"), of(0.5)), (format!("{name}_p95_ms"), of(0.95))]
        };
        let counts = [("requests", self.requests), ("failed", self.failed), ("refused", self.refused)];
        let tokens = [("input_tokens", self.input), ("output_tokens", self.output)];
        let mut told: Map<String, Value> =
            counts.into_iter().chain(tokens).map(|(name, count)| (name.to_owned(), Value::from(count))).collect();
        told.insert("requests_per_second".to_owned(), each(self.requests).into());
        told.insert("tokens_per_second".to_owned(), each(self.input.saturating_add(self.output)).into());
        let per_hour = |Usd(cost)| Usd(cost * 3_600_000 / over.as_millis());
        told.insert("cost".to_owned(), self.cost.map(Usd::approximate).into());
        told.insert("cost_per_hour".to_owned(), self.cost.map(per_hour).map(Usd::approximate).into());
        told.extend(quantiles(&self.duration, "duration"));
        told.extend(quantiles(&self.first_token, "first_token"));
        Value::Object(told)
    }
}

/// Three digits after the point.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

impl Spread {
    fn count(&mut self, time: Duration) {
        *self.0.entry(class(time)).or_default() += 1;
    }

    fn add(&mut self, other: &Self) {
        for (class, count) in &other.0 {
            *self.0.entry(*class).or_default() += count;
        }
    }

    fn quantile(&self, share: f64) -> Option<Duration> {
        let total: u64 = self.0.values().sum();
        let wanted = (total as f64 * share).ceil().max(1.0) as u64;
        let mut below = 0;
        let reached = |count: &u64| {
            below += count;
            below >= wanted
        };
        let mut reached = reached;
        self.0.iter().find(|(_, count)| reached(count)).map(|(class, _)| middle(*class))
    }
}

/// The octave of the microseconds, and its quarter.
fn class(time: Duration) -> u8 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(4);
    let octave = micros.ilog2();
    (octave * 4) as u8 + ((micros >> (octave - 2)) & 3) as u8
}

fn middle(class: u8) -> Duration {
    let (octave, quarter) = (u32::from(class / 4), u64::from(class % 4));
    let quarter_long = 1u64 << (octave - 2);
    Duration::from_micros((4 + quarter) * quarter_long + quarter_long / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cost::Cost;

    proptest! {
        #[test]
        fn a_quantile_is_at_most_an_eighth_off(mut times in prop::collection::vec(100u64..300_000_000, 1..60), share in 0.01f64..1.0) {
            let mut spread = Spread::default();
            times.iter().for_each(|micros| spread.count(Duration::from_micros(*micros)));
            times.sort_unstable();
            let exact = times[(times.len() as f64 * share).ceil().max(1.0) as usize - 1] as f64;
            let told = spread.quantile(share).unwrap().as_micros() as f64;
            prop_assert!((told - exact).abs() <= exact / 8.0 + 1.0, "{told} for {exact}");
        }
    }

    #[test]
    fn what_was_priced_is_summed_and_what_was_not_is_null_and_not_0() {
        let begin = Instant::now();
        let mut window = Window::new(begin);
        let mut count = |at: u64, route: &str, cost: Option<u128>| {
            let cost = cost.map(|input| Cost { input: Usd(input), ..Cost::default() });
            window
                .count(&Record { route: Some(route.into()), cost, ..Record::empty() }, begin + Duration::from_secs(at));
        };
        count(1, "unpriced", None);
        count(6, "priced", Some(100_000_000_000));
        count(7, "priced", Some(200_000_000_000));
        count(8, "priced", None);
        count(12, "free", Some(0));
        let told = window.told(begin + Duration::from_secs(15));
        let costs = |tally: &Value| (tally["cost"].as_f64(), tally["cost_per_hour"].as_f64());
        assert_eq!(costs(&told["last_minute"]), (Some(0.3), Some(72.0)), "0.3 USD in 15 s");
        let buckets = told["series"].as_array().unwrap()[57..].iter().map(costs).collect::<Vec<_>>();
        assert_eq!(buckets, [(None, None), (Some(0.3), Some(216.0)), (Some(0.0), Some(0.0))]);
        let routes = told["routes"].as_array().unwrap().iter();
        let routes = routes.map(|row| (row["name"].as_str().unwrap(), costs(row))).collect::<BTreeMap<_, _>>();
        assert_eq!(routes["priced"], (Some(0.3), Some(3.6)));
        assert_eq!((routes["unpriced"], routes["free"]), ((None, None), (Some(0.0), Some(0.0))));
    }

    #[test]
    fn names_beyond_the_limit_share_one() {
        let mut tallies = BTreeMap::new();
        for number in 0..10 * MAX_NAMES {
            named(&mut tallies, &format!("name-{number}")).requests += 1;
        }
        assert_eq!(tallies.len(), MAX_NAMES + 1);
        assert_eq!(tallies["(others)"].requests as usize, 9 * MAX_NAMES);
    }
}
