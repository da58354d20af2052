//! Work that SIGINT and SIGTERM end, and processes that end with their standard input.

use tokio::signal::unix::{SignalKind, signal};

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
    let (mut term, mut int) = (
        signal(SignalKind::terminate()).map_err(Error::io("no signals"))?,
        signal(SignalKind::interrupt()).map_err(Error::io("no signals"))?,
    );
    Ok(tokio::select! {
        done = work => Ended::Done(done),
        _ = int.recv() => Ended::Stopped(128 + 2),
        _ = term.recv() => Ended::Stopped(128 + 15),
    })
}

/// The other end of the pipe is closed by the system even when its owner is killed.
pub(super) fn end_with_stdin() {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    std::process::exit(1);
}
