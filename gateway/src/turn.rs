//! When this core last heard what has happened on its sockets. What it knows of them is as old as that.

use std::cell::Cell;
use std::time::Instant;

thread_local! {
    static HEARD: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The runtime of this thread has just asked the kernel.
pub(crate) fn heard() {
    HEARD.set(Some(Instant::now()));
}

/// When it last did; `None` on a runtime that does not tell.
pub(crate) fn last() -> Option<Instant> {
    HEARD.get()
}
