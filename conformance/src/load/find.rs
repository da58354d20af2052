//! Where scenarios and the files that they use lie: in folders, or in this program itself, which holds the suite.
//! Owns places only; what is in the files is not looked at.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use flate2::read::DeflateDecoder;
use gateway::yaml::Source;

/// The suite as it was when this program was built: path below `scenarios`, and the length of its text.
const BUILT_IN: &[(&str, usize)] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));
/// All texts, one behind the other, compressed.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/scenarios.deflate"));

/// The folder of manifests that scenarios share.
const FIXTURES: &str = "fixtures";

/// The scenario folder: as told, else the nearest `scenarios` from the current folder upward; without one, the suite
/// is the one in this program.
pub fn find_root(told: Option<&Path>) -> Option<PathBuf> {
    if let Some(told) = told {
        return Some(told.to_owned());
    }
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join("scenarios")).find(|folder| folder.is_dir())
}

/// Path below `scenarios` and text of all files in this program.
fn suite() -> impl Iterator<Item = (&'static str, &'static str)> {
    static TEXTS: LazyLock<String> = LazyLock::new(|| {
        let mut texts = String::new();
        DeflateDecoder::new(PACKED).read_to_string(&mut texts).expect("the build compressed texts");
        texts
    });
    let mut rest = TEXTS.as_str();
    BUILT_IN.iter().map(move |(name, length)| {
        let (text, after) = rest.split_at(*length);
        rest = after;
        (*name, text)
    })
}

/// The scenarios in this program.
pub(super) fn built_in() -> impl Iterator<Item = Source> {
    let scenarios = suite().filter(|(name, _)| !Path::new(name).starts_with(FIXTURES));
    scenarios.map(|(name, text)| Source::new(built_in_path(name), text))
}

fn built_in_path(name: &str) -> PathBuf {
    Path::new("<built-in>").join(name)
}

/// All scenario files below a folder, fixtures left out.
pub(super) fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    collect(folder, folder, &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path != root.join(FIXTURES) {
                collect(root, &path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
    Ok(())
}

/// Where `use:` finds a file: beside the scenario, then in the suite's folder, then in this program.
#[derive(Debug, Clone, Default)]
pub struct Roots(Vec<PathBuf>);

impl Roots {
    /// Of a scenario file, and of the suite's folder if there is one.
    pub fn new(file: Option<&Path>, suite: Option<&Path>) -> Roots {
        let own = file.and_then(Path::parent);
        Roots(own.into_iter().chain(suite).map(Path::to_owned).collect())
    }

    /// The file of this name.
    pub fn read(&self, used: &str) -> Result<Source, String> {
        if let Some(path) = self.0.iter().map(|root| root.join(used)).find(|path| path.is_file()) {
            return match std::fs::read_to_string(&path) {
                Ok(text) => Ok(Source::new(shown(&path), text)),
                Err(error) => Err(format!("`{used}` cannot be read: {error}")),
            };
        }
        match suite().find(|(name, _)| *name == used.trim_start_matches("./")) {
            Some((name, text)) => Ok(Source::new(built_in_path(name), text)),
            None => Err(format!("`{used}` cannot be read: it is neither beside the scenario nor in the suite")),
        }
    }
}

/// The path relative to the current folder where it lies below it.
pub(super) fn shown(file: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    let inside = here.as_ref().and_then(|here| file.strip_prefix(here).ok());
    inside.unwrap_or(file).to_owned()
}
