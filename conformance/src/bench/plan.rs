//! What is to be measured: lanes, loads, rounds. Pure, but for looking up who listens where.

use std::str::FromStr;
use std::time::Duration;

use benches::arrivals::Spacing;
use benches::load::{Load, Pace};
use benches::process::Tree;

use super::url::{Manner, Url};

/// A whole run.
#[derive(Clone)]
pub struct Plan {
    /// The floor first, where there is one.
    pub lanes: Vec<LanePlan>,
    /// The provider behind them, to know what it can do.
    pub provider: Option<Url>,
    /// With streams.
    pub stream: bool,
    /// Bytes of prompts, one case each.
    pub prompts: Vec<usize>,
    /// When requests are sent, one case each.
    pub paces: Paces,
    /// How open arrivals are spread.
    pub spacing: Spacing,
    /// Of the arrivals.
    pub seed: u64,
    /// Windows of each lane.
    pub rounds: usize,
    /// How long each is.
    pub window: Duration,
    /// How long each lane is asked before.
    pub warmup: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Most connections at once.
    pub connections: usize,
    /// The provider's time between two events.
    pub gap: Option<Duration>,
    /// What p99 must keep in a sweep.
    pub objective: Duration,
    /// Texts differ from answer to answer.
    pub varies: bool,
    /// Model and headers.
    pub manner: Manner,
}

/// One target, or the floor.
#[derive(Debug, Clone)]
pub struct LanePlan {
    /// As it is told.
    pub name: String,
    /// The others are compared with it.
    pub floor: bool,
    /// Where it is.
    pub url: Url,
    /// Its processes, where they are ours to see.
    pub tree: Option<Tree>,
}

/// The loads of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Paces {
    /// Open loops at these rates.
    Rates(Vec<f64>),
    /// Open loops at rising rates, until saturation.
    Sweep(Vec<f64>),
    /// A closed loop.
    Callers(usize),
}

/// `--rate`: `500`, `500,1000` or `500..4000/500`.
impl FromStr for Paces {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rate = |text: &str| {
            let rate = text.trim().parse::<f64>().ok().filter(|rate| *rate >= 0.1 && *rate <= 1e6);
            rate.ok_or_else(|| format!("`{text}` is no rate; write requests a second from 0.1 to 1000000"))
        };
        let Some((from, rest)) = text.split_once("..") else {
            return text.split(',').map(rate).collect::<Result<_, _>>().map(Paces::Rates);
        };
        let (to, step) = rest.split_once('/').ok_or("a sweep is FROM..TO/STEP, such as 500..4000/500")?;
        let (from, to, step) = (rate(from)?, rate(to)?, rate(step)?);
        let count = ((to - from) / step + 1e-9).floor();
        if !(0.0..1000.0).contains(&count) {
            return Err(format!("`{text}`: a sweep rises, in at most 1000 steps"));
        }
        Ok(Paces::Sweep((0..=count as u32).map(|at| from + f64::from(at) * step).collect()))
    }
}

/// `--prompt`: bytes, with `k` or `m`.
pub fn size(text: &str) -> Result<usize, String> {
    let lower = text.trim().to_ascii_lowercase();
    let (digits, unit) = match lower.strip_suffix(['k', 'm']) {
        Some(digits) => (digits, if lower.ends_with('k') { 1 << 10 } else { 1 << 20 }),
        None => (lower.as_str(), 1),
    };
    let size = digits.parse::<usize>().ok().and_then(|size| size.checked_mul(unit)).filter(|size| *size <= 64 << 20);
    size.ok_or_else(|| format!("`{text}` is no size; write bytes up to 64m, such as 500, 10k or 1m"))
}

/// One load of the plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Bytes of the prompt.
    pub prompt: usize,
    /// Requests a second, or callers.
    pub pace: ShapePace,
}

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ShapePace {
    /// So many a second.
    Rate(f64),
    /// So many callers.
    Callers(usize),
}

impl Plan {
    /// Whether rates rise until lanes fail.
    pub fn is_sweep(&self) -> bool {
        matches!(self.paces, Paces::Sweep(_))
    }

    /// The loads, prompt by prompt.
    pub fn shapes(&self) -> Vec<Shape> {
        let paces: Vec<ShapePace> = match &self.paces {
            Paces::Rates(rates) | Paces::Sweep(rates) => rates.iter().copied().map(ShapePace::Rate).collect(),
            Paces::Callers(callers) => vec![ShapePace::Callers(*callers)],
        };
        self.prompts.iter().flat_map(|&prompt| paces.iter().map(move |&pace| Shape { prompt, pace })).collect()
    }

    /// The load of a window. All lanes of a round have the same arrivals, and each round has others.
    pub fn load(&self, shape: Shape, round: u64, window: Duration) -> Load {
        let pace = match shape.pace {
            ShapePace::Callers(connections) => Pace::Closed { connections },
            ShapePace::Rate(rate) => {
                Pace::Open { rate, spacing: self.spacing, seed: self.seed.wrapping_mul(0x1_0001).wrapping_add(round) }
            }
        };
        let connections = match shape.pace {
            ShapePace::Callers(callers) => callers,
            ShapePace::Rate(_) => self.connections,
        };
        Load { pace, window, timeout: self.timeout, connections, gap: self.gap.filter(|_| self.stream) }
    }

    /// The name of a case, the same in every run of the same load.
    pub fn name(&self, shape: Shape) -> String {
        let kind = match (self.stream, self.gap) {
            (true, Some(gap)) => format!("stream paced {} ms", gap.as_secs_f64() * 1e3),
            (true, None) => "stream".to_owned(),
            (false, _) => "plain".to_owned(),
        };
        let prompt = match shape.prompt {
            bytes if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
            bytes if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
            bytes => format!("{bytes} B"),
        };
        match shape.pace {
            ShapePace::Rate(rate) => format!("{kind}, prompt {prompt}, {rate}/s"),
            ShapePace::Callers(callers) => format!("{kind}, prompt {prompt}, closed loop of {callers}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_one_several_or_a_sweep() {
        assert_eq!("500".parse(), Ok(Paces::Rates(vec![500.0])));
        assert_eq!("500, 1000".parse(), Ok(Paces::Rates(vec![500.0, 1000.0])));
        assert_eq!("500..2000/500".parse(), Ok(Paces::Sweep(vec![500.0, 1000.0, 1500.0, 2000.0])));
        assert_eq!("1..2/0.7".parse(), Ok(Paces::Sweep(vec![1.0, 1.7])));
        for bad in ["", "0", "fast", "500..100/50", "1..2", "1..1000000/1", "-5", "1..2/0"] {
            assert!(bad.parse::<Paces>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!((size("500"), size("10k"), size("1M")), (Ok(500), Ok(10 << 10), Ok(1 << 20)));
        for bad in ["", "k", "10g", "65m", "-1", "99999999999999999999k"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
