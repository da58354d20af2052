//! Which files of a folder somebody is writing right now, as far as file events tell: from the first write until the
//! file is closed. A half that happens to be good YAML is told from an edit by nothing else.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, Event, EventKind, ModifyKind};

use crate::config::is_manifest;

/// A file that is open, but has not been written to for so long, counts as whole.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Elsewhere nobody tells when a file is closed.
const CLOSING_IS_TOLD: bool = cfg!(target_os = "linux");

/// Names of files that are being written, with the last write to each.
#[derive(Debug, Clone, Default)]
pub(super) struct Writing(Arc<Mutex<HashMap<OsString, Instant>>>);

impl Writing {
    /// Takes an event in; whether it is worth a look at the contents of this file or folder. A log in the same folder
    /// is not.
    pub(super) fn follow(&self, event: &Event, path: &Path) -> bool {
        let written = match event.kind {
            EventKind::Modify(ModifyKind::Data(_)) => true,
            EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_) => false,
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
            // of whoever reads them, also of our own look
            EventKind::Access(_) => return false,
            _ => return true,
        };
        let counts = |of: &PathBuf| is_manifest(of) || of.file_name() == path.file_name();
        let content = !matches!(event.kind, EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_));
        if content && !event.paths.iter().any(counts) {
            return false;
        }
        let mut files = self.files();
        for name in event.paths.iter().filter_map(|path| path.file_name()) {
            if written {
                files.insert(name.to_owned(), Instant::now());
            } else {
                files.remove(name);
            }
        }
        true
    }

    /// Whether one of the manifests that a path stands for is being written.
    pub(super) fn is_going_on(&self, path: &Path) -> bool {
        let mut files = self.files();
        files.retain(|_, last| last.elapsed() < LONGEST_PAUSE);
        let folder = path.is_dir();
        let counts =
            |name: &OsString| if folder { is_manifest(Path::new(name)) } else { path.file_name() == Some(name) };
        CLOSING_IS_TOLD && files.keys().any(counts)
    }

    fn files(&self) -> MutexGuard<'_, HashMap<OsString, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, DataChange, RemoveKind};

    /// What is followed.
    const ALL: &str = "/manifests";

    fn event(kind: EventKind, name: &str) -> Event {
        Event::new(kind).add_path(Path::new("/manifests").join(name))
    }

    #[test]
    fn a_file_is_being_written_from_its_first_write_until_it_is_closed_or_gone() {
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let (file, writing) = (Path::new("a.yaml"), Writing::default());
        assert!(writing.follow(&event(EventKind::Create(CreateKind::File), "a.yaml"), Path::new(ALL)));
        assert!(!writing.is_going_on(file), "a link is never closed");
        for end in [closed, EventKind::Remove(RemoveKind::File)] {
            assert!(writing.follow(&event(written, "a.yaml"), Path::new(ALL)));
            assert!(writing.follow(&event(written, "b.yaml"), Path::new(ALL)));
            assert_eq!(writing.is_going_on(file), CLOSING_IS_TOLD);
            assert!(writing.follow(&event(end, "a.yaml"), Path::new(ALL)));
            assert!(!writing.is_going_on(file), "the other file is not asked for");
        }
    }

    #[test]
    fn a_log_beside_the_manifests_wakes_nobody_unless_it_is_what_is_followed() {
        let writing = Writing::default();
        let written = event(EventKind::Modify(ModifyKind::Data(DataChange::Any)), "gateway.log");
        assert!(!writing.follow(&written, Path::new(ALL)));
        assert!(writing.follow(&written, Path::new("/manifests/gateway.log")));
    }

    #[test]
    fn who_only_reads_wakes_nobody() {
        let opened = EventKind::Access(AccessKind::Open(AccessMode::Any));
        assert!(!Writing::default().follow(&event(opened, "a.yaml"), Path::new(ALL)));
    }
}
