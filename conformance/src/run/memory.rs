//! The resident memory of a target's process while a scenario runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::target::{Instance, resident};

/// Looks at the memory again and again until it is dropped.
#[derive(Debug)]
pub(super) struct Memory {
    before: u64,
    peak: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Memory {
    /// From now on; `None` where the system does not tell.
    pub(super) fn watch(instance: &Instance) -> Option<Memory> {
        let pid = instance.pid()?;
        let before = resident(pid)?;
        let peak = Arc::new(AtomicU64::new(before));
        let highest = Arc::clone(&peak);
        let task = tokio::spawn(async move {
            while let Some(now) = resident(pid) {
                highest.fetch_max(now, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        Some(Memory { before, peak, task })
    }

    /// From the beginning to the highest point, in bytes.
    pub(super) fn growth(&self) -> u64 {
        self.peak.load(Ordering::Relaxed).saturating_sub(self.before)
    }
}
