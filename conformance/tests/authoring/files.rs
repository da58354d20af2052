//! New scenarios, and scenarios outside the repository.

use std::path::Path;

use super::{repository, windtunnel};

/// What a skeleton is made with, and the saboteur it names.
const NEW: &[(&str, &str)] =
    &[("MY-01", "model-not-rewritten"), ("FO-98", "failover-dropped"), ("ST-98", "done-invented")];

#[test]
fn a_new_scenario_passes_as_it_is_and_turns_red_under_its_saboteur() {
    let folder = tempfile::tempdir().expect("a folder");
    for (id, saboteur) in NEW {
        let (status, text) = windtunnel(folder.path(), &["new", id, "--dir", "./checks"], &[]);
        assert_eq!(status, 0, "{text}");
        let file = format!("checks/{id}.yaml");
        for part in [&file, "windtunnel run", "windtunnel trust", "windtunnel explain"] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        let (status, text) = windtunnel(folder.path(), &["run", &file, "--sabotage", saboteur], &[]);
        assert_eq!(status, 1, "{id} under {saboteur}: {text}");
    }
    let (status, text) = windtunnel(folder.path(), &["run", "./checks/"], &[]);
    assert!(status == 0 && text.contains("3 scenarios, 3 passed"), "{text}");
    let first = std::fs::read_to_string(folder.path().join("checks/MY-01.yaml")).expect("a file");
    assert!(first.starts_with("# yaml-language-server: $schema=schema.json\n"), "{first}");
    assert!(folder.path().join("checks/schema.json").is_file());
}

#[test]
fn a_new_scenario_is_written_over_nothing_and_takes_nobodys_id() {
    let folder = tempfile::tempdir().expect("a folder");
    let new = |arguments: &[&str]| windtunnel(folder.path(), &[&["new"], arguments].concat(), &[]);
    assert_eq!(new(&["MY-01", "--title", "It's \"mine\": #1"]).0, 0);
    let (status, text) = new(&["MY-01"]);
    assert!(status == 2 && text.contains("is there already"), "{text}");
    let (status, text) = new(&["FO-01"]);
    assert!(status == 2 && text.contains("is taken by"), "{text}");
    let (status, text) = new(&["mine"]);
    assert!(status == 2 && text.contains("is no id"), "{text}");
    let (status, text) = new(&["MY-02", "--profile", "strem"]);
    assert!(status == 2 && text.contains("no profile is called `strem`"), "{text}");
    let (_, text) = windtunnel(folder.path(), &["explain", "./MY-01.yaml"], &[]);
    assert!(text.contains("It's \"mine\": #1"), "{text}");
}

#[test]
fn a_group_of_ours_decides_on_folder_and_profile() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("scenarios")).expect("a folder");
    let (_, text) = windtunnel(folder.path(), &["new", "TE-98"], &[]);
    assert!(text.contains("profile telemetry"), "{text}");
    let file = std::fs::read_to_string(folder.path().join("scenarios/te/TE-98.yaml")).expect("a file");
    assert!(file.starts_with("# yaml-language-server: $schema=../schema.json\n"), "{file}");
    let (status, text) = windtunnel(folder.path(), &["run", "TE-98"], &[]);
    assert_eq!(status, 0, "{text}");
}

#[test]
fn the_suite_runs_without_the_repository() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, text) = windtunnel(folder.path(), &["run", "RT-01", "FO-01"], &[]);
    assert!(status == 0 && text.contains("2 scenarios, 2 passed"), "{text}");
    let listed: Vec<serde_json::Value> =
        serde_json::from_str(&windtunnel(folder.path(), &["list", "--json"], &[]).1).expect("a list");
    let own = conformance::load::suite(&repository().join("scenarios")).expect("the suite");
    assert_eq!(listed.len(), own.len());
    assert!(listed.iter().any(|one| one["id"] == "FO-01" && one["level"] == "must" && one["profile"] == "failover"));
    let (_, text) = windtunnel(folder.path(), &["explain", "FO-01"], &[]);
    for part in ["<built-in>/fo/FO-01.yaml", "https://github.com/", "windtunnel run FO-01 --sabotage"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let (_, text) = windtunnel(folder.path(), &["explain", "FO-01", "--yaml"], &[]);
    assert!(text.starts_with("id: FO-01\n") || text.starts_with("# yaml-language-server"), "{text}");
    assert!(windtunnel(folder.path(), &["list", "--options"], &[]).1.contains("timeout_status"));
}

fn write(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    std::fs::write(file, text).expect("a file");
}

fn passing() -> String {
    std::fs::read_to_string(repository().join("conformance/tests/cases/passing/PASS-01.yaml")).expect("a scenario")
}

#[test]
fn a_fixture_beside_the_scenario_goes_before_that_of_the_suite() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "checks/PASS-01.yaml", &passing());
    let own = "kind: Gateway\nmetadata: {name: gateway}\nspec: {listeners: [{name: http, prot: 80}]}\n";
    write(folder.path(), "checks/fixtures/gateway.yaml", own);
    let (status, text) = windtunnel(folder.path(), &["run", "./checks"], &[]);
    assert_eq!(status, 2, "{text}");
    assert!(text.contains("checks/fixtures/gateway.yaml:3:") && text.contains("did you mean `port`?"), "{text}");
}

#[test]
fn a_fixture_that_is_nowhere_is_told_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "PASS-01.yaml", &passing().replace("fixtures/gateway.yaml", "fixtures/gatway.yaml"));
    let (status, text) = windtunnel(folder.path(), &["run", "PASS-01.yaml"], &[]);
    assert_eq!(status, 2, "{text}");
    assert!(text.contains("PASS-01.yaml:") && text.contains("neither beside the scenario nor in the suite"), "{text}");
}

#[test]
fn ids_of_any_group_are_fine_and_other_words_are_none() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "a.yaml", &passing().replace("PASS-01", "ACME-7"));
    assert_eq!(windtunnel(folder.path(), &["run", "a.yaml"], &[]).0, 0);
    write(folder.path(), "a.yaml", &passing().replace("PASS-01", "acme_7"));
    let (status, text) = windtunnel(folder.path(), &["run", "a.yaml"], &[]);
    assert!(status == 2 && text.contains("a.yaml:1:5") && text.contains("`acme_7` is no id"), "{text}");
}

#[test]
fn a_folder_without_scenarios_is_no_success() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("checks")).expect("a folder");
    assert_eq!(windtunnel(folder.path(), &["run", "checks"], &[]).0, 3);
}
