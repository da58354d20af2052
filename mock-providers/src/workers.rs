//! Threads that carry connections: a runtime of one thread each.
//!
//! Owns dealing connections out in turn, so that few and unequal connections still use every thread. Refuses work
//! stealing: a request is a few microseconds of work, and moving it costs as much.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads for the connections of any number of providers; they end when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Workers(Arc<Crew>);

#[derive(Debug)]
struct Crew {
    threads: Vec<Thread>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Thread {
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Workers {
    /// Starts so many threads, at least one.
    ///
    /// # Errors
    /// When the system has no thread or no event queue to give.
    pub fn start(threads: usize) -> io::Result<Self> {
        let threads = (0..threads.max(1)).map(Thread::start).collect::<io::Result<_>>()?;
        Ok(Self(Arc::new(Crew { threads, next: AtomicUsize::new(0) })))
    }

    /// The runtime of the next connection.
    pub(crate) fn next(&self) -> &Handle {
        let crew = &self.0;
        &crew.threads[crew.next.fetch_add(1, Ordering::Relaxed) % crew.threads.len()].runtime
    }
}

impl Thread {
    fn start(index: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = move || {
            // An error means that the sender is gone, which is a stop too.
            let _ = runtime.block_on(stopped);
        };
        let thread = std::thread::Builder::new().name(format!("mock-{index}")).spawn(serve)?;
        Ok(Self { runtime: handle, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A connection may hold the last clone: a thread cannot wait for itself.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // A panic of a task has been told by the runtime.
            let _ = thread.join();
        }
    }
}
