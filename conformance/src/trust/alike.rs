//! Saboteurs that the suite cannot tell apart, and which run would help most to tell them apart.
//! Two are told apart by a scenario that is red under one and green under the other, or red at another place or
//! with another status or count there.

use std::collections::{BTreeSet, HashMap};

use super::{Said, Trust};
use crate::saboteur::Saboteur;

/// Two saboteurs in the order of the table.
pub type Two = (Saboteur, Saboteur);

/// The pairs that nothing known tells apart.
pub fn undecided(trust: &Trust) -> Vec<Two> {
    let caught: Vec<Saboteur> = trust.caught().into_iter().collect();
    let columns: Vec<HashMap<usize, &Said>> = caught.iter().map(|saboteur| column(trust, *saboteur)).collect();
    let mut undecided = Vec::new();
    for (at, one) in columns.iter().enumerate() {
        for (behind, other) in columns.iter().enumerate().skip(at + 1) {
            if !one.iter().any(|(row, said)| other.get(row).is_some_and(|other| differ(said, other))) {
                undecided.push((caught[at], caught[behind]));
            }
        }
    }
    undecided
}

/// What is known of a saboteur, by scenario.
fn column(trust: &Trust, saboteur: Saboteur) -> HashMap<usize, &Said> {
    let known = trust.said.iter().filter(|((_, whose), _)| *whose == saboteur);
    known.map(|((row, _), said)| (*row, said)).collect()
}

fn differ(one: &Said, other: &Said) -> bool {
    !matches!((one, other), (Said::Unclear(_), _) | (_, Said::Unclear(_))) && one != other
}

/// The runs that would tell most pairs apart for the time that they take, best first: a scenario that is red under
/// one of two is run under the other.
pub fn helpful(
    trust: &Trust,
    undecided: &[Two],
    running: &BTreeSet<(usize, Saboteur)>,
    most: usize,
) -> Vec<(usize, Saboteur)> {
    let reds: HashMap<Saboteur, Vec<usize>> = trust.caught().into_iter().map(|one| (one, reds(trust, one))).collect();
    let mut worth: HashMap<(usize, Saboteur), f64> = HashMap::new();
    for (one, other) in undecided {
        for (red, asked) in [(one, other), (other, one)] {
            for row in &reds[red] {
                let run = (*row, *asked);
                if !trust.said.contains_key(&run) && !running.contains(&run) {
                    *worth.entry(run).or_default() += 1.0 / trust.rows[*row].duration.as_secs_f64().max(0.05);
                }
            }
        }
    }
    let mut runs: Vec<_> = worth.into_iter().collect();
    runs.sort_by(|(run, worth), (other, less)| less.total_cmp(worth).then(run.cmp(other)));
    runs.into_iter().map(|(run, _)| run).take(most).collect()
}

fn reds(trust: &Trust, saboteur: Saboteur) -> Vec<usize> {
    let mut rows: Vec<usize> =
        column(trust, saboteur).into_iter().filter(|(_, said)| said.is_red()).map(|(row, _)| row).collect();
    rows.sort_unstable();
    rows
}

#[cfg(test)]
mod tests {
    use super::super::tests::{red, trust};
    use super::*;
    use Saboteur::{LogLost, TokensDoubled, TokensLost};

    const ROWS: &[(&str, &[Saboteur])] = &[("A-01", &[LogLost, TokensLost]), ("A-02", &[TokensDoubled])];

    #[test]
    fn another_place_or_another_colour_tells_two_apart() {
        let same = [(0, LogLost, red("a")), (0, TokensLost, red("a"))];
        assert_eq!(undecided(&trust(ROWS, &same)), [(LogLost, TokensLost)].map(in_order));
        let place = [(0, LogLost, red("a")), (0, TokensLost, red("b"))];
        assert_eq!(undecided(&trust(ROWS, &place)), []);
        let colour = [(0, LogLost, red("a")), (0, TokensDoubled, Said::Green), (1, TokensDoubled, red("a"))];
        assert_eq!(undecided(&trust(ROWS, &colour)), []);
        let unclear = Said::Unclear(String::new());
        let error = [(0, LogLost, red("a")), (0, TokensDoubled, unclear), (1, TokensDoubled, red("a"))];
        assert_eq!(undecided(&trust(ROWS, &error)).len(), 1);
    }

    #[test]
    fn a_scenario_of_one_is_tried_under_the_other() {
        let said = [(0, LogLost, red("a")), (0, TokensLost, red("a")), (1, TokensDoubled, red("a"))];
        let found = trust(ROWS, &said);
        let open = undecided(&found);
        let none = BTreeSet::new();
        assert_eq!(helpful(&found, &open, &none, 1), [(0, TokensDoubled)], "it decides two pairs at once");
        let running = BTreeSet::from([(0, TokensDoubled)]);
        let next = helpful(&found, &open, &running, 9);
        assert_eq!(next.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([(1, LogLost), (1, TokensLost)]));
    }

    fn in_order((one, other): Two) -> Two {
        (one.min(other), one.max(other))
    }
}
