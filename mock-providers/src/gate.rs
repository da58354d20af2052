//! The pause of a provider: requests are taken, and wait for their answers.
//!
//! Owns holding and letting go. An open gate costs one relaxed load.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::wire::{Gone, Wire};

/// Open unless shut.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    shut: AtomicBool,
    opened: Notify,
}

impl Gate {
    pub(crate) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Relaxed)
    }

    pub(crate) fn shut(&self) {
        self.shut.store(true, Ordering::SeqCst);
    }

    pub(crate) fn open(&self) {
        self.shut.store(false, Ordering::SeqCst);
        self.opened.notify_waiters();
    }

    /// Waits while the gate is shut, unless the caller leaves first.
    pub(crate) async fn pass(&self, wire: &mut Wire) -> Result<(), Gone> {
        tokio::select! {
            gone = wire.wait(None) => gone,
            () = self.opening() => Ok(()),
        }
    }

    /// Resolves when it is open.
    pub(crate) async fn opening(&self) {
        loop {
            // Registered before the look: an opening in between ends the wait at once.
            let mut opened = pin!(self.opened.notified());
            opened.as_mut().enable();
            if !self.shut.load(Ordering::SeqCst) {
                return;
            }
            opened.await;
        }
    }
}
