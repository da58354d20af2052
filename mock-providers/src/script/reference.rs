//! The reference in `script`'s documentation against the types: every key once, and no others.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Config, Fault, Latency, Limits, Provider, Respond, Rule, When};

const SOURCE: &str = include_str!("../script.rs");

/// The lines of the reference, as they are read.
fn lines() -> Vec<&'static str> {
    let lines = SOURCE.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect()
}

/// The lines between two headings.
fn section(heading: &str) -> Vec<&'static str> {
    let lines = lines();
    let begins = |line: &&str| line.strip_prefix("# ").is_some_and(|rest| rest.starts_with(heading));
    let at = lines.iter().position(begins).unwrap_or_else(|| panic!("no heading {heading}"));
    lines[at + 1..].iter().copied().take_while(|line| !line.starts_with("# ")).collect()
}

/// The names with which code in a text begins.
fn names(text: &str) -> Vec<&str> {
    let code = text.split('`').skip(1).step_by(2);
    code.map(|code| code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default()).collect()
}

/// The names in the first column of the tables of a section.
fn keys(section: &[&'static str]) -> Vec<&'static str> {
    let cells = section.iter().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells.flat_map(names).collect()
}

/// The keys of a type: what it says when it is given another.
fn fields<T: DeserializeOwned + std::fmt::Debug>() -> BTreeSet<String> {
    let error = serde_json::from_value::<T>(json!({"no such key": 0})).expect_err("refused").to_string();
    let expected = error.split_once("expected one of ").expect("all keys").1;
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn each_once(what: &str, documented: &[&str], known: &BTreeSet<String>) {
    let set: BTreeSet<String> = documented.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(set, *known, "{what}");
    for name in known {
        assert_eq!(documented.iter().filter(|other| *other == name).count(), 1, "{what}: `{name}`");
    }
}

#[test]
fn every_key_of_an_answer_a_rule_s_when_a_latency_and_limits_stands_in_its_table_once() {
    each_once("respond", &keys(&section("`respond`")), &fields::<Respond>());
    each_once("when", &keys(&section("`when`")), &fields::<When>());
    each_once("latency", &keys(&section("`latency`")), &fields::<Latency>());
    each_once("limits", &keys(&section("`limits`")), &fields::<Limits>());
}

#[test]
fn every_key_of_a_fault_is_explained_once() {
    let section = section("`fault`");
    let mut documented = keys(&section);
    let text = section.join("\n");
    for begin in ["Keys that change a JSON body:", "Keys that change how a request is judged:"] {
        let paragraph = text.split_once(begin).expect("it is there").1.split("\n\n").next().unwrap_or_default();
        // What stands in brackets are values.
        let outside = paragraph
            .split('(')
            .enumerate()
            .map(|(index, part)| if index == 0 { part } else { part.split_once(')').map_or("", |both| both.1) });
        documented.extend(outside.flat_map(names));
    }
    let known: BTreeSet<String> = Fault::CATALOGUE.iter().map(|(name, _)| (*name).to_owned()).collect();
    documented.retain(|name| known.contains(*name));
    each_once("fault", &documented, &known);
}

#[test]
fn every_key_of_a_configuration_a_provider_and_a_rule_stands_in_the_example_or_the_text() {
    let text = lines().join("\n");
    for name in fields::<Config>().iter().chain(&fields::<Provider>()).chain(&fields::<Rule>()) {
        let written = [format!(" {name}:"), format!("\n{name}:"), format!("{{{name}:"), format!("`{name}`")];
        assert!(written.iter().any(|way| text.contains(way)), "`{name}`");
    }
}
