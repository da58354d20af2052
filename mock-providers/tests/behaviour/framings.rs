//! The scripts and the documentation that come with the crate say what the code does.

use std::collections::BTreeSet;

use mock_providers::quirks;
use mock_providers::script::{Config, Fault, Stage};

use crate::support::{Client, HI_STREAM};

const README: &str = include_str!("../../README.md");
const FRAMINGS: &str = include_str!("../../scripts/framings.yaml");

/// The cells of the rows under a heading.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let section = README.split_once(&format!("### {heading}\n")).expect("the section").1;
    let section = section.split("\n#").next().expect("its text");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_readme_lists_every_quirk_and_every_profile_as_they_are() {
    let quirks = quirks::all().iter().map(|quirk| {
        let implied =
            if quirk.implies.is_empty() { String::new() } else { format!(" (implies {})", quirk.implies.join(" ")) };
        vec![quoted(&[quirk.name]), quirk.deviations.join(" ") + &implied, quirk.text.to_owned()]
    });
    assert_eq!(rows("Quirks"), quirks.collect::<Vec<_>>());
    let profiles = quirks::profiles().iter().map(|profile| {
        let bundle = if profile.quirks.is_empty() { "none".to_owned() } else { quoted(profile.quirks) };
        vec![quoted(&[profile.name]), bundle]
    });
    assert_eq!(rows("Profiles"), profiles.collect::<Vec<_>>());
}

#[test]
fn the_readme_lists_every_key_that_changes_what_an_answer_says() {
    let elsewhere =
        ["refuse", "content_filter", "length_cut", "ignore_max_tokens", "ignore_stop", "ignore_n", "prompt_filter"];
    let of = |stage: Stage| -> Vec<String> {
        let own = Fault::CATALOGUE.iter().filter(|(name, own)| *own == stage && !elsewhere.contains(name));
        own.map(|(name, _)| quoted(&[name])).collect()
    };
    let listed = |heading: &str| -> Vec<String> { rows(heading).into_iter().map(|row| row[0].clone()).collect() };
    assert_eq!(listed("In a JSON body"), of(Stage::Body));
    assert_eq!(listed("In what is said, and how its events are written"), of(Stage::Content));
    assert_eq!(listed("In how a request is judged"), of(Stage::Semantic));
}

#[tokio::test]
async fn each_framing_has_a_row_in_the_readme_and_happens_as_it_is_scripted() {
    let config: Config = serde_saphyr::from_str(FRAMINGS).expect("the script is well-formed");
    let provider = config.providers["framings"].clone();
    let rules = provider.rules.clone();
    let names: Vec<String> = rules.iter().map(|rule| rule.name.clone().expect("a name")).collect();
    let rows = rows("What the official SDKs make of them").into_iter();
    let listed: Vec<String> =
        rows.flat_map(|row| row[0].replace('`', "").split(", ").map(str::to_owned).collect::<Vec<_>>()).collect();
    assert_eq!(names, listed);
    let mock =
        mock_providers::start("framings", provider, mock_providers::Options::default()).await.expect("a free port");
    for name in &names {
        let mut client = Client::connect(&mock).await;
        let body = HI_STREAM.replace("m-1", name);
        let length = body.len();
        client.send(format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")).await;
        let (bytes, _) = client.rest().await;
        assert!(bytes.windows(4).any(|window| window == b"\r\n\r\n"), "{name} has a head");
    }
    let journal = crate::support::settled(&mock).await;
    for (rule, record) in rules.iter().zip(&journal.requests) {
        let scripted: BTreeSet<&str> = rule.fault.iter().flat_map(Fault::names).collect();
        let happened: BTreeSet<&str> = record.fault.iter().flat_map(|names| names.split('+')).collect();
        assert_eq!(rule.name.as_deref(), Some(&*record.rule));
        assert_eq!(happened, scripted, "{}", record.rule);
    }
}
