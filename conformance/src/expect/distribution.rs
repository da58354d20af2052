//! Whether a share of requests is what chance allows: an exact two-sided binomial bound at 99.99 %.

use super::Judge;
use crate::matcher::Seen;
use crate::scenario::At;
use crate::scenario::expect::ShareExpect;

/// Judges `hits` of `total`.
pub fn judge(judge: &mut Judge<'_>, part: &str, expect: &At<ShareExpect>, hits: usize, total: usize) {
    let ShareExpect { binomial, count, share } = &expect.value;
    let actual = format!("{hits} of {total}");
    if let Some(probability) = binomial {
        let (low, high) = band(total, *probability);
        if total == 0 || hits < low || hits > high {
            let expected = format!("{low} to {high} of {total} (probability {probability}, bound 99.99 %)");
            judge.fail(part, expect, expected, actual.clone());
        }
    }
    if let Some(count) = count.as_ref().filter(|count| !count.holds(&Seen::one(hits))) {
        judge.fail(part, expect, format!("count {count}"), actual.clone());
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are small")]
    let part_of_all = hits as f64 / total.max(1) as f64;
    if let Some(share) = share.as_ref().filter(|share| !share.holds(&Seen::one(part_of_all))) {
        judge.fail(part, expect, format!("share {share}"), format!("{part_of_all:.3} ({actual})"));
    }
}

/// The smallest and largest count whose tail still has half of 0.01 %.
#[expect(clippy::cast_precision_loss, reason = "counts of requests are small")]
fn band(total: usize, probability: f64) -> (usize, usize) {
    const TAIL: f64 = 0.5e-4;
    if probability <= 0.0 {
        return (0, 0);
    }
    if probability >= 1.0 {
        return (total, total);
    }
    let (p, q) = (probability.ln(), (1.0 - probability).ln());
    let mut log_choose = 0.0;
    let mut masses = Vec::with_capacity(total + 1);
    for k in 0..=total {
        if k > 0 {
            log_choose += ((total - k + 1) as f64).ln() - (k as f64).ln();
        }
        masses.push((log_choose + k as f64 * p + (total - k) as f64 * q).exp());
    }
    let reach = |masses: &mut dyn Iterator<Item = &f64>| {
        let mut sum = 0.0;
        masses
            .take_while(|mass| {
                sum += **mass;
                sum <= TAIL
            })
            .count()
    };
    let low = reach(&mut masses.iter());
    let high = total - reach(&mut masses.iter().rev());
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_holds_what_chance_gives_and_no_more() {
        let (low, high) = band(500, 0.9);
        assert!((420..=427).contains(&low), "{low}");
        assert!((470..=478).contains(&high), "{high}");
        assert_eq!(band(100, 0.0), (0, 0));
        assert_eq!(band(100, 1.0), (100, 100));
        assert_eq!(band(1, 0.5), (0, 1));
        let (low, high) = band(5000, 0.5);
        assert!(low > 2300 && high < 2700, "{low} {high}");
    }
}
