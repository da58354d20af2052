//! What the windows of a lane say together: medians with intervals, and paired with the floor's windows.
//! Pure. A void window counts nowhere, and neither does its partner in a pair.

use benches::sample::{Durations, Sample};
use benches::stats;

use super::model::{Estimate, Figure, Lane, Metric, Window};

/// Shares at which distributions are kept: dense where they are interesting.
const SHARES: [f64; 22] = [
    0.0, 0.01, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999,
    0.9999, 1.0,
];

/// A window as data. `sweep`: failures are a result.
pub fn window(round: usize, sample: &Sample, sweep: bool) -> Window {
    let at = |durations: &Durations, share| micros(durations.quantile(share));
    let of = |durations: &Durations, share| (!durations.is_empty()).then(|| at(durations, share));
    Window {
        round,
        void: (sample.good() == 0 && sample.due > 0) || (!sweep && sample.failed() > 0),
        due: sample.due,
        good: sample.good(),
        faults: sample.faults.iter().map(|(fault, count)| (fault.to_string(), *count)).collect(),
        reconnected: sample.reconnected,
        throughput: sample.throughput(),
        p50: at(&sample.latency, 0.5),
        p90: at(&sample.latency, 0.9),
        p99: at(&sample.latency, 0.99),
        p999: at(&sample.latency, 0.999),
        max: micros(sample.latency.max()),
        send_lag_p99: at(&sample.send_lag, 0.99),
        first_event_p50: of(&sample.first_event, 0.5),
        first_event_p99: of(&sample.first_event, 0.99),
        event_lag_p50: of(&sample.event_lag, 0.5),
        event_lag_p99: of(&sample.event_lag, 0.99),
        cpu: None,
        resident_mib: None,
    }
}

/// A distribution as data; empty for no durations.
pub fn curve(durations: &Durations) -> Vec<(f64, f64)> {
    let shares = SHARES.iter().filter(|_| !durations.is_empty());
    shares.map(|share| (*share, micros(durations.quantile(*share)))).collect()
}

/// Fills in the figures of all lanes.
pub fn fill(lanes: &mut [Lane]) {
    let floor = lanes.iter().find(|lane| lane.floor).map(|lane| lane.windows.clone());
    for lane in lanes {
        let floor = floor.as_deref().filter(|_| !lane.floor);
        lane.figures = Metric::ALL.into_iter().filter_map(|metric| figure(metric, &lane.windows, floor)).collect();
    }
}

fn figure(metric: Metric, windows: &[Window], floor: Option<&[Window]>) -> Option<Figure> {
    let values: Vec<f64> = good(windows).filter_map(|window| metric.of(window)).collect();
    let pairs: Vec<(f64, f64)> = good(windows)
        .filter_map(|window| {
            let partner = good(floor?).find(|floor| floor.round == window.round)?;
            Some((metric.of(window)?, metric.of(partner)?))
        })
        .collect();
    let added: Vec<f64> = pairs.iter().map(|(of, floor)| of - floor).collect();
    let times: Vec<f64> = pairs.iter().filter(|(_, floor)| *floor > 0.0).map(|(of, floor)| of / floor).collect();
    Some(Figure { metric, value: estimate(&values)?, added: estimate(&added), times: estimate(&times) })
}

fn good(windows: &[Window]) -> impl Iterator<Item = &Window> {
    windows.iter().filter(|window| !window.void)
}

fn estimate(values: &[f64]) -> Option<Estimate> {
    let found = stats::Estimate::of(values)?;
    Some(Estimate { median: found.median, low: found.low, high: found.high, coverage: found.coverage })
}

fn micros(duration: std::time::Duration) -> f64 {
    duration.as_nanos() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use benches::answer::Fault;

    use super::*;

    fn lane(floor: bool, p50: &[f64]) -> Lane {
        let window = |(round, p50): (usize, &f64)| Window { round, p50: *p50, ..Window::default() };
        let windows = p50.iter().enumerate().map(window).collect();
        Lane { name: String::new(), floor, windows, figures: vec![], latency: vec![], event_lag: vec![] }
    }

    #[test]
    fn differences_are_those_of_windows_of_the_same_round() {
        // Each round is as slow as it likes; the pair tells the same in all of them.
        let mut lanes = [lane(true, &[100.0, 300.0, 50.0]), lane(false, &[120.0, 321.0, 72.0])];
        fill(&mut lanes);
        assert!(lanes[0].figure(Metric::LatencyP50).unwrap().added.is_none());
        let added = lanes[1].figure(Metric::LatencyP50).unwrap().added.unwrap();
        assert_eq!((added.low, added.median, added.high), (20.0, 21.0, 22.0));
        assert_eq!(lanes[1].figure(Metric::LatencyP50).unwrap().times.unwrap().median, 1.2);
    }

    #[test]
    fn a_void_window_counts_in_no_pair() {
        let mut lanes = [lane(true, &[100.0, 100.0]), lane(false, &[110.0, 900.0])];
        lanes[1].windows[1].void = true;
        fill(&mut lanes);
        assert_eq!(lanes[1].figure(Metric::LatencyP50).unwrap().value.high, 110.0);
        lanes[0].windows[0].void = true;
        fill(&mut lanes);
        assert!(lanes[1].figure(Metric::LatencyP50).unwrap().added.is_none());
    }

    #[test]
    fn a_window_with_a_failure_is_void_but_not_in_a_sweep() {
        let mut sample = Sample::default();
        sample.latency.record(std::time::Duration::from_micros(80));
        assert!(!window(0, &sample, false).void);
        sample.fail(Fault::Status(503));
        assert!(window(0, &sample, false).void && !window(0, &sample, true).void);
        assert_eq!(window(0, &sample, true).faults, [("status 503".to_owned(), 1)]);
        assert!(window(0, &Sample { due: 1, ..Sample::default() }, true).void, "nothing came at all");
        assert!(!window(0, &Sample::default(), false).void, "nothing was asked");
    }
}
