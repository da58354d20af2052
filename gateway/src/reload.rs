//! Follows the manifests on disk: tells when their contents changed, and hands over what it has seen of them.
//! File events wake it at once; a slow look at the contents catches what events miss. Files that are being written and
//! those that are away for a moment are waited for. Whether the new contents are any good is decided by whoever loads them.

mod writing;

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::config::Files;
use writing::Writing;

/// Events closer than this belong to one edit; it is also how late the word may come that a file is being written.
const QUIET: Duration = Duration::from_millis(10);
/// Longest wait for a pause between events.
const LONGEST_EDIT: Duration = Duration::from_millis(200);
/// How long a file may be away before its objects are gone: editors and copiers put it back sooner.
const AWAY: Duration = Duration::from_millis(100);
/// How often the contents are looked at without an event.
const SLOW_LOOK: Duration = Duration::from_secs(1);

/// Follows one file or folder.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    /// What was handed over last: its digest, and its files.
    seen: Option<u64>,
    files: Vec<PathBuf>,
    /// An event came that was not followed by a look.
    due: bool,
    next_look: Instant,
    watch: Watch,
}

impl Follower {
    /// Begins to follow; the contents of this moment count as seen.
    #[must_use]
    pub fn new(path: &Path) -> (Self, Files) {
        // first the watch: an edit while the files are read is told
        let watch = Watch::new(path);
        let files = Files::read(path);
        let mut follower = Self {
            path: path.to_owned(),
            seen: None,
            files: Vec::new(),
            due: false,
            next_look: Instant::now() + SLOW_LOOK,
            watch,
        };
        follower.hand_over(&files);
        (follower, files)
    }

    /// Returns contents that differ from those returned last. Nothing is lost when the caller gives up waiting.
    pub async fn changed(&mut self) -> Files {
        loop {
            self.wait().await;
            if self.watch.is_stale(&self.path) {
                self.watch = Watch::new(&self.path);
            }
            let files = Files::read(&self.path);
            if self.seen != Some(files.digest()) {
                let away = self.files.iter().any(|known| !files.paths().any(|path| path == known));
                tokio::time::sleep(if away { AWAY } else { QUIET }).await;
                let files = if away { Files::read(&self.path) } else { files };
                // a file that was half written when it was read is known as such by now
                if self.seen != Some(files.digest()) && !self.watch.writing.is_going_on(&self.path) {
                    self.hand_over(&files);
                    self.looked();
                    return files;
                }
            }
            self.looked();
        }
    }

    /// Has the same contents told again, at the slow pace.
    pub fn forget(&mut self) {
        self.seen = None;
    }

    fn hand_over(&mut self, files: &Files) {
        self.seen = Some(files.digest());
        self.files = files.paths().map(Path::to_owned).collect();
    }

    fn looked(&mut self) {
        self.due = false;
        self.next_look = Instant::now() + SLOW_LOOK;
    }

    /// Waits until it is time for a look: soon after an event, else at the slow pace.
    async fn wait(&mut self) {
        if !self.due {
            // without a watcher the channel stays silent
            let event = tokio::time::timeout_at(self.next_look, self.watch.events.recv()).await;
            self.due = event.is_ok();
        }
        if self.due {
            let pause = async { while tokio::time::timeout(QUIET, self.watch.events.recv()).await.is_ok() {} };
            // edits that never pause are looked at in between
            let _time_is_up = tokio::time::timeout(LONGEST_EDIT, pause).await;
        }
    }
}

/// Events of one folder, as long as the path leads to it.
#[derive(Debug)]
struct Watch {
    writing: Writing,
    events: mpsc::Receiver<()>,
    /// Keeps the channel open where there is no watcher.
    _wake: mpsc::Sender<()>,
    _watcher: Option<RecommendedWatcher>,
    folder: Option<(u64, u64)>,
}

impl Watch {
    fn new(path: &Path) -> Self {
        let (wake, events) = mpsc::channel(1);
        let (writing, folder) = (Writing::default(), folder_of(path));
        let (told, waker) = (writing.clone(), wake.clone());
        let followed = path.to_owned();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| told.follow(&event, &followed)) {
                // a full channel means that a look is due already
                waker.try_send(()).unwrap_or_default();
            }
        });
        let watching = |mut watcher: RecommendedWatcher| {
            watcher.watch(&folder, RecursiveMode::NonRecursive).ok()?;
            Some(watcher)
        };
        let watcher = watcher.ok().and_then(watching);
        Self { writing, events, _wake: wake, _watcher: watcher, folder: identity(&folder) }
    }

    /// Whether another folder has taken the place of the watched one.
    fn is_stale(&self, path: &Path) -> bool {
        identity(&folder_of(path)) != self.folder
    }
}

/// The folder whose events tell of a file or folder of manifests.
fn folder_of(path: &Path) -> PathBuf {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    if folder.as_os_str().is_empty() { ".".into() } else { folder.to_owned() }
}

/// Tells folders of the same name apart; `None` where there is none.
#[cfg(unix)]
fn identity(folder: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(folder).ok().map(|folder| (folder.dev(), folder.ino()))
}

#[cfg(not(unix))]
fn identity(folder: &Path) -> Option<(u64, u64)> {
    folder.exists().then_some((0, 0))
}
