//! Work that SIGINT and SIGTERM end, and processes that end with their standard input.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Error;

/// How work ended.
pub(super) enum Ended<T> {
    /// By itself.
    Done(T),
    /// By a signal, with its exit code.
    Stopped(u8),
}

/// Works until all is done or a signal comes.
pub(super) async fn unless_stopped<T>(work: impl Future<Output = T>) -> Result<Ended<T>, Error> {
    let mut signals = Signals::new()?;
    Ok(tokio::select! {
        done = work => Ended::Done(done),
        code = signals.next() => Ended::Stopped(code),
    })
}

/// Both signals, from now on.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> Result<Self, Error> {
        Ok(Self {
            term: signal(SignalKind::terminate()).map_err(Error::io("no signals"))?,
            int: signal(SignalKind::interrupt()).map_err(Error::io("no signals"))?,
        })
    }

    /// Waits for one; its exit code.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.int.recv() => 128 + 2,
            _ = self.term.recv() => 128 + 15,
        }
    }
}

/// For work on this thread that looks by itself whether it is to end.
pub(super) struct Watch {
    code: Arc<AtomicU8>,
}

impl Watch {
    /// Watches from now on, on a thread of its own. A second signal ends the process at once.
    pub(super) fn start() -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::io("no runtime"))?;
        let mut signals = runtime.block_on(async { Signals::new() })?;
        let code = Arc::new(AtomicU8::new(0));
        let seen = code.clone();
        std::thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    let code = signals.next().await;
                    if seen.swap(code, Ordering::Relaxed) != 0 {
                        std::process::exit(code.into());
                    }
                }
            });
        });
        Ok(Self { code })
    }

    /// The exit code of the signal that came.
    pub(super) fn came(&self) -> Option<u8> {
        Some(self.code.load(Ordering::Relaxed)).filter(|code| *code != 0)
    }
}

/// The other end of the pipe is closed by the system even when its owner is killed.
pub(super) fn end_with_stdin() {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    std::process::exit(1);
}
