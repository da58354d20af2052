//! What the HTTP/1.1 connections of a core read into and write from, towards clients and upstreams; none of them keeps it
//! while it waits.

use std::cell::{Cell, RefCell};
use std::fmt;

/// Bytes that are read at a time.
const READ: usize = 64 * 1024;
/// A buffer that grew beyond this is not kept.
const KEPT: usize = 64 * 1024;

/// Not to be shown: it has held credentials.
pub(crate) struct Buffers {
    /// What is read goes through it; nobody leaves anything in it.
    pub(crate) read: RefCell<Box<[u8]>>,
    write: Cell<Vec<u8>>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { read: RefCell::new(vec![0; READ].into()), write: Cell::default() }
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").finish_non_exhaustive()
    }
}

impl Buffers {
    /// An empty buffer to write from: the core's, if nobody has it.
    pub(crate) fn writable(&self) -> Vec<u8> {
        self.write.take()
    }

    /// Gives it back.
    pub(crate) fn keep(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT {
            buffer.clear();
            self.write.set(buffer);
        }
    }
}
