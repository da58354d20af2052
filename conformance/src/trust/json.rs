//! `windtunnel.trust/v1`: the same for machines. Its keys are frozen; new ones may be added.

use serde_json::{Map, Value, json};

use super::{Said, Trust, alike, text};

/// The schema's name.
pub const SCHEMA: &str = "windtunnel.trust/v1";

/// The whole report.
pub fn text(trust: &Trust) -> String {
    format!("{:#}\n", value(trust))
}

/// As a value.
pub fn value(trust: &Trust) -> Value {
    let (red, pairs) = trust.score();
    let alike = alike::undecided(trust).into_iter().map(|(one, other)| json!([one.name(), other.name()]));
    json!({
        "schema": SCHEMA,
        "line": text::line(trust),
        "full": trust.full,
        "score": {"red": red, "pairs": pairs, "percent": trust.percent()},
        "pairs": trust.pairs().iter().map(|pair| {
            let mut value = said(pair.said);
            value.insert("scenario".to_owned(), pair.id.into());
            value.insert("saboteur".to_owned(), pair.saboteur.name().into());
            Value::Object(value)
        }).collect::<Vec<_>>(),
        "saboteurs": trust.saboteurs.iter().map(|saboteur| json!({
            "name": saboteur.name(),
            "seam": saboteur.seam().to_string(),
            "classes": saboteur.classes().iter().map(ToString::to_string).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "uncaught": trust.uncaught().iter().map(|saboteur| saboteur.name()).collect::<Vec<_>>(),
        "alike": alike.collect::<Vec<_>>(),
        "matrix": matrix(trust),
    })
}

/// Everything that was run: scenario, then saboteur.
fn matrix(trust: &Trust) -> Map<String, Value> {
    let row = |(index, row): (usize, &super::Row)| {
        let cells = trust.said.iter().filter(|((at, _), _)| *at == index);
        let cells: Map<String, Value> =
            cells.map(|((_, saboteur), known)| (saboteur.name().to_owned(), Value::Object(said(known)))).collect();
        (row.id.clone(), Value::Object(cells))
    };
    trust.rows.iter().enumerate().map(row).collect()
}

fn said(said: &Said) -> Map<String, Value> {
    let (verdict, detail) = match said {
        Said::Red(path) => ("red", Some(("path", path))),
        Said::Green => ("green", None),
        Said::Unclear(why) => ("error", Some(("why", why))),
    };
    let verdict = ("verdict".to_owned(), Value::from(verdict));
    let detail = detail.map(|(key, text)| (key.to_owned(), Value::from(text.as_str())));
    std::iter::once(verdict).chain(detail).collect()
}
