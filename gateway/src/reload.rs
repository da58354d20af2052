//! Follows the manifests on disk: tells when their contents changed.
//! File events wake it at once; a slow look at the contents catches what events miss. Whether the new
//! contents are any good is decided by whoever loads them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::auth::KeyDigest;

/// Events closer than this belong to one edit.
const QUIET: Duration = Duration::from_millis(10);
/// Longest wait for a pause between events.
const LONGEST_EDIT: Duration = Duration::from_millis(200);
/// How often the contents are looked at without an event.
const SLOW_LOOK: Duration = Duration::from_secs(1);

/// Follows one file or folder.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    seen: BTreeMap<PathBuf, Look>,
    events: mpsc::Receiver<()>,
    _watcher: Option<RecommendedWatcher>,
}

/// What is remembered of a file: enough to see that it changed, and nothing of what it says.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    empty: bool,
    digest: KeyDigest,
}

impl Follower {
    /// Begins to follow; the contents of this moment count as seen.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let (wake, events) = mpsc::channel(1);
        let folder = if path.is_dir() { Some(path) } else { path.parent() };
        let folder = folder.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        let watcher = folder.and_then(|folder| {
            // a full channel means that a look is due already
            let mut watcher = notify::recommended_watcher(move |_| wake.try_send(()).unwrap_or_default()).ok()?;
            watcher.watch(folder, RecursiveMode::NonRecursive).ok()?;
            Some(watcher)
        });
        Self { path: path.to_owned(), seen: contents(path), events, _watcher: watcher }
    }

    /// Returns when the contents differ from what was seen last.
    pub async fn changed(&mut self) {
        loop {
            let event = tokio::time::timeout(SLOW_LOOK, self.events.recv()).await;
            match event {
                Ok(Some(())) => self.quiet().await,
                // without a watcher the channel is closed: look at the slow pace
                Ok(None) => tokio::time::sleep(SLOW_LOOK).await,
                Err(_) => (),
            }
            let now = contents(&self.path);
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }

    /// A file that is empty is most likely being written: its objects are not to be dropped for that.
    #[must_use]
    pub fn empty_file(&self) -> Option<&Path> {
        self.seen.iter().find(|(_, look)| look.empty).map(|(path, _)| path.as_path())
    }

    /// Waits for a pause between events, but not for ever.
    async fn quiet(&mut self) {
        let pause = async { while tokio::time::timeout(QUIET, self.events.recv()).await.is_ok() {} };
        // edits that never pause are looked at in between
        let _time_is_up = tokio::time::timeout(LONGEST_EDIT, pause).await;
    }
}

fn contents(path: &Path) -> BTreeMap<PathBuf, Look> {
    let files = crate::config::manifests::files_of(path).unwrap_or_default();
    let look = |file: PathBuf| {
        let bytes = Zeroizing::new(std::fs::read(&file).ok()?);
        Some((file, Look { empty: bytes.is_empty(), digest: KeyDigest::of(&bytes) }))
    };
    files.into_iter().filter_map(look).collect()
}
