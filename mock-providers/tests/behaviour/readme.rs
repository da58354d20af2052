//! What the README says, held to the truth.

use std::collections::BTreeSet;

use mock_providers::fleet::Document;
use mock_providers::script::Fault;

const README: &str = include_str!("../../README.md");

/// The parameters of a chat request.
const CHAT: &str = "model messages n max_completion_tokens max_tokens stop temperature top_p presence_penalty \
    frequency_penalty seed logit_bias logprobs top_logprobs tools tool_choice parallel_tool_calls functions \
    function_call response_format stream stream_options reasoning_effort service_tier metadata store user \
    safety_identifier prompt_cache_key verbosity prediction modalities audio web_search_options";

/// The text below a heading, to the next of the same rank or a higher one.
fn section(heading: &str) -> &'static str {
    let (_, rest) = README.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let rank = heading.split(' ').next().map_or(1, str::len);
    let ends = (1..=rank).filter_map(|rank| rest.find(&format!("\n{} ", "#".repeat(rank))));
    &rest[..ends.min().unwrap_or(rest.len())]
}

/// The cells of a table's rows, without its head.
fn rows(section: &'static str) -> Vec<Vec<&'static str>> {
    let lines = section.lines().filter(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// What stands as code in a cell.
fn codes(cell: &'static str) -> impl Iterator<Item = &'static str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_example_is_read_by_the_strict_reader() {
    let examples = README.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut count = 0;
    for example in examples {
        let whole = example.contains("providers:");
        let indented: String = example.lines().map(|line| format!("    {line}\n")).collect();
        let text = if whole { example.to_owned() } else { format!("providers:\n  a:\n{indented}") };
        Document::read(&text).unwrap_or_else(|error| panic!("{error} in\n{text}"));
        count += 1;
    }
    assert!(count >= 2, "{count} examples");
}

#[test]
fn the_table_of_chat_has_every_parameter_once_and_no_other() {
    let named: Vec<&str> = rows(section("### Chat completions")).iter().flat_map(|row| codes(row[0])).collect();
    let known: BTreeSet<&str> = CHAT.split_whitespace().collect();
    assert_eq!(named.iter().copied().collect::<BTreeSet<_>>(), known);
    assert_eq!(named.len(), known.len(), "one row each");
}

#[test]
fn the_faults_are_each_in_one_table() {
    let mut told: Vec<&str> =
        rows(section("## Faults by stage")).iter().take(4).flat_map(|row| codes(row[2])).collect();
    for heading in
        ["### In a JSON body", "### In what is said, and how its events are written", "### In how a request is judged"]
    {
        told.extend(rows(section(heading)).iter().flat_map(|row| codes(row[0])));
    }
    let known: BTreeSet<&str> = Fault::CATALOGUE.iter().map(|(name, _)| *name).collect();
    told.retain(|name| known.contains(name));
    let twice: Vec<_> = told.iter().filter(|name| told.iter().filter(|other| other == name).count() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
