//! Memory and file descriptors over time, and how steep they are once the process has warmed up.

use std::time::Duration;

/// Steepest growth of resident memory, in MiB a minute.
const MEMORY_BOUND: f64 = 1.0;
/// Steepest growth of open file descriptors, in one a minute.
const DESCRIPTORS_BOUND: f64 = 1.0;
const MIB: f64 = 1024.0 * 1024.0;
/// Lines of the table.
const LINES: usize = 20;

/// Samples of one process.
#[derive(Debug)]
pub(crate) struct Level {
    warm_up: Duration,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    resident: u64,
    descriptors: usize,
    sent: u64,
}

impl Level {
    /// The first fifth of a run, two minutes at most, is warm-up.
    pub(crate) fn new(duration: Duration) -> Self {
        Self { warm_up: (duration / 5).min(Duration::from_secs(120)), samples: Vec::new() }
    }

    pub(crate) fn sample(&mut self, at: Duration, resident: u64, descriptors: usize, sent: u64) {
        self.samples.push(Sample { at, resident, descriptors, sent });
    }

    /// Tells the table and the slopes; false when one is beyond its bound.
    pub(crate) fn tell(&self) -> bool {
        println!("{:>6} {:>9} {:>8} {:>5}", "s", "requests", "RSS MiB", "fds");
        for Sample { at, resident, descriptors, sent } in self.samples.iter().step_by(self.samples.len() / LINES + 1) {
            println!("{:>6} {sent:>9} {:>8.1} {descriptors:>5}", at.as_secs(), *resident as f64 / MIB);
        }
        let warm = || self.samples.iter().filter(|sample| sample.at >= self.warm_up);
        let memory = slope(warm().map(|sample| (minutes(sample.at), sample.resident as f64 / MIB)));
        let descriptors = slope(warm().map(|sample| (minutes(sample.at), sample.descriptors as f64)));
        println!("\nafter {} s of warm-up, by least squares over {} samples:", self.warm_up.as_secs(), warm().count());
        let memory = within("RSS, MiB a minute", memory, MEMORY_BOUND);
        let descriptors = within("file descriptors a minute", descriptors, DESCRIPTORS_BOUND);
        memory && descriptors
    }
}

fn within(what: &str, slope: f64, bound: f64) -> bool {
    let holds = slope < bound;
    println!("{}{what}: {slope:+.2} (bound {bound})", if holds { "" } else { "BROKEN: " });
    holds
}

fn minutes(time: Duration) -> f64 {
    time.as_secs_f64() / 60.0
}

/// The slope of the line with the least squares; infinite where there are too few points to know.
fn slope(points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let points: Vec<_> = points.collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let square: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let product: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    if points.len() < 10 || square == 0.0 { f64::INFINITY } else { product / square }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_of_two_a_minute_is_seen_through_noise() {
        let noisy = |leak: f64| (0..60).map(move |x| (f64::from(x), leak * f64::from(x) + f64::from(x % 3)));
        assert!((slope(noisy(2.0)) - 2.0).abs() < 0.05);
        assert!(slope(noisy(0.0)).abs() < 0.05);
        assert_eq!(slope(noisy(0.0).take(9)), f64::INFINITY);
    }
}
