//! What was found out, for people: pairs that stayed green, pairs without a judgement, saboteurs that nothing catches
//! or tells apart, and the one line that sums it up.

use super::{Said, Trust, alike};
use crate::render::Style;

/// The whole text.
pub fn text(trust: &Trust, style: Style) -> String {
    let mut text = String::new();
    let pairs = trust.pairs();
    let survivors = pairs.iter().filter(|pair| *pair.said == Said::Green);
    let survivors = survivors.map(|pair| format!("{:8} {}", pair.id, pair.saboteur.name()));
    section(&mut text, style, "stayed green under a saboteur that they name", survivors);
    let errors = pairs.iter().filter_map(|pair| match pair.said {
        Said::Unclear(why) => Some(format!("{:8} {:28} {}", pair.id, pair.saboteur.name(), first_line(why))),
        _ => None,
    });
    section(&mut text, style, "could not be judged", errors);
    let unsupported = trust.rows.iter().filter_map(|row| Some(format!("{:8} {}", row.id, row.unsupported.as_ref()?)));
    section(&mut text, style, "not tried", unsupported);
    let uncaught = trust.uncaught().into_iter().map(|saboteur| {
        let named = pairs.iter().any(|pair| pair.saboteur == saboteur);
        let why = if named { "no scenario that names it turns red" } else { "no scenario names it" };
        format!("{:28} {why}", saboteur.name())
    });
    section(&mut text, style, "saboteurs that nothing catches", uncaught);
    let alike = alike::undecided(trust).into_iter().map(|(one, other)| format!("{:28} {}", one.name(), other.name()));
    section(&mut text, style, "saboteurs that the suite cannot tell apart", alike);
    text.push_str(&format!("{}\n", style.bold(&line(trust))));
    text
}

/// The line that is quoted.
pub fn line(trust: &Trust) -> String {
    let (red, all) = trust.score();
    let saboteurs = trust.saboteurs.len();
    let caught = saboteurs - trust.uncaught().len();
    let alike = alike::undecided(trust).len();
    format!("trust: {red} of {all} pairs red, {caught} of {saboteurs} saboteurs caught, {alike} pairs alike")
}

fn section(text: &mut String, style: Style, title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        text.push_str(&format!("{}\n", style.bold(&format!("{title} ({})", lines.len()))));
        lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        text.push('\n');
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{red, trust};
    use super::*;
    use crate::saboteur::Saboteur::{self, LogDoubled, LogLost, TokensLost};

    #[test]
    fn everything_that_is_not_right_is_listed() {
        let rows: &[(&str, &[Saboteur])] = &[("A-01", &[LogLost, LogDoubled, TokensLost]), ("A-02", &[TokensLost])];
        let said = [
            (0, LogLost, red("expect.telemetry.log_count")),
            (0, LogDoubled, red("expect.telemetry.log_count")),
            (0, TokensLost, Said::Green),
            (1, TokensLost, Said::Unclear("no folder\nfor it".to_owned())),
        ];
        insta::assert_snapshot!(text(&trust(rows, &said), Style::default()), @r"
        stayed green under a saboteur that they name (1)
          A-01     tokens-lost

        could not be judged (1)
          A-02     tokens-lost                  no folder

        saboteurs that nothing catches (1)
          tokens-lost                  no scenario that names it turns red

        saboteurs that the suite cannot tell apart (1)
          log-lost                     log-doubled

        trust: 2 of 4 pairs red, 2 of 3 saboteurs caught, 1 pairs alike
        ");
    }

    #[test]
    fn a_suite_that_can_be_trusted_needs_one_line() {
        let rows: &[(&str, &[Saboteur])] = &[("A-01", &[LogLost])];
        let found = trust(rows, &[(0, LogLost, red("expect"))]);
        assert_eq!(text(&found, Style::default()), "trust: 1 of 1 pairs red, 1 of 1 saboteurs caught, 0 pairs alike\n");
    }
}
