//! Loading from disk: which files count, and that a half-written one changes nothing.

use std::fs;

use gateway::config::{check, load};

#[test]
fn a_folder_is_its_visible_manifests_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, object) in [("b.yml", "b"), ("a.yaml", "a"), ("c.json", "c"), (".hidden.yaml", "h"), ("notes.txt", "n")]
    {
        let text = format!("{{\"kind\": \"Namespace\", \"metadata\": {{\"name\": \"{object}\"}}}}");
        fs::write(folder.path().join(name), text).expect("written");
    }
    let manifests = load(folder.path()).expect("valid");
    let names: Vec<_> = manifests.namespaces.iter().map(|namespace| namespace.id.to_string()).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[cfg(unix)]
#[test]
fn a_mounted_volume_is_read_through_its_links_once() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("..2026_01_01");
    fs::create_dir(&data).expect("made");
    fs::write(data.join("a.yaml"), "kind: Namespace\nmetadata: {name: a}\n").expect("written");
    symlink("..2026_01_01", folder.path().join("..data")).expect("linked");
    symlink("..data/a.yaml", folder.path().join("a.yaml")).expect("linked");
    assert_eq!(load(folder.path()).expect("valid").namespaces.len(), 1);
}

#[test]
fn one_half_written_file_refuses_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.yaml"), "kind: Namespace\nmetadata: {name: a}\n").expect("written");
    fs::write(folder.path().join("b.yaml"), "kind: Namespace\nmetadata: {na").expect("written");
    let problems = load(folder.path()).expect_err("half a file");
    assert_eq!(problems.len(), 1);
    assert!(problems[0].file.ends_with("b.yaml"));
}

#[test]
fn what_cannot_be_read_is_a_problem_with_a_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let problems = load(&folder.path().join("absent.yaml")).expect_err("no such file");
    assert!(problems[0].to_string().contains("absent.yaml"), "{}", problems[0]);
    fs::write(folder.path().join("latin1.yaml"), b"kind: \xe9").expect("written");
    assert!(load(folder.path()).is_err());
}

#[test]
fn check_is_content_only_when_every_object_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gw.yaml");
    fs::write(&file, super::GATEWAY).expect("written");
    assert!(check(&file).expect("readable").ok());
    fs::write(&file, super::GATEWAY.replace("HTTP,", "UDP,")).expect("written");
    assert!(!check(&file).expect("readable").ok());
}
