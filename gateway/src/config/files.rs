//! What is on disk, read once: the texts of a manifest file or folder, and what could not be read.
//! Says whether it looks as if somebody were still writing it; knows nothing of what the texts mean.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use super::manifests::{Manifests, from_sources};
use crate::yaml::{Problem, Source};

/// The texts of one moment.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    sources: Vec<Source>,
    problems: Vec<Problem>,
}

impl Files {
    /// Reads a file, or a folder's `*.yaml`, `*.yml` and `*.json` by name, hidden ones left out.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let (mut sources, mut problems) = (Vec::new(), Vec::new());
        let paths = files_of(root).unwrap_or_else(|error| {
            problems.push(Problem::of_file(root, format!("cannot read: {error}")));
            Vec::new()
        });
        for path in paths {
            match std::fs::read_to_string(&path) {
                Ok(text) => sources.push(Source { path, text }),
                Err(error) => problems.push(Problem::of_file(&path, format!("cannot read: {error}"))),
            }
        }
        Self { root: root.to_owned(), sources, problems }
    }

    /// Reads the manifests in them.
    ///
    /// # Errors
    /// When one file cannot be read or one document is bad: all problems at once.
    pub fn load(&self) -> Result<Manifests, Vec<Problem>> {
        let mut problems = self.problems.clone();
        match from_sources(&self.sources) {
            Ok(manifests) if problems.is_empty() => Ok(manifests),
            Ok(_) => Err(problems),
            Err(found) => {
                problems.extend(found);
                Err(problems)
            }
        }
    }

    /// Why they are most likely not whole: objects are not to be dropped for an empty file or folder.
    #[must_use]
    pub fn half_written(&self) -> Option<String> {
        if let Some(source) = self.sources.iter().find(|source| source.text.is_empty()) {
            return Some(format!("{} is empty, as a half-written file is", source.path.display()));
        }
        let none = self.sources.is_empty() && self.problems.is_empty();
        none.then(|| format!("{} has no manifests, as a half-replaced folder has none", self.root.display()))
    }

    /// What could be read, in order.
    pub(crate) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// What could not.
    pub(crate) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The paths of what could be read, in order.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().map(|source| source.path.as_path())
    }

    /// Tells contents apart without keeping them, as they hold secrets.
    pub(crate) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for source in &self.sources {
            (&source.path, &source.text).hash(&mut hasher);
        }
        for problem in &self.problems {
            (&problem.file, &problem.message).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// Whether a file of a folder counts.
pub(crate) fn is_manifest(name: &Path) -> bool {
    let hidden = name.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    !hidden && name.extension().is_some_and(|ext| ext == "yaml" || ext == "yml" || ext == "json")
}

fn files_of(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        if is_manifest(&file) && !file.is_dir() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
