//! How punctual this host is: a clock that should tick every few milliseconds, and how late its ticks were.
//! Bounds on time are widened by it; a verdict that rests on time alone is not given on a host that is too noisy.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// Beyond this lateness of one tick in a hundred the host is too noisy to judge time.
pub const TOO_NOISY: Duration = Duration::from_millis(25);

const TICK: Duration = Duration::from_millis(5);
/// Ticks that are kept: ten minutes.
const KEPT: usize = 120_000;

/// The lateness of ticks over some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Lateness {
    /// Half of the ticks were at most so late, in milliseconds.
    pub p50: f64,
    /// 99 of 100 were, in milliseconds.
    pub p99: f64,
}

impl Lateness {
    /// Whether a verdict on time can be trusted.
    pub fn too_noisy(&self) -> bool {
        self.p99 > TOO_NOISY.as_secs_f64() * 1e3
    }
}

/// A clock that ticks in the background of a run until it is dropped.
#[derive(Debug)]
pub struct Noise {
    ticks: Arc<Mutex<Vec<(Instant, Duration)>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Noise {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Noise {
    /// Starts ticking.
    pub fn start() -> Noise {
        let ticks: Arc<Mutex<Vec<(Instant, Duration)>>> = Arc::default();
        let into = Arc::clone(&ticks);
        let task = tokio::spawn(async move {
            loop {
                let due = Instant::now() + TICK;
                tokio::time::sleep_until(due.into()).await;
                let now = Instant::now();
                let mut ticks = into.lock().unwrap_or_else(PoisonError::into_inner);
                if ticks.len() >= KEPT {
                    ticks.drain(..KEPT / 2);
                }
                ticks.push((now, now.saturating_duration_since(due)));
            }
        });
        Noise { ticks, task }
    }

    /// Ticks for a moment and says how late they were: the calibration of a run.
    pub async fn calibrate(&self) -> Lateness {
        let started = Instant::now();
        tokio::time::sleep(20 * TICK).await;
        self.since(started)
    }

    /// The lateness of the ticks since a moment.
    pub fn since(&self, moment: Instant) -> Lateness {
        let ticks = self.ticks.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = ticks.iter().rev().take_while(|(at, _)| *at >= moment).map(|(_, late)| *late);
        lateness(recent.collect())
    }
}

fn lateness(mut late: Vec<Duration>) -> Lateness {
    late.sort_unstable();
    let part = |percent: usize| {
        let at = (late.len() * percent).div_ceil(100).saturating_sub(1);
        late.get(at).map_or(0.0, |late| (late.as_secs_f64() * 1e6).round() / 1e3)
    };
    Lateness { p50: part(50), p99: part(99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_late_tick_in_a_hundred_is_the_99th_percentile() {
        let mut ticks: Vec<Duration> = vec![Duration::from_millis(1); 98];
        ticks.extend([Duration::from_millis(40); 2]);
        let seen = lateness(ticks);
        assert_eq!(seen, Lateness { p50: 1.0, p99: 40.0 });
        assert!(seen.too_noisy() && !Lateness::default().too_noisy());
        assert_eq!(lateness(Vec::new()), Lateness::default());
    }
}
