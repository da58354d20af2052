//! Whether a scrape is well-formed Prometheus text (exposition format 0.0.4): what a scraper would stumble over.

use std::collections::{BTreeMap, BTreeSet};

use super::Metrics;

/// Everything that is wrong, in words; empty when all is well.
pub(super) fn flaws(text: &str, metrics: &Metrics) -> Vec<String> {
    let mut flaws = Vec::new();
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            Some((name, kind)) if types.insert(name, kind.trim()).is_some() => {
                flaws.push(format!("{name} has two TYPE lines"));
            }
            Some(_) => {}
            None if !line.starts_with('#') && super::sample(line).is_none() => {
                flaws.push(format!("this line is no sample: {line}"));
            }
            None => {}
        }
    }
    let mut seen = BTreeSet::new();
    for sample in &metrics.samples {
        if !seen.insert((&sample.name, &sample.labels)) {
            flaws.push(format!("{} {:?} is there twice", sample.name, sample.labels));
        }
        match family(&sample.name, &types) {
            None => flaws.push(format!("{} has no TYPE line", sample.name)),
            Some("counter") if sample.value < 0.0 => flaws.push(format!("the counter {} is negative", sample.name)),
            Some(_) => {}
        }
    }
    flaws.truncate(5);
    flaws
}

/// The type of the family that a sample belongs to.
fn family<'t>(name: &str, types: &BTreeMap<&str, &'t str>) -> Option<&'t str> {
    let parts = ["_bucket", "_sum", "_count"];
    let base = parts.iter().find_map(|part| name.strip_suffix(part)).and_then(|base| types.get(base));
    let compound = base.copied().filter(|kind| matches!(*kind, "histogram" | "summary"));
    compound.or_else(|| types.get(name).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flawed(text: &str) -> String {
        Metrics::parse(text).flaws.join("; ")
    }

    #[test]
    fn a_sound_scrape_has_no_flaw() {
        let text = "# HELP a x\n# TYPE a counter\na{b=\"c\"} 1\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 1\n";
        assert_eq!(flawed(text), "");
    }

    #[test]
    fn each_flaw_is_named() {
        assert!(flawed("a 1\n").contains("no TYPE"));
        assert!(flawed("# TYPE a counter\na 1\na 2\n").contains("twice"));
        assert!(flawed("# TYPE a counter\n# TYPE a counter\na 1\n").contains("two TYPE lines"));
        assert!(flawed("# TYPE a counter\na{b=\"c} 1\n").contains("no sample"));
        assert!(flawed("# TYPE a counter\na -1\n").contains("negative"));
    }
}
