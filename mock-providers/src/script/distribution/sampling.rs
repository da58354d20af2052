//! The draws of a distribution.
//!
//! Owns the mathematics, over numbers of whatever unit. Refuses to fail: what it cannot draw from was refused when the
//! script was read.

use std::f64::consts::TAU;
use std::path::PathBuf;

use crate::digest::Random;

/// How often a draw outside the bounds is drawn anew.
const ATTEMPTS: usize = 32;

/// A way of drawing numbers, with parameters that make sense.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    Uniform {
        lower: f64,
        upper: f64,
    },
    Normal {
        mean: f64,
        std_dev: f64,
        min: f64,
        max: f64,
    },
    Lognormal {
        median: f64,
        sigma: f64,
        max: f64,
    },
    Exponential {
        mean: f64,
        max: f64,
    },
    Gamma {
        mean: f64,
        shape: f64,
    },
    /// Those of 50, 90, 99 and 100 percent.
    Percentiles([f64; 4]),
    /// Upper edges, each with the share of draws up to it.
    Histogram(Vec<(f64, f64)>),
    /// Values, each with the share of draws up to and with it.
    Choice(Vec<(f64, f64)>),
    Trace {
        values: Vec<f64>,
        repeat: bool,
    },
    /// A trace whose file is not read yet; all its values are 0.
    File {
        path: PathBuf,
        repeat: bool,
    },
}

impl Form {
    /// A draw of its own; from a trace, any of its values.
    pub(super) fn draw(&self, random: &mut Random) -> f64 {
        match self {
            Form::Trace { values, .. } => values[random.below(values.len())],
            other => other.draw_nth(random, 0),
        }
    }

    /// The nth draw in a row.
    pub(super) fn draw_nth(&self, random: &mut Random, nth: usize) -> f64 {
        match self {
            Form::Uniform { lower, upper } => between(*lower, *upper, random.unit()),
            Form::Normal { mean, std_dev, min, max } => {
                within(*min, *max, random, |random| mean + std_dev * normal(random))
            }
            Form::Lognormal { median, sigma, max } => {
                within(0.0, *max, random, |random| median * (sigma * normal(random)).exp())
            }
            Form::Exponential { mean, max } => within(0.0, *max, random, |random| mean * -open(random).ln()),
            Form::Gamma { mean, shape } => mean / shape * gamma(*shape, random),
            Form::Percentiles(values) => percentile(values, random.unit()),
            Form::Histogram(edges) => in_bucket(edges, random),
            Form::Choice(options) => options[rank(options, random.unit())].0,
            Form::Trace { values, repeat: true } => values[nth % values.len()],
            Form::Trace { values, repeat: false } => values[nth.min(values.len() - 1)],
            Form::File { .. } => 0.0,
        }
    }
}

/// The point this share of the way from one to the other.
fn between(lower: f64, upper: f64, share: f64) -> f64 {
    (lower + (upper - lower) * share).clamp(lower, upper)
}

/// A number above 0, up to 1.
fn open(random: &mut Random) -> f64 {
    1.0 - random.unit()
}

/// Draws anew what lies outside; bounds so narrow that all attempts miss them leave nothing to tell from an even draw.
fn within(min: f64, max: f64, random: &mut Random, mut draw: impl FnMut(&mut Random) -> f64) -> f64 {
    let inside = (0..ATTEMPTS).map(|_| draw(random)).find(|value| (min..=max).contains(value));
    inside.unwrap_or_else(|| between(min, max, random.unit()))
}

/// Of mean 0 and deviation 1 (Box and Muller).
fn normal(random: &mut Random) -> f64 {
    let radius = (-2.0 * open(random).ln()).sqrt();
    radius * (TAU * random.unit()).cos()
}

/// Of scale 1 (Marsaglia and Tsang); a shape below 1 is that of one more, times a power of an even draw.
fn gamma(shape: f64, random: &mut Random) -> f64 {
    if shape < 1.0 {
        return gamma(shape + 1.0, random) * open(random).powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    for _ in 0..ATTEMPTS {
        let x = normal(random);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && open(random).ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
            return d * v;
        }
    }
    // Each attempt holds with more than 95 percent; the mean stands for what never happens.
    shape
}

/// Even steps of the logarithm between the percentiles; below the median its line to the next one goes on.
fn percentile(values: &[f64; 4], share: f64) -> f64 {
    let shares = [0.5, 0.9, 0.99, 1.0];
    let at = (1..3).find(|&at| share < shares[at]).unwrap_or(3);
    let along = (share - shares[at - 1]) / (shares[at] - shares[at - 1]);
    (values[at - 1] * (values[at] / values[at - 1]).powf(along)).min(values[3])
}

/// The first entry whose share is above the draw.
fn rank(entries: &[(f64, f64)], share: f64) -> usize {
    entries.partition_point(|(_, upto)| *upto <= share).min(entries.len() - 1)
}

fn in_bucket(edges: &[(f64, f64)], random: &mut Random) -> f64 {
    let at = rank(edges, random.unit());
    let lower = at.checked_sub(1).map_or(0.0, |before| edges[before].0);
    between(lower, edges[at].0, random.unit())
}
