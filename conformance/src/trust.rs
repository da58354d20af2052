//! Whether the suite can be trusted: each scenario must turn red under the saboteurs that it names.
//! Owns what was found out and what follows from it; running is `trust::probe`, telling `trust::text` and `trust::json`.

pub mod alike;
pub mod json;
pub mod probe;
pub mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::expect::Failure;
use crate::outcome::{Outcome, Verdict};
use crate::saboteur::Saboteur;

/// What a scenario says under a saboteur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It fails, first of all at this expectation.
    Red(String),
    /// It passes.
    Green,
    /// It cannot be judged.
    Unclear(String),
}

impl Said {
    /// From an outcome.
    pub fn of(outcome: &Outcome) -> Said {
        match outcome.verdict {
            Verdict::Pass => Said::Green,
            Verdict::Fail => Said::Red(outcome.failures.first().map(expectation).unwrap_or_default()),
            other => Said::Unclear(outcome.why.clone().unwrap_or_else(|| format!("the verdict is {other}"))),
        }
    }

    /// Whether it fails.
    pub fn is_red(&self) -> bool {
        matches!(self, Said::Red(_))
    }
}

/// Which expectation failed; with the place of a leak, and with what was counted or answered instead: too many is
/// not the same defect as too few.
fn expectation(failure: &Failure) -> String {
    let path = place(&failure.path);
    let number = || Some(&failure.actual).filter(|actual| actual.parse::<u64>().is_ok());
    match path.as_str() {
        leak if leak.contains(".canary.") => format!("{path}: {}", failure.expected),
        counted if counted.contains(".telemetry.") || counted.ends_with(".status") => match number() {
            Some(number) => format!("{path}: {number}"),
            None => path,
        },
        _ => path,
    }
}

/// A path without the number of the request or record, which is another one each time.
fn place(path: &str) -> String {
    let mut text = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once(" (") {
        text.push_str(before);
        rest = after.split_once(')').map_or("", |(_, behind)| behind);
    }
    text + rest
}

/// A scenario as trust needs it.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// The saboteurs that must turn it red.
    pub named: Vec<Saboteur>,
    /// How long it takes when nothing is wrong.
    pub duration: Duration,
    /// Why it says nothing about saboteurs: it does not even pass without one.
    pub broken: Option<String>,
    /// What the gateway does not claim and the scenario needs; its pairs are not counted.
    pub unsupported: Option<String>,
}

/// Everything found out.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The scenarios.
    pub rows: Vec<Row>,
    /// The saboteurs asked about.
    pub saboteurs: Vec<Saboteur>,
    /// What each scenario, by its index, said under each saboteur.
    pub said: BTreeMap<(usize, Saboteur), Said>,
    /// Whether everything was tried with everything.
    pub full: bool,
}

/// One scenario under one saboteur that it names.
#[derive(Debug)]
pub struct Pair<'t> {
    /// The scenario.
    pub id: &'t str,
    /// The saboteur.
    pub saboteur: Saboteur,
    /// What came out.
    pub said: &'t Said,
}

impl Trust {
    /// The pairs that scenarios name, as far as they are asked about.
    pub fn pairs(&self) -> Vec<Pair<'_>> {
        let rows = self.rows.iter().enumerate();
        let pairs = rows.flat_map(|(index, row)| row.named.iter().map(move |saboteur| (index, row, *saboteur)));
        pairs
            .filter_map(|(index, row, saboteur)| {
                Some(Pair { id: &row.id, saboteur, said: self.said.get(&(index, saboteur))? })
            })
            .collect()
    }

    /// The saboteurs that turn red a scenario that names them.
    pub fn caught(&self) -> BTreeSet<Saboteur> {
        self.pairs().iter().filter(|pair| pair.said.is_red()).map(|pair| pair.saboteur).collect()
    }

    /// The saboteurs that nothing catches.
    pub fn uncaught(&self) -> Vec<Saboteur> {
        let caught = self.caught();
        self.saboteurs.iter().copied().filter(|saboteur| !caught.contains(saboteur)).collect()
    }

    /// Red pairs and all pairs.
    pub fn score(&self) -> (usize, usize) {
        let pairs = self.pairs();
        (pairs.iter().filter(|pair| pair.said.is_red()).count(), pairs.len())
    }

    /// Red pairs of a hundred.
    pub fn percent(&self) -> f64 {
        let (red, all) = self.score();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let (red, all) = (red as f64, all as f64);
        if all > 0.0 { 100.0 * red / all } else { 0.0 }
    }

    /// The exit code: 0 trusted, 1 not, 3 nothing was tried.
    pub fn exit_code(&self, min_score: f64) -> u8 {
        match self.score() {
            (_, 0) => 3,
            _ if self.percent() < min_score || !self.uncaught().is_empty() => 1,
            _ => 0,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Scenarios with the saboteurs that they name, and what is known.
    pub(crate) fn trust(rows: &[(&str, &[Saboteur])], said: &[(usize, Saboteur, Said)]) -> Trust {
        let row = |(id, named): &(&str, &[Saboteur])| Row {
            id: (*id).to_owned(),
            named: named.to_vec(),
            duration: Duration::from_millis(100),
            broken: None,
            unsupported: None,
        };
        let said: BTreeMap<_, _> = said.iter().map(|(row, saboteur, said)| ((*row, *saboteur), said.clone())).collect();
        let saboteurs: BTreeSet<Saboteur> = said.keys().map(|(_, saboteur)| *saboteur).collect();
        Trust { rows: rows.iter().map(row).collect(), saboteurs: saboteurs.into_iter().collect(), said, full: false }
    }

    pub(crate) fn red(path: &str) -> Said {
        Said::Red(path.to_owned())
    }

    #[test]
    fn a_survivor_costs_the_score_and_an_error_is_never_red() {
        use Saboteur::{LogLost, TokensLost};
        let rows: &[(&str, &[Saboteur])] = &[("A-01", &[LogLost, TokensLost]), ("A-02", &[TokensLost])];
        let said = [
            (0, LogLost, red("expect")),
            (0, TokensLost, Said::Green),
            (1, TokensLost, Said::Unclear("no folder".to_owned())),
        ];
        let found = trust(rows, &said);
        assert_eq!((found.score(), found.uncaught()), ((1, 3), vec![TokensLost]));
        assert_eq!((found.exit_code(100.0), found.exit_code(0.0)), (1, 1));
        assert_eq!(trust(&rows[..1], &said[..1]).exit_code(100.0), 0);
        assert_eq!(trust(rows, &[]).exit_code(0.0), 3);
    }

    #[test]
    fn too_many_is_not_the_same_as_too_few() {
        let failed = |path: &str, actual: &str| {
            let (expected, actual) = ("never at logs".to_owned(), actual.to_owned());
            expectation(&Failure {
                path: path.to_owned(),
                line: 1,
                column: 1,
                width: 1,
                expected,
                actual,
                excerpt: String::new(),
                late: false,
            })
        };
        assert_eq!(failed("expect.telemetry.requests.delta", "2"), "expect.telemetry.requests.delta: 2");
        assert_eq!(failed("expect.telemetry.ttft.mean", "81.5"), "expect.telemetry.ttft.mean");
        assert_eq!(failed("expect.canary.secrets.a", "it is there"), "expect.canary.secrets.a: never at logs");
        assert_eq!(failed("expect.providers.a.count", "2"), "expect.providers.a.count");
    }

    #[test]
    fn the_number_of_a_request_is_no_part_of_its_place() {
        assert_eq!(place("steps[0].expect (request 17).status"), "steps[0].expect.status");
        assert_eq!(place("expect.telemetry.tokens"), "expect.telemetry.tokens");
    }
}
