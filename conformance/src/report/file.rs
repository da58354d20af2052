//! The files that reports go to: tried before a long run, written after it. A run that fails leaves none behind.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

use super::Sink;

/// Whether all of them can be written, each to a file of its own.
///
/// # Errors
/// Which one cannot, and why.
pub fn check_all<F>(sinks: &[Sink<F>]) -> Result<(), String> {
    for (at, Sink { path, .. }) in sinks.iter().enumerate() {
        check(path).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        // A device such as /dev/null takes any number.
        let is_device = fs::metadata(path).is_ok_and(|meta| !meta.is_file());
        if !is_device && sinks[..at].iter().any(|earlier| is_same(&earlier.path, path)) {
            return Err(format!("two reports go to {}, where only one can stay: name another file", path.display()));
        }
    }
    Ok(())
}

fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).ok();
    whole(one) == whole(other)
}

/// Whether it can be written, noticed now and not after a long run. An older report stays until there is a newer one, and
/// where there was none there is none still.
///
/// # Errors
/// When it cannot be opened for writing.
fn check(path: &Path) -> io::Result<()> {
    match OpenOptions::new().append(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            match OpenOptions::new().append(true).create_new(true).open(path) {
                // A link to a file that there will be: it stays, and the file is tried.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    check(&path.with_file_name(fs::read_link(path)?))
                }
                created => created.and_then(|_| fs::remove_file(path)),
            }
        }
        opened => opened.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Kind;

    #[test]
    fn a_file_that_can_be_written_is_as_it_was_before() {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new.json"), folder.path().join("old.json"));
        fs::write(&old, "older").unwrap();
        check(&new).unwrap();
        check(&old).unwrap();
        assert!(!new.exists() && fs::read_to_string(old).unwrap() == "older");
    }

    #[test]
    fn a_link_to_a_file_that_is_not_there_yet_is_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (runs, latest) = (folder.path().join("runs"), folder.path().join("latest.json"));
        std::os::unix::fs::symlink("runs/x.json", &latest).unwrap();
        assert!(check(&latest).is_err(), "there is no folder");
        fs::create_dir(&runs).unwrap();
        check(&latest).unwrap();
        assert!(latest.is_symlink() && !runs.join("x.json").exists());
        fs::write(&latest, "new").unwrap();
        check(&latest).unwrap();
        assert_eq!(fs::read_to_string(runs.join("x.json")).unwrap(), "new");
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        std::os::unix::fs::symlink(&one, &other).unwrap();
        std::os::unix::fs::symlink(&other, &one).unwrap();
        assert!(check(&one).is_err(), "links in a circle");
    }

    #[test]
    fn two_reports_to_one_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let sink = |kind, path: &str| Sink { kind, path: folder.path().join(path) };
        let two = |one, other| check_all(&[sink(Kind::Json, one), sink(Kind::Html, other)]);
        two("run.json", "run.html").unwrap();
        two("/dev/null", "/dev/null").unwrap();
        for old in [false, true] {
            assert!(two("run", "./run").unwrap_err().starts_with("two reports go to "), "{old}");
            fs::write(folder.path().join("run"), "older").unwrap();
        }
        std::os::unix::fs::symlink("run", folder.path().join("latest")).unwrap();
        assert!(two("latest", "run").is_err());
        assert!(two("run", "none/run").unwrap_err().starts_with("cannot write "));
    }

    #[test]
    fn a_folder_and_a_file_in_no_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check(folder.path()).is_err() && check(&folder.path().join("none/run.json")).is_err());
    }
}
