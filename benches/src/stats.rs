//! Medians of few windows, with the confidence that so few windows allow.
//!
//! Pure. Intervals are those of the sign test: they assume that windows are independent, and nothing of their
//! distribution. Where there are too few windows for 95 %, the interval is their range and says what it covers.

/// What intervals are to cover, where there are enough windows (six or more).
pub const CONFIDENCE: f64 = 0.95;

/// A median with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The median.
    pub median: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How probable it is that the true median lies between the ends, from 0 to 1.
    pub coverage: f64,
}

impl Estimate {
    /// Of values in any order; `None` of no values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let (outside, coverage) = ranks(sorted.len());
        let middle = (sorted[last / 2] + sorted[sorted.len() / 2]) / 2.0;
        Some(Self { median: middle, low: sorted[outside], high: sorted[last - outside], coverage })
    }

    /// Whether the intervals have no value in common.
    pub fn is_apart_from(&self, other: &Self) -> bool {
        self.high < other.low || other.high < self.low
    }
}

/// How many of `count` sorted values may be left out at each end so that the rest still covers the median with
/// [`CONFIDENCE`], and what it then covers.
fn ranks(count: usize) -> (usize, f64) {
    // The chance that at most `k` of the values lie below the median is binomial.
    let mut chance = 0.5f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let (mut below, mut outside, mut coverage) = (0.0, 0, 0.0);
    for k in 0..count.div_ceil(2) {
        below += chance;
        let covered = 1.0 - 2.0 * below;
        if k > 0 && covered < CONFIDENCE {
            break;
        }
        (outside, coverage) = (k, covered.max(0.0));
        chance *= (count - k) as f64 / (k + 1) as f64;
    }
    (outside, coverage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_tables_of_the_sign_test() {
        // Count, values outside at each end, coverage: the usual table for 95 %.
        for (count, outside, coverage) in [
            (6, 0, 0.968_75),
            (8, 0, 0.992_187_5),
            (9, 1, 0.960_937_5),
            (12, 2, 0.961_425_78),
            (15, 3, 0.964_843_75),
            (20, 5, 0.958_610_53),
            (21, 5, 0.973_396_30),
        ] {
            let (found, covered) = ranks(count);
            assert_eq!(found, outside, "{count}");
            assert!((covered - coverage).abs() < 1e-6, "{count}: {covered}");
        }
    }

    #[test]
    fn too_few_values_give_their_range_and_say_what_it_covers() {
        let estimate = Estimate::of(&[5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!((estimate.low, estimate.median, estimate.high), (1.0, 3.0, 5.0));
        assert!((estimate.coverage - 0.9375).abs() < 1e-9);
        assert_eq!(Estimate::of(&[7.0]).unwrap().coverage, 0.0);
    }

    #[test]
    fn the_median_of_an_even_count_lies_between_the_two_in_the_middle() {
        assert_eq!(Estimate::of(&[4.0, 1.0, 3.0, 2.0]).unwrap().median, 2.5);
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(Estimate::of(&[]), None);
    }

    #[test]
    fn intervals_that_touch_are_not_apart() {
        let of = |low, high| Estimate { median: low, low, high, coverage: 0.95 };
        assert!(!of(1.0, 2.0).is_apart_from(&of(2.0, 3.0)));
        assert!(of(1.0, 2.0).is_apart_from(&of(2.1, 3.0)) && of(2.1, 3.0).is_apart_from(&of(1.0, 2.0)));
    }
}
